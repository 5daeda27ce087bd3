// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <string>
#include <vector>

#include "policy/plan.h"
#include "render/ruleset.h"

namespace drywall {

/// The named sets of one table, each made once however many rules look it up. A set's name follows from what it is made
/// of, so the same set has the same name in both worlds and in the next generation.
class SetPool {
 public:
  explicit SetPool(Family family) : family_(family) {}

  /// The name of a set of addresses of this family.
  std::string addresses(const std::string& definition, const std::vector<AddressRange>& ranges, Field like);
  std::string ports(const std::vector<PortRange>& ranges);
  /// Elements (address, protocol, port), those of this family.
  std::string endpoint_ports(const std::string& definition, const std::vector<EndpointPort>& ports);
  std::string icmp_types(const std::vector<std::uint8_t>& types);
  /// Elements of any fields, keyed as they are; found again by what `definition` says.
  std::string elements(const std::string& definition, const std::vector<Field>& fields, std::vector<Element> elements);

  /// The limiter set of that name.
  std::string limiter(const std::string& name, std::uint32_t size, std::uint32_t timeout_seconds);

  [[nodiscard]] std::vector<Set> take();
  [[nodiscard]] std::vector<LimiterSet> take_limiters();

 private:
  /// The name for a definition; `make` gives the set if there is none yet.
  template <class Make>
  std::string keep(const std::string& definition, Make make);

  Family family_;
  std::map<std::string, Set> sets_;  // by name
  std::map<std::string, LimiterSet> limiters_;
};

}  // namespace drywall
