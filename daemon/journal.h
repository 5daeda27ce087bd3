// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config.h"

namespace drywall {

/// What happened, for those who look for it by MESSAGE_ID. Never changed, only added to.
namespace message_id {
inline constexpr std::string_view generation = "ceb7c949d9304dcf9d3e9c7746e766e1";
inline constexpr std::string_view load_failed = "b6b35d5f82b64373a3e7c454517a5165";
inline constexpr std::string_view last_good = "042640c39fef49468a55cd9a43cd0476";
inline constexpr std::string_view nflog = "050b3ec8bf8e4f1ca6fba978d8d667b5";
inline constexpr std::string_view bus = "0557f8fc708247fea2aff007f5a820b7";
inline constexpr std::string_view store = "a24ca1ba2a1745ec936e98acb5b45c4f";
inline constexpr std::string_view healed = "b7a3e1d07e5f4c0cb6a2d35c1f0e94ab";
inline constexpr std::string_view would_deny = "8a3f2c5e0b7d4f6a9c1e5d8b2f4a7c63";
inline constexpr std::string_view live_would_deny = "d41b7e9a6c2f4835b0e7f3a9d5c81e24";
inline constexpr std::string_view first_load = "0c17d1e105ae4f74a520320b495cebd4";
inline constexpr std::string_view rolled_back = "4c1f6c1f5a0b4fdc8bb51d8df4a1b9d2";
inline constexpr std::string_view confirmation = "9a2f0c4d7c1e4b5f8f6b1b0f3e5d7a61";
inline constexpr std::string_view internal = "bc97f1db7b4f4db4ad1550a008bb840c";
inline constexpr std::string_view life = "57090b596be14b19b2a566ea05749195";
}  // namespace message_id

/// One line with its fields, to the journal if stderr is connected to it, else to stderr.
class Journal {
 public:
  Journal();
  void set_level(LogLevel level) { level_ = level; }

  using Fields = std::vector<std::pair<std::string_view, std::string>>;  // names in capitals, as the journal has them
  void write(LogLevel level, std::string_view id, const std::string& message, const Fields& fields = {}) const;

 private:
  bool to_journal_;
  LogLevel level_ = LogLevel::info;
};

}  // namespace drywall
