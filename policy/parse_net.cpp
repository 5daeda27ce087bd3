// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse_net.h"

#include <fmt/format.h>

#include "policy/spelling.h"

namespace drywall::reading {
namespace {

/// What to write instead of a text that is no block of addresses.
std::string help_for_net(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (address && slash != std::string_view::npos) {
    return fmt::format("after the '/' write a length from 0 to {}", bits_of(address->family));
  }
  return "write ADDRESS/LENGTH, such as 10.0.0.0/8 or 2001:db8::/32";
}

/// Text of a scalar; an address in YAML is never a number or a truth value, but 10.5 is one.
std::optional<std::string_view> net_text(Reader& reader, const yaml::Node& node, std::string_view what,
                                         std::string_view help) {
  if (node.type == yaml::Type::scalar) return node.text;
  reader.error(node, "bad-cidr", fmt::format("{} must be text, found {}", what, found(node)), std::string(help));
  return {};
}

}  // namespace

std::optional<Prefix> read_net(Reader& reader, const yaml::Node& node, NetForm form) {
  const auto text = net_text(reader, node, "a block of addresses", "write ADDRESS/LENGTH, such as 10.0.0.0/8");
  if (!text) return {};
  if (const auto address = parse_address(*text)) {
    const Prefix host = host_prefix(*address);
    if (form == NetForm::any) return host;
    reader.error(node, "bare-address", fmt::format("{} is an address, expected a block of addresses", in_quotes(*text)),
                 fmt::format("write {}", to_string(host)));
    return {};
  }
  const auto prefix = parse_prefix(*text);
  if (!prefix) {
    reader.error(node, "bad-cidr", fmt::format("{} is not a block of addresses", in_quotes(*text)),
                 help_for_net(*text));
    return {};
  }
  const Prefix block = masked(*prefix);
  if (form == NetForm::masked && block != *prefix) {
    reader.error(node, "host-bits",
                 fmt::format("{} has address bits beyond its length {}", in_quotes(*text), prefix->length),
                 fmt::format("write {} for the block, or {} for the one address", to_string(block),
                             to_string(host_prefix(prefix->base))));
    return {};
  }
  return block;
}

std::optional<Address> read_address(Reader& reader, const yaml::Node& node, std::string_view what) {
  const auto text = net_text(reader, node, what, "write an address such as 192.0.2.1 or 2001:db8::1");
  if (!text) return {};
  if (const auto address = parse_address(*text)) return address;
  const auto prefix = parse_prefix(*text);
  reader.error(node, "bad-address", fmt::format("{} must be an IP address, found {}", what, in_quotes(*text)),
               prefix ? fmt::format("leave out the length: {}", to_string(prefix->base))
                      : "write an address such as 192.0.2.1 or 2001:db8::1");
  return {};
}

std::optional<Address> read_host_net(Reader& reader, const yaml::Node& node, std::string_view what) {
  const auto text = net_text(reader, node, what, "write ADDRESS/32 or ADDRESS/128");
  if (!text) return {};
  if (const auto address = parse_address(*text)) return address;
  const auto prefix = parse_prefix(*text);
  if (prefix && prefix->length == bits_of(prefix->base.family)) return prefix->base;
  reader.error(node, "not-one-address", fmt::format("{} must be one address, found {}", what, in_quotes(*text)),
               prefix ? fmt::format("write {}", to_string(host_prefix(prefix->base)))
                      : "write ADDRESS/32 or ADDRESS/128, such as 192.0.2.1/32");
  return {};
}

std::string_view name_of(Family family) {
  return family == Family::v4 ? "IPv4" : "IPv6";
}

}  // namespace drywall::reading
