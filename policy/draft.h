// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/model.h"
#include "policy/reader.h"

namespace drywall::reading {

/// A name that one resource uses and another must declare.
struct Mention {
  std::string name;
  Place at;
};

/// An endpoint and where it says which interface it governs.
struct Claim {
  std::string node;
  std::string interface_name;          // empty: it goes by its addresses
  std::vector<std::string> addresses;  // only if interface_name is empty
  std::string endpoint;                // its name, and before it NAMESPACE/
  Place at;
};

struct Identity {
  std::string_view kind;  // as in the kind table
  std::string ns;
  std::string name;
  auto operator<=>(const Identity&) const = default;
};

/// A resource that is there, even if something in it is wrong.
struct Declaration {
  std::string_view kind;  // what the user calls it
  Identity identity;
  Place at;
};

inline constexpr std::size_t most_expansion = 4'000'000;

/// An inventory while it is being read, of one file or of all, and what can only be checked when everything has been.
struct Draft {
  Inventory inventory;
  std::vector<Declaration> declared;
  std::set<std::string, std::less<>> tiers;  // declared ones, also those with mistakes
  std::set<std::string, std::less<>> namespaces;
  std::set<std::string, std::less<>> profiles;
  std::vector<Mention> tiers_named;
  std::vector<Mention> namespaces_named;
  std::vector<Mention> profiles_named;
  std::map<std::pair<std::string, std::string>, std::size_t> service_index;  // namespace and name -> inventory.services
  std::set<std::pair<std::string, std::string>> services_written;            // not only named by slices
  std::vector<Claim> host_claims;
  std::vector<Claim> workload_claims;
  bool complete = true;  // false: something could not be read at all, so that what is missing may be there
  /// How many more ports the rules made from Kubernetes rules may have: a rule is repeated for each of its peers.
  std::size_t expansion_left = most_expansion;
};

struct Metadata {
  std::string name;
  std::string ns;  // empty for global kinds
  Labels labels;
  std::map<std::string, std::string> annotations;
  Place at;  // of the name
};

/// One resource on its way into the draft.
struct Document {
  Reader& reader;
  Draft& draft;
  Fields& fields;  // of the whole resource
  Metadata metadata;
  SourceLocation at;  // of the resource
};

}  // namespace drywall::reading
