// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/set_pool.h"

#include <fmt/format.h>

#include <algorithm>

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
  if (sets_.contains(name)) return name;
  Set set = make();
  set.name = name;
  set.comment = definition;
  sets_.emplace(name, std::move(set));
  return name;
}

std::string SetPool::addresses(const std::string& definition, const std::vector<AddressRange>& ranges, Field like) {
  return keep(definition, [&] {
    Set set{"", {like}, false, {}, ""};
    for (const AddressRange& range : ranges) set.elements.push_back({bytes_of(range.first), bytes_of(range.last)});
    set.interval = !std::ranges::all_of(set.elements, is_single);
    return set;
  });
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

std::string SetPool::endpoint_ports(const std::string& definition, const std::vector<EndpointPort>& ports) {
  return keep(definition, [&] {
    Set set{"", {Field::destination_address, Field::l4_protocol, Field::destination_port}, false, {}, ""};
    for (const EndpointPort& port : ports) {
      if (port.address.family != family_) continue;
      Bytes key = bytes_of(port.address);
      const Bytes rest = protocol_and_port(port.protocol.number, port.port);
      key.insert(key.end(), rest.begin(), rest.end());
      set.elements.push_back({key, key});
    }
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
  limiters_.emplace(name, LimiterSet{name, size, timeout_seconds});
  return name;
}

std::vector<LimiterSet> SetPool::take_limiters() {
  std::vector<LimiterSet> limiters;
  for (auto& [name, limiter] : limiters_) limiters.push_back(std::move(limiter));
  limiters_.clear();
  return limiters;
}

std::vector<Set> SetPool::take() {
  std::vector<Set> sets;
  for (auto& [name, set] : sets_) sets.push_back(std::move(set));
  sets_.clear();
  return sets;
}

}  // namespace drywall
