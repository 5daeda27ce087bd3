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
    const Passage passage = directory_.way(journey, tracking_of(journey.crafted));
    if (auto found = say(journey, "first")) return found;
    for (const Sequel sequel : journey.sequels) {
      const char* name = sequel == Sequel::repeat ? "repeat" : sequel == Sequel::reply ? "reply" : "error";
      if (auto found = say(journey_of(sequel, journey, passage), name)) return found;
    }
    return std::nullopt;
  }

 private:
  std::optional<std::string> say(const Journey& journey, const char* what) {
    const Tracking tracking = tracking_now(journey.crafted);
    const Outcome expected = directory_.expect(journey, tracking);
    const Observed observed = host_.see(journey.in, ip_packets(journey.crafted, ++identification_));
    if (tracking == Tracking::fresh && expected.fate != "dropped") {
      connections_.push_back({journey.crafted.packet, turned_round(directory_.way(journey, tracking).packet)});
    }
    Outcome seen{{}, observed.fate};
    for (const LoggedPacket& log : observed.logs) seen.logs.push_back({log.tag, log.headers.packet});
    if (seen == expected) return std::nullopt;
    return fmt::format("{}: {}\n  the evaluator says\n{}  the kernel says\n{}", what, to_string(journey),
                       directory_.describe(expected), directory_.describe(seen));
  }

  [[nodiscard]] Tracking tracking_now(const Crafted& crafted) const {
    for (const Connection& connection : connections_) {
      const Packet& packet = crafted.packet;
      if (crafted.quoted) {
        if (turned_round(*crafted.quoted) == connection.backward) return Tracking::answer;
      } else if (packet == connection.forward) {
        return Tracking::known;
      } else if (packet == connection.backward) {
        return Tracking::answer;
      }
    }
    return tracking_of(crafted);
  }

  PolicedHost& host_;
  JudgedDirectory& directory_;
  std::vector<Connection> connections_;
  static inline std::uint16_t identification_ = 0;
};

}  // namespace

std::optional<std::string> difference(PolicedHost& host, JudgedDirectory& directory, const Journey& journey) {
  return Conversation(host, directory).run(journey);
}

}  // namespace drywall::test
