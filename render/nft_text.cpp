// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/nft_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "policy/net.h"
#include "policy/result.h"
#include "render/field.h"
#include "render/name.h"

namespace drywall {
namespace {

using Out = std::back_insert_iterator<std::string>;

std::string address_text(const Bytes& bytes) {
  const auto address = address_from_bytes(std::as_bytes(std::span(bytes)));
  return address ? to_string(*address) : std::string("?");
}

unsigned number_of(const Bytes& bytes) {
  unsigned number = 0;
  for (const std::uint8_t byte : bytes) number = number << 8U | byte;
  return number;
}

/// "eth0", or "cali*" for a prefix.
std::string interface_text(const Bytes& bytes) {
  const std::string name(bytes.begin(), std::ranges::find(bytes, std::uint8_t{0}));
  const bool is_prefix = bytes.size() < 16;
  return fmt::format("\"{}{}\"", name, is_prefix ? "*" : "");
}

std::string index_text(const Bytes& bytes) {
  std::uint32_t index = 0;
  std::memcpy(&index, bytes.data(), std::min(sizeof index, bytes.size()));
  return index == 1 ? "\"lo\"" : fmt::format("{}", index);
}

std::string value_text(Field field, const Bytes& bytes) {
  switch (field) {
    case Field::source_address:
    case Field::destination_address:
    case Field::original_destination_address:
      return address_text(bytes);
    case Field::in_interface:
    case Field::out_interface:
      return interface_text(bytes);
    case Field::in_index:
    case Field::out_index:
      return index_text(bytes);
    case Field::source_port:
    case Field::destination_port:
    case Field::icmp_type:
    case Field::icmp_code:
    case Field::icmp_type_and_code:
    case Field::l4_protocol:
    case Field::original_destination_port:
      return fmt::format("{}", number_of(bytes));
  }
  return "?";
}

const char* operator_text(Compare compare) {
  switch (compare) {
    case Compare::equal:
      return "";
    case Compare::not_equal:
      return "!= ";
    case Compare::at_least:
      return ">= ";
    case Compare::at_most:
      return "<= ";
  }
  return "";
}

std::string fields_text(const std::vector<Field>& fields, Family family) {
  std::string text;
  for (const Field field : fields) {
    if (!text.empty()) text += " . ";
    text += field_layout(field, family).text;
  }
  return text;
}

std::string states_text(std::uint32_t bits) {
  std::string text;
  const auto add = [&](std::uint32_t bit, const char* name) {
    if ((bits & bit) == 0) return;
    if (!text.empty()) text += ",";
    text += name;
  };
  add(ct_state::invalid, "invalid");
  add(ct_state::established, "established");
  add(ct_state::related, "related");
  add(ct_state::fresh, "new");
  add(ct_state::untracked, "untracked");
  return text;
}

std::string status_text(const StatusIs& match) {
  const std::string_view name = match.any_of == ct_status::dnat ? "dnat" : "confirmed";
  if (match.sense == Sense::is) return fmt::format("ct status {}", name);
  return fmt::format("ct status & {} == 0", name);
}

std::string match_text(const Match& match, Family family) {
  return std::visit(
      overloaded{
          [&](const FieldIs& m) {
            const char* field = field_layout(m.field, family).text;
            if (m.mask.empty()) {
              return fmt::format("{} {}{}", field, operator_text(m.compare), value_text(m.field, m.value));
            }
            return fmt::format("{} & {} {} {}", field, value_text(m.field, m.mask),
                               m.compare == Compare::equal ? "==" : "!=", value_text(m.field, m.value));
          },
          [&](const FieldIn& m) {
            return fmt::format("{} {}@{}", fields_text(m.fields, family), m.sense == Sense::is ? "" : "!= ", m.set);
          },
          [&](const StateIs& m) { return fmt::format("ct state {}", states_text(m.any_of)); },
          [&](const StatusIs& m) { return status_text(m); },
          [&](const IsOriginalDirection&) { return std::string("ct direction original"); },
          [&](const SourceIsLocal&) { return std::string("fib saddr type local"); },
          [&](const DestinationIsBroadcast&) { return std::string("fib daddr type broadcast"); },
          [&](const NoReversePath&) { return std::string("fib saddr . iif oif 0"); },
      },
      match);
}

template <Stance S>
std::string end_text(const End<S>& end, Family family) {
  return std::visit(
      [&](const auto& e) -> std::string {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, Continue>)
          return "";
        else if constexpr (std::is_same_v<E, Accept>)
          return "accept";
        else if constexpr (std::is_same_v<E, Return>)
          return "return";
        else if constexpr (std::is_same_v<E, AcceptUntracked>)
          return "notrack accept";
        else if constexpr (std::is_same_v<E, Drop>)
          return "drop";
        else if constexpr (std::is_same_v<E, Reject>)
          return "reject";
        else if constexpr (std::is_same_v<E, Jump<S>>)
          return "jump " + e.to.text;
        else if constexpr (std::is_same_v<E, Goto<S>>)
          return "goto " + e.to.text;
        else
          return fmt::format("{} vmap @{}", fields_text(e.fields, family), e.map);
      },
      end);
}

std::string limit_text(const Limit& limit, Family family) {
  const char* unit = limit.seconds == 1      ? "second"
                     : limit.seconds == 60   ? "minute"
                     : limit.seconds == 3600 ? "hour"
                                             : "day";
  const std::string rate = fmt::format("limit rate {}/{} burst {} packets", limit.rate, unit, limit.burst);
  if (limit.flows.empty()) return rate;
  return fmt::format("add @{} {{ {} {} }}", limit.flows, fields_text(limiter_key, family), rate);
}

/// nft 1.0.6 has no words for a connection's port without naming a protocol, and none for it in a concatenation or a
/// set; the kernel takes the rule all the same.
bool has_no_text(const Match& match) {
  const auto is_port = [](Field field) { return field == Field::original_destination_port; };
  if (const auto* compared = std::get_if<FieldIs>(&match)) return is_port(compared->field);
  const auto* looked_up = std::get_if<FieldIn>(&match);
  return looked_up != nullptr && std::ranges::any_of(looked_up->fields, is_port);
}

template <Stance S>
void write_rule(Out out, const NftRule<S>& rule, Family family) {
  std::vector<std::string> words;
  if (std::ranges::any_of(rule.matches, has_no_text)) words.emplace_back("#");
  for (const Match& match : rule.matches) words.push_back(match_text(match, family));
  if (rule.counter) words.emplace_back("counter");
  if (rule.limit) words.push_back(limit_text(*rule.limit, family));
  if (rule.log) {
    words.push_back(
        fmt::format("log prefix \"{}\" group {} snaplen {}", rule.log->prefix, rule.log->group, rule.log->copy_bytes));
  }
  if (rule.kernel_log) words.push_back(fmt::format("log prefix \"{}\" level info", *rule.kernel_log));
  if (std::string end = end_text<S>(rule.end, family); !end.empty()) words.push_back(std::move(end));
  if (!rule.comment.empty()) words.push_back(fmt::format("comment \"{}\"", rule.comment));
  fmt::format_to(out, "    {}\n", fmt::join(words, " "));
}

const char* hook_text(Hook hook) {
  switch (hook) {
    case Hook::prerouting:
      return "prerouting";
    case Hook::input:
      return "input";
    case Hook::forward:
      return "forward";
    case Hook::output:
      return "output";
    case Hook::postrouting:
      return "postrouting";
  }
  return "";
}

template <Stance S>
void write_chain(Out out, const Chain<S>& chain, Family family) {
  fmt::format_to(out, "  chain {} {{\n", chain.name.text);
  if (chain.base) {
    fmt::format_to(out, "    type filter hook {} priority {}; policy accept;\n", hook_text(chain.base->hook),
                   chain.base->priority);
  }
  for (const NftRule<S>& rule : chain.rules) write_rule<S>(out, rule, family);
  fmt::format_to(out, "  }}\n");
}

/// The parts of an element, one for each field of the concatenation.
std::string key_text(const std::vector<Field>& fields, const Bytes& key, Family family) {
  std::string text;
  std::size_t offset = 0;
  for (const Field field : fields) {
    const std::uint32_t size = field_layout(field, family).size;
    if (!text.empty()) text += " . ";
    text += value_text(field, Bytes(key.begin() + static_cast<std::ptrdiff_t>(offset),
                                    key.begin() + static_cast<std::ptrdiff_t>(offset + size)));
    offset += padded(size);
  }
  return text;
}

std::string element_text(const std::vector<Field>& fields, const Element& element, Family family) {
  const std::string first = key_text(fields, element.first, family);
  return element.first == element.last ? first : first + "-" + key_text(fields, element.last, family);
}

std::string type_text(const std::vector<Field>& fields, Family family) {
  std::string text;
  for (const Field field : fields) {
    if (!text.empty()) text += " . ";
    text += field_layout(field, family).type;
  }
  return text;
}

void write_elements(Out out, const std::vector<std::string>& elements) {
  if (!elements.empty()) fmt::format_to(out, "    elements = {{ {} }}\n", fmt::join(elements, ",\n      "));
}

void write_size(Out out, std::size_t size) {
  if (size > 0) fmt::format_to(out, "    size {}\n", size);
}

void write_set(Out out, const Set& set, Family family) {
  fmt::format_to(out, "  set {} {{\n    type {}\n", set.name, type_text(set.fields, family));
  if (set.interval) fmt::format_to(out, "    flags interval\n");
  write_size(out, fixed_size(set));
  if (!set.comment.empty()) fmt::format_to(out, "    comment \"{}\"\n", comment_text(set.comment));
  std::vector<std::string> elements;
  for (const Element& element : set.elements) elements.push_back(element_text(set.fields, element, family));
  write_elements(out, elements);
  fmt::format_to(out, "  }}\n");
}

void write_limiter(Out out, const LimiterSet& limiter, Family family) {
  fmt::format_to(out, "  set {} {{\n    type {}\n    size {}\n    flags dynamic,timeout\n    timeout {}s\n  }}\n",
                 limiter.name, type_text(limiter_key, family), limiter.size, limiter.timeout_seconds);
}

template <Stance S>
std::string verdict_text(const MapVerdict<S>& verdict, Family family) {
  return std::visit([&](const auto& v) { return end_text<S>(End<S>{v}, family); }, verdict);
}

template <Stance S>
void write_map(Out out, const VerdictMap<S>& map, Family family) {
  fmt::format_to(out, "  map {} {{\n    type {} : verdict\n", map.name, type_text(map.fields, family));
  if (map.interval) fmt::format_to(out, "    flags interval\n");
  write_size(out, fixed_size(map));
  std::vector<std::string> elements;
  for (const auto& entry : map.entries) {
    elements.push_back(
        fmt::format("{} : {}", element_text(map.fields, entry.key, family), verdict_text<S>(entry.verdict, family)));
  }
  write_elements(out, elements);
  fmt::format_to(out, "  }}\n");
}

template <Stance S>
void write_layer(Out out, const Layer<S>& layer, Family family) {
  for (const Chain<S>& chain : layer.chains) {
    if (!chain.base) write_chain<S>(out, chain, family);
  }
  for (const VerdictMap<S>& map : layer.maps) write_map<S>(out, map, family);
  for (const Chain<S>& chain : layer.chains) {
    if (chain.base) write_chain<S>(out, chain, family);
  }
}

}  // namespace

