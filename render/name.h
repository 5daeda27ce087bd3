// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>

namespace drywall {

/// 16 hexadecimal digits that depend on the text alone (64-bit FNV-1a).
[[nodiscard]] std::string short_hash(std::string_view text);

/// A chain name for people: ROLE-NAME-HASH, with what nft's grammar does not take in a name replaced, NAME cut to 40
/// characters; the hash of `identity` keeps names apart.
[[nodiscard]] std::string readable_name(std::string_view role, std::string_view name, std::string_view identity);

/// Printable ASCII without quotes, at most 120 bytes: what a comment may hold.
[[nodiscard]] std::string comment_text(std::string_view text);

}  // namespace drywall
