// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace drywall {
namespace {

Json words(const std::vector<std::string>& list) {
  Json out = Json::array();
  for (const std::string& word : list) out.push_back(word);
  return out;
}

Json failsafe_words(const std::vector<FailsafePort>& ports) {
  Json out = Json::array();
  for (const FailsafePort& port : ports) out.push_back(to_string(port));
  return out;
}

Json time(const std::optional<Timestamp>& at) {
  return at ? Json(to_rfc3339(*at)) : Json(nullptr);
}

Json diagnostic_document(const Diagnostic& diagnostic) {
  return {{"file", diagnostic.at.file},
          {"line", diagnostic.at.line},
          {"column", diagnostic.at.column},
          {"length", diagnostic.length},
          {"severity", diagnostic.severity == Severity::error ? "error" : "warning"},
          {"code", diagnostic.code},
          {"message", diagnostic.message},
          {"help", diagnostic.help},
          {"excerpt", diagnostic.excerpt}};
}

std::string_view endpoint_kind(EndpointKind kind) {
  return kind == EndpointKind::host ? "HostEndpoint" : "WorkloadEndpoint";
}

Json endpoints_document(const Plan& plan) {
  Json out = Json::array();
  for (const PlannedEndpoint& endpoint : plan.endpoints) {
    if (!endpoint.local) continue;
    const std::vector<std::string> bridge{endpoint.bridge};  // what its routed packets show
    out.push_back({{"kind", endpoint_kind(endpoint.id.kind)},
                   {"namespace", endpoint.id.ns},
                   {"name", endpoint.id.name},
                   {"interfaces", words(endpoint.bridge.empty() ? endpoint.interfaces : bridge)}});
  }
  return out;
}

/// Interfaces of the host that nothing here governs; the loopback is nobody's, and no routed packet shows a bridge's
/// port.
std::vector<std::string> unpoliced(const Generation* generation, const std::vector<Interface>& interfaces) {
  std::set<std::string, std::less<>> governed{"lo"};
  std::vector<std::string> denied_prefixes;
  if (generation != nullptr) {
    for (const PlannedEndpoint& endpoint : generation->enforced->endpoints) {
      if (endpoint.local) governed.insert(endpoint.interfaces.begin(), endpoint.interfaces.end());
    }
    denied_prefixes = generation->enforced->workload_prefixes;
  }
  std::vector<std::string> out;
  for (const Interface& interface : interfaces) {
    const bool is_denied = std::ranges::any_of(
        denied_prefixes, [&](const std::string& prefix) { return interface.name.starts_with(prefix); });
    if (governed.contains("*") || governed.contains(interface.name) || is_denied || !interface.bridge.empty()) continue;
    out.push_back(interface.name);
  }
  return out;
}

Json failsafe_document(const Generation* generation) {
  if (generation == nullptr) return {{"inbound", Json::array()}, {"outbound", Json::array()}};
  const HostSettings& settings = generation->inventory.settings;
  return {{"inbound", failsafe_words(settings.failsafe_inbound.value_or(generation->host.failsafe_inbound))},
          {"outbound", failsafe_words(settings.failsafe_outbound.value_or(generation->host.failsafe_outbound))}};
}

/// What the flow records say of each policy and of each of its rules.
struct Hits {
  using RuleKey = std::tuple<PolicyId, Direction, std::int32_t>;
  struct Pending {
    std::uint64_t would_deny = 0;
    std::uint64_t would_allow = 0;
  };
  std::map<RuleKey, Timestamp> last_hit;
  std::map<PolicyId, Pending> pending;

