// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <optional>

#include "cli/configured_endpoint.h"
#include "cli/explain_json.h"
#include "cli/explain_text.h"
#include "cli/page.h"
#include "cli/passage.h"
#include "cli/policy_files.h"
#include "cli/terminal.h"
#include "cli/this_host.h"
#include "cli/verb.h"
#include "cli/worlds.h"
#include "policy/parse.h"

namespace drywall::cli {
namespace {

/// The one packet to judge, as the user gave it.
struct GivenPacket {
  std::string source, destination, protocol = "tcp", original_destination, in_interface, out_interface;
  std::optional<std::uint16_t> source_port, destination_port, original_destination_port;
  std::optional<std::uint8_t> icmp_type, icmp_code;
  bool operator==(const GivenPacket&) const = default;
};

struct ExplainOptions {
  std::string policy_directory;
  std::string flows;  // a file, or "-"
  std::string node;
  std::vector<std::string> local;  // ADDR[%IFACE]
  GivenPacket packet;
  bool why = false;
  Output output;

  [[nodiscard]] Why wanted_reasons() const { return why ? Why::yes : Why::no; }
};

/// A sentence for the user instead of a value.
template <class T>
using Given = tl::expected<T, std::string>;

void flush(JsonWriter& json) {
  std::fwrite(json.so_far().data(), 1, json.so_far().size(), stdout);
  json.clear();
}

/// Answers every line, in order: 0 both worlds agree everywhere, 1 they differ, 2 a line could not be read.
Exit explain_lines(Worlds& worlds, std::istream& in, Why why) {
  Exit exit = Exit::yes;
  JsonWriter json;
  for (std::string line; std::getline(in, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto passage = parse_passage(line);
    if (!passage) {
      exit = Exit::usage;
      write_error(json, passage.error());
    } else {
      const Fates fates = worlds.fates(*passage);
      if (exit == Exit::yes && fates.differ()) exit = Exit::no;
      write_fates(json, worlds, *passage, fates, why);
    }
    if (json.so_far().size() >= (1U << 16U)) flush(json);
  }
  flush(json);
  return exit;
}

Exit explain_flows(Worlds& worlds, const ExplainOptions& options) {
  std::ios::sync_with_stdio(false);
  if (options.flows == "-") return explain_lines(worlds, std::cin, options.wanted_reasons());
  std::ifstream file(options.flows);
  if (!file) {
    say(fmt::format("cannot open {}", options.flows));
    return Exit::usage;
  }
  return explain_lines(worlds, file, options.wanted_reasons());
}

Exit explain_one(Worlds& worlds, const Passage& passage, const ExplainOptions& options) {
  const Fates fates = worlds.fates(passage);
  if (options.output.format == Format::json) {
    JsonWriter json;
    write_fates(json, worlds, passage, fates, options.wanted_reasons());
    flush(json);
  } else {
    fmt::print("{}", explain_text(worlds, passage, fates, options.wanted_reasons(), page_width()));
  }
  return fates.differ() ? Exit::no : Exit::yes;
}

Given<std::vector<LocalAddress>> local_addresses(const std::vector<std::string>& texts) {
  std::vector<LocalAddress> found;
  for (const std::string& text : texts) {
    const std::size_t percent = text.find('%');
    const auto address = parse_address(text.substr(0, percent));
    if (!address) return tl::unexpected(fmt::format("--local {}: expected ADDRESS or ADDRESS%INTERFACE", text));
    found.push_back({*address, percent == std::string::npos ? "" : text.substr(percent + 1)});
  }
  return found;
}

Given<Address> address_of(const char* option, const std::string& text) {
  if (text.empty()) {
    return tl::unexpected(
        fmt::format("{} is missing: give --src and --dst of one packet (and --protocol, --dst-port), or --flows FILE "
                    "with many",
                    option));
  }
  const auto address = parse_address(text);
  if (!address) return tl::unexpected(fmt::format("{} {}: expected an IP address", option, text));
  return *address;
}

/// Its addresses, and those before DNAT.
Given<Passage> addresses_of(const GivenPacket& given) {
  const auto source = address_of("--src", given.source);
  if (!source) return tl::unexpected(source.error());
  const auto destination = address_of("--dst", given.destination);
  if (!destination) return tl::unexpected(destination.error());
  Passage passage;
  passage.packet.source = *source;
  passage.packet.destination = *destination;
  if (!given.original_destination.empty()) {
    const auto original = address_of("--orig-dst", given.original_destination);
    if (!original) return tl::unexpected(original.error());
    passage.original_destination = *original;
  }
  const Family family = source->family;
  if (destination->family != family || passage.original_destination.value_or(*source).family != family) {
    return tl::unexpected(std::string("the addresses are of different families: give IPv4 or IPv6 ones only"));
  }
  return passage;
}

/// Something that the packet's protocol lacks was given: for the user.
std::optional<std::string> needless_option(const GivenPacket& given, Protocol protocol) {
  const bool ports = given.source_port || given.destination_port || given.original_destination_port;
  if (ports && !has_ports(protocol)) {
    return fmt::format(
        "protocol {} has no ports: leave --src-port, --dst-port and --orig-dst-port out, or give "
        "another --protocol",
        to_string(protocol));
  }
  if ((given.icmp_type || given.icmp_code) && !is_icmp(protocol)) {
    return fmt::format(
        "protocol {} has no ICMP type: give --protocol icmp or icmpv6, or leave --icmp-type and "
        "--icmp-code out",
        to_string(protocol));
  }
  return std::nullopt;
}

Given<Passage> passage_of(const GivenPacket& given) {
  constexpr std::uint16_t usual_source_port = 40000;
  auto passage = addresses_of(given);
  if (!passage) return passage;
  const auto protocol = parse_protocol(given.protocol);
  if (!protocol) {
    return tl::unexpected(fmt::format(
        "--protocol {}: expected tcp, udp, sctp, icmp, icmpv6, udplite or a number from 0 to 255", given.protocol));
  }
  if (const auto needless = needless_option(given, *protocol)) return tl::unexpected(*needless);
  Packet& packet = passage->packet;
  packet.protocol = *protocol;
  packet.source_port = given.source_port.value_or(has_ports(*protocol) ? usual_source_port : 0);
  packet.destination_port = given.destination_port.value_or(0);
  packet.icmp_type = given.icmp_type.value_or(0);
  packet.icmp_code = given.icmp_code.value_or(0);
  passage->original_destination_port = given.original_destination_port;
  passage->in_interface = given.in_interface;
  passage->out_interface = given.out_interface;
  return passage;
}

/// Nothing, and told the user why, if the directory cannot be read, or does not say what was meant.
std::optional<Inventory> read_inventory(const ExplainOptions& options) {
  const std::string& given_directory = options.policy_directory;
  const auto directory = given_directory.empty() ? default_policy_directory() : std::filesystem::path(given_directory);
  const auto read = read_policy_files({directory});
  if (!read) {
    say(to_string(read.error()));
    return std::nullopt;
  }
  Parsed parsed = parse(read->files);
  parsed.diagnostics.insert(parsed.diagnostics.end(), read->diagnostics.begin(), read->diagnostics.end());
  if (has_errors(parsed.diagnostics)) {
    for (const Diagnostic& diagnostic : parsed.diagnostics) fmt::print(stderr, "{}", to_string(diagnostic));
  }
  if (!is_understood(parsed.diagnostics)) return std::nullopt;
  if (given_directory.empty()) add_configured_endpoint(parsed.inventory, options.node);
  return std::move(parsed.inventory);
}

Exit explain(const ExplainOptions& options) {
  const bool is_batch = !options.flows.empty();
  if (is_batch && options.packet != GivenPacket()) {
    say("with --flows the packets are in its lines: leave --src, --dst and what else describes one packet out");
    return Exit::usage;
  }
  const auto passage = is_batch ? Passage() : passage_of(options.packet);
  const auto local = local_addresses(options.local);
  if (!passage || !local) {
    say(passage ? local.error() : passage.error());
    return Exit::usage;
  }
  const auto inventory = read_inventory(options);
  if (!inventory) return Exit::usage;
  Worlds worlds(*inventory, this_host(options.node), *local);
  return is_batch ? explain_flows(worlds, options) : explain_one(worlds, *passage, options);
}

/// What describes the one packet; the lines of --flows have all of it themselves.
void add_packet_options(Arguments& arguments, GivenPacket& packet) {
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return arguments.add(name, value, help).takes(type);
  };
  const auto add_number = [&](const char* name, auto& value, int most, const char* help) {
    add(name, value, "NUMBER", help).within(0, most);
  };
  constexpr int last_port = 65535;
  constexpr int last_type = 255;
  add("--src", packet.source, "ADDR", "Source address of the one packet to judge");
  add("--dst", packet.destination, "ADDR", "Its destination address, after any DNAT");
  add("--protocol", packet.protocol, "NAME", "Its protocol, by name or number").shows_default();
  add_number("--src-port", packet.source_port, last_port, "Its source port, 40000 if not given");
  add_number("--dst-port", packet.destination_port, last_port, "Its destination port, after any DNAT");
  add_number("--icmp-type", packet.icmp_type, last_type, "Its ICMP type, if the protocol is icmp or icmpv6");
  add_number("--icmp-code", packet.icmp_code, last_type, "Its ICMP code");
  add("--orig-dst", packet.original_destination, "ADDR", "Its destination address before DNAT");
  add_number("--orig-dst-port", packet.original_destination_port, last_port, "Its destination port before DNAT");
  add("--in-interface", packet.in_interface, "NAME", "The interface that it comes in by");
  add("--out-interface", packet.out_interface, "NAME", "The interface that it leaves by");
}

}  // namespace

Run declare_explain(Arguments& arguments) {
  auto options = std::make_shared<ExplainOptions>();
  arguments.add("--policy-dir", options->policy_directory, "Judge by this directory; without it: this host's")
      .takes("DIR");
  arguments.add("--node", options->node, "Which node this is; without it every endpoint counts as local").takes("NAME");
  arguments.add("--local", options->local, "An address of the host itself: ADDRESS[%INTERFACE]; may be repeated")
      .takes("ADDR");
  arguments.add("--flows", options->flows, "Judge every line of this file of JSON objects, - for standard input")
      .takes("FILE");
  add_packet_options(arguments, options->packet);
  arguments.add_flag("--why", options->why, "Show everything that was asked on the way, and why it matched or not");
  add_output_options(arguments, options->output, Wide::no);
  return [options] { return explain(*options); };
}

}  // namespace drywall::cli
