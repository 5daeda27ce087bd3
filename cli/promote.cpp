// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "cli/caller.h"
#include "cli/configured_endpoint.h"
#include "cli/edit.h"
#include "cli/in_force.h"
#include "cli/policy_name.h"
#include "cli/terminal.h"
#include "cli/this_host.h"
#include "cli/verb.h"
#include "policy/parse.h"

namespace drywall::cli {
namespace {

enum class Way { promote, demote };

struct PromoteOptions {
  EditOptions edit;
  std::vector<std::string> policies;
  bool accept = false;
  bool accept_lockout = false;
};

Json document_of(const Policy& policy) {
  return {{"kind", std::string(file_kind(policy.id.kind))},
          {"namespace", policy.id.ns},
          {"name", policy.id.name},
          {"tier", policy.tier}};
}

/// The policies of that way's kind that a user names.
Answer<std::vector<PolicyId>> named(const Inventory& inventory, const std::vector<std::string>& words, Way way) {
  Json all = Json::array();
  std::vector<PolicyId> ids;
  for (const Policy& policy : inventory.policies) {
    if (is_staged(policy.id.kind) != (way == Way::promote)) continue;
    Json document = document_of(policy);
    document["index"] = ids.size();
    ids.push_back(policy.id);
    all.push_back(std::move(document));
  }
  std::vector<PolicyId> chosen;
  for (const std::string& word : words) {
    const std::vector<Json> found = named_policies(parse_policy_name(word), all);
    std::vector<std::string> alike = found.empty() ? candidates(word, all) : std::vector<std::string>{};
    for (const Json& policy : found) alike.push_back(full_name(policy));
    if (found.size() != 1) {
      const std::string_view kind = way == Way::promote ? "staged" : "enforced";
      std::string text = found.empty() ? fmt::format("there is no {} policy {}", kind, word)
                                       : fmt::format("{} is the name of several policies", word);
      if (!alike.empty()) text += fmt::format(": write one of {}", fmt::format("{}", listed(alike)));
      return tl::unexpected(Refusal{Exit::usage, std::move(text)});
    }
    const PolicyId& id = ids[number_at(found.front(), "index")];
    if (std::ranges::find(chosen, id) == chosen.end()) chosen.push_back(id);
  }
  return chosen;
}

Answer<Json> preview_of(EditPlace& place, const std::vector<PolicyId>& ids, const Caller& caller) {
  std::vector<std::string> names;
  for (const PolicyId& id : ids) names.push_back(full_name(id));
  return place.daemon->preview(names, caller_fields(caller));
}

/// What the preview has against it.
std::optional<Exit> refuse_unready(const Json& preview) {
  if (at(preview, "ready") == true) return std::nullopt;
  for (const Json& reason : at(preview, "reasons")) {
    say(fmt::format("not ready: {}", harmless(reason.is_string() ? reason.get<std::string>() : reason.dump())));
  }
  say("drywall preview shows more; --accept goes on all the same");
  return Exit::no;
}

/// True if drywalld, which judges with all of its configuration, would deny such a connection that lives now.
bool is_denied_in(const Json& preview, const ConnectionHere& connection) {
  for (const Json& live : at(preview, "connections")) {
    const bool is_it = text_at(live, "src") == to_string(connection.there) &&
                       text_at(live, "dst") == to_string(connection.here) &&
                       number_at(live, "dst_port") == connection.port_here;
    if (is_it && text_at(live, "would") == "would-deny") return true;
  }
  return false;
}

///   preview  of what is promoted; null: there is none
std::optional<Exit> refuse_lockout(const EditPlace& place, Inventory after, const Caller& caller, const Json& preview) {
  add_configured_endpoint(after, text_at(place.status, "node"));
  const std::vector<ConnectionHere> keep = connections_to_keep(caller);
  if (!caller.is_known()) {
    say(fmt::format("{}: every live connection to sshd counts instead ({})", caller.text, keep.size()));
  }
  std::vector<ConnectionHere> cut = cut_off(after, host_in_force(place.status), keep);
  for (const ConnectionHere& connection : keep) {
    const bool is_known = std::ranges::find(cut, connection) != cut.end();
    if (!is_known && is_denied_in(preview, connection)) cut.push_back(connection);
  }
  if (cut.empty()) return std::nullopt;
  for (const ConnectionHere& connection : cut) {
    const std::string_view whose = caller.is_known() ? "a new connection like yours" : "a new SSH connection";
    say(fmt::format("{}, {}, would be denied", whose, to_string(connection)));
  }
  say("you could not log in again; --accept-lockout goes on all the same, --confirm TIME takes it back by itself");
  return Exit::no;
}

std::optional<Exit> refuse_what_differs(const EditPlace& place, const std::vector<yaml::SourceFile>& files) {
  const std::optional<std::vector<FileEdit>> differences = differences_from_force(place, files);
  if (!differences || differences->empty()) return std::nullopt;
  std::vector<std::string> names;
  for (const FileEdit& edit : *differences) names.push_back(edit.file);
  say(fmt::format("the policy directory is not what is in force: {}; drywall reload first", listed(names)));
  return Exit::no;
}

Exit run(const PromoteOptions& options, Way way) {
  Answer<EditPlace> place = find_place(options.edit, NeedsDaemon::yes);
  if (!place) return report(place.error());
  std::optional<Descriptor> lock;
  if (!options.edit.dry_run && !options.edit.print_patch) {
    Answer<Descriptor> taken = begin_editing(*place);
    if (!taken) return report(taken.error());
    lock = std::move(*taken);
  }
  const std::optional<std::vector<yaml::SourceFile>> files = read_good_files(*place);
  if (!files) return Exit::no;
  const Answer<std::vector<PolicyId>> ids = named(parse(*files).inventory, options.policies, way);
  if (!ids) return report(ids.error());
  if (const auto refused = refuse_what_differs(*place, *files)) return *refused;
  const Edited edited = way == Way::promote ? promote(*files, *ids) : demote(*files, *ids);
  for (const Diagnostic& refusal : edited.refusals) fmt::print(stderr, "{}", to_string(refusal));
  if (!edited.refusals.empty()) return Exit::no;
  const Parsed after = parse(edited_files(*files, edited.edits));
  if (has_errors(after.diagnostics)) {
    for (const Diagnostic& diagnostic : after.diagnostics) fmt::print(stderr, "{}", to_string(diagnostic));
    say("the policy directory would have mistakes: nothing was changed");
    return Exit::no;
  }
  const Caller caller = find_caller(&*place->daemon, options.edit.caller_pid);
  Json preview;
  if (way == Way::promote) {
    Answer<Json> asked = preview_of(*place, *ids, caller);
    if (!asked) return report(asked.error());
    preview = std::move(*asked);
  }
  if (way == Way::promote && !options.accept) {
    if (const auto refused = refuse_unready(preview)) return *refused;
  }
  if (!options.accept_lockout) {
    if (const auto refused = refuse_lockout(*place, after.inventory, caller, preview)) return *refused;
  }
  return carry_out(*place, way == Way::promote ? "promote" : "demote", edited.edits, options.edit);
}

Run declare(Arguments& arguments, Way way) {
  auto options = std::make_shared<PromoteOptions>();
  arguments.add("policy", options->policies, "[KIND/][NAMESPACE/]NAME; several become one generation")
      .takes("POLICY")
      .required();
  if (way == Way::promote) {
    arguments.add_flag("--accept", options->accept, "Also if the preview is not ready");
  }
  arguments.add_flag("--accept-lockout", options->accept_lockout,
                     "Also if a new connection like the caller's own would be denied");
  add_edit_options(arguments, options->edit, Confirmable::yes);
  return [options, way] { return run(*options, way); };
}

}  // namespace

Run declare_promote(Arguments& arguments) {
  return declare(arguments, Way::promote);
}

Run declare_demote(Arguments& arguments) {
  return declare(arguments, Way::demote);
}

}  // namespace drywall::cli
