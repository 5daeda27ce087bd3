// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/preview_text.h"

#include <fmt/format.h>

#include <vector>

#include "cli/terminal.h"

namespace drywall::cli {
namespace {

constexpr std::size_t most_rows = 50;  // of a table; -o json has them all
constexpr std::size_t most_addresses = 2;

std::string peer_text(const Json& peer) {
  const std::string ns = text_at(peer, "namespace");
  std::string name = ns.empty() ? text_at(peer, "name") : ns + "/" + text_at(peer, "name");
  if (text_at(peer, "type") != "net") return name;
  const Json& addresses = at(peer, "addresses");
  if (addresses.empty()) return name;
  std::string out;
  for (std::size_t i = 0; i < addresses.size() && i < most_addresses; ++i) {
    out += (out.empty() ? "" : ",") + addresses[i].get<std::string>();
  }
  return fmt::format("{}{} ({})", out, addresses.size() > most_addresses ? ",..." : "", name);
}

std::string port_text(const Json& traffic) {
  const std::string protocol = text_at(traffic, "protocol");
  if (const Json& type = at(traffic, "icmp_type"); type.is_number()) return fmt::format("{} {}", protocol, type.dump());
  const std::uint64_t port = number_at(traffic, "port");
  return port == 0 ? protocol : fmt::format("{}/{}", protocol, port);
}

/// Who would decide: `KIND/NAME rule 0`.
std::string decider_text(const Json& object) {
  const std::string policy = text_at(object, "policy");
  if (policy.empty()) return "no policy any more";
  const Json& rule = at(object, "rule");
  const bool is_rule = rule.is_number() && rule.get<std::int64_t>() >= 0;
  if (is_rule) return fmt::format("{} rule {}", policy, rule.dump());
  return policy == "Profile/" ? "no profile allows it" : fmt::format("{} (end of tier)", policy);
}

std::string flows_text(const Json& traffic) {
  const std::uint64_t earlier = number_at(traffic, "earlier_flows");
  const std::uint64_t flows = number_at(traffic, "flows");
  return earlier == 0 ? fmt::format("{}", flows) : fmt::format("{} (+{} earlier)", flows, earlier);
}

std::string and_more(std::size_t all) {
  return all > most_rows ? fmt::format("  and {} more: see -o json\n", all - most_rows) : "";
}

std::string indented(const std::string& lines) {
  std::string out;
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', begin), lines.size() - 1);
    out += "  " + lines.substr(begin, end - begin + 1);
    begin = end + 1;
  }
  return out;
}

std::string traffic_table(std::string_view title, const Json& list, Colour colour) {
  if (list.empty()) return "";
  std::vector<std::vector<Cell>> rows;
  for (const Json& traffic : list) {
    if (rows.size() == most_rows) break;
    rows.push_back({{peer_text(at(traffic, "source")), colour},
                    {peer_text(at(traffic, "destination"))},
                    {port_text(traffic)},
                    {flows_text(traffic)},
                    {text_at(traffic, "last_seen")},
                    {decider_text(traffic)}});
  }
  return fmt::format("\n{}:\n{}{}", title,
                     indented(table({"SOURCE", "DESTINATION", "PORT", "FLOWS", "LAST SEEN", "BY"}, rows)),
                     and_more(list.size()));
}

/// What becomes of a connection that is there when the policies are promoted.
std::string fate_text(const Json& connection) {
  if (text_at(connection, "would") == "would-allow") return "would be allowed anew";
  if (at(connection, "survives") == true) return "goes on; denied if begun anew";
  return at(connection, "tracked") == false ? "CUT AT ONCE: untracked, judged packet by packet"
                                            : "CUT AT ONCE: one way, judged packet by packet";
}

std::string end_text(const Json& connection, const char* address, const char* port) {
  const std::string text = text_at(connection, address);
  const std::uint64_t number = number_at(connection, port);
  if (number == 0) return text;
  return text.find(':') == std::string::npos ? fmt::format("{}:{}", text, number)
                                             : fmt::format("[{}]:{}", text, number);
}

std::string connections_table(const Json& preview) {
  const Json& list = at(preview, "connections");
  if (list.empty()) return "";
  std::vector<std::vector<Cell>> rows;
  for (const Json& connection : list) {
    if (rows.size() == most_rows) break;
    const bool denied = text_at(connection, "would") == "would-deny";
    rows.push_back({{end_text(connection, "src", "src_port"), denied ? Colour::warning : Colour::good},
                    {end_text(connection, "dst", "dst_port")},
                    {text_at(connection, "protocol")},
                    {at(connection, "yours") == true ? "yours" : ""},
                    {fate_text(connection)},
                    {decider_text(connection)}});
  }
  return fmt::format("\nLive connections that would be judged otherwise ({} of {}):\n{}{}", list.size(),
                     number_at(at(preview, "connection_totals"), "live"),
                     indented(table({"SOURCE", "DESTINATION", "PROTOCOL", "", "WHAT BECOMES OF IT", "BY"}, rows)),
                     and_more(list.size()));
}

std::string listener_text(const Json& listener) {
  const std::string address = text_at(listener, "address");
  return fmt::format("{}/{}{}", text_at(listener, "protocol"), number_at(listener, "port"),
                     address == "*" ? "" : " on " + address);
}

std::string listeners_text(const Json& listeners) {
  if (listeners.empty()) return "";
  std::string out = "\nServices of this host that somebody would find otherwise:\n";
  for (const Json& listener : listeners) {
    std::string sources;
    for (const Json& source : at(listener, "sources")) {
      sources += fmt::format("{}{} {}", sources.empty() ? "" : "; ", peer_text(at(source, "source")),
                             text_at(source, "would"));
    }
    out += fmt::format("  {}: {}\n", listener_text(listener), harmless(sources));
  }
  return out;
}

std::string unused_text(const Json& rules) {
  if (rules.empty()) return "";
  std::string out = "\nRules that nothing has hit yet:\n";
  std::size_t shown = 0;
  for (const Json& rule : rules) {
    if (shown++ == most_rows) break;
    out += fmt::format("  {} {} rule {} ({}:{})\n", text_at(rule, "policy"), text_at(rule, "direction"),
                       at(rule, "rule").dump(), text_at(rule, "file"), number_at(rule, "line"));
  }
  return out + and_more(rules.size());
}

std::string nets_text(const Json& nets) {
  std::string out;
  for (const Json& net : nets) {
    const std::uint64_t flows = number_at(net, "flows");
    const std::string name = text_at(net, "policy");
    if (flows == 0) {
      out += fmt::format("\nThe safety net {} carries nothing: it may go.\n", name);
      continue;
    }
    out += traffic_table(fmt::format("Only the safety net {} lets these through ({})", name, counted(flows, "flow")),
                         at(net, "carries"), Colour::none);
  }
  return out;
}

std::string failsafe_text(const Json& failsafe) {
  std::string open;
  for (const Json& listener : at(failsafe, "keeps_open")) {
    open += fmt::format("{}{}", open.empty() ? "" : ", ", listener_text(listener));
  }
  std::string ports;
  for (const Json& port : at(failsafe, "inbound")) {
    ports += fmt::format("{}{}", ports.empty() ? "" : ", ", port.get<std::string>());
  }
  if (ports.empty()) ports = "none";
  return fmt::format("failsafe     {}\n             keep open whatever policy says: {}\n", ports,
                     open.empty() ? "nothing that listens" : open);
}

std::string verdict_text(const Json& preview) {
  if (at(preview, "ready") == true) {
    return fmt::format("\n{}: nothing that was seen would be denied\n", coloured(Colour::good, "ready"));
  }
  std::string out = fmt::format("\n{}:\n", coloured(Colour::warning, "not ready"));
  for (const Json& reason : at(preview, "reasons")) out += fmt::format("  - {}\n", harmless(reason.get<std::string>()));
  return out;
}

}  // namespace

std::string preview_text(const Json& preview) {
  std::string out;
  const char* label = "policies";
  for (const Json& policy : at(preview, "policies")) {
    out += fmt::format("{:<12} {}\n", label, policy.get<std::string>());
    label = "";
  }
  const Json& observed = at(preview, "observed");
  out += fmt::format("observed     {} s, since {}; {}\n", number_at(observed, "seconds"), text_at(observed, "since"),
                     counted(number_at(observed, "flows"), "flow"));
  const std::uint64_t lost = number_at(observed, "lost");
  out += lost == 0 ? "evidence     nothing lost\n" : fmt::format("evidence     {} LOST\n", counted(lost, "message"));
  out += failsafe_text(at(preview, "failsafe"));
  out += traffic_table("Allowed now, would be denied", at(preview, "new_denies"), Colour::warning);
  out += traffic_table("Denied now, would be allowed", at(preview, "new_allows"), Colour::good);
  out += connections_table(preview);
  out += listeners_text(at(preview, "listeners"));
  out += unused_text(at(preview, "unused_rules"));
  out += nets_text(at(preview, "safety_nets"));
  return out + verdict_text(preview);
}

}  // namespace drywall::cli
