// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "render/ruleset.h"

namespace drywall {

/// A fingerprint of a ruleset: the sum of the SHA-256 of each of its objects as text, in words of 64 bits. Whatever is
/// in it counts, in whatever order, and of a ruleset that differs in few objects it takes only those to know it.
class Rendering {
 public:
  Rendering() = default;
  explicit Rendering(const Ruleset& ruleset) { replace({}, ruleset); }

  /// It is that of `before` and becomes that of `after`.
  void replace(const Ruleset& before, const Ruleset& after);
  /// 64 lower-case hexadecimal digits.
  [[nodiscard]] std::string text() const;
  bool operator==(const Rendering&) const = default;

 private:
  enum class Sense : std::uint8_t { add, remove };
  void count(std::string_view object, Sense sense);
  void replace_table(const Table& before, const Table& after);
  template <class List>
  void replace_list(const List& before, const List& after, Family family);

  std::array<std::uint64_t, 4> sum_{};
};

}  // namespace drywall
