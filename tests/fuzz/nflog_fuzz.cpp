// SPDX-License-Identifier: GPL-2.0-or-later
// Bytes from the kernel's log socket: the first half of the input is netlink messages, the second half steps of a table
// that knows its rules (so that traces are assembled, not only refused). Nothing may crash, and nothing may be
// invented.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "flow/flow_table.h"
#include "flow/logged_packet.h"
#include "tests/flow/scene.h"

namespace drywall::test {
namespace {

/// Takes numbers off the front of the input; zeros when it is used up.
class Input {
 public:
  explicit Input(std::span<const std::byte> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  unsigned take8() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<unsigned>(bytes_.front());
    bytes_ = bytes_.subspan(1);
    return value;
  }
  std::span<const std::byte> take(std::size_t size) {
    const auto taken = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }

 private:
  std::span<const std::byte> bytes_;
};

struct KnownHit {
  LegPoint leg;
  Direction direction;
  Action action;
  RuleId id;

  KnownHit(LegPoint at, Direction way, Action does, const PolicyId& policy, std::int32_t rule)
      : leg(at), direction(way), action(does), id(rule_id(policy, way, rule)) {}
};

const std::vector<KnownHit>& known_hits() {
  constexpr auto in = Direction::ingress;
  constexpr auto out_of = Direction::egress;
  static const std::vector<KnownHit> hits{{LegPoint::host, in, Action::pass, guard, 1},
                                          {LegPoint::host, in, Action::deny, guard, 0},
                                          {LegPoint::host, in, Action::deny, guard, -1},
                                          {LegPoint::host, in, Action::allow, web, 0},
                                          {LegPoint::host, in, Action::deny, web, -1},
                                          {LegPoint::host, in, Action::deny, audit, 0},
                                          {LegPoint::host, in, Action::deny, audit, -1},
                                          {LegPoint::host, in, Action::allow, failsafe, 0},
                                          {LegPoint::host, out_of, Action::allow, open_profile, 0},
                                          {LegPoint::untracked, in, Action::allow, ntp, 0},
                                          {LegPoint::untracked, in, Action::pass, ntp, -1},
                                          {LegPoint::forward, in, Action::deny, lid, 0},
                                          {LegPoint::forward, in, Action::pass, lid, -1},
                                          {LegPoint::workload, out_of, Action::allow, out, 0},
                                          {LegPoint::workload, out_of, Action::deny, no_db, 0},
                                          {LegPoint::workload, out_of, Action::deny, out, -1},
                                          {LegPoint::workload, in, Action::allow, in_1, 0},
                                          {LegPoint::workload, in, Action::allow, in_2, 0},
                                          {LegPoint::workload, in, Action::deny, in_2, -1},
                                          {LegPoint::to_host, out_of, Action::deny, out, 0}};
  return hits;
}

LoggedPacket known_packet(Input& input, Timestamp at) {
  const KnownHit& hit = known_hits()[input.take8() % known_hits().size()];
  const unsigned choice = input.take8();
  constexpr std::array<std::uint16_t, 8> ports{22, 23, 80, 80, 443, 5432, 5432, 123};
  LoggedPacket packet;
  packet.at = at;
  packet.tag = {(choice & 1U) != 0 ? World::pending : World::enforced, hit.leg, hit.direction, hit.action, hit.id};
  packet.headers.packet = {{Family::v4, 0, (choice & 2U) != 0 ? 0xc6336407 : 0x0a010001},
                           {Family::v4, 0, 0x0a010002},
                           (choice & 4U) != 0 ? protocol::udp : protocol::tcp,
                           static_cast<std::uint16_t>(choice >> 6U),
                           ports[choice >> 3U & 7U],
                           0,
                           0};
  packet.headers.length = 60;
  packet.hook = 2;
  packet.in_interface = hit.leg == LegPoint::workload ? 3 : 2;
  packet.out_interface = hit.leg == LegPoint::workload ? 4 : 2;
  return packet;
}

void require(bool holds) {
  if (!holds) std::abort();
}

const FlowTableLimits small{.records = 20, .traces = 10, .connections = 20};

void check(FlowTable& table, Timestamp now) {
  std::uint64_t packets = 0;
  const auto records = table.records({});
  require(records.size() <= small.records);
  for (const FlowRecord& record : records) {
    packets += record.packets;
    require(record.packets > 0 && record.connections_started <= record.packets);
    require(!record.enforced.empty() || record.action == Verdict::allow);
    require(to_json(record).ends_with('}'));
  }
  table.tick(now + std::chrono::seconds{1});
  const EvidenceCounters counters = table.counters();
  // A record needs at least one hit a packet, and a hit is in a record or unassembled, not both.
  require(packets + counters.unassembled <= counters.messages);
  require(table.drain_changes().size() <= small.records);
}

void run(std::span<const std::byte> bytes) {
  static const auto book = scene_book();
  static const auto promoted = scene_book(2, true);
  FlowTable table{at_ms(0), small};
  table.add_book(book);

  Input messages{bytes.first(bytes.size() / 2)};
  while (!messages.empty()) {
    const auto message = messages.take(2 * std::size_t{messages.take8()});
    if (const auto packet = decode_nflog(message, at_ms(0))) {
      table.add(*packet, interface_name);
    } else {
      table.count_undecodable();
    }
  }

  Input steps{bytes.subspan(bytes.size() / 2)};
  std::int64_t now = 0;
  while (!steps.empty()) {
    const unsigned step = steps.take8();
    if (step == 255) {
      table.add_book((now & 1) != 0 ? promoted : book);
    } else if (step > 240) {
      now += static_cast<std::int64_t>(step - 240) * 100;
      table.tick(at_ms(now));
    } else {
      table.add(known_packet(steps, at_ms(now)), interface_name);
    }
  }
  check(table, at_ms(now));
}

}  // namespace
}  // namespace drywall::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  drywall::test::run(std::as_bytes(std::span{data, size}));
  return 0;
}
