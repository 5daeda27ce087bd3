// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flow/flow_record.h"
#include "policy/compile.h"
#include "policy/evaluate.h"
#include "policy/plan.h"
#include "policy/rule_tag.h"

namespace drywall {

/// What one generation's tags, interfaces and addresses mean: everything needed to turn logged packets of that
/// generation into records. Immutable once built; the table keeps the books of the last generations, because logs of
/// the old rules arrive after the new ones are in force.
class TraceBook {
 public:
  /// Both plans are of the same inventory and host.
  ///   interfaces  of the host: their addresses are known as the host endpoint that governs them
  TraceBook(std::uint64_t generation, std::shared_ptr<const Plan> enforced, std::shared_ptr<const Plan> pending,
            const Inventory& inventory, std::span<const Interface> interfaces = {});

  /// One leg of one endpoint, in both worlds.
  struct Leg {
    EndpointId endpoint;
    Bucket bucket = Bucket::normal;
    Direction direction = Direction::ingress;
    const PlannedLeg* enforced = nullptr;  // nullptr: this world has no such leg (nothing judges there)
    const PlannedLeg* pending = nullptr;
    bool observed = false;                                 // the pending world differs here, so the kernel logs it
    std::array<std::vector<const PlannedLeg*>, 2> before;  // by world: legs that can spare a packet this one, in order
    std::array<bool, 2> spares_errors{};                   // by world: see passes_unasked()

    [[nodiscard]] const PlannedLeg* in(World world) const { return world == World::enforced ? enforced : pending; }
  };

  /// One hit of a trace, understood.
  struct Step {
    TraceEntry entry;
    bool closes = false;                   // the trace ends here
    Verdict verdict = Verdict::undecided;  // of a trace that ends here
    bool exempt = false;                   // a failsafe or an essential: no tier was asked
    bool before = false;                   // an earlier bucket had decided: the leg has no trace
    bool operator==(const Step&) const = default;
  };

  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  [[nodiscard]] const Plan& plan(World world) const { return *worlds_[index_of(world)].plan; }
  /// The rule, end of tier or final deny behind an id, in that world; nothing if this generation has none such.
  [[nodiscard]] std::optional<TraceEntry> entry(World world, Direction direction, RuleId id) const;
  /// The leg that a tag's place and the packet's interface name belong to; nullptr if there is none. An unknown name
  /// ("") is the leg of "*" if no other endpoint has such a leg.
  ///   workload  the address that the packet's workload has, if it is one's: it tells workloads behind a bridge apart
  [[nodiscard]] const Leg* leg(LegPoint point, Direction direction, std::string_view interface,
                               const Address& workload) const;
  /// True if workloads are behind that bridge: then the address decides whose leg it is.
  [[nodiscard]] bool is_bridge(std::string_view interface) const { return bridges_.contains(interface); }
  [[nodiscard]] std::span<const Leg> legs() const { return legs_; }
  /// True if it is named like a workload's and no endpoint owns it: nothing that comes by it gets further in any world.
  [[nodiscard]] bool is_closed(std::string_view interface) const;
  /// True of ICMP errors that pass a leg unasked because they may be about a flow that is not tracked.
  [[nodiscard]] static bool passes_unasked(const Leg& leg, World world, const Packet& packet);
  /// What one world says of a packet on a leg, the buckets before it included: one that decides leaves the leg without
  /// a trace.
  ///   packet  as the leg sees it; earlier buckets are taken to have seen the same
  [[nodiscard]] Decision predict(const Leg& leg, World world, const Packet& packet) const;
  /// The same, where something faster than a walk over the rules judges legs of that world's plan
  /// (policy/classifier.h).
  using LegJudge = std::function<Decision(const PlannedLeg&, const Packet&)>;
  [[nodiscard]] Decision predict(const Leg& leg, World world, const Packet& packet, const LegJudge& judge) const;
  /// What the hit `id` with `action` is as number `position` (from 0) of a trace of `leg`; nothing if no packet can
  /// cause it there.
  [[nodiscard]] std::optional<Step> step(const Leg& leg, World world, std::size_t position, RuleId id,
                                         Action action) const;
  /// The pending trace of a leg that is not observed: the enforced one, but ends of tier blame whom the pending world
  /// blames: the first that did not match, instead of the last.
  [[nodiscard]] Trace pending_twin(const Leg& leg, Trace enforced) const;

