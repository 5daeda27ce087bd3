// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/enforcer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "directory/sha256.h"
#include "render/place.h"

namespace drywall {
namespace {

const std::optional<std::string>& comment_of(const TableComments& comments, Family family) {
  return family == Family::v4 ? comments.v4 : comments.v6;
}

constexpr const char* warm_up_comment = "no rules yet: the kernel gets to know live connections";

TableOwner owner_for(OwnTables own, const NftSocket& nft) {
  return own == OwnTables::where_offered && nft.offers_owner() ? TableOwner::sender : TableOwner::anybody;
}

bool persists(std::uint32_t flags) {
  return (flags & persist_flag) != 0;
}

bool has_table(const Ruleset& ruleset, Family family) {
  return std::ranges::any_of(ruleset.tables, [&](const Table& table) { return table.family == family; });
}

/// The comments of our tables once `ruleset` is in force.
TableComments comments_for(const Ruleset& ruleset, const std::string& comment) {
  const auto of = [&](Family family) { return has_table(ruleset, family) ? std::optional(comment) : std::nullopt; };
  return {of(Family::v4), of(Family::v6)};
}

/// At the user's rule that it is about, or that needs what it is about.
Diagnostic kernel_diagnostic(const Refusal& refusal, const Ruleset& ruleset) {
  const MessageOrigin& origin = refusal.origin;
  const bool was_sent = refusal.failure.operation == "apply";
  return {origin.at.file.empty() ? place_of(ruleset, origin.family, origin.name) : origin.at,
          1,
          Severity::error,
          "kernel-refused",
          (was_sent ? "the kernel refused this: " : "") + to_string(refusal.failure),
          {},
          {}};
}

/// As a kernel takes it that does not acknowledge the end of a batch: others do too.
std::vector<std::byte> batch_for_any_kernel(const Generation& generation, std::uint64_t number, TableOwner owner) {
  const EncodeOptions options{.first_sequence = 1,
                              .acks_end = false,
                              .generation = to_string(GenerationComment{number, generation.rendering}),
                              .owner = owner,
                              .held = {owner, owner}};
  return encode_replacement(generation.ruleset, options).bytes;
}

/// What the snapshot was made of.
Inputs inputs_of(Snapshot snapshot, const Machine& machine, const std::optional<std::string>& node) {
  Inputs inputs;
  inputs.files = std::move(snapshot.files);
  inputs.machine = machine;
  if (snapshot.config) {
    LoadedConfig loaded = load_config(*snapshot.config);
    inputs.config = std::move(loaded.config);
    inputs.diagnostics = std::move(loaded.diagnostics);
    inputs.config_file = std::move(snapshot.config);
  }
  inputs.config.node = node.value_or(inputs.config.node);
  return inputs;
}

}  // namespace

std::vector<FileChange> file_changes(const SharedList<yaml::SourceFile>& before_list,
                                     const SharedList<yaml::SourceFile>& after_list) {
  const auto [before, after] = unshared(before_list, after_list);
  std::map<std::string_view, FileChange> changes;
  std::map<std::string_view, std::string_view> old;
  for (const yaml::SourceFile* file : before) old[file->name] = file->text;
  for (const yaml::SourceFile* file : after) {
    const auto was = old.find(file->name);
    const bool is_new = was == old.end();
    if (is_new || was->second != file->text) {
      changes[file->name] = {file->name, is_new ? std::nullopt : std::optional(sha256(was->second)),
                             sha256(file->text)};
    }
    if (!is_new) old.erase(was);
  }
  for (const auto& [name, text] : old) changes[name] = {std::string(name), sha256(text), std::nullopt};
  std::vector<FileChange> out;
  for (auto& [name, change] : changes) out.push_back(std::move(change));
  return out;
}

bool holds(const TableComments& comments, const Ruleset& ruleset, const std::string& rendering) {
  return std::ranges::all_of(both_families, [&](Family family) {
    const std::optional<std::string>& comment = comment_of(comments, family);
    if (!has_table(ruleset, family)) return !comment;
    const auto parsed = comment ? parse_generation_comment(*comment) : std::nullopt;
    return parsed && parsed->rendering == rendering;
  });
}

Enforcer::Enforcer(std::string state_dir) : state_dir_(std::move(state_dir)), writer_(state_dir_) {
  Result<std::optional<Snapshot>> saved = load_snapshot(state_dir_);
  if (saved) {
    saved_ = std::move(*saved);
  } else {
    saved_failure_ = saved.error();
  }
  if (saved_) highest_number_ = saved_->generation;
}

Result<NftSocket*> Enforcer::socket() {
  if (!socket_) {
    Result<NftSocket> opened = NftSocket::open();
    if (!opened) return tl::unexpected(opened.error());
    socket_ = std::move(*opened);
  }
  return &*socket_;
}

std::optional<bool> Enforcer::in_sync() {
  const Result<NftSocket*> nft = socket();
  if (!nft) return std::nullopt;
  const Result<TableComments> comments = (*nft)->read_comments();
  if (!comments) return std::nullopt;
  if (!in_force_) return *comments == TableComments{};
  return holds(*comments, in_force_->generation->ruleset, in_force_->generation->rendering);
}

Result<KernelCounts> Enforcer::read_counts() {
  const Result<NftSocket*> nft = socket();
  if (!nft) return tl::unexpected(nft.error());
  return in_force_ ? (*nft)->read_counts(in_force_->generation->ruleset) : (*nft)->read_counts();
}

Result<KernelCounts> Enforcer::read_unlogged(const Generation& generation) {
  const Result<NftSocket*> nft = socket();
  if (!nft) return tl::unexpected(nft.error());
  return (*nft)->read_unlogged(generation.ruleset);
}

std::optional<bool> Enforcer::is_whole() {
  const std::optional<bool> same = in_sync();
  if (!same || !*same) return same;
  const Result<NftSocket*> nft = socket();
  const Result<KernelCounts> counts = nft ? (*nft)->read_counts() : tl::unexpected(nft.error());
  if (!counts) return std::nullopt;
  return counts->loaded == (in_force_ ? count_rules(in_force_->generation->ruleset) : 0);
}

std::optional<Diagnostic> Enforcer::restore() {
  if (!in_force_) return std::nullopt;
  return put_into_kernel(*in_force_->generation, in_force_->number, nullptr);
}

std::optional<std::uint32_t> Enforcer::port() {
  const Result<NftSocket*> nft = socket();
  return nft ? std::optional((*nft)->port()) : std::nullopt;
}

std::optional<Diagnostic> Enforcer::put_into_kernel(const Generation& generation, std::uint64_t number,
                                                    const Ruleset* before) {
  const Result<NftSocket*> nft = socket();
  if (!nft) return kernel_diagnostic({nft.error(), {}}, generation.ruleset);
  const std::string comment = to_string(GenerationComment{number, generation.rendering});
  const auto apply = [&](const Ruleset* from) -> tl::expected<void, Refusal> {
    const Result<EncodeOptions> options = encode_options(**nft, comment);
    if (!options) return tl::unexpected(Refusal{options.error(), {}});
    const Transaction transaction = from == nullptr ? encode_replacement(generation.ruleset, *options)
                                                    : encode_change(*from, generation.ruleset, *options);
    return (*nft)->apply(transaction, comments_for(generation.ruleset, comment));
  };
  auto applied = apply(before);
  Extent extent = before == nullptr ? Extent::all : Extent::difference;
  if (!applied && before != nullptr) {  // if our copy of what the kernel holds was wrong, the whole may still be taken
    applied = apply(nullptr);
    extent = Extent::all;
  }
  if (!applied) return kernel_diagnostic(applied.error(), generation.ruleset);
  on_change_(generation, extent);
  return std::nullopt;
}

Result<EncodeOptions> Enforcer::encode_options(NftSocket& nft, std::string comment) const {
  const Result<TableFlags> flags = nft.read_flags();
  if (!flags) return tl::unexpected(flags.error());
  EncodeOptions options{.first_sequence = nft.next_sequence(),
                        .acks_end = nft.acks_end(),
                        .generation = std::move(comment),
                        .owner = owner_for(own_tables_, nft)};
  for (std::size_t i = 0; i < flags->size(); ++i) {
    const auto& held = (*flags)[i];
    options.held[i] = held ? (persists(*held) ? TableOwner::sender : TableOwner::anybody) : options.owner;
  }
  return options;
}

Result<bool> Enforcer::take_over_tables(NftSocket& nft) {
  const Result<TableFlags> flags = nft.read_flags();
  if (!flags) return tl::unexpected(flags.error());
  const TableOwner owner = owner_for(own_tables_, nft);
  std::vector<Family> orphans;
  bool is_right = true;
  for (const Family family : both_families) {
    const auto& held = (*flags)[static_cast<std::size_t>(family)];
    if (!held) continue;
    is_right &= persists(*held) == (owner == TableOwner::sender);
    if (persists(*held) && (*held & owner_flag) == 0) orphans.push_back(family);
  }
  if (!is_right || orphans.empty()) return is_right;
  const Result<TableComments> comments = nft.read_comments();
  if (!comments) return tl::unexpected(comments.error());
  const EncodeOptions options{.first_sequence = nft.next_sequence(), .acks_end = nft.acks_end(), .generation = {}};
  return nft.apply(encode_adoption(orphans, options), *comments).has_value();
}

std::optional<bool> Enforcer::owns_tables() {
  const Result<NftSocket*> nft = socket();
  if (!nft) return std::nullopt;
  const Result<TableFlags> flags = (*nft)->read_flags();
  if (!flags || std::ranges::none_of(*flags, [](const auto& held) { return held.has_value(); })) return std::nullopt;
  return std::ranges::all_of(*flags, [](const auto& held) { return !held || (*held & owner_flag) != 0; });
}

bool Enforcer::had_rules() const {
  if (in_force_) return !in_force_->generation->ruleset.tables.empty();
  return saved_ && saved_->rendering != rendering_of(Ruleset{});
}

WarmUp Enforcer::warm_up_for(const Generation& generation) {
  const auto track = [&]() -> std::optional<Failure> {
    const Result<NftSocket*> nft = socket();
    if (!nft) return nft.error();
    const Result<EncodeOptions> options = encode_options(**nft, warm_up_comment);
    if (!options) return options.error();
    const Ruleset ruleset = tracking_only(generation.ruleset);
    const auto applied = (*nft)->apply(encode_replacement(ruleset, *options), comments_for(ruleset, warm_up_comment));
    return applied ? std::nullopt : std::optional(applied.error().failure);
  };
  return warm_up(track, had_rules() ? Forwarded::not_waited_for : forwarded_here());
}

std::optional<Enforcer::Last> Enforcer::last() const {
  if (in_force_) {
    return Last{in_force_->number, in_force_->applied_at, in_force_->generation->rendering, &in_force_->inputs->files,
                &in_force_->inputs->config_file};
  }
  if (saved_) return Last{saved_->generation, saved_->applied_at, saved_->rendering, &saved_->files, &saved_->config};
  return std::nullopt;
}

std::shared_ptr<const Generation> Enforcer::held(const TableComments& comments, const Inputs& inputs) const {
  std::shared_ptr<const Generation> generation;
  if (in_force_) {
    generation = in_force_->generation;
  } else if (saved_) {
    const Inputs saved = inputs_of(*saved_, inputs.machine, inputs.config.node);
    generation = build(saved.files, saved.config, saved.machine).generation;
  }
  if (!generation || !holds(comments, generation->ruleset, generation->rendering)) return nullptr;
  return generation;
}

/// The same policy keeps its number, also over restarts, and rules that are in the kernel already stay there untouched.
Loaded Enforcer::enforce(Candidate candidate, Loaded loaded, Timestamp now) {
  const Inputs& inputs = *candidate.inputs;
  const Generation& generation = *candidate.generation;
  const Result<NftSocket*> nft = socket();
  const Result<TableComments> comments = nft ? (*nft)->read_comments() : tl::unexpected(nft.error());
  own_tables_ = inputs.config.own_tables;
  const Result<bool> is_owner_right = comments ? take_over_tables(**nft) : tl::unexpected(comments.error());
  if (!is_owner_right) {
    loaded.result = Loaded::Result::refused;
    loaded.diagnostics.push_back(kernel_diagnostic({is_owner_right.error(), {}}, generation.ruleset));
    return loaded;
  }
  for (const Family family : both_families) {
    const auto& comment = comment_of(*comments, family);
    const auto parsed = comment ? parse_generation_comment(*comment) : std::nullopt;
    if (parsed) highest_number_ = std::max(highest_number_, parsed->number);
  }
  const std::optional<Last> before = last();
  const bool is_same = before && *before->files == inputs.files && *before->config_file == inputs.config_file &&
                       before->rendering == generation.rendering;
  const bool in_kernel = holds(*comments, generation.ruleset, generation.rendering) && *is_owner_right;
  const std::uint64_t number = is_same ? before->number : highest_number_ + 1;
  if (*comments == TableComments{} && !generation.ruleset.tables.empty()) {
    loaded.warm_up = warm_up_for(generation);
    for (const std::string& warning : loaded.warm_up->warnings) {
      loaded.diagnostics.push_back({{}, 1, Severity::warning, "first-load", warning, {}, {}});
      candidate.warnings.push_back(loaded.diagnostics.back());
    }
  }
  if (!in_kernel) {
    // A difference to what was there before the warm-up would leave what the warm-up put there.
    const bool is_known = *is_owner_right && !loaded.warm_up;
    const std::shared_ptr<const Generation> now = is_known ? held(*comments, inputs) : nullptr;
    if (std::optional<Diagnostic> refusal = put_into_kernel(generation, number, now ? &now->ruleset : nullptr)) {
      if (loaded.warm_up) std::ignore = put_into_kernel(Generation{}, 0, nullptr);
      loaded.result = Loaded::Result::refused;
      loaded.diagnostics.push_back(std::move(*refusal));
      return loaded;
    }
  }
  const bool is_unchanged = in_kernel && is_same;
  loaded.result = is_unchanged ? Loaded::Result::unchanged : Loaded::Result::in_force;
  const Timestamp applied_at = is_unchanged ? before->applied_at : now;
  if (!is_same || writer_.failure()) {
    writer_.save({number, applied_at, generation.rendering, inputs.files, inputs.config_file},
                 [generation = candidate.generation, number, owner = owner_for(own_tables_, **nft)] {
                   return batch_for_any_kernel(*generation, number, owner);
                 });
  }
  highest_number_ = std::max(highest_number_, number);
  in_force_ = InForce{number, applied_at, std::move(candidate.inputs), std::move(candidate.generation),
                      std::move(candidate.warnings)};
  saved_.reset();
  return loaded;
}

Loaded Enforcer::load(Inputs inputs, Timestamp now) {
  Loaded loaded;
  const std::optional<Last> before = last();
  loaded.changed = file_changes(before ? *before->files : SharedList<yaml::SourceFile>{}, inputs.files);
  loaded.diagnostics = inputs.diagnostics;
  if (has_errors(loaded.diagnostics)) {
    loaded.result = Loaded::Result::invalid;
    return loaded;
  }
  if (in_force_ && *in_force_->inputs == inputs) {
    loaded.diagnostics = in_force_->warnings;
    return enforce({in_force_->inputs, in_force_->generation, in_force_->warnings}, std::move(loaded), now);
  }
  Built built = build(inputs.files, inputs.config, inputs.machine, memo_);
  loaded.diagnostics.insert(loaded.diagnostics.end(), built.diagnostics.begin(), built.diagnostics.end());
  sort_diagnostics(loaded.diagnostics);
  if (!built.generation) {
    loaded.result = Loaded::Result::invalid;
    return loaded;
  }
  Candidate candidate{std::make_shared<const Inputs>(std::move(inputs)), std::move(built.generation),
                      loaded.diagnostics};
  return enforce(std::move(candidate), std::move(loaded), now);
}

std::optional<Loaded> Enforcer::load_last_good(const Machine& machine, const std::optional<std::string>& node,
                                               Timestamp now) {
  if (saved_failure_) {
    Loaded loaded;
    loaded.result = Loaded::Result::invalid;
    Diagnostic& diagnostic = loaded.diagnostics.emplace_back();
    diagnostic.at.file = saved_failure_->object;
    diagnostic.code = "last-good";
    diagnostic.message = to_string(*saved_failure_);
    return loaded;
  }
  if (!saved_) return std::nullopt;
  return load(inputs_of(*saved_, machine, node), now);
}

}  // namespace drywall
