// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <memory>

#include "cli/json.h"
#include "cli/passage.h"
#include "cli/policy_files.h"
#include "cli/terminal.h"
#include "cli/this_host.h"
#include "cli/verb.h"
#include "flow/json_writer.h"
#include "policy/parse.h"

namespace drywall::cli {
namespace {

struct Options {
  std::string policy_directory;
  std::string flows;  // a file, or "-"
  std::string node;
  std::vector<std::string> local;  // ADDR[%IFACE]
  std::string source, destination, protocol = "tcp", in_interface, out_interface;
  std::uint16_t source_port = 40000;
  std::uint16_t destination_port = 0;
  Output output;
};

/// Both worlds of one directory, ready to be asked.
struct Worlds {
  Plan enforced_plan;
  Plan pending_plan;
  EndpointMap enforced;
  EndpointMap pending;
  Classifier enforced_rules;
  Classifier pending_rules;

  Worlds(const Inventory& inventory, const Host& host, const std::vector<LocalAddress>& local)
      : enforced_plan(compile(inventory, host, World::enforced)),
        pending_plan(compile(inventory, host, World::pending)),
        enforced(enforced_plan, local),
        pending(pending_plan, local),
        enforced_rules(enforced_plan),
        pending_rules(pending_plan) {}
};

/// What one world does with a packet.
struct Answer {
  std::vector<JudgedLeg> legs;
  [[nodiscard]] bool allowed() const {
    return std::ranges::none_of(legs, [](const JudgedLeg& leg) { return leg.decision.verdict == Verdict::deny; });
  }
};

const char* endpoint_kind_text(EndpointKind kind) {
  return kind == EndpointKind::host ? "HostEndpoint" : "WorkloadEndpoint";
}

const char* verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::allow:
      return "allow";
    case Verdict::deny:
      return "deny";
    case Verdict::undecided:
      return "pass";
  }
  return "pass";
}

void write_text(JsonWriter& json, std::string_view key, std::string_view value) {
  json.key(key);
  json.text(value);
}

void write_leg(JsonWriter& json, const JudgedLeg& judged) {
  const EndpointId& id = judged.endpoint->id;
  json.open('{');
  json.key("endpoint");
  json.open('{');
  write_text(json, "kind", endpoint_kind_text(id.kind));
  write_text(json, "namespace", id.ns);
  write_text(json, "name", id.name);
  json.close('}');
  write_text(json, "direction", to_string(judged.leg->direction));
  write_text(json, "bucket", to_string(judged.leg->bucket));
  write_text(json, "verdict", verdict_text(judged.decision.verdict));
  json.key("trace");
  json.open('[');
  for (const TraceEntry& entry : judged.decision.trace) write_json(json, entry);
  json.close(']');
  json.close('}');
}

void write_world(JsonWriter& json, std::string_view name, const Answer& answer) {
  json.key(name);
  json.open('{');
  write_text(json, "verdict", answer.allowed() ? "allow" : "deny");
  json.key("legs");
  json.open('[');
  for (const JudgedLeg& leg : answer.legs) write_leg(json, leg);
  json.close(']');
  json.close('}');
}

void write_answer(JsonWriter& json, const Worlds& worlds, const Passage& passage, const Answer& enforced,
                  const Answer& pending) {
  json.open('{');
  write_world(json, "enforced", enforced);
  write_world(json, "pending", pending);
  json.key("unowned");
  json.open('[');
  if (worlds.enforced.owner(passage.packet.source) == nullptr) json.text("src");
  if (worlds.enforced.owner(passage.packet.destination) == nullptr) json.text("dst");
  json.close(']');
  json.close('}');
  json.end_line();
}

void write_error(JsonWriter& json, const std::string& message) {
  json.open('{');
  write_text(json, "error", message);
  json.close('}');
  json.end_line();
}

void flush(JsonWriter& json) {
  std::fwrite(json.so_far().data(), 1, json.so_far().size(), stdout);
  json.clear();
}

