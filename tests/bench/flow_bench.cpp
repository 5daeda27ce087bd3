// SPDX-License-Identifier: GPL-2.0-or-later
// What one log message costs from bytes to record: medians of several rounds, one core.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "flow/flow_table.h"
#include "flow/logged_packet.h"
#include "tests/flow/nflog_bytes.h"
#include "tests/flow/scene.h"

namespace drywall::test {
namespace {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::uint32_t operator()() { return static_cast<std::uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

constexpr int rounds = 9;
constexpr std::size_t message_count = 400'000;

std::string host_tag(World world, Action action, const PolicyId& policy, std::int32_t rule) {
  return to_string(
      RuleTag{world, LegPoint::host, Direction::ingress, action, rule_id(policy, Direction::ingress, rule)});
}

/// As the kernel hands them over: one after the other in large buffers.
struct Messages {
  Bytes bytes;
  std::vector<std::pair<std::size_t, std::size_t>> places;

  void add(const Bytes& message) {
    places.emplace_back(bytes.size(), message.size());
    put(bytes, message);
  }
  [[nodiscard]] std::span<const std::byte> operator[](std::size_t at) const {
    return std::span{bytes}.subspan(places[at].first, places[at].second);
  }
};

NflogMessage message(std::string prefix, const Bytes& packet) {
  NflogMessage made;
  made.prefix = std::move(prefix);
  made.packet = packet;
  made.in_interface = 2;
  made.seconds = 1'790'000'040;
  made.microseconds = 5;
  made.sequence = 1;
  return made;
}

/// SYNs to port 80 of edge from `sources` addresses, each seen in both worlds, two hits in each.
Messages staged_syns(std::uint32_t sources) {
  Random random{1};
  Messages messages;
  while (messages.places.size() < message_count) {
    const Address source{Family::v4, 0, 0xcb007100U + random() % sources};
    const Bytes packet =
        ipv4(protocol::tcp, to_string(source), "192.0.2.1", tcp(1024 + random() % 60'000, 80, random()));
    messages.add(encode(message(host_tag(World::pending, Action::pass, guard, 1), packet)));
    messages.add(encode(message(host_tag(World::pending, Action::allow, web, 0), packet)));
    messages.add(encode(message(host_tag(World::enforced, Action::pass, guard, 1), packet)));
    messages.add(encode(message(host_tag(World::enforced, Action::allow, web, 0), packet)));
  }
  return messages;
}

/// The same of one packet after another mixed, as several processors log them.
Messages interleaved(const Messages& whole, std::size_t processors) {
  Messages mixed;
  for (std::size_t packet = 0; packet + processors * 4 <= whole.places.size(); packet += processors * 4) {
    for (std::size_t hit = 0; hit < 4; ++hit) {
      for (std::size_t each = 0; each < processors; ++each) {
        const auto bytes = whole[packet + each * 4 + hit];
        mixed.add({bytes.begin(), bytes.end()});
      }
    }
  }
  return mixed;
}

/// A flood that the final rule of the enforced world denies at once: one hit a packet.
Messages denied_flood() {
  Random random{2};
  Messages messages;
  while (messages.places.size() < message_count) {
    const Address source{Family::v4, 0, random()};
    const Bytes packet =
        ipv4(protocol::tcp, to_string(source), "10.1.0.2", tcp(1024 + random() % 60'000, 1 + random() % 100, random()));
    NflogMessage made = message(to_string(RuleTag{World::enforced, LegPoint::workload, Direction::ingress, Action::deny,
                                                  rule_id(in_2, Direction::ingress, -1)}),
                                packet);
    made.hook = 2;
    made.out_interface = 4;
    messages.add(encode(made));
  }
  return messages;
}

double median_nanoseconds(std::size_t count, const std::function<void()>& work) {
  std::vector<double> costs;
  for (int round = 0; round < rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
    costs.push_back(spent.count() / static_cast<double>(count));
  }
  std::ranges::sort(costs);
  return costs[costs.size() / 2];
}

void report(std::string_view what, double nanoseconds) {
  fmt::print("{:<58} {:7.1f} ns {:10.0f} /s\n", what, nanoseconds, 1e9 / nanoseconds);
}

std::size_t readable = 0;  // keeps the decoder's work alive

void measure_decode(const Messages& messages) {
  report("decode", median_nanoseconds(messages.places.size(), [&] {
           for (std::size_t at = 0; at < messages.places.size(); ++at) {
             readable += decode_nflog(messages[at], at_ms(0)) ? 1 : 0;
           }
         }));
}

void measure_table(std::string_view what, const Messages& messages) {
  std::string outcome;
  const double cost = median_nanoseconds(messages.places.size(), [&] {
    FlowTable table{at_ms(0)};
    table.add_book(scene_book());
    for (std::size_t at = 0; at < messages.places.size(); ++at) {
      if (const auto packet = decode_nflog(messages[at], at_ms(0))) table.add(*packet, interface_name);
      if (at % 100'000 == 0) table.tick(at_ms(static_cast<std::int64_t>(at / 1000)));
    }
    const EvidenceCounters counters = table.counters();
    outcome = fmt::format("{} records, {} unassembled", table.records({}).size(), counters.unassembled);
  });
  report(what, cost);
  fmt::print("    {}\n", outcome);
}

void measure_json(const Messages& messages) {
  FlowTable table{at_ms(0)};
  table.add_book(scene_book());
  for (std::size_t at = 0; at < 4; ++at) table.add(*decode_nflog(messages[at], at_ms(0)), interface_name);
  const FlowRecord record = table.records({}).front();
  constexpr std::size_t count = 100'000;
  report("record to JSON", median_nanoseconds(count, [&] {
           for (std::size_t at = 0; at < count; ++at) readable += to_json(record).size();
         }));
}

void run() {
  const Messages syns = staged_syns(256);
  measure_decode(syns);
  measure_table("decode, aggregate: both worlds, 256 sources", syns);
  measure_table("decode, aggregate: both worlds, 4 processors interleaved", interleaved(syns, 4));
  measure_table("decode, aggregate: both worlds, 1,000,000 sources", staged_syns(1'000'000));
  measure_table("decode, aggregate: flood of 2^32 sources, one hit each", denied_flood());
  measure_json(syns);
}

}  // namespace
}  // namespace drywall::test

int main() {
  drywall::test::run();
  return drywall::test::readable == 0 ? 1 : 0;
}
