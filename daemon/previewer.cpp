// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/previewer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "directory/sha256.h"
#include "policy/content.h"

namespace drywall {
namespace {

constexpr std::chrono::seconds write_interval{10};  // of evidence; what came since the last is lost with the process
constexpr std::size_t most_kinds = 4096;
constexpr unsigned most_told = 20;
constexpr std::chrono::minutes told_interval{1};

///   followed  the generation that `before` is of; nullptr: not known. What is the same in both is not hashed again.
PolicyContents contents_of(const Inventory& inventory, const Generation* followed, const PolicyContents& before,
                           Timestamp now) {
  std::map<PolicyId, const Policy*> old;
  if (followed != nullptr) {
    for (const Policy& policy : followed->inventory.policies) old.emplace(policy.id, &policy);
  }
  PolicyContents out;
  for (const Policy& policy : inventory.policies) {
    const auto known = before.find(policy.id);
    const auto same = old.find(policy.id);
    if (known != before.end() && same != old.end() && *same->second == policy) {
      out.insert(*known);
      continue;
    }
    PolicyContent content{sha256(content_of(policy)), now};
    if (known != before.end() && known->second.sha256 == content.sha256) content.since = known->second.since;
    out[policy.id] = std::move(content);
  }
  return out;
}

std::string names_of(const std::vector<PolicyId>& policies) {
  std::string out;
  for (const PolicyId& id : policies) out += (out.empty() ? "" : ", ") + to_string(id);
  return out;
}

/// The sentence for so many: "1 flow" or "3 flows".
std::string count_of(std::uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::uint64_t count_would(const std::vector<ChangedConnection>& connections, Verdict would) {
  return static_cast<std::uint64_t>(std::ranges::count(connections, would, &ChangedConnection::would));
}

std::string duration_text(std::uint64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200 && seconds % 3600 != 0) return fmt::format("{} min", seconds / 60);
  return seconds < 172'800 ? fmt::format("{} h", seconds / 3600) : fmt::format("{} days", seconds / 86'400);
}

void add_shortages(PreviewReport& report, const PromotionConfig& config) {
  const auto wanted = static_cast<std::uint64_t>(config.min_observed.count());
  if (report.seconds < wanted) {
    report.reasons.push_back(fmt::format("observed for {} under this content, of {} (promotion.min_observed)",
                                         duration_text(report.seconds), duration_text(wanted)));
  }
  if (report.preview.flows < config.min_flows) {
    report.reasons.push_back(fmt::format("{} seen under this content, of {} (promotion.min_flows)",
                                         count_of(report.preview.flows, "flow"), config.min_flows));
  }
  if (report.lost > 0) {
    report.reasons.push_back(
        fmt::format("{} of the evidence lost since: there may be traffic that was not seen",
                    report.lost == 1 ? "1 message was" : fmt::format("{} messages were", report.lost)));
  }
  if (report.preview.disagreements > 0) {
    report.reasons.push_back(fmt::format("the kernel and the evaluator disagree about {}: please report this",
                                         count_of(report.preview.disagreements, "kind of traffic")));
  }
}

void add_changes(PreviewReport& report) {
  const Preview& preview = report.preview;
  if (!preview.new_denies.empty()) {
    report.reasons.push_back(fmt::format("{} allowed now would be denied",
                                         preview.new_denies.size() == 1
                                             ? "1 kind of traffic that is"
                                             : fmt::format("{} kinds of traffic that are", preview.new_denies.size())));
  }
  const std::uint64_t denied = count_would(preview.connections, Verdict::deny);
  if (denied > 0) {
    const auto cut = std::ranges::count_if(preview.connections, [](const ChangedConnection& changed) {
      return changed.would == Verdict::deny && !changed.survives;
    });
    const std::string at_once = cut > 0 ? fmt::format(", {} of them cut at once", cut) : "";
    report.reasons.push_back(fmt::format("{} would be denied if {} began anew{}", count_of(denied, "live connection"),
                                         denied == 1 ? "it" : "they", at_once));
  }
}

bool opens(const FailsafePort& failsafe, const Listener& listener) {
  return failsafe.protocol == listener.protocol && failsafe.port == listener.port;
}

}  // namespace