/// Answers every line, in order: 0 both worlds agree everywhere, 1 they differ, 2 a line could not be read.
Exit explain_lines(Worlds& worlds, std::istream& in) {
  Exit exit = Exit::yes;
  JsonWriter json;
  for (std::string line; std::getline(in, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto passage = parse_passage(line);
    if (!passage) {
      exit = Exit::usage;
      write_error(json, passage.error());
    } else {
      const Answer enforced{judge(worlds.enforced, worlds.enforced_rules, *passage)};
      const Answer pending{judge(worlds.pending, worlds.pending_rules, *passage)};
      if (exit == Exit::yes && enforced.allowed() != pending.allowed()) exit = Exit::no;
      write_answer(json, worlds, *passage, enforced, pending);
    }
    if (json.so_far().size() >= (1U << 16U)) flush(json);
  }
  flush(json);
  return exit;
}

std::string entry_text(const TraceEntry& entry) {
  if (entry.name.empty()) return "no profile matched";
  const std::string where = entry.at.file.empty() ? "" : fmt::format("  ({}:{})", entry.at.file, entry.at.line);
  const std::string rule = entry.rule < 0 ? "end of tier" : fmt::format("rule {}", entry.rule);
  return fmt::format("{} {} {}{}{}, {}{}", entry.tier.empty() ? "-" : entry.tier, file_kind(entry.kind), entry.ns,
                     entry.ns.empty() ? "" : "/", entry.name, rule, where);
}

void print_world(const char* title, const Answer& answer) {
  fmt::print("{}: {}\n", title, answer.allowed() ? coloured(Colour::good, "allow") : coloured(Colour::bad, "deny"));
  if (answer.legs.empty()) fmt::print("  no endpoint of this host is concerned\n");
  for (const JudgedLeg& judged : answer.legs) {
    const EndpointId& id = judged.endpoint->id;
    fmt::print("  {} of {} {}{}{} ({}): {}\n", to_string(judged.leg->direction), endpoint_kind_text(id.kind), id.ns,
               id.ns.empty() ? "" : "/", id.name, to_string(judged.leg->bucket), verdict_text(judged.decision.verdict));
    for (const TraceEntry& entry : judged.decision.trace) {
      fmt::print("    {:5} {}\n", to_string(entry.action), entry_text(entry));
    }
  }
}

Exit explain_one(Worlds& worlds, const Passage& passage, Format format) {
  const Answer enforced{judge(worlds.enforced, worlds.enforced_rules, passage)};
  const Answer pending{judge(worlds.pending, worlds.pending_rules, passage)};
  if (format == Format::json) {
    JsonWriter json;
    write_answer(json, worlds, passage, enforced, pending);
    flush(json);
  } else {
    print_world("enforced", enforced);
    print_world("pending ", pending);
  }
  return enforced.allowed() == pending.allowed() ? Exit::yes : Exit::no;
}

tl::expected<std::vector<LocalAddress>, std::string> local_addresses(const std::vector<std::string>& texts) {
  std::vector<LocalAddress> found;
  for (const std::string& text : texts) {
    const std::size_t percent = text.find('%');
    const auto address = parse_address(text.substr(0, percent));
    if (!address) return tl::unexpected(fmt::format("--local {}: expected ADDRESS or ADDRESS%INTERFACE", text));
    found.push_back({*address, percent == std::string::npos ? "" : text.substr(percent + 1)});
  }
  return found;
}

tl::expected<Passage, std::string> passage_of(const Options& options) {
  Json line{{"src", options.source},
            {"dst", options.destination},
            {"protocol", options.protocol},
            {"src_port", options.source_port},
            {"dst_port", options.destination_port}};
  if (!options.in_interface.empty()) line["in_interface"] = options.in_interface;
  if (!options.out_interface.empty()) line["out_interface"] = options.out_interface;
  return parse_passage(line.dump());
}

Exit explain_flows(Worlds& worlds, const Options& options) {
  if (options.flows == "-") return explain_lines(worlds, std::cin);
  std::ifstream file(options.flows);
  if (!file) {
    say(fmt::format("cannot open {}", options.flows));
    return Exit::usage;
  }
  return explain_lines(worlds, file);
}

Exit explain(const Options& options) {
  std::ios::sync_with_stdio(false);
  const auto local = local_addresses(options.local);
  if (!local) {
    say(local.error());
    return Exit::usage;
  }
  const auto directory =
      options.policy_directory.empty() ? default_policy_directory() : std::filesystem::path(options.policy_directory);
  const auto read = read_policy_files({directory});
  if (!read) {
    say(to_string(read.error()));
    return Exit::usage;
  }
  Parsed parsed = parse(read->files);
  parsed.diagnostics.insert(parsed.diagnostics.end(), read->diagnostics.begin(), read->diagnostics.end());
  if (has_errors(parsed.diagnostics)) {
    for (const Diagnostic& diagnostic : parsed.diagnostics) fmt::print(stderr, "{}", to_string(diagnostic));
    return Exit::usage;
  }
  Worlds worlds(parsed.inventory, this_host(options.node), *local);
  if (!options.flows.empty()) return explain_flows(worlds, options);
  const auto passage = passage_of(options);
  if (!passage) {
    say(passage.error());
    return Exit::usage;
  }
  return explain_one(worlds, *passage, options.output.format);
}

}  // namespace

Run declare_explain(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--policy-dir", options->policy_directory, "Judge by this directory; without it: this host's")
      ->type_name("DIR");
  app.add_option("--flows", options->flows, "Judge every line of this file of JSON objects, - for standard input")
      ->type_name("FILE");
  app.add_option("--node", options->node, "Which node this is; without it every endpoint counts as local")
      ->type_name("NAME");
  app.add_option("--local", options->local, "An address of the host itself: ADDRESS[%INTERFACE]; may be repeated")
      ->type_name("ADDR");
  app.add_option("--src", options->source, "Source address of the one packet to judge");
  app.add_option("--dst", options->destination, "Its destination address");
  app.add_option("--protocol", options->protocol, "Its protocol, by name or number")->capture_default_str();
  app.add_option("--src-port", options->source_port, "Its source port")->capture_default_str();
  app.add_option("--dst-port", options->destination_port, "Its destination port");
  app.add_option("--in-interface", options->in_interface, "The interface that it comes in by");
  app.add_option("--out-interface", options->out_interface, "The interface that it leaves by");
  add_output_options(app, options->output, Wide::no);
  return [options] { return explain(*options); };
}

}  // namespace drywall::cli
