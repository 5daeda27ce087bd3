// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/flow_record.h"

#include <algorithm>
#include <string_view>

#include "flow/flow_filter.h"
#include "flow/json_writer.h"

namespace drywall {
namespace {

std::string_view type_name(FlowPeer::Type type) {
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
  return "net";
}

void write_peer(JsonWriter& json, const FlowPeer& peer, const std::vector<Address>& addresses) {
  json.key("type");
  json.text(type_name(peer.type));
  json.key("namespace");
  json.text(peer.ns);
  json.key("name");
  json.text(peer.name);
  json.key("labels");
  json.open('{');
  for (const auto& [key, value] : peer.labels) {
    json.text_key(key);
    json.text(value);
  }
  json.close('}');
  json.key("addresses");
  json.open('[');
  for (const Address& address : addresses) json.text(to_string(address));
  json.close(']');
}

void write_trace(JsonWriter& json, std::string_view name, const Trace& trace) {
  json.key(name);
  json.open('[');
  for (const TraceEntry& hit : trace) write_json(json, hit);
  json.close(']');
}

template <class Number>
void write_optional(JsonWriter& json, std::string_view name, std::optional<Number> value) {
  json.key(name);
  if (value) {
    json.count(*value);
  } else {
    json.null();
  }
}

void write_peers(JsonWriter& json, const FlowRecord& record) {
  json.key("source");
  json.open('{');
  write_peer(json, record.source, record.source_addresses);
  json.close('}');
  json.key("destination");
  json.open('{');
  write_peer(json, record.destination, record.destination_addresses);
  const auto port = record.destination_port == 0 ? std::nullopt : std::optional{record.destination_port};
  write_optional(json, "port", port);
  json.close('}');
}

void write_verdicts(JsonWriter& json, const FlowRecord& record) {
  json.key("action");
  json.text(record.action == Verdict::deny ? "deny" : "allow");
  json.key("pending_action");
  json.text(record.pending_action == Verdict::deny ? "would-deny" : "would-allow");
  json.key("differs");
  json.boolean(record.differs());
  json.key("failsafe");
  json.boolean(record.failsafe);
  json.key("predicted");
  json.boolean(record.predicted);
  json.key("policies");
  json.open('{');
  write_trace(json, "enforced", record.enforced);
  write_trace(json, "pending", record.pending);
  json.close('}');
}

void write_counts(JsonWriter& json, const FlowRecord& record) {
  json.key("packets");
  json.count(record.packets);
  json.key("bytes");
  json.count(record.bytes);
  json.key("connections");
  json.open('{');
  json.key("started");
  json.count(record.connections_started);
  json.key("completed");
  json.count(record.connections_completed);
  json.key("live");
  json.count(record.connections_live);
  json.close('}');
  json.key("lost");
  json.count(record.lost);
}

}  // namespace

void add_to_sample(std::vector<Address>& sample, const Address& address) {
  if (sample.size() == FlowRecord::max_sample || std::ranges::find(sample, address) != sample.end()) return;
  sample.push_back(address);
}

std::string to_json(const FlowRecord& record) {
  JsonWriter json;
  json.open('{');
  json.key("start");
  json.text(to_rfc3339(record.start));
  json.key("end");
  json.text(to_rfc3339(record.end));
  json.key("reporter");
  json.text(record.reporter == Reporter::source ? "src" : "dst");
  write_peers(json, record);
  json.key("protocol");
  json.text(to_string(record.protocol));
  write_optional(json, "icmp_type", record.icmp_type);
  write_optional(json, "icmp_code", record.icmp_code);
  json.key("interface");
  json.text(record.interface);
  json.key("bucket");
  json.text(to_string(record.bucket));
  write_verdicts(json, record);
  write_counts(json, record);
  json.close('}');
  return json.take();
}

}  // namespace drywall
