// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace drywall {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t most_clients = 32;
constexpr std::size_t most_records = 400'000;       // waiting, of all clients together
constexpr std::size_t most_live_bytes = 4U << 20U;  // waiting behind the backlog, of one client
constexpr std::size_t chunk_bytes = 64U << 10U;     // made into text at a time
constexpr std::size_t turn_bytes = 256U << 10U;     // written to one client before others have their turn
constexpr int pipe_bytes = 1 << 20;                 // asked for; the kernel may give less
constexpr std::chrono::seconds patience{30};        // with a reader that does not read at all

}  // namespace

struct FlowStreams::Client {
  Descriptor fd;
  EventLoop::Source source;
  FlowFilter filter;
  Follow follow = Follow::no;
  std::vector<FlowRecord> backlog;
  std::size_t next = 0;     // of the backlog
  std::string buffer;       // being written
  std::size_t written = 0;  // of the buffer
  std::string live;         // waits for the backlog to end
  std::uint64_t lost = 0;   // records that found no room
  Clock::time_point last_progress = Clock::now();

  [[nodiscard]] bool is_cut() const { return lost > 0; }
  [[nodiscard]] bool has_waiting() const { return written < buffer.size() || next < backlog.size() || !live.empty(); }
};

FlowStreams::FlowStreams(EventLoop& loop) : loop_(loop) {}

FlowStreams::~FlowStreams() = default;

bool FlowStreams::has_room(std::size_t records) const {
  std::size_t waiting = records;
  for (const auto& client : clients_) waiting += client->backlog.size() - client->next;
  return clients_.size() < most_clients && waiting <= most_records;
}

tl::expected<Descriptor, std::string> FlowStreams::open(std::vector<FlowRecord> backlog, FlowFilter filter,
                                                        Follow follow) {
  if (!has_room(backlog.size())) {
    return tl::unexpected(
        fmt::format("too many streams: at most {} at a time, with {} records waiting", most_clients, most_records));
  }
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return tl::unexpected(std::string("no pipe left"));
  Descriptor reading(ends[0]);
  auto client = std::make_unique<Client>();
  client->fd = Descriptor(ends[1]);
  fcntl(client->fd.get(), F_SETFL, O_WRONLY | O_NONBLOCK);  // this end only: the reader chooses for itself
  fcntl(client->fd.get(), F_SETPIPE_SZ, pipe_bytes);
  client->filter = std::move(filter);
  client->follow = follow;
  client->backlog = std::move(backlog);
  Client& opened = *client;
  client->source = loop_.on_io(opened.fd.get(), EPOLLOUT, [this, &opened](std::uint32_t events) {
    if ((events & EPOLLERR) != 0) {
      close(opened);
    } else {
      pump(opened);
    }
  });
  clients_.push_back(std::move(client));
  return reading;
}

bool FlowStreams::has_followers() const {
  return std::ranges::any_of(clients_, [](const auto& client) { return client->follow == Follow::yes; });
}

void FlowStreams::publish(const std::vector<FlowRecord>& changed) {
  for (const auto& client : clients_) {
    if (client->follow == Follow::no) continue;
    if (!client->has_waiting()) client->last_progress = Clock::now();
    for (const FlowRecord& record : changed) {
      if (!matches(client->filter, record)) continue;
      if (client->is_cut() || client->live.size() > most_live_bytes) {
        ++client->lost;
        continue;
      }
      client->live += to_json(record);
      client->live += '\n';
    }
    if (client->has_waiting()) client->source.set_events(EPOLLOUT);
  }
}

void FlowStreams::drop_stalled() {
  const Clock::time_point now = Clock::now();
  clients_.remove_if(
      [&](const auto& client) { return client->has_waiting() && now - client->last_progress > patience; });
}

void FlowStreams::refill(Client& client) {
  client.buffer.clear();
  client.written = 0;
  while (client.next < client.backlog.size() && client.buffer.size() < chunk_bytes) {
    client.buffer += to_json(client.backlog[client.next++]);
    client.buffer += '\n';
  }
  if (!client.buffer.empty()) return;
  client.backlog = {};
  client.next = 0;
  client.buffer.swap(client.live);
  if (client.buffer.empty() && client.is_cut()) {
    client.buffer =
        fmt::format("{{\"error\":\"the reader was too slow: the stream ends\",\"lost\":{}}}\n", client.lost);
    client.lost = 0;
    client.follow = Follow::no;
  }
}

void FlowStreams::pump(Client& client) {
  for (std::size_t turn = 0; turn < turn_bytes;) {
    if (client.written == client.buffer.size()) refill(client);
    if (client.buffer.empty()) {
      if (client.follow == Follow::no) {
        close(client);
      } else {
        client.source.set_events(0);
      }
      return;
    }
    const ssize_t written =
        write(client.fd.get(), client.buffer.data() + client.written, client.buffer.size() - client.written);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) {
      close(client);
      return;
    }
    client.written += static_cast<std::size_t>(written);
    client.last_progress = Clock::now();
    turn += static_cast<std::size_t>(written);
  }
}

void FlowStreams::close(Client& client) {
  clients_.remove_if([&](const auto& candidate) { return candidate.get() == &client; });
}

}  // namespace drywall
