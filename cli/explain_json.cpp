// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/explain_json.h"

namespace drywall::cli {
namespace {

std::string_view endpoint_kind_text(EndpointKind kind) {
  return kind == EndpointKind::host ? "HostEndpoint" : "WorkloadEndpoint";
}

std::string_view verdict_text(Verdict verdict) {
  return verdict == Verdict::undecided ? "pass" : to_string(verdict);
}

void write_text(JsonWriter& json, std::string_view key, std::string_view value) {
  json.key(key);
  json.text(value);
}

/// A trace entry with why it is one, or why it is none.
void write_considered(JsonWriter& json, const Considered& considered) {
  const TraceEntry& entry = considered.entry;
  const bool has_rule = considered.step != Step::empty_policy;
  json.open('{');
  write_text(json, "tier", entry.tier);
  write_text(json, "kind", file_kind(entry.kind));
  write_text(json, "namespace", entry.ns);
  write_text(json, "name", entry.name);
  json.key("rule");
  has_rule ? json.number(entry.rule) : json.null();
  json.key("action");
  has_rule ? json.text(to_string(entry.action)) : json.null();
  json.key("matched");
  json.boolean(considered.outcome != Outcome::missed);
  write_text(json, "reason", considered.reason);
  write_text(json, "file", entry.at.file);
  json.key("line");
  json.count(entry.at.line);
  json.close('}');
}

void write_endpoint(JsonWriter& json, const EndpointId& id) {
  json.key("endpoint");
  json.open('{');
  write_text(json, "kind", endpoint_kind_text(id.kind));
  write_text(json, "namespace", id.ns);
  write_text(json, "name", id.name);
  json.close('}');
}

void write_leg(JsonWriter& json, const JudgedLeg& judged) {
  write_endpoint(json, judged.endpoint->id);
  write_text(json, "direction", to_string(judged.leg->direction));
  write_text(json, "bucket", to_string(judged.leg->bucket));
  write_text(json, "verdict", verdict_text(judged.decision.verdict));
  json.key("trace");
  json.open('[');
  for (const TraceEntry& entry : judged.decision.trace) write_json(json, entry);
  json.close(']');
}

void write_why(JsonWriter& json, const std::vector<Considered>& all) {
  json.key("why");
  json.open('[');
  for (const Considered& considered : all) write_considered(json, considered);
  json.close(']');
}

void write_fate(JsonWriter& json, const AskedWorld& world, const Passage& passage, const Fate& fate, Why why) {
  json.open('{');
  write_text(json, "verdict", fate.allowed() ? "allow" : "deny");
  json.key("legs");
  json.open('[');
  for (const JudgedLeg& judged : fate.legs) {
    json.open('{');
    write_leg(json, judged);
    if (why == Why::yes) write_why(json, world.why(*judged.leg, passage));
    json.close('}');
  }
  json.close(']');
  json.close('}');
}

}  // namespace

void write_fates(JsonWriter& json, const Worlds& worlds, const Passage& passage, const Fates& fates, Why why) {
  json.open('{');
  json.key("enforced");
  write_fate(json, worlds.enforced, passage, fates.enforced, why);
  json.key("pending");
  write_fate(json, worlds.pending, passage, fates.pending, why);
  json.key("unowned");
  json.open('[');
  if (worlds.enforced.owner(passage.packet.source) == nullptr) json.text("src");
  if (worlds.enforced.owner(passage.packet.destination) == nullptr) json.text("dst");
  json.close(']');
  json.close('}');
  json.end_line();
}

void write_error(JsonWriter& json, std::string_view message) {
  json.open('{');
  write_text(json, "error", message);
  json.close('}');
  json.end_line();
}

}  // namespace drywall::cli
