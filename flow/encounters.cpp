// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/encounters.h"

#include <algorithm>
#include <utility>

namespace drywall {
namespace {

constexpr std::size_t telling = 0;
constexpr std::size_t denied = 1;

void put(std::string& key, std::uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) key += static_cast<char>(number >> 8U * (bytes - 1 - i) & 0xFFU);
}

void put(std::string& key, const Address& address) {
  put(key, address.family == Family::v4 ? 4 : 6, 1);
  if (address.family == Family::v6) put(key, address.high, 8);
  put(key, address.low, address.family == Family::v4 ? 4 : 8);
}

void put(std::string& key, std::string_view text) {
  put(key, text.size(), 2);
  key += text;
}

}  // namespace

void Tally::add(std::uint64_t more, Timestamp from, Timestamp to) {
  if (more == 0) return;
  first = count == 0 ? from : std::min(first, from);
  last = count == 0 ? to : std::max(last, to);
  count += more;
}

EpochTally::EpochTally(std::vector<Part> parts) : parts_(std::move(parts)) {
  const bool is_sound =
      parts_.size() <= most && std::ranges::is_sorted(parts_, std::ranges::less_equal{}, &Part::epoch);
  if (!is_sound) parts_.clear();
}

void EpochTally::add(Timestamp epoch, std::uint64_t count, Timestamp at) {
  const auto later = std::ranges::upper_bound(parts_, epoch, {}, &Part::epoch);
  auto part = later == parts_.begin() ? parts_.end() : std::prev(later);
  if (part == parts_.end() || part->epoch != epoch) part = parts_.insert(later, {epoch, {}});
  part->tally.add(count, at, at);
  if (parts_.size() <= most) return;
  parts_[0].tally.add(parts_[1].tally.count, parts_[1].tally.first, parts_[1].tally.last);
  parts_.erase(parts_.begin() + 1);
}

Tally EpochTally::since(Timestamp epoch) const {
  Tally sum;
  for (const Part& part : parts_) {
    if (part.epoch >= epoch) sum.add(part.tally.count, part.tally.first, part.tally.last);
  }
  return sum;
}

std::string key_of(const LegIdentity& leg, std::string_view interface, const Packet& packet) {
  std::string key;
  put(key, static_cast<std::uint64_t>(leg.endpoint.kind), 1);
  put(key, static_cast<std::uint64_t>(leg.bucket), 1);
  put(key, static_cast<std::uint64_t>(leg.direction), 1);
  put(key, leg.endpoint.ns);
  put(key, leg.endpoint.name);
  put(key, interface);
  put(key, packet.source);
  put(key, packet.destination);
  put(key, packet.protocol.number, 1);
  put(key, packet.destination_port, 2);
  put(key, packet.icmp_type, 1);
  put(key, packet.icmp_code, 1);
  return key;
}

Encounters::Encounters(Limits limits) : limits_(limits) {}

std::size_t Encounters::list_of(const Encounter& encounter) {
  return encounter.enforced == Verdict::deny && encounter.pending == Verdict::deny ? denied : telling;
}

bool Encounters::is_flooded(Timestamp at) {
  const auto second = std::chrono::floor<std::chrono::seconds>(at);
  if (second != denied_second_) denied_ = 0;
  denied_second_ = second;
  return ++denied_ > limits_.denied_a_second;
}

void Encounters::add(const JudgedConnection& connection) {
  const bool is_denied = connection.enforced == Verdict::deny && connection.pending == Verdict::deny;
  if (is_denied && is_flooded(connection.at)) {
    ++forgotten_;
    return;
  }
  std::string key = key_of(connection.leg, connection.interface, connection.packet);
  Encounter encounter;
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    encounter = std::move(known->second.entry->encounter);
    lists_[known->second.list].erase(known->second.entry);
    by_key_.erase(known);
  } else {
    encounter.leg = connection.leg;
    encounter.interface = connection.interface;
  }
  encounter.packet = connection.packet;
  encounter.enforced = connection.enforced;
  encounter.pending = connection.pending;
  // Logs of before an epoch come in it.
  encounter.connections.add(connection.at < epoch_ ? previous_epoch_ : epoch_, 1, connection.at);
  changed_.insert(key);
  place(std::move(key), std::move(encounter));
}

void Encounters::restore(Encounter encounter) {
  std::string key = key_of(encounter.leg, encounter.interface, encounter.packet);
  if (!by_key_.contains(key)) place(std::move(key), std::move(encounter));
}

/// As the one seen last.
void Encounters::place(std::string key, Encounter encounter) {
  const std::size_t list = list_of(encounter);
  make_room(list);
  lists_[list].push_back({key, std::move(encounter)});
  by_key_[std::move(key)] = {list, std::prev(lists_[list].end())};
}

void Encounters::make_room(std::size_t list) {
  const std::size_t limit = std::max<std::size_t>(list == telling ? limits_.telling : limits_.denied, 1);
  while (lists_[list].size() >= limit) {
    Entry& oldest = lists_[list].front();
    by_key_.erase(oldest.key);
    changed_.insert(std::move(oldest.key));
    lists_[list].pop_front();
    ++forgotten_;
  }
}

std::vector<Encounters::Change> Encounters::take_changes() {
  std::vector<Change> changes;
  changes.reserve(changed_.size());
  for (const std::string& key : std::exchange(changed_, {})) {
    const auto known = by_key_.find(key);
    changes.push_back({key, known == by_key_.end() ? std::nullopt : std::optional(known->second.entry->encounter)});
  }
  return changes;
}

}  // namespace drywall