std::string nft_text(const Ruleset& ruleset) {
  std::string text;
  const Out out = std::back_inserter(text);
  for (const Family family : both_families) {
    const char* name = family == Family::v4 ? "ip" : "ip6";
    fmt::format_to(out, "table {0} {1}\ndelete table {0} {1}\n", name, table_name);
  }
  for (const Table& table : ruleset.tables) {
    fmt::format_to(out, "\ntable {} {} {{\n", table.family == Family::v4 ? "ip" : "ip6", table_name);
    for (const Set& set : table.sets) write_set(out, set, table.family);
    for (const LimiterSet& limiter : table.limiters) write_limiter(out, limiter, table.family);
    write_layer(out, table.observe, table.family);
    write_layer(out, table.enforce, table.family);
    fmt::format_to(out, "}}\n");
  }
  return text;
}

std::string nft_text(const Set& set, Family family) {
  std::string text;
  write_set(std::back_inserter(text), set, family);
  return text;
}

std::string nft_text(const LimiterSet& set, Family family) {
  std::string text;
  write_limiter(std::back_inserter(text), set, family);
  return text;
}

template <Stance S>
std::string nft_text(const Chain<S>& chain, Family family) {
  std::string text;
  write_chain<S>(std::back_inserter(text), chain, family);
  return text;
}
template std::string nft_text(const Chain<Stance::enforce>& chain, Family family);
template std::string nft_text(const Chain<Stance::observe>& chain, Family family);

template <Stance S>
std::string nft_text(const VerdictMap<S>& map, Family family) {
  std::string text;
  write_map<S>(std::back_inserter(text), map, family);
  return text;
}
template std::string nft_text(const VerdictMap<Stance::enforce>& map, Family family);
template std::string nft_text(const VerdictMap<Stance::observe>& map, Family family);

}  // namespace drywall
