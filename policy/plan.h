// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "policy/model.h"
#include "policy/net.h"
#include "policy/shared_list.h"

// What a host must do with a packet, with nothing left implicit: end-of-tier defaults, failsafes, profiles and the
// final deny are ordinary entries. A Plan is made for one world and has three consumers, the renderer (render/lower.h),
// the evaluator (policy/evaluate.h) and the printer; each visits the same predicates.

namespace drywall {

enum class World : std::uint8_t { enforced, pending };
[[nodiscard]] std::string_view to_string(World world);

enum class Side : std::uint8_t { source, destination };
enum class Sense : std::uint8_t { is, is_not };

/// Names a set of a plan: it follows from the set's definition, so it is the same in both worlds and the next
/// generation.
using SetIndex = std::uint64_t;

struct FamilyIs {
  Family family;
  auto operator<=>(const FamilyIs&) const = default;
};
struct ProtocolIs {
  Protocol protocol;
  Sense sense = Sense::is;
  auto operator<=>(const ProtocolIs&) const = default;
};
/// The address is a member of an address set. A packet of a family that the set has no member of: not a member.
struct AddressIn {
  Side side;
  SetIndex set;
  Sense sense = Sense::is;
  auto operator<=>(const AddressIn&) const = default;
};
/// The port is in `ranges` or (address, protocol, port) is a member of `endpoint_ports`. A packet of a protocol without
/// ports is in neither: `is` fails, `is_not` holds. Non-empty `ranges` stand behind a ProtocolIs with ports.
struct PortIn {
  Side side;
  std::vector<PortRange> ranges;           // merged
  std::optional<SetIndex> endpoint_ports;  // an EndpointPort set
  Sense sense = Sense::is;
  auto operator<=>(const PortIn&) const = default;
};
/// ICMP type and, if given, code. `is_not` is not(type and code). The protocol is tested by a ProtocolIs before it.
struct IcmpIs {
  std::uint8_t type;
  std::optional<std::uint8_t> code;
  Sense sense = Sense::is;
  auto operator<=>(const IcmpIs&) const = default;
};

/// One criterion of a rule.
using Predicate = std::variant<FamilyIs, ProtocolIs, AddressIn, PortIn, IcmpIs>;

/// A set of addresses, or of endpoints' ports, with the text that says what it is made of. The same `definition` always
/// has the same members within one generation, whatever the world, so a set is shared and found again by it.
struct PlannedSet {
  std::string definition;  // "selector env == \"prod\"", "nets 10.0.0.0/8,...", "ports http @ ..."
  std::variant<AddressSet, std::vector<EndpointPort>> members;  // EndpointPorts sorted
  bool operator==(const PlannedSet&) const = default;
};

/// The sets of a plan. Constant once they are in it, so that plans share them.
class SetTable {
 public:
  using Element = std::shared_ptr<const PlannedSet>;
  [[nodiscard]] const PlannedSet& operator[](SetIndex set) const { return *sets_.at(set); }
  /// nullptr: there is none.
  [[nodiscard]] Element find(SetIndex set) const {
    const auto found = sets_.find(set);
    return found == sets_.end() ? nullptr : found->second;
  }
  void insert(SetIndex set, Element element) { sets_.insert_or_assign(set, std::move(element)); }
  [[nodiscard]] std::size_t size() const { return sets_.size(); }
  void reserve(std::size_t size) { sets_.reserve(size); }
  [[nodiscard]] auto begin() const { return sets_.begin(); }
  [[nodiscard]] auto end() const { return sets_.end(); }
  bool operator==(const SetTable& other) const;

