// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/preview_document.h"

#include <fmt/format.h>

#include <algorithm>

#include "flow/flow_filter.h"

namespace drywall {
namespace {

using Json = nlohmann::json;

constexpr std::size_t most_connections = 1000;  // listed; all are counted
constexpr std::size_t most_groups = 1000;       // likewise, of each list

Json time(const Tally& tally, Timestamp Tally::*when) {
  return tally.count == 0 ? Json(nullptr) : Json(to_rfc3339(tally.*when));
}

std::string_view would_text(Verdict would) {
  return would == Verdict::deny ? "would-deny" : "would-allow";
}

std::string_view type_text(FlowPeer::Type type) {
  switch (type) {
    case FlowPeer::Type::workload:
      return "wep";
    case FlowPeer::Type::host:
      return "hep";
    case FlowPeer::Type::network_set:
      return "ns";
    case FlowPeer::Type::network:
      return "net";
  }
  return {};
}

void put_decider(Json& out, const std::optional<TraceEntry>& decider) {
  out["policy"] = decider ? Json(full_name({decider->kind, decider->ns, decider->name})) : Json(nullptr);
  out["rule"] = decider ? Json(decider->rule) : Json(nullptr);
  out["tier"] = decider ? Json(decider->tier) : Json(nullptr);
}

Json peer_document(const FlowPeer& peer, const std::vector<Address>& sample) {
  Json addresses = Json::array();
  for (const Address& address : sample) addresses.push_back(to_string(address));
  return {{"type", type_text(peer.type)}, {"namespace", peer.ns}, {"name", peer.name}, {"addresses", addresses}};
}

Json traffic_document(const ChangedTraffic& traffic) {
  Tally all = traffic.earlier;
  all.add(traffic.flows.count, traffic.flows.first, traffic.flows.last);
  Json out{{"source", peer_document(traffic.source, traffic.source_addresses)},
           {"destination", peer_document(traffic.destination, traffic.destination_addresses)},
           {"port", traffic.port == 0 ? Json(nullptr) : Json(traffic.port)},
           {"protocol", to_string(traffic.protocol)},
           {"icmp_type", traffic.icmp_type ? Json(*traffic.icmp_type) : Json(nullptr)},
           {"reporter", traffic.reporter == Reporter::source ? "src" : "dst"},
           {"bucket", to_string(traffic.bucket)},
           {"would", would_text(traffic.would)},
           {"flows", traffic.flows.count},
           {"earlier_flows", traffic.earlier.count},
           {"first_seen", time(all, &Tally::first)},
           {"last_seen", time(all, &Tally::last)}};
  put_decider(out, traffic.decider);
  return out;
}

Json traffic_list(const std::vector<ChangedTraffic>& list) {
  Json out = Json::array();
  for (const ChangedTraffic& traffic : list) {
    if (out.size() == most_groups) break;
    out.push_back(traffic_document(traffic));
  }
  return out;
}

Json connection_document(const ChangedConnection& changed) {
  const Packet& packet = changed.connection.passage.packet;
  Json out{{"src", to_string(packet.source)},
           {"src_port", packet.source_port},
           {"dst", to_string(packet.destination)},
           {"dst_port", packet.destination_port},
           {"protocol", to_string(packet.protocol)},
           {"would", would_text(changed.would)},
           {"survives", changed.survives},
           {"tracked", changed.connection.is_tracked},
           {"direction", changed.connection.is_inferred ? "inferred" : "seen"},
           {"yours", changed.connection.is_yours}};
  put_decider(out, changed.decider);
  return out;
}

Json connections_document(const Preview& preview) {
  Json out = Json::array();
  for (const ChangedConnection& changed : preview.connections) {
    if (out.size() == most_connections) break;
    out.push_back(connection_document(changed));
  }
  return out;
}

Json listener_document(const Listener& listener) {
  return {{"protocol", to_string(listener.protocol)},
          {"address", listener.address ? Json(to_string(*listener.address)) : Json("*")},
          {"port", listener.port}};
}

Json listeners_document(const std::vector<ChangedListener>& listeners) {
  Json out = Json::array();
  for (const ChangedListener& changed : listeners) {
    Json listener = listener_document(changed.listener);
    listener["sources"] = traffic_list(changed.sources);
    out.push_back(std::move(listener));
  }
  return out;
}

Json unused_document(const std::vector<UnusedRule>& rules) {
  Json out = Json::array();
  for (const UnusedRule& unused : rules) {
    out.push_back({{"policy", full_name(unused.policy)},
                   {"direction", to_string(unused.direction)},
                   {"rule", unused.rule},
                   {"file", unused.at.file},
                   {"line", unused.at.line}});
  }
  return out;
}

Json nets_document(const std::vector<SafetyNet>& nets) {
  Json out = Json::array();
  for (const SafetyNet& net : nets) {
    out.push_back({{"policy", full_name(net.policy)},
                   {"file", net.at.file},
                   {"line", net.at.line},
                   {"flows", net.flows()},
                   {"carries", traffic_list(net.carries)}});
  }
  return out;
}

Json failsafe_document(const PreviewReport& report) {
  const auto words = [](const std::vector<FailsafePort>& ports) {
    Json out = Json::array();
    for (const FailsafePort& port : ports) out.push_back(to_string(port));
    return out;
  };
  Json open = Json::array();
  for (const Listener& listener : report.kept_open) open.push_back(listener_document(listener));
  return {{"inbound", words(report.failsafe_inbound)},
          {"outbound", words(report.failsafe_outbound)},
          {"keeps_open", std::move(open)}};
}

Json totals_document(const PreviewReport& report) {
  const auto count = [&](auto matches) {
    return static_cast<std::uint64_t>(std::ranges::count_if(report.preview.connections, matches));
  };
  return {{"live", report.live},
          {"would_deny", count([](const ChangedConnection& c) { return c.would == Verdict::deny; })},
          {"would_allow", count([](const ChangedConnection& c) { return c.would == Verdict::allow; })},
          {"cut_at_once", count([](const ChangedConnection& c) { return c.would == Verdict::deny && !c.survives; })}};
}

std::string peer_text(const FlowPeer& peer) {
  return peer.ns.empty() ? peer.name : peer.ns + "/" + peer.name;
}

}  // namespace

Json preview_document(const PreviewReport& report) {
  const Preview& preview = report.preview;
  Json policies = Json::array();
  for (const PolicyId& id : preview.policies) policies.push_back(full_name(id));
  Json reasons = Json::array();
  for (const std::string& reason : report.reasons) reasons.push_back(reason);
  return {{"policies", std::move(policies)},
          {"content_sha256", report.content_sha256},
          {"observed",
           {{"since", report.since ? Json(to_rfc3339(*report.since)) : Json(nullptr)},
            {"seconds", report.seconds},
            {"flows", preview.flows},
            {"lost", report.lost}}},
          {"new_denies", traffic_list(preview.new_denies)},
          {"new_allows", traffic_list(preview.new_allows)},
          {"unused_rules", unused_document(preview.unused_rules)},
          {"connections", connections_document(preview)},
          {"connection_totals", totals_document(report)},
          {"listeners", listeners_document(preview.listeners)},
          {"safety_nets", nets_document(preview.safety_nets)},
          {"failsafe", failsafe_document(report)},
          {"ready", report.reasons.empty()},
          {"reasons", std::move(reasons)}};
}

Json first_would_deny_document(const FirstWouldDeny& first) {
  Json out{{"source", peer_document(first.source, {first.packet.source})},
           {"destination", peer_document(first.destination, {first.packet.destination})},
           {"port", first.packet.destination_port},
           {"protocol", to_string(first.packet.protocol)},
           {"reporter", first.reporter == Reporter::source ? "src" : "dst"}};
  put_decider(out, first.decider);
  return out;
}

std::string to_string(const FirstWouldDeny& first) {
  const std::string port = first.packet.destination_port == 0 ? "" : fmt::format("/{}", first.packet.destination_port);
  const std::string_view leg = first.reporter == Reporter::source ? "on its way out" : "on its way in";
  std::string by;
  if (first.decider) {
    const std::string rule =
        first.decider->rule < 0 ? "the end of its tier" : fmt::format("rule {}", first.decider->rule);
    by = fmt::format(", by {} ({})", full_name({first.decider->kind, first.decider->ns, first.decider->name}), rule);
  }
  return fmt::format("{} from {} ({}) to {} ({}) is allowed and would be denied {}{}",
                     to_string(first.packet.protocol) + port, peer_text(first.source), to_string(first.packet.source),
                     peer_text(first.destination), to_string(first.packet.destination), leg, by);
}

}  // namespace drywall
