// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "policy/path.h"

namespace drywall::cli {

/// Reads one line of `drywall explain --flows`: a JSON object with src, dst and protocol (name or number), and if they
/// apply src_port, dst_port, icmp_type, icmp_code, in_interface, out_interface, orig_dst, orig_dst_port.
///   errors  a sentence that names the key and what it may be
[[nodiscard]] tl::expected<Passage, std::string> parse_passage(std::string_view line);

}  // namespace drywall::cli
