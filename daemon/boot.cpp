// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/boot.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/generation.h"
#include "daemon/netlink.h"
#include "directory/snapshot.h"

namespace drywall {

Result<std::string> load_at_boot(const std::string& state_dir) {
  Result<std::optional<SavedBatch>> saved = load_batch(state_dir);
  if (!saved) return tl::unexpected(saved.error());
  if (!*saved) return "no generation was saved: the policy directory is in force when drywalld has started";
  SavedBatch& batch = **saved;
  Result<NftSocket> nft = NftSocket::open();
  if (!nft) return tl::unexpected(nft.error());
  const Result<TableComments> comments = nft->read_comments();
  if (!comments) return tl::unexpected(comments.error());
  if (*comments != TableComments{}) return "the kernel holds our tables already: nothing changed";
  const std::string comment = to_string(GenerationComment{batch.generation, batch.rendering});
  const auto applied = nft->apply(Transaction{.bytes = std::move(batch.bytes), .origins = {}}, {comment, comment});
  if (!applied) return tl::unexpected(applied.error().failure);
  return fmt::format("generation {} is in force", batch.generation);
}

}  // namespace drywall
