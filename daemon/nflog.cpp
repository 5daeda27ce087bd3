// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/nflog.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

namespace drywall {
namespace {

constexpr unsigned copy_bytes = 128;
constexpr unsigned batch_messages = 400;  // the kernel hands over this many at once
constexpr unsigned batch_bytes = 131072;  // the kernel's greatest
constexpr unsigned batch_patience = 10;   // or what there is after so many hundredths of a second
constexpr int wanted_buffer = 32 << 20;   // about 200,000 messages while we are away
constexpr int most_batches = 16;          // read in one go

/// The netlink port that has the group, as /proc shows it; nothing if nobody has it.
std::optional<std::uint32_t> holder_of(std::uint16_t group) {
  std::ifstream table("/proc/self/net/netfilter/nfnetlink_log");
  std::uint32_t number = 0;
  std::uint32_t port = 0;
  std::string rest;
  while (table >> number >> port && std::getline(table, rest)) {
    if (number == group) return port;
  }
  return std::nullopt;
}

Failure bind_failure(std::uint16_t group, int error) {
  Failure failure{"bind NFLOG group", fmt::format("{}", group), error, {}};
  const std::optional<std::uint32_t> holder = holder_of(group);
  if (holder) {
    failure.detail = fmt::format(
        "another program has it (netlink port {}, often its process id): set nflog_group in "
        "drywall.yaml to a group that is free",
        *holder);
  } else if (error == EPERM) {
    failure.detail = "CAP_NET_ADMIN is missing, or another program has the group: see nflog_group in drywall.yaml";
  } else if (error == EBUSY) {
    failure.detail = "another program has it: set nflog_group in drywall.yaml to a group that is free";
  }
  return failure;
}

std::uint64_t enlarge_receive_buffer(int fd) {
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted_buffer, sizeof wanted_buffer) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted_buffer, sizeof wanted_buffer);
  }
  int size = 0;
  socklen_t length = sizeof size;
  getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length);
  return static_cast<std::uint64_t>(std::max(size, 0));
}

/// The sequence number of a log message that is not ours: it counts all the same.
std::optional<std::uint32_t> sequence_of(std::span<const std::byte> message) {
  constexpr std::size_t headers = MNL_ALIGN(sizeof(nlmsghdr)) + MNL_ALIGN(sizeof(nfgenmsg));
  if (message.size() < headers) return std::nullopt;
  std::span<const std::byte> left = message.subspan(headers);
  while (left.size() >= sizeof(nlattr)) {
    nlattr header;
    std::memcpy(&header, left.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > left.size()) break;
    if ((header.nla_type & NLA_TYPE_MASK) == NFULA_SEQ && header.nla_len == sizeof header + sizeof(std::uint32_t)) {
      std::uint32_t sequence = 0;
      std::memcpy(&sequence, left.data() + sizeof header, sizeof sequence);
      return ntohl(sequence);
    }
    left = left.subspan(std::min<std::size_t>(left.size(), MNL_ALIGN(header.nla_len)));
  }
  return std::nullopt;
}

void take_message(std::span<const std::byte> message, Timestamp now, SequenceCounter& counter,
                  const std::function<void(const NflogReader::Event&)>& take) {
  const auto packet = decode_nflog(message, now);
  if (!packet && packet.error() == NflogError::not_nflog) return;
  const std::optional<std::uint32_t> sequence = packet ? packet->sequence : sequence_of(message);
  if (sequence) {
    const std::uint32_t lost = counter.lost_before(*sequence);
    if (lost > 0) take(NflogReader::Lost{lost});
  }
  if (packet) {
    take(*packet);
  } else {
    take(NflogReader::Undecodable{});
  }
}

}  // namespace

void NflogReader::Close::operator()(nflog_handle* handle) const {
  nflog_close(handle);
}

void NflogReader::Unbind::operator()(nflog_g_handle* group) const {
  nflog_unbind_group(group);
}

NflogReader::NflogReader(Handle handle, Group group, std::uint64_t receive_buffer)
    : handle_(std::move(handle)), group_(std::move(group)), receive_buffer_(receive_buffer), buffer_(2 * batch_bytes) {}

int NflogReader::descriptor() const {
  return nflog_fd(handle_.get());
}

Result<NflogReader> NflogReader::open(std::uint16_t group) {
  Handle handle(nflog_open());
  if (!handle) return tl::unexpected(Failure{"open", "the NFLOG socket", errno, {}});
  const std::uint64_t receive_buffer = enlarge_receive_buffer(nflog_fd(handle.get()));
  errno = 0;
  Group bound(nflog_bind_group(handle.get(), group));
  if (!bound) return tl::unexpected(bind_failure(group, errno));
  // Logs may come while the group is being configured; the library takes it for a failure if nobody wants them.
  nflog_callback_register(
      bound.get(), [](nflog_g_handle*, nfgenmsg*, nflog_data*, void*) { return 0; }, nullptr);
  const bool configured =
      nflog_set_nlbufsiz(bound.get(), batch_bytes) == 0 && nflog_set_qthresh(bound.get(), batch_messages) == 0 &&
      nflog_set_timeout(bound.get(), batch_patience) == 0 && nflog_set_flags(bound.get(), NFULNL_CFG_F_SEQ) == 0 &&
      nflog_set_mode(bound.get(), NFULNL_COPY_PACKET, copy_bytes) == 0;
  if (!configured) return tl::unexpected(Failure{"configure NFLOG group", fmt::format("{}", group), errno, {}});
  return NflogReader(std::move(handle), std::move(bound), receive_buffer);
}

Result<void> NflogReader::drain(Timestamp now, const std::function<void(const Event&)>& take) {
  for (int batch = 0; batch < most_batches; ++batch) {
    const ssize_t got = recv(descriptor(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got < 0 && errno == ENOBUFS) {
      take(Overrun{});
      continue;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (got < 0) return tl::unexpected(Failure{"receive from", "NFLOG", errno, {}});
    std::span<const std::byte> left(buffer_.data(), static_cast<std::size_t>(got));
    while (left.size() >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, left.data(), sizeof header);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > left.size()) break;
      take_message(left.first(header.nlmsg_len), now, sequence_, take);
      left = left.subspan(std::min<std::size_t>(left.size(), MNL_ALIGN(header.nlmsg_len)));
    }
  }
  return {};
}

}  // namespace drywall
