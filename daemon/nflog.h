// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "flow/logged_packet.h"
#include "policy/result.h"

struct nflog_handle;
struct nflog_g_handle;

namespace drywall {

/// Receives the packets that one NFLOG group of this network namespace logs, of both families.
class NflogReader {
 public:
  /// Takes the group for itself.
  ///   errors  EPERM: another program has the group, or CAP_NET_ADMIN is missing; `detail` says which, and the key to
  ///   set
  [[nodiscard]] static Result<NflogReader> open(std::uint16_t group);

  [[nodiscard]] int descriptor() const;
  /// What the kernel keeps for us while we are away, in bytes; less than asked for without CAP_NET_ADMIN.
  [[nodiscard]] std::uint64_t receive_buffer() const { return receive_buffer_; }

  struct Lost {  // messages that the kernel numbered and that never came
    std::uint32_t messages;
  };
  struct Overrun {};      // the receive buffer was full: some were lost
  struct Undecodable {};  // no log of ours, or not readable
  using Event = std::variant<LoggedPacket, Lost, Overrun, Undecodable>;
  /// Reads a bounded part of what is there and calls `take` for each event in order.
  ///   errors  the socket's: it must be opened anew
  [[nodiscard]] Result<void> drain(Timestamp now, const std::function<void(const Event&)>& take);

 private:
  struct Close {
    void operator()(nflog_handle* handle) const;
  };
  struct Unbind {
    void operator()(nflog_g_handle* group) const;
  };
  using Handle = std::unique_ptr<nflog_handle, Close>;
  using Group = std::unique_ptr<nflog_g_handle, Unbind>;
  NflogReader(Handle handle, Group group, std::uint64_t receive_buffer);

  Handle handle_;
  Group group_;  // lives in the handle, so goes first
  std::uint64_t receive_buffer_;
  SequenceCounter sequence_;
  std::vector<std::byte> buffer_;
};

}  // namespace drywall
