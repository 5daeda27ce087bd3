// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "policy/model.h"

namespace drywall {

/// What a policy says, as one canonical text: two policies have the same if they judge every packet alike on every
/// host. Where it stands, how it is written, its labels and annotations and what is to become of it if it is staged are
/// not in it, nor that it is staged: the text is the same before and after promotion.
[[nodiscard]] std::string content_of(const Policy& policy);

}  // namespace drywall
