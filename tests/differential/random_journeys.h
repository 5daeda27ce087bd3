// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>

#include "tests/differential/journey.h"
#include "tests/differential/random_source.h"

namespace drywall::test {

/// Random journeys through the host of tests/differential/test_network.h. The same seed gives the same ones.
class RandomJourneys {
 public:
  explicit RandomJourneys(std::uint64_t seed) : random_(seed) {}

  Journey next();

 private:
  Journey ordinary();
  Journey translated();
  Journey essential();
  Journey discovery();
  Journey dhcp();
  Journey own_multicast();
  Journey false_claim();
  Journey from(const std::string& link, Family family);
  std::string link();
  Address own(Family family);
  Address spoofed(Family family);
  Address source(const std::string& link, Family family);
  Address destination(const std::string& in, Family family);
  void add_transport(Crafted& crafted);
  void add_icmp(Packet& packet);
  void add_sequels(Journey& journey);

  Random random_;
};

}  // namespace drywall::test
