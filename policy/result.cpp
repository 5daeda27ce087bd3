// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/result.h"

#include <fmt/format.h>

#include <system_error>

namespace drywall {
namespace {

// Not std::strerror: its buffer is shared between threads.
std::string reason(const Failure& failure) {
  if (failure.error == 0) return failure.detail;
  std::string text = std::generic_category().message(failure.error);
  if (!failure.detail.empty()) text += fmt::format(" ({})", failure.detail);
  return text;
}

}  // namespace

std::string to_string(const Failure& failure) {
  std::string text = fmt::format("cannot {}", failure.operation);
  if (!failure.object.empty()) text += fmt::format(" {}", failure.object);
  const std::string why = reason(failure);
  return why.empty() ? text : fmt::format("{}: {}", text, why);
}

}  // namespace drywall