 private:
  std::unordered_map<SetIndex, Element> sets_;
};

/// Identifies a rule, an end of tier or the final deny for as long as the policy keeps its name: see policy/rule_tag.h.
using RuleId = std::uint64_t;

/// All criteria hold: the action is taken. A rule of a policy can become several of these (one a family), with the same
/// id and index; `never` ones are left out.
struct PlannedRule {
  Action action = Action::allow;
  std::int32_t index = 0;  // in the policy's list for this direction, from 0
  RuleId id = 0;
  std::vector<Predicate> all_of;
  SourceLocation at;
  bool operator==(const PlannedRule&) const = default;
};

/// What Log rules write to the kernel's log.
struct KernelLog {
  std::string prefix = "drywall";  // %t tier, %k short kind, %n name, %p namespace/name of the policy
  LogRate rate;                    // of each rule
  std::uint32_t burst = 100;       // lines before the rate holds
  bool operator==(const KernelLog&) const = default;
};

/// Index into Plan::policies.
using PolicyIndex = std::uint32_t;

/// A policy's (or profile's) rules in one direction.
struct PlannedPolicy {
  PolicyId id;
  std::string tier;
  Direction direction = Direction::ingress;
  std::vector<PlannedRule> rules;
  SourceLocation at;
  bool operator==(const PlannedPolicy&) const = default;
};

/// What happens to a packet that no policy of a tier decided; blames one of the tier's policies, rule index -1.
struct EndOfTier {
  Action action = Action::deny;  // deny or pass
  PolicyIndex blamed = 0;
  RuleId id = 0;
  bool operator==(const EndOfTier&) const = default;
};

struct PlannedTier {
  std::string name;
  std::vector<PolicyIndex> policies;  // in order, never empty
  EndOfTier end;
  bool operator==(const PlannedTier&) const = default;
};

/// What happens to a packet that neither tier nor profile decided.
enum class Ending : std::uint8_t {
  deny,       // "no profile matched", RuleId no_profile_id(direction)
  allow,      // forwarded traffic that no applyOnForward policy governs: nothing is rendered, nothing is recorded
  undecided,  // untracked and preDNAT: on to the next bucket
};

/// Everything that judges a packet which passes one endpoint in one direction, in order: essentials and failsafes
/// (allow at once), tiers, profiles, ending.
struct PlannedLeg {
  Bucket bucket = Bucket::normal;
  Direction direction = Direction::ingress;
  std::optional<PolicyIndex> essentials;
  std::optional<PolicyIndex> failsafes;
  std::vector<PlannedTier> tiers;
  std::vector<PolicyIndex> profiles;
  Ending ending = Ending::deny;
  bool operator==(const PlannedLeg&) const = default;
};

enum class EndpointKind : std::uint8_t { host, workload };

struct EndpointId {
  EndpointKind kind = EndpointKind::host;
  std::string ns;
  std::string name;
  auto operator<=>(const EndpointId&) const = default;
};

struct PlannedEndpoint {
  EndpointId id;
  bool local = true;  // on the node that the Plan is for: others only have addresses
  /// Interfaces that this endpoint governs; {"*"} for the host endpoint of all that no other governs.
  std::vector<std::string> interfaces;
  /// Of a workload whose interface is a port of this bridge: its routed packets use the bridge, not the interface, and
  /// are its own by their address. Then `interfaces` is empty.
  std::string bridge;
  std::vector<Address> addresses;  // expectedIPs or ipNetworks
  std::vector<Prefix> allowed_spoofed_sources;
  std::vector<PlannedLeg> legs;  // at most one for each (bucket, direction)
  SourceLocation at;
  bool operator==(const PlannedEndpoint&) const = default;

  [[nodiscard]] const PlannedLeg* leg(Bucket bucket, Direction direction) const;
};

struct Plan {
  World world = World::enforced;
  SetTable sets;
  SharedList<PlannedPolicy> policies;
  std::vector<PlannedEndpoint> endpoints;  // host endpoints first, each kind by namespace and name
  EndpointToHost endpoint_to_host = EndpointToHost::drop;
  DenyAction deny_action = DenyAction::drop;
  bool drop_invalid = true;
  KernelLog kernel_log;
  std::vector<std::string> workload_prefixes;  // an interface so named without endpoint denies; empty: none
  bool operator==(const Plan&) const = default;
};

/// One line of a trace: what decided, or passed, in one tier.
struct TraceEntry {
  std::string tier;
  PolicyKind kind = PolicyKind::global_network_policy;
  std::string ns;
  std::string name;
  std::int32_t rule = -1;  // -1: end of tier, or no profile matched
  Action action = Action::deny;
  SourceLocation at;
  bool operator==(const TraceEntry&) const = default;
};
using Trace = std::vector<TraceEntry>;

/// The buckets whose verdict spares a packet this one, in the order in which it meets them: untracked policy comes
/// before everything that the same packet meets in the same direction, preDNAT policy before normal and forward
/// ingress.
[[nodiscard]] std::span<const Bucket> buckets_before(Bucket bucket, Direction direction);

/// One world's plan and what it has for an endpoint; nullptr: nothing.
struct EndpointInPlan {
  const Plan& plan;
  const PlannedEndpoint* endpoint;
};

/// True if the two worlds judge this leg, or one that can spare a packet this leg, differently in anything but whom an
/// end of tier blames (a leg that only one world has differs): then the kernel observes its pending world. Renderer and
/// flow table both ask here. A forward ingress leg may be observed that neither world has: behind DNAT it alone can say
/// that an earlier bucket had denied.
[[nodiscard]] bool is_observed(const EndpointInPlan& enforced, const EndpointInPlan& pending, Bucket bucket,
                               Direction direction);

[[nodiscard]] TraceEntry trace_entry(const PlannedPolicy& policy, const PlannedRule& rule);
[[nodiscard]] TraceEntry trace_entry(const Plan& plan, const PlannedTier& tier);  // its end
[[nodiscard]] TraceEntry no_profile_entry();
/// True of the trace of a packet that an essential or a failsafe port let in: no policy was asked.
[[nodiscard]] bool is_exempt(const Trace& trace);

}  // namespace drywall
