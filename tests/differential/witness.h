// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

#include "flow/interner.h"
#include "flow/trace_assembler.h"
#include "flow/trace_book.h"
#include "tests/differential/expectation.h"
#include "tests/differential/journey.h"
#include "tests/differential/policed_host.h"

namespace drywall::test {

/// What flow records say of a packet on one leg.
struct LegSeen {
  EndpointId endpoint;
  Bucket bucket = Bucket::normal;
  Direction direction = Direction::ingress;
  LegPoint point = LegPoint::host;
  std::string interface;
  Packet packet;  // as it was there
  Judgement enforced;
  Judgement pending;
};

struct PacketSeen {
  std::vector<LegSeen> legs;  // in the order in which their traces closed
  std::string fate;           // as Observed::fate
  std::uint64_t unassembled = 0;
};

/// Sees packets through the kernel as drywalld does: what its rules log is put together by the product's own code.
class Witness {
 public:
  /// Both outlive the witness; the kernel holds the directory's rules.
  Witness(PolicedHost& host, const JudgedDirectory& directory);
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

  /// The first packet of the journey. The kernel knows no connection of it, before or afterwards.
  PacketSeen see(const Journey& journey);
  [[nodiscard]] const TraceBook& book() const { return *book_; }

 private:
  PolicedHost& host_;
  std::shared_ptr<const TraceBook> book_;
  Interners interners_;
  std::vector<LegSeen> seen_;
  Timestamp now_{std::chrono::seconds{1'790'000'000}};  // passes as the witness wants it to
  TraceAssembler assembler_;
};

}  // namespace drywall::test
