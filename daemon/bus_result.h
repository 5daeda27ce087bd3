// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>

namespace drywall {

/// Why a call was not done, in the bus's terms.
struct BusError {
  enum class Kind : std::uint8_t { invalid_arguments, access_denied, limit, refused, kernel_refused, failed };
  Kind kind = Kind::failed;
  std::string message;
};
template <class T>
using BusResult = tl::expected<T, BusError>;

}  // namespace drywall
