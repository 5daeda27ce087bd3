// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flow/logged_packet.h"
#include "policy/evaluate.h"
#include "policy/plan.h"

namespace drywall {

/// What an address is known as. Types and names follow Calico's flow logs (felix/collector/flowlog/types.go).
struct FlowPeer {
  enum class Type : std::uint8_t { workload, host, network_set, network };  // "wep", "hep", "ns", "net"
  Type type = Type::network;
  std::string ns;    // empty if global
  std::string name;  // of a network: "pvt" or "pub"
  Labels labels;
  bool operator==(const FlowPeer&) const = default;
};

enum class Reporter : std::uint8_t {
  source,
  destination
};  // "src": the source's egress; "dst": the destination's ingress

/// One kind of traffic on one leg in one 15 s bucket: all packets that agree in everything but addresses, source port
/// and counts. Traces are part of the kind, so a policy change begins a new record.
struct FlowRecord {
  Timestamp start;  // first and last packet
  Timestamp end;
  Reporter reporter = Reporter::destination;
  EndpointId endpoint;  // whose leg it is
  Bucket bucket = Bucket::normal;
  FlowPeer source;
  FlowPeer destination;
  std::uint16_t destination_port = 0;
  Protocol protocol;
  std::optional<std::uint8_t> icmp_type;
  std::optional<std::uint8_t> icmp_code;
  std::string interface;  // the endpoint's side; "" if not known any more
  Verdict action = Verdict::allow;
  Verdict pending_action = Verdict::allow;
  Trace enforced;
  Trace pending;
  bool failsafe = false;   // a failsafe port allowed it
  bool predicted = false;  // part of a trace was completed by the evaluator, not seen in the kernel
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t connections_started = 0;
  std::uint64_t connections_completed = 0;
  std::uint64_t connections_live = 0;
  std::vector<Address> source_addresses;  // a sample, at most max_sample of each
  std::vector<Address> destination_addresses;
  std::uint64_t lost = 0;  // log messages lost in this record's bucket, of whatever flow
  static constexpr std::size_t max_sample = 8;

  [[nodiscard]] bool differs() const { return action != pending_action; }
  bool operator==(const FlowRecord&) const = default;
};

/// Unless it is there already, or the sample is full.
void add_to_sample(std::vector<Address>& sample, const Address& address);

/// One line of JSON without newline, keys as docs/flow-records.md names them.
[[nodiscard]] std::string to_json(const FlowRecord& record);

}  // namespace drywall
