// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/trace_forest.h"

#include <algorithm>
#include <utility>

namespace drywall {
namespace {

std::uint64_t mixed(std::uint64_t number) {
  number = (number ^ number >> 32U) * 0xbf58'476d'1ce4'e5b9;
  return number ^ number >> 29U;
}

Trace trace_of(const TraceForest::Node& last) {
  Trace trace;
  for (const auto* node = &last; node->parent != nullptr; node = node->parent) {
    if (!node->step.before) trace.push_back(node->step.entry);
  }
  std::ranges::reverse(trace);
  return trace;
}

}  // namespace

std::size_t TraceForest::ChildHash::operator()(const Child& child) const {
  return mixed(reinterpret_cast<std::uintptr_t>(child.parent) * 0x9e37'79b9'7f4a'7c15 ^ child.id ^
               static_cast<std::uint64_t>(child.action));
}

TraceForest::TraceForest(std::shared_ptr<const TraceBook> book, Interners& interners)
    : book_(std::move(book)), interners_(&interners), peers_(book_->peer_count()), peer_cache_(cached_peers) {}

const TraceForest::LegView* TraceForest::view(LegPoint point, Direction direction, std::uint32_t index,
                                              std::string_view name, const Address& workload) {
  if (book_->is_bridge(name)) return view_by_name(point, direction, name, workload);
  const std::uint64_t key =
      static_cast<std::uint64_t>(point) << 40U | static_cast<std::uint64_t>(direction) << 32U | index;
  // An index is given to another interface after its own is gone: the name decides.
  const auto known = by_index_.find(key);
  if (known != by_index_.end() && *known->second->interface == name) return known->second;
  const LegView* view = view_by_name(point, direction, name, workload);
  if (view != nullptr) by_index_[key] = view;
  return view;
}

const TraceForest::LegView* TraceForest::view_by_name(LegPoint point, Direction direction, std::string_view name,
                                                      const Address& workload) {
  const TraceBook::Leg* leg = book_->leg(point, direction, name, workload);
  if (leg == nullptr) return nullptr;
  std::string key{static_cast<char>(point), direction == Direction::ingress ? 'i' : 'e'};
  key += name;
  if (book_->is_bridge(name)) key += "/" + leg->endpoint.ns + "/" + leg->endpoint.name;
  std::unique_ptr<LegView>& view = views_[key];
  if (view != nullptr) return view.get();
  view = std::make_unique<LegView>();
  view->forest = this;
  view->leg = leg;
  view->point = point;
  view->identity = interners_->legs.intern({leg->endpoint, leg->bucket, leg->direction});
  view->interface = interners_->names.intern(std::string{name});
  if (const auto self = book_->peer_number(leg->endpoint)) view->self = interned_peer(*self);
  view->fingerprint = content_hash(*view->identity);
  for (const World world : {World::enforced, World::pending}) {
    Node& root = view->roots[world == World::enforced ? 0 : 1];
    root.view = view.get();
    root.world = world;
  }
  return view.get();
}

const TraceForest::Node* TraceForest::next(const Node& node, RuleId id, Action action) {
  const auto known = children_.find({&node, id, action});
  if (known != children_.end()) return known->second;
  if (node.closes()) return nullptr;
  auto step = book_->step(*node.view->leg, node.world, node.hits, id, action);
  return step ? learn(node, id, action, std::move(*step)) : nullptr;
}

const TraceForest::Node* TraceForest::learn(const Node& node, RuleId id, Action action, TraceBook::Step step) {
  Node& made = nodes_.emplace_back();
  made.view = node.view;
  made.parent = &node;
  made.world = node.world;
  made.hits = node.hits + 1;
  made.id = id;
  made.action = action;
  made.step = std::move(step);
  if (made.closes()) {
    Trace trace = trace_of(made);
    if (made.world == World::enforced)
      made.twin = interners_->traces.intern(book_->pending_twin(*node.view->leg, trace));
    made.trace = interners_->traces.intern(std::move(trace));
  }
  children_.emplace(Child{&node, id, action}, &made);
  return &made;
}

const std::shared_ptr<const FlowPeer>& TraceForest::peer(const Address& address) {
  const std::uint64_t hash = mixed(address.high * 0x9e37'79b9'7f4a'7c15 ^ address.low);
  CachedPeer& cached = peer_cache_[hash % cached_peers];
  if (!cached.known || cached.address != address) cached = {address, book_->peer_number(address), true};
  return interned_peer(cached.peer);
}

const std::shared_ptr<const FlowPeer>& TraceForest::interned_peer(std::uint32_t number) {
  std::shared_ptr<const FlowPeer>& peer = peers_[number];
  if (peer == nullptr) peer = interners_->peers.intern(book_->numbered_peer(number));
  return peer;
}

void TraceForest::forget() {
  by_index_.clear();
  children_.clear();
  views_.clear();
  nodes_.clear();
}

}  // namespace drywall