  /// What an address is known as: workload endpoint, host endpoint (expectedIPs, then the host's own addresses by
  /// interface), network set (longest prefix first, then name), else network pvt (RFC 1918, fc00::/7, link local) or
  /// pub.
  [[nodiscard]] const FlowPeer& peer(const Address& address) const { return peers_[peer_number(address)]; }
  /// The same as a number, below peer_count().
  [[nodiscard]] std::uint32_t peer_number(const Address& address) const;
  [[nodiscard]] const FlowPeer& numbered_peer(std::uint32_t number) const { return peers_[number]; }
  [[nodiscard]] std::size_t peer_count() const { return peers_.size(); }
  /// What an endpoint of the plan is known as; nothing if there is none of that name.
  [[nodiscard]] std::optional<std::uint32_t> peer_number(const EndpointId& endpoint) const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  struct AddressHash {
    std::size_t operator()(const Address& address) const;
  };
  /// A rule that an id stands for.
  struct RulePlace {
    RuleId id;
    PolicyIndex policy;
    std::uint32_t rule;  // position in PlannedPolicy::rules
    auto operator<=>(const RulePlace&) const = default;
  };
  struct WorldIndex {
    std::shared_ptr<const Plan> plan;
    std::vector<RulePlace> rules;                              // sorted
    std::unordered_map<RuleId, const PlannedTier*> tier_ends;  // any tier that ends so
  };
  struct LegNames {
    std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> exact;
    std::map<std::pair<std::string, Address>, std::uint32_t> bridged;
    std::optional<std::uint32_t> any;  // of the endpoint "*"
  };
  /// The network sets' blocks of one length.
  struct BlocksOfLength {
    Family family;
    std::uint8_t length;
    std::unordered_map<Address, std::uint32_t, AddressHash> peers;
  };

  struct EndpointInWorlds {
    const PlannedEndpoint* enforced = nullptr;
    const PlannedEndpoint* pending = nullptr;
  };

  [[nodiscard]] static std::size_t index_of(World world) { return world == World::enforced ? 0 : 1; }
  void index_world(World world);
  void index_legs();
  void index_leg(const EndpointInWorlds& endpoint, Bucket bucket, Direction direction);
  void index_endpoint_peers(const Inventory& inventory);
  void index_own_addresses(std::span<const Interface> interfaces);
  void index_network_sets(const Inventory& inventory);
  void add_block(const Prefix& block, std::uint32_t peer);

  /// The rule of one of `policies` that `id` stands for, and whose it is.
  [[nodiscard]] std::optional<TraceEntry> rule_among(World world, std::span<const PolicyIndex> policies,
                                                     RuleId id) const;
  [[nodiscard]] std::optional<Step> exempt_step(World world, const PlannedLeg& leg, RuleId id) const;
  [[nodiscard]] std::optional<Step> tier_step(World world, const PlannedLeg& leg, std::size_t position,
                                              RuleId id) const;
  [[nodiscard]] std::optional<Step> profile_step(World world, const PlannedLeg& leg, RuleId id) const;

  std::uint64_t generation_;
  std::array<WorldIndex, 2> worlds_;
  std::vector<Leg> legs_;
  std::unordered_map<std::uint16_t, LegNames> legs_at_;  // by (point, direction)
  std::set<std::string, std::less<>> bridges_;
  std::vector<FlowPeer> peers_;
  std::unordered_map<Address, std::uint32_t, AddressHash> addresses_;
  std::vector<BlocksOfLength> blocks_;                                                   // longest first
  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> endpoints_;  // by endpoint_key
};

}  // namespace drywall