  explicit Hits(const std::vector<FlowRecord>& records) {
    for (const FlowRecord& record : records) {
      const Direction direction = record.reporter == Reporter::source ? Direction::egress : Direction::ingress;
      for (const Trace* trace : {&record.enforced, &record.pending}) {
        for (const TraceEntry& entry : *trace) {
          Timestamp& last = last_hit[{{entry.kind, entry.ns, entry.name}, direction, entry.rule}];
          last = std::max(last, record.end);
        }
      }
      std::set<PolicyId> named;
      for (const TraceEntry& entry : record.pending) named.insert({entry.kind, entry.ns, entry.name});
      for (const PolicyId& id : named) {
        Pending& of_policy = pending[id];
        ++(record.pending_action == Verdict::deny ? of_policy.would_deny : of_policy.would_allow);
      }
    }
  }
};

/// Packets and bytes of a rule in one world, over all legs.
using CountsById = std::map<std::pair<World, RuleId>, RuleCount>;

CountsById by_id(const RuleCounts& counts) {
  CountsById out;
  for (const auto& [tag, count] : counts) {
    RuleCount& sum = out[{tag.world, tag.id}];
    sum.packets += count.packets;
    sum.bytes += count.bytes;
  }
  return out;
}

/// How many of this host's endpoints each policy governs, in either world.
std::map<PolicyId, std::size_t> count_endpoints(const Generation& generation) {
  std::map<PolicyId, std::set<EndpointId>> endpoints;
  for (const Plan* plan : {generation.enforced.get(), generation.pending.get()}) {
    for (const PlannedEndpoint& endpoint : plan->endpoints) {
      if (!endpoint.local) continue;
      for (const PlannedLeg& leg : endpoint.legs) {
        for (const PlannedTier& tier : leg.tiers) {
          for (const PolicyIndex policy : tier.policies) endpoints[plan->policies[policy].id].insert(endpoint.id);
        }
      }
    }
  }
  std::map<PolicyId, std::size_t> out;
  for (const auto& [id, set] : endpoints) out[id] = set.size();
  return out;
}

Json rules_document(const Policy& policy, const CountsById& counts, const Hits& hits) {
  // A staged policy's rules are counted where its world is observed; an enforced one's where it decides.
  const World world = is_staged(policy.id.kind) ? World::pending : World::enforced;
  Json out = Json::array();
  for (const auto& [direction, rules] :
       {std::pair(Direction::ingress, &policy.ingress), std::pair(Direction::egress, &policy.egress)}) {
    for (std::size_t i = 0; i < rules->size(); ++i) {
      const auto index = static_cast<std::int32_t>(i);
      const auto count = counts.find({world, rule_id(policy.id, direction, index)});
      const auto hit = hits.last_hit.find({policy.id, direction, index});
      const Rule& rule = (*rules)[i];
      out.push_back({{"direction", to_string(direction)},
                     {"rule", index},
                     {"action", to_string(rule.action)},
                     {"file", rule.at.file},
                     {"line", rule.at.line},
                     {"packets", count == counts.end() ? std::uint64_t{0} : count->second.packets},
                     {"bytes", count == counts.end() ? std::uint64_t{0} : count->second.bytes},
                     {"last_hit", hit == hits.last_hit.end() ? Json(nullptr) : Json(to_rfc3339(hit->second))}});
    }
  }
  return out;
}

Json staged_action(const Policy& policy) {
  if (!is_staged(policy.id.kind)) return nullptr;
  return std::string(to_string(policy.staged_action.value_or(StagedAction::set)));
}

Json types_of(const Policy& policy) {
  Json out = Json::array();
  if (policy.governs_ingress) out.push_back("Ingress");
  if (policy.governs_egress) out.push_back("Egress");
  return out;
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::inert:
      return "inert";
    case State::enforcing:
      return "enforcing";
    case State::degraded:
      return "degraded";
  }
  return {};
}

Json diagnostics_document(const Diagnostics& diagnostics) {
  Json out = Json::array();
  for (const Diagnostic& diagnostic : diagnostics) out.push_back(diagnostic_document(diagnostic));
  return out;
}

Json evidence_document(const Evidence& evidence) {
  const EvidenceCounters& records = evidence.records;
  return {{"since", to_rfc3339(records.since)},
          {"messages", records.messages},
          {"lost", records.lost},
          {"gaps", records.gaps},
          {"evicted", records.evicted},
          {"limited", evidence.audit.limited},
          {"full", evidence.audit.full},
          {"unheard", evidence.audit.unheard},
          {"unassembled", records.unassembled},
          {"undecodable", records.undecodable},
          {"receive_buffer", evidence.receive_buffer}};
}

Json microseconds(const std::optional<std::chrono::microseconds>& duration) {
  return duration ? Json(duration->count()) : Json(nullptr);
}

Json conntrack_document(const std::optional<ConntrackUse>& use) {
  return use ? Json{{"entries", use->entries}, {"limit", use->limit}} : Json(nullptr);
}

/// What the connections that lived when the generation came would meet if everything staged were promoted.
Json live_document(const std::optional<LiveSummary>& live) {
  if (!live) return nullptr;
  return {{"at", to_rfc3339(live->at)},
          {"connections", live->connections},
          {"would_deny", live->would_deny},
          {"would_allow", live->would_allow}};
}

