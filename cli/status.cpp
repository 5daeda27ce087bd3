// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/bus.h"
#include "cli/evidence.h"
#include "cli/terminal.h"
#include "cli/verb.h"

namespace drywall::cli {
namespace {

Json documented_status(const Json& status) {
  Json document = arranged(status, {{"version"},
                                    {"node"},
                                    {"state"},
                                    {"generation"},
                                    {"applied_at", Key::null_if_absent},
                                    {"policy_dir"},
                                    {"diagnostics"},
                                    {"policies"},
                                    {"endpoints"},
                                    {"unpoliced_interfaces"},
                                    {"failsafe"},
                                    {"kernel"},
                                    {"conntrack", Key::null_if_absent},
                                    {"evidence"},
                                    {"live", Key::null_if_absent},
                                    {"confirm", Key::null_if_absent}});
  document["diagnostics"] = arranged_diagnostics(at(status, "diagnostics"));
  document["policies"] = arranged(at(status, "policies"), {{"enforced"}, {"staged"}});
  document["failsafe"] = arranged(at(status, "failsafe"), {{"inbound"}, {"outbound"}});
  document["kernel"] = arranged(at(status, "kernel"), {{"in_sync"},
                                                       {"healed"},
                                                       {"last_heal", Key::null_if_absent},
                                                       {"last_open_us", Key::null_if_absent},
                                                       {"longest_open_us", Key::null_if_absent},
                                                       {"owned", Key::null_if_absent}});
  document["evidence"] =
      arranged(at(status, "evidence"),
               {{"since"}, {"lost"}, {"gaps"}, {"evicted"}, {"limited"}, {"full"}, {"unheard"}, {"receive_buffer"}});
  Json endpoints = Json::array();
  for (const Json& endpoint : at(status, "endpoints")) {
    endpoints.push_back(arranged(endpoint, {{"kind"}, {"namespace"}, {"name"}, {"interfaces"}}));
  }
  document["endpoints"] = endpoints;
  return document;
}

std::string joined(const Json& words) {
  std::string out;
  for (const Json& word : words) {
    if (!out.empty()) out += ", ";
    out += word.is_string() ? word.get<std::string>() : word.dump();
  }
  return out.empty() ? "none" : out;
}

std::string endpoint_text(const Json& endpoint) {
  const std::string ns = text_at(endpoint, "namespace");
  return fmt::format("{} {}{}{} on {}", text_at(endpoint, "kind"), ns, ns.empty() ? "" : "/", text_at(endpoint, "name"),
                     joined(at(endpoint, "interfaces")));
}

std::string sync_text(const Json& in_sync) {
  if (!in_sync.is_boolean()) return "cannot be asked";
  return in_sync == true ? "in sync" : "NOT in sync";
}

Colour colour_of(const std::string& state) {
  if (state == "enforcing") return Colour::good;
  return state == "degraded" ? Colour::bad : Colour::none;
}

void print_row(std::string_view name, std::string_view value) {
  fmt::print("{:<12} {}\n", name, harmless(value));
}

/// Numbers only when they matter: a table that is full keeps new connections out.
/// How long the rules were gone, at most.
std::string open_text(const Json& longest_us) {
  if (!longest_us.is_number()) return {};
  return fmt::format(", open for {:.1f} ms at most", longest_us.get<double>() / 1000);
}

std::string conntrack_text(std::uint64_t entries, std::uint64_t limit) {
  const std::string everywhere = "on for all traffic of this host";
  return 2 * entries < limit ? everywhere : fmt::format("{}: {} of {} connections", everywhere, entries, limit);
}

/// As much as the kernel grants: while the daemon is busy, what does not fit is lost, and counted.
std::string evidence_text(std::uint64_t group, std::uint64_t buffer) {
  if (buffer == 0) return fmt::format("none: NFLOG group {} is not bound", group);
  constexpr std::uint64_t mebibyte = 1U << 20U;
  const std::string size =
      buffer < mebibyte ? fmt::format("{} KiB", buffer / 1024) : fmt::format("{} MiB", buffer / mebibyte);
  return fmt::format("NFLOG group {}, receive buffer {}", group, size);
}

void print_table(const Json& status) {
  const std::string state = text_at(status, "state");
  const std::string applied_at = text_at(status, "applied_at");
  const std::string differs_since = text_at(status, "differs_since");
  fmt::print("{:<12} {}\n", "state", coloured(colour_of(state), state));
  print_row("generation",
            fmt::format("{}{}{}", number_at(status, "generation"), applied_at.empty() ? "" : ", applied ", applied_at));
  print_row("directory", text_at(status, "policy_dir"));
  if (!differs_since.empty()) print_row("", fmt::format("differs from what is in force since {}", differs_since));
  if (state == "inert") {
    print_row("next",
              fmt::format("write a policy into {}, a staged one first (drywall-policy(7)), and `drywall reload`",
                          text_at(status, "policy_dir")));
  }
  const Json& policies = at(status, "policies");
  print_row("policies",
            fmt::format("{} enforced, {} staged", number_at(policies, "enforced"), number_at(policies, "staged")));
  const Json& endpoints = at(status, "endpoints");
  if (endpoints.empty()) print_row("endpoints", "none: no policy governs anything here");
  const char* label = "endpoints";
  for (const Json& endpoint : endpoints) {
    print_row(label, endpoint_text(endpoint));
    label = "";
  }
  print_row("unpoliced", joined(at(status, "unpoliced_interfaces")));
  const Json& failsafe = at(status, "failsafe");
  print_row("failsafe in", joined(at(failsafe, "inbound")));
  print_row("failsafe out", joined(at(failsafe, "outbound")));
  const Json& kernel = at(status, "kernel");
  print_row("kernel", fmt::format("{}, healed {} times{}{}", sync_text(at(kernel, "in_sync")),
                                  number_at(kernel, "healed"), open_text(at(kernel, "longest_open_us")),
                                  at(kernel, "owned") == true ? ", nobody else can change it" : ""));
  if (const Json& conntrack = at(status, "conntrack"); conntrack.is_object()) {
    print_row("conntrack", conntrack_text(number_at(conntrack, "entries"), number_at(conntrack, "limit")));
  }
  print_row("evidence", evidence_text(number_at(at(status, "nflog"), "group"),
                                      number_at(at(status, "evidence"), "receive_buffer")));
  if (const Json& live = at(status, "live"); number_at(live, "would_deny") > 0) {
    print_row("live", fmt::format("{} of {} connections would be denied by what is staged, begun anew: drywall preview",
                                  number_at(live, "would_deny"), number_at(live, "connections")));
  }
  if (const Json& confirm = at(status, "confirm"); confirm.is_object()) {
    print_row("confirm", fmt::format("{} by {} is rolled back at {} unless somebody confirms it",
                                     text_at(confirm, "verb"), text_at(confirm, "by"), text_at(confirm, "deadline")));
  }
  for (const Json& note : at(status, "notes")) print_row("note", note.get<std::string>());
  print_row("daemon", fmt::format("drywalld {} on node {}", text_at(status, "version"), text_at(status, "node")));
}

Exit show(const Output& output) {
  Answer<Daemon> daemon = Daemon::connect();
  if (!daemon) return report(daemon.error());
  const Answer<Json> status = daemon->status();
  if (!status) return report(status.error());
  if (output.format == Format::json) {
    print(documented_status(*status));
  } else {
    print_table(*status);
    for (const Json& diagnostic : at(*status, "diagnostics")) {
      fmt::print(stderr, "{}", to_string(diagnostic_from(diagnostic)));
    }
    say_what_was_lost(at(*status, "evidence"));
  }
  return text_at(*status, "state") == "degraded" ? Exit::no : Exit::yes;
}

}  // namespace

Run declare_status(Arguments& arguments) {
  auto output = std::make_shared<Output>();
  add_output_options(arguments, *output, Wide::no);
  return [output] { return show(*output); };
}

}  // namespace drywall::cli
