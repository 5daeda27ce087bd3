// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/bus.h"
#include "cli/evidence.h"
#include "cli/terminal.h"
#include "cli/verb.h"

namespace drywall::cli {
namespace {

Json documented_policies(const Json& policies) {
  Json list = Json::array();
  for (const Json& policy : policies) {
    Json entry = arranged(policy, {{"kind"},
                                   {"namespace"},
                                   {"name"},
                                   {"tier"},
                                   {"order", Key::null_if_absent},
                                   {"staged"},
                                   {"staged_action", Key::null_if_absent},
                                   {"types"},
                                   {"selector"},
                                   {"file"},
                                   {"line"},
                                   {"endpoints"},
                                   {"rules"},
                                   {"pending"}});
    Json rules = Json::array();
    for (const Json& rule : at(policy, "rules")) {
      rules.push_back(arranged(rule, {{"direction"},
                                      {"rule"},
                                      {"action"},
                                      {"file"},
                                      {"line"},
                                      {"packets"},
                                      {"bytes"},
                                      {"last_hit", Key::null_if_absent}}));
    }
    entry["rules"] = rules;
    entry["pending"] = arranged(at(policy, "pending"), {{"would_deny"}, {"would_allow"}});
    list.push_back(entry);
  }
  return list;
}

std::string order_text(const Json& policy) {
  const Json& order = at(policy, "order");
  return order.is_number() ? fmt::format("{:g}", order.get<double>()) : "last";
}

std::string types_text(const Json& policy) {
  std::string out;
  for (const Json& type : at(policy, "types")) {
    if (!out.empty()) out += ',';
    out += type.get<std::string>();
  }
  return out;
}

std::string name_text(const Json& policy) {
  const std::string ns = text_at(policy, "namespace");
  return ns.empty() ? text_at(policy, "name") : ns + "/" + text_at(policy, "name");
}

std::uint64_t packets_of(const Json& policy) {
  std::uint64_t packets = 0;
  for (const Json& rule : at(policy, "rules")) packets += number_at(rule, "packets");
  return packets;
}

std::string place_text(const Json& object) {
  return fmt::format("{}:{}", text_at(object, "file"), number_at(object, "line"));
}

std::vector<Cell> row(const Json& policy, bool wide) {
  const bool staged = at(policy, "staged") == true;
  const Json& pending = at(policy, "pending");
  const auto would = [&](const char* key) { return staged ? fmt::format("{}", number_at(pending, key)) : "-"; };
  std::vector<Cell> cells{{text_at(policy, "tier")},
                          {order_text(policy)},
                          {text_at(policy, "kind"), staged ? Colour::warning : Colour::none},
                          {name_text(policy)},
                          {types_text(policy)},
                          {fmt::format("{}", number_at(policy, "endpoints"))},
                          {fmt::format("{}", packets_of(policy))},
                          {would("would_deny")},
                          {would("would_allow")}};
  if (wide) {
    cells.push_back({text_at(policy, "staged_action")});
    cells.push_back({place_text(policy)});
    cells.push_back({text_at(policy, "selector")});
  }
  return cells;
}

std::string rules_table(const Json& policies) {
  std::vector<std::vector<Cell>> rows;
  for (const Json& policy : policies) {
    for (const Json& rule : at(policy, "rules")) {
      const std::string last_hit = text_at(rule, "last_hit");
      rows.push_back({{name_text(policy)},
                      {text_at(rule, "direction")},
                      {at(rule, "rule").dump()},
                      {text_at(rule, "action")},
                      {fmt::format("{}", number_at(rule, "packets"))},
                      {fmt::format("{}", number_at(rule, "bytes"))},
                      {last_hit.empty() ? "never" : last_hit},
                      {place_text(rule)}});
    }
  }
  return table({"POLICY", "DIRECTION", "RULE", "ACTION", "PACKETS", "BYTES", "LAST HIT", "PLACE"}, rows);
}

void print_table(const Json& policies, bool wide) {
  std::vector<std::string> headings{"TIER",      "ORDER",   "KIND",       "NAME",       "TYPES",
                                    "ENDPOINTS", "PACKETS", "WOULD-DENY", "WOULD-ALLOW"};
  if (wide) headings.insert(headings.end(), {"STAGED ACTION", "PLACE", "SELECTOR"});
  std::vector<std::vector<Cell>> rows;
  for (const Json& policy : policies) rows.push_back(row(policy, wide));
  fmt::print("{}", table(headings, rows));
  if (wide) fmt::print("\n{}", rules_table(policies));
}

Exit list(const Output& output) {
  Answer<Daemon> daemon = Daemon::connect();
  if (!daemon) return report(daemon.error());
  const Answer<Json> policies = daemon->policies();
  if (!policies) return report(policies.error());
  if (output.format == Format::json) {
    print(documented_policies(*policies));
  } else if (!policies->empty()) {
    print_table(*policies, output.wide);
  }
  if (policies->empty()) say("there is no policy");
  say_what_was_lost(*daemon);  // the pending counters come from records
  return Exit::yes;
}

}  // namespace

Run declare_policies(Arguments& arguments) {
  auto output = std::make_shared<Output>();
  add_output_options(arguments, *output, Wide::offered);
  return [output] { return list(*output); };
}

}  // namespace drywall::cli
