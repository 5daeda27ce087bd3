// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "cli/worlds.h"
#include "flow/json_writer.h"

namespace drywall::cli {

/// If each leg is to say everything that it asked.
enum class Why { no, yes };

/// The answer of `drywall explain` to one packet, as one line (docs/cli.md).
void write_fates(JsonWriter& json, const Worlds& worlds, const Passage& passage, const Fates& fates, Why why);

/// The answer to a line that is no packet.
void write_error(JsonWriter& json, std::string_view message);

}  // namespace drywall::cli
