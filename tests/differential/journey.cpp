// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/journey.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "tests/differential/test_network.h"

namespace drywall::test {
namespace {

constexpr std::array<std::string_view, 5> form_names{"plain", "options", "fragments", "reversed-fragments",
                                                     "options-and-fragments"};
constexpr std::array<std::string_view, 3> sequel_names{"repeat", "reply", "error"};

template <class Enum, std::size_t N>
std::optional<Enum> named(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

template <class Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

/// "FIRST:SECOND"
template <class Number>
bool read_pair(std::string_view text, Number& first, Number& second) {
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && read_number(text.substr(0, colon), first) &&
         read_number(text.substr(colon + 1), second);
}

bool read_address(std::string_view text, Address& out) {
  const auto address = parse_address(text);
  if (address) out = *address;
  return address.has_value();
}

bool read_sequels(std::string_view text, std::vector<Sequel>& out) {
  for (const std::string_view name : split(text, ',')) {
    const auto sequel = named<Sequel>(sequel_names, name);
    if (!sequel) return false;
    out.push_back(*sequel);
  }
  return true;
}

bool read_field(Journey& journey, std::string_view key, std::string_view value) {
  Packet& packet = journey.crafted.packet;
  if (key == "in") {
    journey.in = value == "host" ? "" : std::string(value);
    return true;
  }
  if (key == "source") return read_address(value, packet.source);
  if (key == "destination") return read_address(value, packet.destination);
  if (key == "protocol") {
    const auto protocol = parse_protocol(value);
    if (protocol) packet.protocol = *protocol;
    return protocol.has_value();
  }
  if (key == "ports") return read_pair(value, packet.source_port, packet.destination_port);
  if (key == "icmp") return read_pair(value, packet.icmp_type, packet.icmp_code);
  if (key == "flags") return read_number(value, journey.crafted.flags);
  if (key == "then") return read_sequels(value, journey.sequels);
  if (key != "form") return false;
  const auto form = named<Form>(form_names, value);
  if (form) journey.crafted.form = *form;
  return form.has_value();
}

Tracking tracking_of_icmpv6(std::uint8_t type) {
  if (type == 128 || type == 139) return Tracking::fresh;  // echo and node information requests
  const bool discovery = (type >= 130 && type <= 136) || type == 143;
  return discovery ? Tracking::untracked : Tracking::invalid;
}

}  // namespace

std::string to_string(const Journey& journey) {
  const Packet& packet = journey.crafted.packet;
  std::string line = fmt::format("in={} source={} destination={} protocol={}", journey.in.empty() ? "host" : journey.in,
                                 to_string(packet.source), to_string(packet.destination), to_string(packet.protocol));
  if (has_ports(packet.protocol)) line += fmt::format(" ports={}:{}", packet.source_port, packet.destination_port);
  if (is_icmp(packet.protocol)) line += fmt::format(" icmp={}:{}", packet.icmp_type, packet.icmp_code);
  if (packet.protocol == protocol::tcp) line += fmt::format(" flags={}", journey.crafted.flags);
  line += fmt::format(" form={}", form_names[static_cast<std::size_t>(journey.crafted.form)]);
  std::vector<std::string_view> sequels;
  for (const Sequel sequel : journey.sequels) sequels.push_back(sequel_names[static_cast<std::size_t>(sequel)]);
  if (!sequels.empty()) line += fmt::format(" then={}", fmt::join(sequels, ","));
  return line;
}

std::optional<Journey> parse_journey(std::string_view line) {
  Journey journey;
  for (const std::string_view field : split(line, ' ')) {
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    if (!read_field(journey, field.substr(0, equals), field.substr(equals + 1))) return std::nullopt;
  }
  return journey;
}

std::vector<Journey> simpler(const Journey& journey) {
  std::vector<Journey> candidates;
  for (std::size_t i = 0; i < journey.sequels.size(); ++i) {
    candidates.push_back(journey);
    candidates.back().sequels.erase(candidates.back().sequels.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (journey.crafted.form != Form::plain) {
    candidates.push_back(journey);
    candidates.back().crafted.form = Form::plain;
  }
  if (journey.crafted.flags != tcp_flags::syn) {
    candidates.push_back(journey);
    candidates.back().crafted.flags = tcp_flags::syn;
  }
  return candidates;
}

Tracking tracking_of(const Crafted& crafted) {
  const Packet& packet = crafted.packet;
  const bool v4 = packet.source.family == Family::v4;
  if (packet.protocol == protocol::tcp) {
    // A connection may be picked up in its middle (nf_conntrack_tcp_loose).
    return crafted.flags == tcp_flags::syn || crafted.flags == tcp_flags::ack ? Tracking::fresh : Tracking::invalid;
  }
  if (packet.protocol == protocol::icmp) {
    constexpr std::array<std::uint8_t, 4> requests{8, 13, 15, 17};
    return v4 && std::ranges::find(requests, packet.icmp_type) != requests.end() ? Tracking::fresh : Tracking::invalid;
  }
  if (packet.protocol == protocol::sctp) return crafted.answers ? Tracking::invalid : Tracking::fresh;
  if (packet.protocol == protocol::icmpv6) return v4 ? Tracking::invalid : tracking_of_icmpv6(packet.icmp_type);
  return Tracking::fresh;
}

Passage passage_of(const Journey& journey, Translates translates) {
  Passage passage;
  passage.packet = journey.crafted.packet;
  passage.in_interface = interface_of(journey.in);
  const bool sent = journey.in.empty();
  if (translates == Translates::yes) {
    if (const auto changed = translated(passage.packet, sent ? Origin::host : Origin::outside)) {
      passage.original_destination = passage.packet.destination;
      passage.original_destination_port = passage.packet.destination_port;
      passage.packet = *changed;
    }
  }
  if (sent || !is_for_host(passage.packet.destination)) passage.out_interface = link_to(passage.packet.destination);
  return passage;
}

Packet turned_round(const Packet& packet) {
  Packet answer = packet;
  std::swap(answer.source, answer.destination);
  std::swap(answer.source_port, answer.destination_port);
  const bool echo = packet.protocol == protocol::icmp && packet.icmp_type == 8;
  // The answer to an echo request of ICMP is 0, those to the other requests are one above.
  if (is_icmp(packet.protocol)) answer.icmp_type = echo ? 0 : static_cast<std::uint8_t>(packet.icmp_type + 1);
  return answer;
}

Journey journey_of(Sequel sequel, const Journey& first, const Passage& passage) {
  Journey made{first.in, first.crafted, {}};
  if (sequel == Sequel::repeat) return made;
  made.in = passage.out_interface;
  Crafted& crafted = made.crafted;
  const Packet& arrived = passage.packet;
  if (sequel == Sequel::reply) {
    crafted.packet = turned_round(arrived);
    crafted.flags = tcp_flags::syn | tcp_flags::ack;
    crafted.answers = true;
  } else {
    const bool v4 = arrived.source.family == Family::v4;
    const std::uint8_t unreachable = v4 ? 3 : 1;
    crafted.packet = {
        arrived.destination, arrived.source, v4 ? protocol::icmp : protocol::icmpv6, 0, 0, unreachable, 1};
    crafted.quoted = arrived;
  }
  return made;
}

}  // namespace drywall::test
