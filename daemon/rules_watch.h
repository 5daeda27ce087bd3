// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "directory/descriptor.h"
#include "policy/result.h"

namespace drywall {

/// Notices that somebody else changed our tables (the nf_tables events of nfnetlink).
class RulesWatch {
 public:
  /// What was done to our tables since the last time.
  struct Seen {
    bool changed = false;  // by somebody else
    bool lost = false;     // events were lost, and what came after them has been taken: nobody knows
    std::string by;        // "nft (process 1234)"; empty if not known
  };

  ///   own_port  the netlink port of the socket that makes our own changes: those are never told
  [[nodiscard]] static Result<RulesWatch> open(std::uint32_t own_port);
  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// Takes what is there.
  [[nodiscard]] Seen drain();

 private:
  explicit RulesWatch(Descriptor fd) : fd_(std::move(fd)) {}
  Descriptor fd_;
  bool open_change_ = false;  // ours were among those of a batch whose end has not come yet
  bool overrun_ = false;      // since the queue was empty
};

}  // namespace drywall