Previewer::Previewer(const std::string& state_dir, Tell tell) : tell_(std::move(tell)) {
  KeptEvidence kept;
  Result<std::unique_ptr<EvidenceStore>> opened = EvidenceStore::open(state_dir, kept);
  if (!opened) {
    store_failure_ = opened.error();
    return;
  }
  store_ = std::move(*opened);
  if (store_->put_aside()) {
    store_failure_ =
        Failure{"read", state_dir + "/evidence.db", 0,
                fmt::format("it was damaged: the evidence began anew, the old is {}", *store_->put_aside())};
  }
  for (Encounter& encounter : kept.encounters) encounters_.restore(std::move(encounter));
  contents_ = std::move(kept.contents);
  lost_ = std::move(kept.lost);
  std::set<Timestamp> epochs;
  for (const auto& [id, content] : contents_) epochs.insert(content.since);
  for (const Timestamp epoch : epochs) encounters_.begin_epoch(epoch);
}

void Previewer::see(const JudgedConnection& connection) {
  encounters_.add(connection);
  if (connection.enforced != Verdict::allow || connection.pending != Verdict::deny) return;
  if (!is_new_kind(connection.leg, connection.source, connection.destination, connection.packet)) return;
  if (connection.at - told_since_ >= told_interval || connection.at < told_since_) {
    told_since_ = connection.at;
    told_ = 0;
  }
  if (++told_ > most_told) return;
  const Trace& trace = connection.pending_trace;
  tell_({connection.source, connection.destination, connection.packet,
         connection.leg.direction == Direction::egress ? Reporter::source : Reporter::destination,
         trace.empty() ? std::nullopt : std::optional(trace.back())});
}

bool Previewer::is_new_kind(const LegIdentity& leg, const FlowPeer& source, const FlowPeer& destination,
                            const Packet& packet) {
  if (kinds_.size() >= most_kinds) return false;
  return kinds_
      .insert(fmt::format("{}/{}/{}/{} {}/{} {}/{} {} {} {}", static_cast<int>(leg.endpoint.kind), leg.endpoint.ns,
                          leg.endpoint.name, to_string(leg.direction), source.ns, source.name, destination.ns,
                          destination.name, packet.protocol.number, packet.destination_port, packet.icmp_type))
      .second;
}

/// What an earlier run has told of is no news.
void Previewer::remember_kinds(const TraceBook& book) {
  encounters_.visit([&](const Encounter& encounter) {
    if (encounter.enforced != Verdict::allow || encounter.pending != Verdict::deny) return;
    std::ignore = is_new_kind(encounter.leg, book.peer(encounter.packet.source),
                              book.peer(encounter.packet.destination), encounter.packet);
  });
}

/// Policies known since later than now were met before the clock was set back: they are known since now.
void Previewer::forget_the_future(Timestamp now) {
  bool is_any = false;
  for (auto& [id, content] : contents_) {
    if (content.since <= now) continue;
    content.since = now;
    is_any = true;
  }
  if (!is_any) return;
  encounters_.begin_epoch(now);
  are_contents_new_ = true;
}

void Previewer::follow(const InForce& in_force, const TraceBook& book, Timestamp now) {
  forget_the_future(now);
  PolicyContents contents = contents_of(in_force.generation->inventory, followed_.get(), contents_, now);
  followed_ = in_force.generation;
  if (!std::exchange(are_kinds_restored_, true)) remember_kinds(book);
  if (contents == contents_) return;
  const bool is_changed = std::ranges::any_of(contents, [&](const auto& entry) { return entry.second.since == now; });
  if (is_changed) {
    encounters_.begin_epoch(now);
    kinds_.clear();  // the same traffic under another policy is news
  }
  contents_ = std::move(contents);
  are_contents_new_ = true;
}

void Previewer::tick(Timestamp now, std::uint64_t lost) {
  if (now < ticked_) forget_the_future(now);
  ticked_ = now;
  const std::uint64_t more = lost > lost_before_ ? lost - lost_before_ : 0;
  lost_before_ = std::max(lost, lost_before_);
  if (more > 0) lost_.add(encounters_.epoch(), more, now);
  if (!store_ || (now - written_ < write_interval && now >= written_ && !are_contents_new_)) return;
  written_ = now;
  EvidenceStore::Changes changes{encounters_.take_changes(), std::nullopt, lost_};
  if (std::exchange(are_contents_new_, false)) changes.contents = contents_;
  store_->save(std::move(changes));
}

std::optional<Timestamp> Previewer::since(const PolicyId& policy) const {
  const auto known = contents_.find(policy);
  return known == contents_.end() ? std::nullopt : std::optional(known->second.since);
}

std::optional<Failure> Previewer::failure() const {
  return store_failure_ ? store_failure_ : store_ ? store_->failure() : std::nullopt;
}

