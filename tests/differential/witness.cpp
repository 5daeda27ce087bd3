// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/witness.h"

#include <chrono>
#include <memory>
#include <utility>

namespace drywall::test {
namespace {

constexpr std::chrono::milliseconds patience{500};
constexpr std::size_t traces = 1000;

/// Owned by the directory.
std::shared_ptr<const Plan> borrowed(const Plan& plan) {
  return {std::shared_ptr<const Plan>(), &plan};
}

}  // namespace

Witness::Witness(PolicedHost& host, const JudgedDirectory& directory)
    : host_(host),
      book_(std::make_shared<const TraceBook>(1, borrowed(directory.plan(World::enforced)),
                                              borrowed(directory.plan(World::pending)), Inventory{})),
      assembler_(now_, traces, patience, 1, interners_, [this](const Observation& seen) {
        const LegIdentity& leg = *seen.leg.identity;
        seen_.push_back({leg.endpoint, leg.bucket, leg.direction, seen.leg.point, *seen.leg.interface, seen.packet,
                         seen.enforced, seen.pending});
      }) {
  assembler_.add_book(book_);
}

PacketSeen Witness::see(const Journey& journey) {
  const std::uint64_t unassembled = assembler_.unassembled();
  const Observed observed = host_.see(journey.in, ip_packets(journey.crafted, next_identification()));
  if (tracking_of(journey.crafted) == Tracking::fresh) host_.forget(journey.crafted.packet);
  for (LoggedPacket log : observed.logs) {
    log.at = now_;
    assembler_.add(log, [this](std::uint32_t index) { return host_.link_name(index); });
  }
  now_ += 3 * patience;  // until nothing of this packet is waited for
  assembler_.tick(now_);
  return {std::exchange(seen_, {}), observed.fate, assembler_.unassembled() - unassembled};
}

}  // namespace drywall::test
