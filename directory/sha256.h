// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace drywall {

/// SHA-256 (FIPS 180-4) of what was added so far.
class Sha256 {
 public:
  void add(std::string_view bytes);
  /// 64 lower-case hexadecimal digits; nothing may be added after.
  [[nodiscard]] std::string hex();
  /// Likewise, as words, the first of the digits first.
  [[nodiscard]] std::array<std::uint32_t, 8> words();

 private:
  void block(const unsigned char* bytes);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};
  std::uint64_t length_ = 0;  // bytes
};

[[nodiscard]] std::string sha256(std::string_view bytes);

}  // namespace drywall
