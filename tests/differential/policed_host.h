// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flow/logged_packet.h"
#include "render/encode.h"
#include "tests/differential/crafted_packet.h"

namespace drywall::test {

/// What the kernel said of one packet.
struct Observed {
  std::vector<LoggedPacket> logs;  // by Drywall's rules, in order
  std::string fate;                // "delivered", "sent by eth1"; several with ", " between; "dropped"
};

/// A host in a network namespace of its own: the links, routes and translations of tests/differential/test_network.h.
/// Each link's other end is in the same namespace, so a frame put there arrives as from the wire.
/// Rules of the test's own see what comes through all others, at the very end of input and postrouting, and stop it
/// there: nothing answers, and nothing is heard but what was sent.
class PolicedHost {
 public:
  PolicedHost();
  PolicedHost(const PolicedHost&) = delete;
  PolicedHost& operator=(const PolicedHost&) = delete;
  ~PolicedHost();

  /// Puts our tables in the place of what they were; 0 or the kernel's errno, with the object that it refused.
  int load(const Ruleset& ruleset, std::string& refused);

  /// One packet, or the fragments of one, that comes in by `link`, or is sent by the host if that is empty.
  Observed see(const std::string& link, const std::vector<Octets>& ip_packets);

  /// The link of an index; "" if there is none.
  [[nodiscard]] std::string_view link_name(unsigned index) const;

  /// How often it has logged what, by world, leg, direction and action ("eniA"), and how often a packet had which fate.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& tally() const { return tally_; }

  /// Lets connection tracking forget the connection that began with this packet, as it was before any DNAT.
  void forget(const Packet& first);

 private:
  void come_in(const std::string& link, const Octets& ip_packet);
  void send_out(const Octets& ip_packet);
  void send_frame(const std::string& link, const Octets& frame);
  Observed hear();

  int log_ = -1;
  int conntrack_ = -1;
  int frames_ = -1;
  int raw_v4_ = -1;
  int raw_v6_ = -1;
  std::map<std::string, int> far_ends_;             // by link: index of its other end
  std::map<unsigned, std::string> links_by_index_;  // and of the link itself
  std::map<std::string, std::uint64_t> tally_;
};

/// The one of this process, which has moved into its network with the first call.
[[nodiscard]] PolicedHost& the_policed_host();

}  // namespace drywall::test
