// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/set_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "render/bytes.h"
#include "render/name.h"

namespace drywall {
namespace {

bool is_single(const Element& element) {
  return element.first == element.last;
}

}  // namespace

template <class Make>
std::string SetPool::keep(const std::string& definition, Make make) {
  std::string name = "s-" + short_hash(definition);
  KnownSet& known = memo_.sets[name];
  if (std::exchange(known.used, memo_.run) != memo_.run) {
    Set set = make();
    set.name = name;
    set.comment = definition;
    known.set = shared_with(known.set, std::move(set));
  }
  if (!watching_.empty()) watching_.back().sets.push_back(&known);
  return name;
}

std::shared_ptr<const PlannedSet> SetPool::find(SetIndex set) const {
  const std::shared_ptr<const PlannedSet> planned = enforced_.sets.find(set);
  return planned == nullptr ? pending_.sets.find(set) : planned;
}

std::string SetPool::planned(SetIndex set) {
  const std::shared_ptr<const PlannedSet> planned = find(set);
  std::string name = "s-" + short_hash(planned->definition);
  KnownSet& known = memo_.sets[name];
  if (std::exchange(known.used, memo_.run) != memo_.run) {
    known.of = set;
    update(known, planned);
  }
  if (!watching_.empty()) watching_.back().sets.push_back(&known);
  return name;
}

void SetPool::update(KnownSet& known, const std::shared_ptr<const PlannedSet>& planned) {
  if (known.planned == planned) return;
  known.planned = planned;
  known.set = shared_with(known.set, made_of(*planned));
}

Set SetPool::made_of(const PlannedSet& planned) const {
  Set set{"s-" + short_hash(planned.definition), {Field::source_address}, false, {}, planned.definition};
  if (const auto* addresses = std::get_if<AddressSet>(&planned.members)) {
    for (const AddressRange& range : addresses->ranges(family_))
      set.elements.push_back({bytes_of(range.first), bytes_of(range.last)});
    set.interval = !std::ranges::all_of(set.elements, is_single);
    return set;
  }
  set.fields = {Field::destination_address, Field::l4_protocol, Field::destination_port};
  for (const EndpointPort& port : std::get<std::vector<EndpointPort>>(planned.members)) {
    if (port.address.family != family_) continue;
    Bytes key = bytes_of(port.address);
    const Bytes rest = protocol_and_port(port.protocol.number, port.port);
    key.insert(key.end(), rest.begin(), rest.end());
    set.elements.push_back({key, key});
  }
  return set;
}

NeededSets SetPool::end_watch() {
  NeededSets needed = std::move(watching_.back());
  watching_.pop_back();
  return needed;
}

void SetPool::take_over(const NeededSets& needed) {
  for (KnownSet* const known : needed.sets) {
    if (std::exchange(known->used, memo_.run) != memo_.run && known->of) update(*known, find(*known->of));
  }
  for (KnownLimiter* const known : needed.limiters) known->used = memo_.run;
}

std::string SetPool::ports(const std::vector<PortRange>& ranges) {
  std::string definition = "ports";
  for (const PortRange& range : ranges) definition += " " + to_string(range);
  return keep(definition, [&] {
    Set set{"", {Field::destination_port}, false, {}, ""};
    for (const PortRange& range : ranges) set.elements.push_back({bytes_of(range.first), bytes_of(range.last)});
    set.interval = !std::ranges::all_of(set.elements, is_single);
    return set;
  });
}

std::string SetPool::icmp_types(const std::vector<std::uint8_t>& types) {
  std::string definition = "icmp types";
  for (const std::uint8_t type : types) definition += fmt::format(" {}", type);
  return keep(definition, [&] {
    Set set{"", {Field::icmp_type}, false, {}, ""};
    for (const std::uint8_t type : types) set.elements.push_back({{type}, {type}});
    return set;
  });
}

std::string SetPool::elements(const std::string& definition, const std::vector<Field>& fields,
                              std::vector<Element> elements) {
  return keep(definition, [&] {
    Set set{"", fields, !std::ranges::all_of(elements, is_single), std::move(elements), ""};
    std::ranges::sort(set.elements);
    return set;
  });
}

std::string SetPool::limiter(const std::string& name, std::uint32_t size, std::uint32_t timeout_seconds) {
  KnownLimiter& known = memo_.limiters[name];
  known.limiter = {name, size, timeout_seconds};
  known.used = memo_.run;
  if (!watching_.empty()) watching_.back().limiters.push_back(&known);
  return name;
}

std::vector<LimiterSet> SetPool::take_limiters() {
  std::erase_if(memo_.limiters, [&](const auto& entry) { return entry.second.used != memo_.run; });
  std::vector<LimiterSet> limiters;
  for (const auto& [name, known] : memo_.limiters) limiters.push_back(known.limiter);
  return limiters;
}

SharedList<Set> SetPool::take() {
  std::erase_if(memo_.sets, [&](const auto& entry) { return entry.second.used != memo_.run; });
  SharedList<Set> sets;
  sets.reserve(memo_.sets.size());
  for (const auto& [name, known] : memo_.sets) sets.push_back(known.set);
  return sets;
}

}  // namespace drywall
