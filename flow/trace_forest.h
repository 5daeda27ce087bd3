// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flow/interner.h"
#include "flow/trace_book.h"

namespace drywall {

/// One book with the traces of it that were seen so far, as trees: from the root of a leg and world, each hit leads to
/// a node. So a trace under way is one pointer, and a known hit costs one lookup, however many rules there are.
class TraceForest {
 public:
  struct LegView;

  /// A trace so far.
  struct Node {
    const LegView* view = nullptr;
    const Node* parent = nullptr;  // nullptr: a root, no hit yet
    World world = World::enforced;
    std::uint32_t hits = 0;
    RuleId id = 0;  // of the last hit
    Action action = Action::pass;
    TraceBook::Step step;                // what the last hit is
    std::shared_ptr<const Trace> trace;  // of a node that closes
    std::shared_ptr<const Trace> twin;   // of an enforced one that closes: TraceBook::pending_twin
    [[nodiscard]] bool closes() const { return step.closes; }
  };

  /// A leg as one interface has it.
  struct LegView {
    TraceForest* forest = nullptr;
    const TraceBook::Leg* leg = nullptr;
    LegPoint point = LegPoint::host;
    std::shared_ptr<const LegIdentity> identity;
    std::shared_ptr<const std::string> interface;
    std::shared_ptr<const FlowPeer> self;  // the endpoint
    std::uint64_t fingerprint = 0;         // of the identity
    std::array<Node, 2> roots;
    [[nodiscard]] const Node& root(World world) const { return roots[world == World::enforced ? 0 : 1]; }
  };

  TraceForest(std::shared_ptr<const TraceBook> book, Interners& interners);
  TraceForest(const TraceForest&) = delete;
  TraceForest& operator=(const TraceForest&) = delete;

  [[nodiscard]] const TraceBook& book() const { return *book_; }
  /// nullptr: the book has no such leg. `index` is only a short cut to the name.
  ///   workload  the packet's address on the workload's side
  [[nodiscard]] const LegView* view(LegPoint point, Direction direction, std::uint32_t index, std::string_view name,
                                    const Address& workload);
  /// The trace that one more hit makes; nullptr if no packet can cause it there.
  [[nodiscard]] const Node* next(const Node& node, RuleId id, Action action);
  [[nodiscard]] const std::shared_ptr<const FlowPeer>& peer(const Address& address);

  /// How much was learned. The owner calls forget() when it is too much, and then holds no view or node any more.
  [[nodiscard]] std::size_t size() const { return nodes_.size() + views_.size() + by_index_.size(); }
  void forget();

 private:
  struct Child {
    const Node* parent;
    RuleId id;
    Action action;
    bool operator==(const Child&) const = default;
  };
  struct ChildHash {
    std::size_t operator()(const Child& child) const;
  };
  struct CachedPeer {
    Address address;
    std::uint32_t peer = 0;
    bool known = false;
  };
  static constexpr std::size_t cached_peers = 1024;

  [[nodiscard]] const LegView* view_by_name(LegPoint point, Direction direction, std::string_view name,
                                            const Address& workload);
  [[nodiscard]] const Node* learn(const Node& node, RuleId id, Action action, TraceBook::Step step);
  [[nodiscard]] const std::shared_ptr<const FlowPeer>& interned_peer(std::uint32_t number);

  std::shared_ptr<const TraceBook> book_;
  Interners* interners_;
  std::deque<Node> nodes_;
  std::unordered_map<Child, const Node*, ChildHash> children_;
  std::unordered_map<std::string, std::unique_ptr<LegView>> views_;  // by point, direction and name
  std::unordered_map<std::uint64_t, const LegView*> by_index_;       // by point, direction and index
  std::vector<std::shared_ptr<const FlowPeer>> peers_;               // by number, filled as they are met
  std::vector<CachedPeer> peer_cache_;
};

}  // namespace drywall
