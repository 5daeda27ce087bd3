// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

namespace drywall::test {

/// Random choices; the same seed gives the same ones.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_); }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }

  template <class Choices>
  const auto& pick(const Choices& choices) {
    return choices[below(choices.size())];
  }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[below(choices.size())];
  }
  /// `count` of the choices, in their order.
  template <class T>
  std::vector<T> some(std::vector<T> choices, std::size_t count) {
    while (choices.size() > count) choices.erase(choices.begin() + static_cast<std::ptrdiff_t>(below(choices.size())));
    return choices;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace drywall::test
