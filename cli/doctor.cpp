// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/doctor.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>

#include "cli/bus.h"
#include "cli/configured_endpoint.h"
#include "cli/page.h"
#include "cli/policy_files.h"
#include "cli/terminal.h"
#include "cli/this_host.h"
#include "cli/verb.h"
#include "machine/programs.h"
#include "policy/lint.h"
#include "policy/parse.h"
#include "render/hook_plan.h"

namespace drywall::cli {
namespace {

struct DoctorOptions {
  std::string root = "/";
  std::string policy_directory;
  Output output;
};

/// What was found out, and what could not be.
struct Report {
  Findings findings;
  std::vector<std::string> cannot_tell;
  bool rules_were_read = false;
  Json chains = Json::array();
};

std::string_view word_of(Hook hook) {
  switch (hook) {
    case Hook::prerouting:
      return "prerouting";
    case Hook::input:
      return "input";
    case Hook::forward:
      return "forward";
    case Hook::output:
      return "output";
    case Hook::postrouting:
      break;
  }
  return "postrouting";
}

/// Where our base chains are unless drywall.yaml moves them.
std::vector<OwnPlace> usual_places() {
  std::vector<OwnPlace> places;
  for (const LegHook& leg : leg_hooks) {
    const std::string hook(word_of(leg.hook));
    auto place = std::ranges::find(places, hook, &OwnPlace::hook);
    const std::int32_t first = base_hook(leg.hook, leg.stage, leg.pending_place, {}).priority;
    const std::int32_t last = base_hook(leg.hook, leg.stage, leg.enforced_place, {}).priority;
    if (place == places.end()) place = places.insert(place, {hook, first, last});
    place->first = std::min(place->first, first);
    place->last = std::max(place->last, last);
  }
  return places;
}

/// The policy directory in both worlds, as far as it can be read.
struct Policies {
  std::optional<Plan> enforced;
  std::optional<Plan> pending;
  Diagnostics bridges;
};

/// What policies are judged by, and for which node.
struct Place {
  std::string node;
  std::filesystem::path directory;
  bool is_own = true;  // this host's: it may be missing, and its drywall.yaml counts
};

Policies read_policies(const Place& place, Report& report) {
  const auto read = read_policy_files({place.directory});
  const std::string unknown = "which published ports a policy covers";
  const bool is_missing = !read && read.error().error == ENOENT && place.is_own;
  if (!read && !is_missing) {
    report.cannot_tell.push_back(fmt::format("{}: {}", unknown, to_string(read.error())));
    return {};
  }
  const PolicyFiles files = is_missing ? PolicyFiles{} : *read;
  Parsed parsed = parse(files.files);
  if (has_errors(files.diagnostics) || has_errors(parsed.diagnostics)) {
    report.cannot_tell.push_back(
        fmt::format("{}: {} has mistakes, see drywall check", unknown, place.directory.string()));
    return {};
  }
  if (place.is_own) add_configured_endpoint(parsed.inventory, place.node);
  const Host host = this_host(place.node);
  return {compile(parsed.inventory, host, World::enforced), compile(parsed.inventory, host, World::pending),
          lint_bridges(parsed.inventory, host)};
}

std::uint16_t nflog_group() {
  constexpr std::uint16_t usual = 4242;
  const std::string text = configured("nflog_group").value_or("");
  std::uint16_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && stop == text.data() + text.size() ? number : usual;
}

/// What only the daemon knows. Returns its node and directory; nothing if it does not answer.
std::optional<Place> ask_daemon(Surroundings& seen, Report& report) {
  Answer<Daemon> daemon = Daemon::connect();
  const Answer<Json> status = daemon ? daemon->status() : tl::unexpected(daemon.error());
  if (!status) {
    report.cannot_tell.push_back(
        fmt::format("whether the kernel holds what the policy directory says: {}", status.error().message));
    return std::nullopt;
  }
  if (number_at(at(*status, "evidence"), "receive_buffer") > 0) seen.nflog.holder.reset();  // it is the daemon's own
  if (text_at(*status, "state") == "degraded") {
    report.findings.push_back({Finding::Weight::error, "degraded",
                               "drywalld is degraded: the policy directory, or the kernel, is not what is in force",
                               "see drywall status, which says where the mistake is"});
  }
  const std::uint64_t healed = number_at(at(*status, "kernel"), "healed");
  if (healed > 0) {
    report.findings.push_back(
        {Finding::Weight::note, "healed",
         fmt::format("somebody else changed Drywall's tables {} since drywalld started, and they were "
                     "put back",
                     counted(healed, "time")),
         "see journalctl -u drywalld for who it was"});
  }
  return Place{text_at(*status, "node"), text_at(*status, "policy_dir")};
}

Json chain_document(const BaseChain& chain, Order order) {
  Json programs = Json::array();
  for (const Program* program : programs_of(chain)) programs.push_back(program->word);
  return Json{{"hook", chain.hook.hook},
              {"order", to_string(order)},
              {"priority", chain.hook.priority},
              {"family", chain.table.family},
              {"table", chain.table.table},
              {"chain", chain.name},
              {"type", chain.hook.type},
              {"policy", chain.hook.drops ? "drop" : "accept"},
              {"drops", chain.drops || chain.hook.drops},
              {"legacy", chain.table.backend == Backend::legacy},
              {"programs", programs}};
}

void add_chains(const Surroundings& seen, const std::vector<OwnPlace>& own, Report& report) {
  if (!seen.chains) {
    report.cannot_tell.push_back(fmt::format("what other tables do: {}", to_string(seen.chains.error())));
    return;
  }
  report.rules_were_read = true;
  for (const BaseChain& chain : *seen.chains) {
    const Order order = order_of(chain.hook, own);
    const bool sees_ip = chain.table.family != "arp" && chain.table.family != "bridge";
    if (order != Order::elsewhere && sees_ip && !is_ours(chain.table)) {
      report.chains.push_back(chain_document(chain, order));
    }
  }
}

Report examine(const DoctorOptions& options) {
  Report report;
  Surroundings seen = look_around(options.root, nflog_group());
  Place place = ask_daemon(seen, report).value_or(Place{configured("node").value_or(""), default_policy_directory()});
  if (!options.policy_directory.empty()) {
    place.directory = options.policy_directory;
    place.is_own = false;
  }
  const Policies policies = read_policies(place, report);
  const std::vector<OwnPlace> own = own_places(usual_places(), seen.chains.value_or(std::vector<BaseChain>{}));
  add_chains(seen, own, report);
  const PolicyView view{policies.enforced ? &*policies.enforced : nullptr,
                        policies.pending ? &*policies.pending : nullptr, policies.bridges};
  for (Finding& finding : diagnose(seen, own, view)) report.findings.push_back(std::move(finding));
  std::ranges::stable_sort(report.findings, {}, &Finding::weight);
  return report;
}

const char* word_of(Finding::Weight weight) {
  switch (weight) {
    case Finding::Weight::error:
      return "error";
    case Finding::Weight::warning:
      return "warning";
    case Finding::Weight::note:
      break;
  }
  return "note";
}

Colour colour_of(Finding::Weight weight) {
  switch (weight) {
    case Finding::Weight::error:
      return Colour::bad;
    case Finding::Weight::warning:
      return Colour::warning;
    case Finding::Weight::note:
      break;
  }
  return Colour::none;
}

void print_json(const Report& report) {
  Json findings = Json::array();
  for (const Finding& finding : report.findings) {
    findings.push_back({{"severity", word_of(finding.weight)},
                        {"code", finding.code},
                        {"message", finding.message},
                        {"help", finding.help}});
  }
  print(Json{{"findings", findings}, {"chains", report.chains}, {"cannot_tell", report.cannot_tell}});
}

void print_broken(const std::string& text, std::size_t indent) {
  for (const std::string& line : broken(harmless(text), page_width(), indent)) fmt::print("{}\n", line);
}

void print_chains(const Json& chains) {
  if (chains.empty()) return;
  std::vector<std::vector<Cell>> rows;
  for (const Json& chain : chains) {
    std::string programs;
    for (const Json& word : at(chain, "programs")) programs += (programs.empty() ? "" : ", ") + word.get<std::string>();
    const bool drops = at(chain, "drops") == true;
    rows.push_back({{text_at(chain, "hook")},
                    {text_at(chain, "order")},
                    {fmt::format("{}", at(chain, "priority").get<std::int32_t>())},
                    {fmt::format("{} {}{}", text_at(chain, "family"), text_at(chain, "table"),
                                 at(chain, "legacy") == true ? " (legacy)" : "")},
                    {text_at(chain, "chain")},
                    {text_at(chain, "type")},
                    {text_at(chain, "policy")},
                    {drops ? "yes" : "no"},
                    {programs.empty() ? "-" : programs}});
  }
  fmt::print("\n{}", table({"HOOK", "ORDER", "PRIORITY", "TABLE", "CHAIN", "TYPE", "POLICY", "DROPS", "OF"}, rows));
}

void print_for_people(const Report& report) {
  for (const Finding& finding : report.findings) {
    const std::string weight = coloured(colour_of(finding.weight), word_of(finding.weight));
    const std::vector<std::string> lines = broken(
        harmless(fmt::format("{}: {} [{}]", word_of(finding.weight), finding.message, finding.code)), page_width(), 2);
    fmt::print("{}{}\n", weight, lines.front().substr(std::string_view(word_of(finding.weight)).size()));
    for (std::size_t i = 1; i < lines.size(); ++i) fmt::print("{}\n", lines[i]);
    print_broken("  help: " + finding.help, 4);
  }
  if (report.findings.empty()) fmt::print("nothing found\n");
  print_chains(report.chains);
  for (const std::string& text : report.cannot_tell) say("cannot tell " + text);
}

Exit examine_and_print(const DoctorOptions& options) {
  const Report report = examine(options);
  if (options.output.format == Format::json) {
    print_json(report);
  } else {
    print_for_people(report);
  }
  const bool matters = std::ranges::any_of(
      report.findings, [](const Finding& finding) { return finding.weight != Finding::Weight::note; });
  if (matters) return Exit::no;
  return report.rules_were_read ? Exit::yes : Exit::usage;
}

}  // namespace

Run declare_doctor(Arguments& arguments) {
  auto options = std::make_shared<DoctorOptions>();
  arguments.add("--root", options->root, "Where the files lie that say what happens at boot, instead of /")
      .takes("DIR");
  arguments.add("--policy-dir", options->policy_directory, "Judge by this directory; without it: this host's")
      .takes("DIR");
  add_output_options(arguments, options->output, Wide::no);
  return [options] { return examine_and_print(*options); };
}

}  // namespace drywall::cli
