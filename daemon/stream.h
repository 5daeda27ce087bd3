// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "daemon/event_loop.h"
#include "directory/descriptor.h"
#include "flow/flow_filter.h"
#include "flow/flow_record.h"

namespace drywall {

enum class Follow : std::uint8_t { no, yes };

/// Flow records as lines of JSON through pipes, to readers of any speed: the loop never waits for one, and none can
/// make the daemon keep more than a bounded amount for it.
class FlowStreams {
 public:
  explicit FlowStreams(EventLoop& loop);
  ~FlowStreams();
  FlowStreams(const FlowStreams&) = delete;
  FlowStreams& operator=(const FlowStreams&) = delete;

  /// True if there is room for one more reader of `records` kept records.
  [[nodiscard]] bool has_room(std::size_t records) const;
  /// The pipe's reading end: the backlog, then, if it follows, what `publish` tells, until the reader closes it. A
  /// reader that is too slow is told so in a last line and cut off.
  [[nodiscard]] tl::expected<Descriptor, std::string> open(std::vector<FlowRecord> backlog, FlowFilter filter,
                                                           Follow follow);
  /// True if somebody follows.
  [[nodiscard]] bool has_followers() const;
  /// Hands records that are new or grew to those who follow.
  void publish(const std::vector<FlowRecord>& changed);
  /// Cuts off who has not read for long. Call it now and then.
  void drop_stalled();

 private:
  struct Client;
  using Clients = std::list<std::unique_ptr<Client>>;
  void pump(Client& client);
  void refill(Client& client);
  void close(Client& client);

  EventLoop& loop_;
  Clients clients_;
};

}  // namespace drywall
