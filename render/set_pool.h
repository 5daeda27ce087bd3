// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policy/plan.h"
#include "render/lower_memo.h"
#include "render/ruleset.h"

namespace drywall {

/// The named sets of one table, each made once however many rules look it up. A set's name follows from what it is made
/// of, so the same set has the same name in both worlds and in the next generation.
class SetPool {
 public:
  /// Both plans are of one generation.
  SetPool(Family family, SetMemo& memo, const Plan& enforced, const Plan& pending)
      : family_(family), memo_(memo), enforced_(enforced), pending_(pending) {
    ++memo_.run;
  }

  /// The name of the set that a plan's set is in this family: addresses, or (address, protocol, port).
  std::string planned(SetIndex set);
  std::string ports(const std::vector<PortRange>& ranges);
  std::string icmp_types(const std::vector<std::uint8_t>& types);
  /// Elements of any fields, keyed as they are; found again by what `definition` says.
  std::string elements(const std::string& definition, const std::vector<Field>& fields, std::vector<Element> elements);

  /// The limiter set of that name.
  std::string limiter(const std::string& name, std::uint32_t size, std::uint32_t timeout_seconds);

  /// From here to end_watch() is noted what is asked for. There can be watches within watches: what one notes, the one
  /// around it does not.
  void begin_watch() { watching_.emplace_back(); }
  [[nodiscard]] NeededSets end_watch();
  /// Takes the sets as they would be made now.
  void take_over(const NeededSets& needed);

  [[nodiscard]] SharedList<Set> take();
  [[nodiscard]] std::vector<LimiterSet> take_limiters();

 private:
  /// The name for a definition; `make` gives the set if there is none yet.
  template <class Make>
  std::string keep(const std::string& definition, Make make);
  [[nodiscard]] std::shared_ptr<const PlannedSet> find(SetIndex set) const;
  void update(KnownSet& known, const std::shared_ptr<const PlannedSet>& planned);
  [[nodiscard]] Set made_of(const PlannedSet& planned) const;

  Family family_;
  SetMemo& memo_;
  const Plan& enforced_;
  const Plan& pending_;
  std::vector<NeededSets> watching_;
};

}  // namespace drywall
