// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/passage.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace drywall::cli {
namespace {

constexpr std::size_t longest_line = 64U << 10U;

using nlohmann::json;

/// Takes the keys of one object, and remembers the first thing that is wrong.
class FlowReader {
 public:
  explicit FlowReader(const json& object) : object_(object) {}

  std::optional<Address> address(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    const auto address = value->is_string() ? parse_address(value->get_ref<const std::string&>()) : std::nullopt;
    if (!address) refuse(key, *value, "an IP address as text");
    return address;
  }

  template <class Number>
  std::optional<Number> number(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    constexpr std::uint64_t most = std::numeric_limits<Number>::max();
    if (value->is_number_unsigned() && value->get<std::uint64_t>() <= most) return value->get<Number>();
    refuse(key, *value, fmt::format("a number from 0 to {}", most));
    return std::nullopt;
  }

  std::string text(const char* key) {
    const json* value = find(key);
    if (value == nullptr) return "";
    if (value->is_string()) return value->get<std::string>();
    refuse(key, *value, "text");
    return "";
  }

  std::optional<Protocol> protocol() {
    const json* value = find("protocol");
    if (value == nullptr) {
      fail("\"protocol\" is missing: give tcp, udp, sctp, icmp, icmpv6, udplite or a number");
      return std::nullopt;
    }
    const auto protocol = value->is_string()            ? parse_protocol(value->get_ref<const std::string&>())
                          : value->is_number_unsigned() ? parse_protocol(value->dump())
                                                        : std::nullopt;
    if (!protocol) refuse("protocol", *value, "tcp, udp, sctp, icmp, icmpv6, udplite or a number from 0 to 255");
    return protocol;
  }

  void fail(std::string message) {
    if (error_.empty()) error_ = std::move(message);
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  const json* find(const char* key) {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  void refuse(const char* key, const json& value, std::string_view expected) {
    fail(fmt::format("\"{}\" is {}: expected {}", key, value.dump(-1, ' ', true, json::error_handler_t::replace),
                     expected));
  }

  const json& object_;
  std::string error_;
};

Passage read_passage(FlowReader& reader) {
  Passage passage;
  Packet& packet = passage.packet;
  const auto source = reader.address("src");
  const auto destination = reader.address("dst");
  if (!source) reader.fail("\"src\" is missing: give the source address");
  if (!destination) reader.fail("\"dst\" is missing: give the destination address");
  packet.source = source.value_or(Address{});
  packet.destination = destination.value_or(Address{});
  if (packet.source.family != packet.destination.family) reader.fail("\"src\" and \"dst\" are of different families");
  packet.protocol = reader.protocol().value_or(Protocol{});
  packet.source_port = reader.number<std::uint16_t>("src_port").value_or(0);
  packet.destination_port = reader.number<std::uint16_t>("dst_port").value_or(0);
  packet.icmp_type = reader.number<std::uint8_t>("icmp_type").value_or(0);
  packet.icmp_code = reader.number<std::uint8_t>("icmp_code").value_or(0);
  passage.in_interface = reader.text("in_interface");
  passage.out_interface = reader.text("out_interface");
  passage.original_destination = reader.address("orig_dst");
  passage.original_destination_port = reader.number<std::uint16_t>("orig_dst_port");
  if (passage.original_destination && passage.original_destination->family != packet.source.family) {
    reader.fail("\"orig_dst\" is of another family than \"src\"");
  }
  return passage;
}

}  // namespace

tl::expected<Passage, std::string> parse_passage(std::string_view line) {
  if (line.size() > longest_line) return tl::unexpected(std::string("the line is longer than 64 KiB"));
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return tl::unexpected(std::string("not a JSON object"));
  FlowReader reader(object);
  Passage passage = read_passage(reader);
  if (!reader.error().empty()) return tl::unexpected(reader.error());
  return passage;
}

}  // namespace drywall::cli
