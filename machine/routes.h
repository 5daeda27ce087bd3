// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "policy/net.h"
#include "policy/result.h"

struct mnl_socket;

namespace drywall {

/// Asks the kernel where it would send a packet, once for each address (rtnetlink(7), RTM_GETROUTE).
class Routes {
 public:
  [[nodiscard]] static Result<Routes> open();
  /// The index of the interface towards an address; nothing: there is no route. Addresses of the host itself are
  /// towards the loopback. Bounded: after `most` addresses the kernel is asked anew.
  [[nodiscard]] std::optional<std::uint32_t> towards(const Address& address);

 private:
  static constexpr std::size_t most = 100'000;
  struct Close {
    void operator()(mnl_socket* socket) const;
  };
  explicit Routes(mnl_socket* socket) : socket_(socket) {}
  [[nodiscard]] std::optional<std::uint32_t> ask(const Address& address);

  std::unique_ptr<mnl_socket, Close> socket_;
  std::uint32_t sequence_ = 0;
  std::map<Address, std::optional<std::uint32_t>> known_;
};

}  // namespace drywall
