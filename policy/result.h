// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace drywall {

/// The world's failure: what was tried, on what, and the kernel's errno (0 if there is none).
/// Printed as `cannot OPERATION OBJECT: REASON`.
struct Failure {
  std::string operation;  // "open", "bind NFLOG group"
  std::string object;     // "/etc/drywall/policy.d", "4242"
  int error = 0;          // errno, positive
  std::string detail;     // anything else the reader needs; may be empty
  bool operator==(const Failure&) const = default;
};

[[nodiscard]] std::string to_string(const Failure& failure);

template <class T>
using Result = tl::expected<T, Failure>;

/// Makes one overload set of lambdas for std::visit; deliberately without a catch-all.
template <class... Handlers>
struct overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
overloaded(Handlers...) -> overloaded<Handlers...>;

}  // namespace drywall
