// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <span>
#include <string>

#include "policy/model.h"
#include "policy/shared_list.h"
#include "policy/yaml.h"

namespace drywall {

struct Parsed {
  Inventory inventory;      // complete only if there is no error among the diagnostics
  Diagnostics diagnostics;  // all of them, sorted
  bool operator==(const Parsed&) const = default;
};

/// Reads a whole policy directory: every document of every file, checked alone and against the others.
///   files   in any order; untrusted
///   errors  as Diagnostics: all mistakes at once, each with its place. Unknown kinds, fields and values are errors;
///           what an API server fills in (status, managedFields, ...) is accepted and left out. `kind: List` is
///           unpacked.
///   source  Calico's libcalico-go/lib/validator/v3 and api/pkg/defaults; Kubernetes conversion:
///           libcalico-go/lib/backend/k8s/conversion
[[nodiscard]] Parsed parse(std::span<const yaml::SourceFile> files);

/// What parse() found out about single files and may use again. What is parsed with it is what would be parsed without;
/// what two runs both have is then the same objects.
class ParseMemo {
 public:
  ParseMemo();
  ~ParseMemo();
  ParseMemo(const ParseMemo&) = delete;
  ParseMemo& operator=(const ParseMemo&) = delete;

 private:
  friend Parsed parse(const SharedList<yaml::SourceFile>& files, ParseMemo& memo);
  struct Known;
  std::map<std::string, Known> files_;  // by name
};
/// The same; a file that is as it was the last time is not read again.
[[nodiscard]] Parsed parse(const SharedList<yaml::SourceFile>& files, ParseMemo& memo);

/// The code of the one mistake that leaves no doubt about what was meant: a protocol's name in the wrong letters.
inline constexpr const char* protocol_case_code = "protocol-case";

/// True if the inventory is complete and says what was meant, although some of the diagnostics may be errors. Such a
/// directory is refused all the same; only a tool that explains it may go on.
[[nodiscard]] bool is_understood(const Diagnostics& diagnostics);

}  // namespace drywall
