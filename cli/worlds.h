// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <vector>

#include "policy/classifier.h"
#include "policy/compile.h"
#include "policy/path.h"
#include "policy/why.h"

namespace drywall::cli {

/// One world of a directory, ready to be asked.
class AskedWorld {
 public:
  AskedWorld(const Inventory& inventory, const Host& host, World world, const std::vector<LocalAddress>& local);
  AskedWorld(const AskedWorld&) = delete;  // its parts refer to its plan
  AskedWorld& operator=(const AskedWorld&) = delete;

  [[nodiscard]] std::vector<JudgedLeg> judge(const Passage& passage);
  /// Everything that one of those legs asked.
  [[nodiscard]] std::vector<Considered> why(const PlannedLeg& leg, const Passage& passage) const;
  [[nodiscard]] const PlannedEndpoint* owner(const Address& address) const { return endpoints_.owner(address); }

 private:
  Plan plan_;
  EndpointMap endpoints_;
  Classifier classifier_;
};

/// What becomes of a packet in one world: the legs that judge it, and the verdict of all of them.
struct Fate {
  std::vector<JudgedLeg> legs;
  [[nodiscard]] bool allowed() const;
};

/// What becomes of a packet in both.
struct Fates {
  Fate enforced;
  Fate pending;
  [[nodiscard]] bool differ() const { return enforced.allowed() != pending.allowed(); }
};

/// Both worlds of one directory.
struct Worlds {
  AskedWorld enforced;
  AskedWorld pending;

  Worlds(const Inventory& inventory, const Host& host, const std::vector<LocalAddress>& local);
  [[nodiscard]] Fates fates(const Passage& passage);
};

}  // namespace drywall::cli
