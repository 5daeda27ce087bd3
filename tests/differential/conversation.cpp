// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace drywall::test {
namespace {

/// A connection that the kernel knows: its packets in both directions, as they are sent.
struct Connection {
  Packet forward;
  Packet backward;
};

class Conversation {
 public:
  Conversation(PolicedHost& host, JudgedDirectory& directory) : host_(host), directory_(directory) {}
  ~Conversation() {
    for (const Connection& connection : connections_) host_.forget(connection.forward);
  }

  std::optional<std::string> run(const Journey& journey) {
    const bool connects = tracking_of(journey.crafted) == Tracking::fresh;
    const Passage passage = passage_of(journey, connects ? Translates::yes : Translates::no);
    if (auto found = say(journey, "first")) return found;
    for (const Sequel sequel : journey.sequels) {
      // Of what the reply has begun, a connection of its own, nobody has sent an error.
      if (sequel == Sequel::error && is_begun_by(turned_round(passage.packet))) continue;
      const char* name = sequel == Sequel::repeat ? "repeat" : sequel == Sequel::reply ? "reply" : "error";
      if (auto found = say(journey_of(sequel, journey, passage), name)) return found;
    }
    return std::nullopt;
  }

 private:
  std::optional<std::string> say(const Journey& journey, const char* what) {
    const Tracking tracking = tracking_now(journey.crafted);
    const auto [expected, connects] = directory_.expect(journey, tracking);
    const Observed observed = host_.see(journey.in, ip_packets(journey.crafted, next_identification()));
    if (connects) {
      const Passage passage = passage_of(journey, Translates::yes);
      connections_.push_back({journey.crafted.packet, turned_round(passage.packet)});
    }
    Outcome seen{{}, observed.fate};
    for (const LoggedPacket& log : observed.logs) seen.logs.push_back({log.tag, log.headers.packet});
    if (seen == expected) return std::nullopt;
    return fmt::format("{}: {}\n  the evaluator says\n{}  the kernel says\n{}", what, to_string(journey),
                       directory_.describe(expected), directory_.describe(seen));
  }

  [[nodiscard]] bool is_begun_by(const Packet& packet) const {
    return std::ranges::find(connections_, packet, &Connection::forward) != connections_.end();
  }

  [[nodiscard]] Tracking tracking_now(const Crafted& crafted) const {
    // An ICMP error belongs where an answer to what it quotes would.
    const Packet packet = crafted.quoted ? turned_round(*crafted.quoted) : crafted.packet;
    for (const Connection& connection : connections_) {
      if (packet == connection.forward) return crafted.quoted ? Tracking::answer : Tracking::known;
      if (packet == connection.backward) return Tracking::answer;
    }
    return tracking_of(crafted);
  }

  PolicedHost& host_;
  JudgedDirectory& directory_;
  std::vector<Connection> connections_;
};

}  // namespace

std::optional<std::string> difference(PolicedHost& host, JudgedDirectory& directory, const Journey& journey) {
  if (!directory.can_tell(journey)) return std::nullopt;
  return Conversation(host, directory).run(journey);
}

}  // namespace drywall::test