Json status_document(const Status& status) {
  std::uint64_t enforced = 0;
  std::uint64_t staged = 0;
  if (status.in_force != nullptr) {
    for (const Policy& policy : status.in_force->inventory.policies) ++(is_staged(policy.id.kind) ? staged : enforced);
  }
  Json document{
      {"version", DRYWALL_VERSION},
      {"node", status.node},
      {"state", to_string(status.state)},
      {"generation", status.generation},
      {"applied_at", time(status.applied_at)},
      {"policy_dir", status.policy_dir},
      {"state_dir", status.state_dir},
      {"diagnostics", diagnostics_document(status.diagnostics)},
      {"policies", {{"enforced", enforced}, {"staged", staged}}},
      {"endpoints", status.in_force == nullptr ? Json::array() : endpoints_document(*status.in_force->enforced)},
      {"unpoliced_interfaces", words(unpoliced(status.in_force, status.interfaces))},
      {"failsafe", failsafe_document(status.in_force)},
      {"kernel",
       {{"in_sync", status.in_sync ? Json(*status.in_sync) : Json(nullptr)},
        {"healed", status.healed},
        {"last_heal", time(status.last_heal)},
        {"last_open_us", microseconds(status.last_open)},
        {"longest_open_us", microseconds(status.longest_open)},
        {"owned", status.owned ? Json(*status.owned) : Json(nullptr)}}},
      {"conntrack", conntrack_document(status.conntrack)},
      {"evidence", evidence_document(status.evidence)},
      {"nflog", {{"group", std::uint64_t{status.nflog_group}}, {"bound", status.evidence.receive_buffer > 0}}},
      {"differs_since", time(status.differs_since)},
      {"live", live_document(status.live)},
      {"notes", words(status.notes)},
      {"confirm", status.confirm}};
  return document;
}

Json confirmation_document(const std::optional<EditWatch::News>& armed) {
  if (!armed || !armed->confirmation) return nullptr;
  return {{"deadline", time(Timestamp(armed->confirmation->deadline_utc))}, {"verb", armed->verb}, {"by", armed->by}};
}

std::string edit_text(const EditWatch::News& news) {
  using Stage = EditWatch::Stage;
  if (news.is_first && news.is_over) return {};  // told when it happened
  const std::string what = fmt::format("{} by {}", news.verb, news.by);
  switch (news.stage) {
    case Stage::none:
    case Stage::writing:
      return news.is_first ? fmt::format("{} did not end: the policy directory counts as it was before", what) : "";
    case Stage::armed:
      return fmt::format("{} is rolled back at {} unless somebody confirms it", what,
                         time(Timestamp(news.confirmation->deadline_utc)).get<std::string>());
    case Stage::kept:
      if (news.is_first) return fmt::format("{} had written all its files: they count", what);
      return news.confirmation ? fmt::format("{} was confirmed", what) : "";
    case Stage::undone:
      return fmt::format("{} failed: the policy directory is as it was before", what);
    case Stage::back:
      return fmt::format("{} was rolled back: the policy directory counts as it was before", what);
  }
  return {};
}

std::vector<const Policy*> in_order_of_evaluation(const Inventory& inventory) {
  constexpr double last = std::numeric_limits<double>::infinity();
  std::map<std::string_view, double> tier_orders;
  for (const Tier& tier : inventory.tiers) tier_orders[tier.name] = tier.order;
  using Key = std::tuple<double, std::string, double, std::string>;
  std::vector<std::pair<Key, const Policy*>> keyed;
  for (const Policy& policy : inventory.policies) {
    const auto tier = tier_orders.find(policy.tier);
    keyed.emplace_back(Key{tier == tier_orders.end() ? last : tier->second, policy.tier, policy.order.value_or(last),
                           fmt::format("{}/{}/{}", policy.id.name, policy.id.ns, model_kind(policy.id.kind))},
                       &policy);
  }
  std::ranges::sort(keyed);
  std::vector<const Policy*> out;
  for (const auto& [key, policy] : keyed) out.push_back(policy);
  return out;
}

Json policies_document(const Generation& generation, const RuleCounts& counts, const std::vector<FlowRecord>& records) {
  const CountsById counts_by_id = by_id(counts);
  const Hits hits(records);
  const std::map<PolicyId, std::size_t> endpoints = count_endpoints(generation);
  Json out = Json::array();
  for (const Policy* policy : in_order_of_evaluation(generation.inventory)) {
    const auto governed = endpoints.find(policy->id);
    const auto pending = hits.pending.find(policy->id);
    const Hits::Pending would = pending == hits.pending.end() ? Hits::Pending{} : pending->second;
    out.push_back({{"kind", file_kind(policy->id.kind)},
                   {"namespace", policy->id.ns},
                   {"name", policy->id.name},
                   {"tier", policy->tier},
                   {"order", policy->order ? Json(*policy->order) : Json(nullptr)},
                   {"staged", is_staged(policy->id.kind)},
                   {"staged_action", staged_action(*policy)},
                   {"types", types_of(*policy)},
                   {"selector", policy->selector_text},
                   {"file", policy->at.file},
                   {"line", policy->at.line},
                   {"endpoints", governed == endpoints.end() ? std::uint64_t{0} : governed->second},
                   {"rules", rules_document(*policy, counts_by_id, hits)},
                   {"pending", {{"would_deny", would.would_deny}, {"would_allow", would.would_allow}}}});
  }
  return out;
}

}  // namespace drywall
