// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/workload_hooks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "render/bytes.h"
#include "render/dispatch.h"

namespace drywall {
namespace {

using Rule = NftRule<Stance::enforce>;
using Rules = std::vector<Rule>;
using Map = VerdictMap<Stance::enforce>;
using Chains = ChainPool<Stance::enforce>;

Rule rule(End<Stance::enforce> end, std::vector<Match> matches = {}) {
  return rule_ending<Stance::enforce>(std::move(end), std::move(matches));
}

Rule counted(End<Stance::enforce> end, std::vector<Match> matches, std::string comment) {
  Rule made = rule(std::move(end), std::move(matches));
  made.counter = true;
  made.comment = std::move(comment);
  return made;
}

Match field_is(Field field, Bytes value, Bytes mask = {}) {
  return FieldIs{field, Compare::equal, std::move(mask), std::move(value)};
}

/// A machine that has no address yet asks for one from 0.0.0.0, or from a link-local address; it looks for others that
/// have the address that it is about to take, and announces its multicast groups, from `::`.
void spare_beginners(Rules& rules, Family family, SetPool& sets) {
  if (family == Family::v4) {
    rules.push_back(rule(
        Accept{}, {field_is(Field::source_address, Bytes(4, 0)), field_is(Field::l4_protocol, {protocol::udp.number}),
                   field_is(Field::source_port, {0, 68}), field_is(Field::destination_port, {0, 67})}));
    return;
  }
  Bytes link_local(16, 0);
  link_local[0] = 0xfe;
  link_local[1] = 0x80;
  rules.push_back(rule(Accept{}, {field_is(Field::source_address, link_local, netmask(Family::v6, 10))}));
  rules.push_back(rule(
      Accept{}, {field_is(Field::source_address, Bytes(16, 0)), field_is(Field::l4_protocol, {protocol::icmpv6.number}),
                 FieldIn{{Field::icmp_type}, sets.icmp_types({135, 143}), Sense::is}}));
}

Rule without_route_back() {
  return counted(Drop{}, {NoReversePath{}}, "no route leads back to the source that a workload gave");
}

/// Builds the check of one family.
class SourceCheck {
 public:
  SourceCheck(Chains& chains, SetPool& sets, const Plan& plan, Family family)
      : chains_(chains), sets_(sets), plan_(plan), family_(family) {}

  Rules run() {
    for (const PlannedEndpoint& endpoint : plan_.endpoints) {
      if (endpoint.local && endpoint.id.kind == EndpointKind::workload) note(endpoint);
    }
    Rules rules;
    chains_.look_up(rules, std::move(by_interface_));
    return rules;
  }

 private:
  void note(const PlannedEndpoint& endpoint) {
    if (endpoint.addresses.empty()) return;  // nobody has said which are its own
    if (!endpoint.bridge.empty() && bridges_.insert(endpoint.bridge).second) {
      add_entry<Stance::enforce>(by_interface_, interface_bytes(endpoint.bridge),
                                 Goto<Stance::enforce>{behind_bridge()});
    }
    for (const std::string& interface : endpoint.interfaces) {
      add_entry<Stance::enforce>(by_interface_, interface_bytes(interface),
                                 Goto<Stance::enforce>{of_endpoint(endpoint)});
    }
  }

  ChainName<Stance::enforce> behind_bridge() {
    return chains_.chain("enforced-source-behind-bridge", [&](Rules& rules) {
      spare_beginners(rules, family_, sets_);
      rules.push_back(without_route_back());
    });
  }

  ChainName<Stance::enforce> of_endpoint(const PlannedEndpoint& endpoint) {
    const std::string identity = endpoint.id.ns + "/" + endpoint.id.name;
    return chains_.chain(readable_name("enforced-source", endpoint.id.name, identity), [&](Rules& rules) {
      spare_beginners(rules, family_, sets_);
      for (const Prefix& allowed : endpoint.allowed_spoofed_sources) {
        if (allowed.base.family != family_) continue;
        const bool all = allowed.length == 0;
        rules.push_back(
            rule(Accept{}, all ? std::vector<Match>{}
                               : std::vector<Match>{field_is(Field::source_address, bytes_of(masked(allowed).base),
                                                             netmask(family_, allowed.length))}));
      }
      rules.push_back(without_route_back());
      for (const Address& address : endpoint.addresses) {
        if (address.family == family_)
          rules.push_back(rule(Accept{}, {field_is(Field::source_address, bytes_of(address))}));
      }
      Rule dropped = counted(Drop{}, {}, "a source that is not the workload's");
      dropped.at = endpoint.at;
      rules.push_back(std::move(dropped));
    });
  }

  Chains& chains_;
  SetPool& sets_;
  const Plan& plan_;
  Family family_;
  std::set<std::string> bridges_;
  Map by_interface_{"enforced-workload-source", {Field::in_interface}, false, {}};
};

ChainName<Stance::enforce> to_host_verdict(Chains& chains, const Plan& enforced) {
  return chains.chain("enforced-workload-to-host-verdict", [&](Rules& rules) {
    End<Stance::enforce> end = Accept{};
    if (enforced.endpoint_to_host == EndpointToHost::drop) end = Drop{};
    if (enforced.endpoint_to_host == EndpointToHost::reject) end = Reject{};
    rules.push_back(counted(std::move(end), {}, "workload to host (defaultEndpointToHostAction)"));
  });
}

}  // namespace

void add_workload_source_check(Chains& chains, SetPool& sets, const Plan& enforced, Family family,
                               const HookPriorities& priorities) {
  Rules rules = SourceCheck(chains, sets, enforced, family).run();
  if (rules.empty()) return;
  chains.add_base("enforced-workload-source",
                  base_hook(Hook::prerouting, Stage::raw, workload_source_place, priorities), std::move(rules));
}

void add_workload_to_host(Chains& chains, SetPool& sets, const Plan& enforced, Family family,
                          const HookPriorities& priorities) {
  const WorkloadPlaces places = workload_places(enforced);
  const bool any = !places.interfaces.empty() || !places.bridged.empty() || !enforced.workload_prefixes.empty();
  if (!any || enforced.endpoint_to_host == EndpointToHost::return_) return;
  Rules rules{rule(Accept{}, {StateIs{ct_state::established | ct_state::related}})};
  if (family == Family::v6) {
    rules.push_back(
        rule(Accept{}, {field_is(Field::l4_protocol, {protocol::icmpv6.number}),
                        FieldIn{{Field::icmp_type}, sets.icmp_types(workload_discovery_types()), Sense::is}}));
  }
  const Goto<Stance::enforce> verdict{to_host_verdict(chains, enforced)};
  Map by_interface{"enforced-workload-to-host", {Field::in_interface}, false, {}};
  for (const std::string& interface : places.interfaces)
    add_entry<Stance::enforce>(by_interface, interface_bytes(interface), verdict);
  chains.look_up(rules, std::move(by_interface));
  Map bridged{"enforced-workload-to-host-bridged", {Field::in_interface, Field::source_address}, false, {}};
  for (const auto& [bridge, address] : places.bridged) {
    if (address.family == family) add_entry<Stance::enforce>(bridged, interface_and_address(bridge, address), verdict);
  }
  chains.look_up(rules, std::move(bridged));
  for (const std::string& prefix : enforced.workload_prefixes)
    rules.push_back(rule(verdict, {interface_begins_with(InterfaceSide::in, prefix)}));
  chains.add_base("enforced-workload-to-host",
                  base_hook(Hook::input, Stage::filter, workload_to_host_place, priorities), std::move(rules));
}

}  // namespace drywall