PreviewReport Previewer::begin_report(const InForce& in_force, const std::vector<PolicyId>& policies,
                                      Timestamp now) const {
  PreviewReport report;
  Sha256 content;
  for (const PolicyId& id : policies) {
    const auto known = contents_.find(id);
    if (known == contents_.end()) continue;
    content.add(known->second.sha256);
    report.since = std::max(report.since.value_or(Timestamp{}), known->second.since);
  }
  report.content_sha256 = content.hex();
  if (report.since) {
    report.seconds = static_cast<std::uint64_t>(
        std::max<std::int64_t>(std::chrono::floor<std::chrono::seconds>(now - *report.since).count(), 0));
    report.lost = lost_.since(*report.since).count;
  }
  const HostSettings& settings = in_force.generation->inventory.settings;
  const Host& host = in_force.generation->host;
  report.failsafe_inbound = settings.failsafe_inbound.value_or(host.failsafe_inbound);
  report.failsafe_outbound = settings.failsafe_outbound.value_or(host.failsafe_outbound);
  return report;
}

tl::expected<PreviewReport, Previewer::Unknown> Previewer::report(const InForce& in_force, const Machine& machine,
                                                                  std::vector<PolicyId> policies,
                                                                  const std::optional<Ends>& yours, bool differs,
                                                                  Timestamp now) const {
  const Generation& generation = *in_force.generation;
  const std::vector<PolicyId> all = promotable(generation.inventory);
  if (policies.empty()) policies = all;
  std::ranges::sort(policies);
  const auto repeated = std::ranges::unique(policies);
  policies.erase(repeated.begin(), repeated.end());

  PreviewReport report = begin_report(in_force, policies, now);
  std::vector<PolicyId> learning;
  for (const PolicyId& id : policies) {
    const auto policy = std::ranges::find(generation.inventory.policies, id, &Policy::id);
    if (policy == generation.inventory.policies.end() || !is_staged(id.kind)) return tl::unexpected(id);
    if (policy->staged_action == StagedAction::ignore) {
      report.reasons.push_back(
          fmt::format("{} is ignored (stagedAction: Ignore): change it to Set first", to_string(id)));
    }
    if (policy->staged_action == StagedAction::learn) learning.push_back(id);
  }
  if (!learning.empty()) {
    report.reasons.push_back(
        fmt::format("{} still learning (stagedAction: Learn): change it to Set first",
                    learning.size() == 1 ? to_string(learning[0]) + " is" : names_of(learning) + " are"));
  }

  const Result<LiveTraffic> live = read_live_traffic(machine, yours);
  const LiveTraffic traffic = live.value_or(LiveTraffic{});
  report.live = traffic.connections.size();
  const PreviewQuestion question{generation.inventory,
                                 generation.host,
                                 generation.enforced,
                                 generation.pending,
                                 policies,
                                 report.since.value_or(now),
                                 in_force.applied_at,
                                 now};
  report.preview = preview(question, encounters_, traffic.connections, traffic.listeners);
  for (const Listener& listener : traffic.listeners) {
    const bool is_open =
        std::ranges::any_of(report.failsafe_inbound, [&](const FailsafePort& port) { return opens(port, listener); });
    if (is_open) report.kept_open.push_back(listener);
  }
  if (policies.empty()) return report;
  if (differs) report.reasons.push_back("the policy directory is not what is in force: see drywall status");
  if (!live) report.reasons.push_back(fmt::format("the live connections are not known: {}", to_string(live.error())));
  if (!traffic.is_whole) report.reasons.push_back("there are more live connections than were looked at");
  add_shortages(report, in_force.inputs->config.promotion);
  add_changes(report);
  return report;
}

Result<LiveSummary> Previewer::look_at_live(const InForce& in_force, const Machine& machine, Timestamp now) const {
  const Generation& generation = *in_force.generation;
  const Result<LiveTraffic> live = read_live_traffic(machine, std::nullopt);
  if (!live) return tl::unexpected(live.error());
  const PreviewQuestion question{generation.inventory,
                                 generation.host,
                                 generation.enforced,
                                 generation.pending,
                                 promotable(generation.inventory),
                                 now,
                                 in_force.applied_at,
                                 now};
  const Preview seen = preview(question, Encounters{}, live->connections, {});
  return LiveSummary{now, live->connections.size(), count_would(seen.connections, Verdict::deny),
                     count_would(seen.connections, Verdict::allow)};
}

}  // namespace drywall
