// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/flow_text.h"

#include <fmt/format.h>

namespace drywall::cli {
namespace {

std::string with_namespace(const Json& object) {
  const std::string ns = text_at(object, "namespace");
  return ns.empty() ? text_at(object, "name") : ns + "/" + text_at(object, "name");
}

std::string addresses_text(const Json& peer, std::size_t most) {
  const Json& addresses = at(peer, "addresses");
  std::string out;
  std::size_t shown = 0;
  for (const Json& address : addresses) {
    if (shown++ == most) return out + ",...";
    if (!out.empty()) out += ',';
    out += address.get<std::string>();
  }
  return out;
}

/// Endpoints by name; what has none, by its address: `10.1.2.3 (pvt)`.
std::string peer_text(const Json& peer) {
  const std::string type = text_at(peer, "type");
  if (type != "net") return with_namespace(peer);
  const std::string address = addresses_text(peer, 1);
  return address.empty() ? text_at(peer, "name") : fmt::format("{} ({})", address, text_at(peer, "name"));
}

std::string port_text(const Json& record) {
  const std::string protocol = text_at(record, "protocol");
  const Json& type = at(record, "icmp_type");
  if (!type.is_null()) return fmt::format("{} {}/{}", protocol, type.dump(), at(record, "icmp_code").dump());
  const std::uint64_t port = number_at(at(record, "destination"), "port");
  return port == 0 ? protocol : fmt::format("{}/{}", protocol, port);
}

Colour colour_of(const std::string& verdict) {
  if (verdict == "deny") return Colour::bad;
  return verdict == "would-deny" ? Colour::warning : Colour::good;
}

/// What a hit does, or would do.
std::string verb_of(const std::string& action, World world) {
  if (world == World::pending) return "would " + action;
  if (action == "allow") return "allows";
  if (action == "deny") return "denies";
  return action == "pass" ? "passes" : action;
}

std::string trace_text(const Json& trace, World world, bool wide) {
  std::string out;
  for (const Json& hit : trace) {
    if (!out.empty()) out += "; then ";
    out += hit_text(hit, world, wide);
  }
  return out.empty() ? "no policy governs this" : out;
}

}  // namespace

std::string hit_text(const Json& hit, World world, bool wide) {
  const std::string kind = text_at(hit, "kind");
  const std::string action = verb_of(text_at(hit, "action"), world);
  const std::string policy = fmt::format("{} {}", kind, with_namespace(hit));
  const std::string tier = text_at(hit, "tier");
  const Json& rule = at(hit, "rule");
  const bool by_default = rule.is_number() && rule.get<std::int64_t>() < 0;
  std::string out;
  if (by_default && text_at(hit, "name").empty()) {
    out = fmt::format("no profile matched: {}", action);
  } else if (by_default) {
    out = fmt::format("end of tier {} {} ({})", tier, action, policy);
  } else if (text_at(hit, "name").empty()) {
    out = fmt::format("{} {}", kind, action);
  } else {
    const std::string where = tier.empty() || tier == "default" ? "" : fmt::format(" in tier {}", tier);
    out = fmt::format("{} rule {}{} {}", policy, rule.dump(), where, action);
  }
  const std::string file = text_at(hit, "file");
  if (wide && !file.empty()) out += fmt::format(" [{}:{}]", file, number_at(hit, "line"));
  return harmless(out);
}

std::vector<std::string> flow_headings(bool wide) {
  std::vector<std::string> headings{"LAST SEEN", "SOURCE",  "DESTINATION", "PORT",       "LEG",
                                    "ENFORCED",  "PENDING", "PACKETS",     "CONNECTIONS"};
  if (wide) {
    headings.insert(headings.end(),
                    {"BYTES", "INTERFACE", "BUCKET", "SOURCE ADDRESSES", "DESTINATION ADDRESSES", "NOTES"});
  }
  return headings;
}

std::vector<Cell> flow_row(const Json& record, bool wide) {
  const std::string action = text_at(record, "action");
  const std::string pending = text_at(record, "pending_action");
  const bool differs = at(record, "differs") == true;
  const Json& source = at(record, "source");
  const Json& destination = at(record, "destination");
  std::vector<Cell> cells{{text_at(record, "end")},
                          {peer_text(source)},
                          {peer_text(destination)},
                          {port_text(record)},
                          {text_at(record, "reporter") == "src" ? "egress" : "ingress"},
                          {action, colour_of(action)},
                          {pending, differs ? colour_of(pending) : Colour::faint},
                          {fmt::format("{}", number_at(record, "packets"))},
                          {fmt::format("{}", number_at(at(record, "connections"), "started"))}};
  if (wide) {
    std::string notes;
    if (at(record, "failsafe") == true) notes += "failsafe ";
    if (at(record, "predicted") == true) notes += "predicted ";
    if (number_at(record, "lost") > 0) notes += fmt::format("{} lost ", number_at(record, "lost"));
    cells.insert(cells.end(), {{fmt::format("{}", number_at(record, "bytes"))},
                               {text_at(record, "interface")},
                               {text_at(record, "bucket")},
                               {addresses_text(source, 3)},
                               {addresses_text(destination, 3)},
                               {notes}});
  }
  return cells;
}

std::string flow_traces(const Json& record, bool wide) {
  const Json& policies = at(record, "policies");
  return fmt::format("  enforced: {}\n  pending:  {}\n", trace_text(at(policies, "enforced"), World::enforced, wide),
                     trace_text(at(policies, "pending"), World::pending, wide));
}

}  // namespace drywall::cli
