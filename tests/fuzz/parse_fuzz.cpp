// SPDX-License-Identifier: GPL-2.0-or-later
// Any file parses in bounded time; what is free of errors keeps the promises of the model.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "policy/lint.h"
#include "policy/parse.h"

using namespace drywall;

namespace {

void require(bool condition, const char* fact) {
  if (condition) return;
  std::fprintf(stderr, "not true: %s\n", fact);
  std::abort();
}

void check_entity(const EntityMatch& entity) {
  for (const std::vector<Prefix>* nets : {&entity.nets, &entity.not_nets}) {
    for (const Prefix& net : *nets) require(masked(net) == net, "a rule's nets are masked");
  }
  for (const PortList* ports : {&entity.ports, &entity.not_ports}) {
    for (const PortRange& range : ports->ranges)
      require(0 < range.first && range.first <= range.last, "a range is one");
    for (const std::string& name : ports->names) require(!name.empty(), "a port's name is not empty");
  }
}

void check_rules(const std::vector<Rule>& rules) {
  for (const Rule& rule : rules) {
    require(rule.at.line > 0, "a rule has a place");
    check_entity(rule.source);
    check_entity(rule.destination);
  }
}

void check_inventory(const Inventory& inventory) {
  for (std::size_t i = 0; i < inventory.policies.size(); ++i) {
    const Policy& policy = inventory.policies[i];
    require(i == 0 || inventory.policies[i - 1].id < policy.id, "policies are sorted and distinct");
    require(std::any_of(inventory.tiers.begin(), inventory.tiers.end(),
                        [&](const Tier& t) { return t.name == policy.tier; }),
            "a policy's tier exists");
    require(policy.staged_action.has_value() == is_staged(policy.id.kind), "staged kinds have a staged action");
    require(!policy.pre_dnat || policy.egress.empty(), "preDNAT has no egress");
    check_rules(policy.ingress);
    check_rules(policy.egress);
  }
  for (const HostEndpoint& endpoint : inventory.host_endpoints)
    require(!endpoint.node.empty(), "an endpoint has a node");
  for (const NetworkSet& set : inventory.network_sets) {
    for (const Prefix& net : set.nets) require(masked(net) == net, "a set's nets are masked");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<yaml::SourceFile> files{{"fuzz.yaml", std::string(reinterpret_cast<const char*>(data), size)}};
  const Parsed parsed = parse(files);
  for (const Diagnostic& diagnostic : parsed.diagnostics) {
    require(!diagnostic.code.empty() && !diagnostic.message.empty(), "a diagnostic says something");
    require(!to_string(diagnostic).empty(), "a diagnostic can be printed");
  }
  if (has_errors(parsed.diagnostics)) return 0;
  check_inventory(parsed.inventory);
  for (const Diagnostic& warning : lint(parsed.inventory)) {
    require(warning.severity == Severity::warning && warning.at.line > 0, "lint warns, at a place");
  }
  return 0;
}
