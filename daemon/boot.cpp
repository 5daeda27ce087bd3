// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/boot.h"

#include <fmt/format.h>

#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "daemon/generation.h"
#include "daemon/netlink.h"
#include "directory/edit_record.h"
#include "directory/snapshot.h"
#include "machine/netlink_message.h"

namespace drywall {

namespace {

/// True if the snapshot has the files as they were before the edit.
bool is_before(const EditRecord& record, const Snapshot& snapshot) {
  return std::ranges::all_of(record.files, [&](const EditedFile& edited) {
    const auto there = std::ranges::find_if(
        snapshot.files, [&](const yaml::SourceFile& file) { return file.name.ends_with('/' + edited.name); });
    return there == snapshot.files.end() ? !edited.before : edited.before == there->text;
  });
}

/// An edit that nobody confirmed before the machine went down is not put in force again.
Saved what_counts(const std::string& state_dir) {
  const Result<std::optional<EditRecord>> record = read_edit_record(state_dir);
  if (!record || !*record || !is_before_in_force(**record, boot_time())) return Saved::last_good;
  const Result<std::optional<Snapshot>> previous = load_snapshot(state_dir, Saved::previous);
  const Result<std::optional<Snapshot>> last = load_snapshot(state_dir);
  const bool is_last_before = last && *last && is_before(**record, **last);
  return !is_last_before && previous && *previous && is_before(**record, **previous) ? Saved::previous
                                                                                     : Saved::last_good;
}

}  // namespace

void forget_owner(std::span<std::byte> batch) {
  while (batch.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, batch.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > batch.size()) return;
    const auto message = batch.first(header.nlmsg_len);
    batch = batch.subspan(std::min<std::size_t>(batch.size(), MNL_ALIGN(header.nlmsg_len)));
    if (header.nlmsg_type != nft_type(NFT_MSG_NEWTABLE)) continue;
    const auto attributes = message.subspan(std::min(message.size(), sizeof header + MNL_ALIGN(sizeof(nfgenmsg))));
    for_each_attribute(attributes, [&](int type, Attribute value) {
      if (type == NFTA_TABLE_FLAGS)
        std::fill_n(attributes.begin() + (value.data() - attributes.data()), value.size(), std::byte{0});
    });
  }
}

Result<std::string> load_at_boot(const std::string& state_dir) {
  Result<std::optional<SavedBatch>> saved = load_batch(state_dir, what_counts(state_dir));
  if (!saved) return tl::unexpected(saved.error());
  if (!*saved) return "no generation was saved: the policy directory is in force when drywalld has started";
  SavedBatch& batch = **saved;
  Result<NftSocket> nft = NftSocket::open();
  if (!nft) return tl::unexpected(nft.error());
  const Result<TableComments> comments = nft->read_comments();
  if (!comments) return tl::unexpected(comments.error());
  if (*comments != TableComments{}) return "the kernel holds our tables already: nothing changed";
  if (!nft->offers_owner()) forget_owner(batch.bytes);
  const std::string comment = to_string(GenerationComment{batch.generation, batch.rendering});
  const auto applied = nft->apply(Transaction{.bytes = std::move(batch.bytes), .origins = {}}, {comment, comment});
  if (!applied) return tl::unexpected(applied.error().failure);
  return fmt::format("generation {} is in force", batch.generation);
}

Result<std::string> remove_rules() {
  Result<NftSocket> nft = NftSocket::open();
  if (!nft) return tl::unexpected(nft.error());
  const Result<TableComments> comments = nft->read_comments();
  if (!comments) return tl::unexpected(comments.error());
  if (*comments == TableComments{}) return "the kernel holds no rules of ours";
  Ruleset there;
  for (const Family family : both_families) {
    if (!(family == Family::v4 ? comments->v4 : comments->v6)) continue;
    there.tables.emplace_back().family = family;
  }
  const EncodeOptions options{.first_sequence = nft->next_sequence(), .acks_end = nft->acks_end(), .generation = {}};
  if (const auto applied = nft->apply(encode_change(there, {}, options), {}); !applied) {
    return tl::unexpected(applied.error().failure);
  }
  return "the rules of Drywall are out of the kernel: its policies protect this host no more";
}

}  // namespace drywall
