// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <utility>

#include "policy/name.h"
#include "policy/net.h"
#include "policy/parse_metadata.h"
#include "policy/reader.h"
#include "policy/report.h"
#include "policy/spelling.h"

namespace drywall {
namespace {

using reading::in_quotes;
using reading::Place;
using reading::Report;

constexpr std::chrono::milliseconds longest_quiet{1000};
constexpr std::chrono::seconds longest_observation{366 * 86'400};
constexpr unsigned most_flows = 1'000'000'000;
constexpr std::size_t most_entries = 1000;  // of a list

Place place_of(const yaml::Node& node) {
  return {0, node.line, node.column, node.length};
}

std::optional<unsigned> parse_number(std::string_view text, unsigned highest) {
  unsigned value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end || value > highest) return std::nullopt;
  return value;
}

/// `90s`, `15m`, `1h` or `30d`.
std::optional<std::chrono::seconds> parse_seconds(std::string_view text) {
  constexpr std::array<std::pair<char, unsigned>, 4> units{{{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}}};
  const auto unit =
      text.empty() ? units.end() : std::ranges::find(units, text.back(), &std::pair<char, unsigned>::first);
  if (unit == units.end()) return std::nullopt;
  const std::optional<unsigned> number = parse_number(text.substr(0, text.size() - 1), 100'000'000);
  if (!number) return std::nullopt;
  return std::chrono::seconds{std::uint64_t{*number} * unit->second};
}

/// One key's value, read into the configuration.
struct Reader {
  Config& config;
  Report& report;

  /// The text of a scalar; nothing, and an error, if it is none.
  std::optional<std::string> text(const yaml::Node& value, std::string_view expected) {
    if (value.type == yaml::Type::scalar && !value.text.empty()) return value.text;
    report.error(place_of(value), "bad-value", fmt::format("expected {}", expected));
    return std::nullopt;
  }

  template <class T>
  std::optional<T> word(const yaml::Node& value, const std::vector<std::pair<std::string_view, T>>& words) {
    std::vector<std::string_view> names;
    for (const auto& [name, meaning] : words) names.push_back(name);
    const std::optional<std::string> came = text(value, reading::either(names));
    if (!came) return std::nullopt;
    for (const auto& [name, meaning] : words) {
      if (reading::equal_but_for_case(*came, name)) return meaning;
    }
    report.error(place_of(value), "bad-value", fmt::format("{} is not {}", in_quotes(*came), reading::either(names)),
                 reading::instead_of(*came, names));
    return std::nullopt;
  }

  /// The items of a list of words, or of one word that stands for itself.
  std::vector<const yaml::Node*> items(const yaml::Node& value, std::string_view expected) {
    std::vector<const yaml::Node*> out;
    if (value.type == yaml::Type::scalar) out.push_back(&value);
    if (value.type == yaml::Type::sequence) {
      for (const yaml::Node& item : value.items) out.push_back(&item);
    }
    const bool is_list = value.type == yaml::Type::sequence || value.type == yaml::Type::scalar;
    if (!is_list || out.size() > most_entries) {
      report.error(place_of(value), "bad-value",
                   is_list ? fmt::format("more than {} entries", most_entries) : fmt::format("expected {}", expected));
      out.clear();
    }
    return out;
  }

  void node(const yaml::Node& value) {
    const std::optional<std::string> name = text(value, "a node name");
    if (!name) return;
    if (name->size() > reading::longest_name || !reading::is_dns_subdomain(*name)) {
      report.error(place_of(value), "bad-value", fmt::format("{} is not a node name", in_quotes(*name)),
                   "write lower-case letters, digits, '-' and '.'");
      return;
    }
    config.node = *name;
  }

  void policy_dir(const yaml::Node& value) {
    const std::optional<std::string> path = text(value, "the path of a directory");
    if (!path) return;
    if (!path->starts_with('/')) {
      report.error(place_of(value), "bad-value", fmt::format("{} is not an absolute path", in_quotes(*path)));
      return;
    }
    config.policy_dir = *path;
  }

  void watch(const yaml::Node& value) {
    if (const auto on = word<bool>(value, {{"true", true}, {"false", false}})) config.watch = *on;
  }

  void quiet(const yaml::Node& value) {
    const std::optional<std::string> came = text(value, "a duration such as 200ms");
    if (!came) return;
    std::string_view digits = *came;
    const bool in_ms = digits.ends_with("ms");
    const bool in_s = !in_ms && digits.ends_with("s");
    digits.remove_suffix(in_ms ? 2 : in_s ? 1 : 0);
    const std::optional<unsigned> number = parse_number(digits, 100'000);
    const std::chrono::milliseconds duration{number.value_or(0) * (in_s ? 1000U : 1U)};
    if (!number || (!in_ms && !in_s) || duration > longest_quiet) {
      report.error(place_of(value), "bad-value", fmt::format("{} is not a duration from 0ms to 1s", in_quotes(*came)),
                   "write milliseconds (200ms) or seconds (1s)");
      return;
    }
    config.quiet = duration;
  }

  void nflog_group(const yaml::Node& value) {
    const std::optional<std::string> came = text(value, "a number from 1 to 65535");
    if (!came) return;
    const std::optional<unsigned> number = parse_number(*came, 65535);
    if (!number || *number == 0) {
      report.error(place_of(value), "bad-value", fmt::format("{} is not a number from 1 to 65535", in_quotes(*came)));
      return;
    }
    config.nflog_group = static_cast<std::uint16_t>(*number);
  }

  void log_enforced(const yaml::Node& value) {
    const auto which =
        word<LogEnforced>(value, {{"all", LogEnforced::all}, {"deny", LogEnforced::deny}, {"none", LogEnforced::none}});
    if (which) config.log_enforced = *which;
  }

  /// One stage's first priority. The bounds keep its base chains on the right side of the kernel's own steps.
  void priority(const yaml::Node& value, std::int32_t& into, std::int32_t least, std::int32_t most) {
    const std::optional<std::string> came = text(value, "a priority");
    if (!came) return;
    std::int32_t number = 0;
    const auto [stop, error] = std::from_chars(came->data(), came->data() + came->size(), number);
    if (error == std::errc{} && stop == came->data() + came->size() && number >= least && number <= most) {
      into = number;
      return;
    }
    report.error(place_of(value), "bad-value",
                 fmt::format("{} is not a number from {} to {}", in_quotes(*came), least, most));
  }

  void priorities(const yaml::Node& value) {
    if (value.type != yaml::Type::mapping) {
      report.error(place_of(value), "bad-value", "priorities is not a mapping",
                   "write for example {raw: -296, mangle: -152, filter: -28}");
      return;
    }
    for (const auto& [key, number] : value.entries) {
      if (key.text == "raw") {
        priority(number, config.priorities.raw, -399, -203);
      } else if (key.text == "mangle") {
        priority(number, config.priorities.mangle, -199, -103);
      } else if (key.text == "filter") {
        priority(number, config.priorities.filter, -99, 80);
      } else {
        report.error(place_of(key), "unknown-key", fmt::format("unknown key {}", in_quotes(key.text)),
                     "the keys of priorities are raw, mangle and filter");
      }
    }
  }

  std::optional<std::vector<FailsafePort>> failsafes(const yaml::Node& value) {
    std::vector<FailsafePort> ports;
    if (value.type == yaml::Type::scalar && value.text == "none") return ports;
    for (const yaml::Node* item : items(value, "a list of ports such as tcp:22, or none")) {
      const std::optional<std::string> came = text(*item, "a port such as tcp:22");
      if (!came) continue;
      if (const std::optional<FailsafePort> port = parse_failsafe_port(*came)) {
        ports.push_back(*port);
        continue;
      }
      report.error(place_of(*item), "bad-failsafe", fmt::format("{} is not a failsafe port", in_quotes(*came)),
                   "write tcp:22, udp:10.0.0.0/8:53 or tcp:[2001:db8::]/32:22; no ports at all: none");
    }
    return ports;
  }

  void failsafe_inbound(const yaml::Node& value) { config.failsafe_inbound = failsafes(value); }
  void failsafe_outbound(const yaml::Node& value) { config.failsafe_outbound = failsafes(value); }

  void workload_prefix(const yaml::Node& value) {
    std::vector<std::string> prefixes;
    for (const yaml::Node* item : items(value, "the first letters of interface names, such as cali")) {
      const std::optional<std::string> came = text(*item, "the first letters of interface names, such as cali");
      if (!came) continue;
      if (!reading::is_interface_name(*came)) {
        report.error(place_of(*item), "bad-value", fmt::format("no interface name begins with {}", in_quotes(*came)),
                     "write 1 to 15 letters, digits, '_', '.' or '-'; several prefixes as a list");
        continue;
      }
      prefixes.push_back(*came);
    }
    config.workload_prefixes = std::move(prefixes);
  }

  void endpoint_to_host(const yaml::Node& value) {
    const auto what = word<EndpointToHost>(value, {{"drop", EndpointToHost::drop},
                                                   {"return", EndpointToHost::return_},
                                                   {"accept", EndpointToHost::accept},
                                                   {"reject", EndpointToHost::reject}});
    if (what) config.endpoint_to_host = *what;
  }

  void deny_action(const yaml::Node& value) {
    const auto what = word<DenyAction>(value, {{"drop", DenyAction::drop}, {"reject", DenyAction::reject}});
    if (what) config.deny_action = *what;
  }

  void min_observed(const yaml::Node& value) {
    const std::optional<std::string> came = text(value, "a duration such as 1h");
    if (!came) return;
    const std::optional<std::chrono::seconds> duration = parse_seconds(*came);
    if (!duration || *duration > longest_observation) {
      report.error(place_of(value), "bad-value", fmt::format("{} is not a duration from 0s to 366d", in_quotes(*came)),
                   "write seconds (90s), minutes (15m), hours (1h) or days (7d)");
      return;
    }
    config.promotion.min_observed = *duration;
  }

  void min_flows(const yaml::Node& value) {
    const std::optional<std::string> came = text(value, "a number of flows");
    if (!came) return;
    const std::optional<unsigned> number = parse_number(*came, most_flows);
    if (!number) {
      report.error(place_of(value), "bad-value",
                   fmt::format("{} is not a number from 0 to {}", in_quotes(*came), most_flows));
      return;
    }
    config.promotion.min_flows = *number;
  }

  void promotion(const yaml::Node& value) {
    if (value.type != yaml::Type::mapping) {
      report.error(place_of(value), "bad-value", "promotion is not a mapping",
                   "write for example {min_observed: 1h, min_flows: 1}");
      return;
    }
    for (const auto& [key, child] : value.entries) {
      if (key.text == "min_observed") {
        min_observed(child);
      } else if (key.text == "min_flows") {
        min_flows(child);
      } else {
        report.error(place_of(key), "unknown-key", fmt::format("unknown key {}", in_quotes(key.text)),
                     "the keys of promotion are min_observed and min_flows");
      }
    }
  }

  void host_endpoint(const yaml::Node& value) {
    if (const auto automatic = word<bool>(value, {{"auto", true}, {"none", false}}))
      config.has_auto_endpoint = *automatic;
  }

  void labels(const yaml::Node& value) {
    reading::SelectorTable selectors;
    reading::Reader reader(report, selectors, 0);
    config.labels = reading::read_labels(reader, value, "labels");
  }

  void own_tables(const yaml::Node& value) {
    const auto what = word<OwnTables>(value, {{"auto", OwnTables::where_offered}, {"no", OwnTables::no}});
    if (what) config.own_tables = *what;
  }

  void log_level(const yaml::Node& value) {
    const auto level = word<LogLevel>(value, {{"error", LogLevel::error},
                                              {"warning", LogLevel::warning},
                                              {"info", LogLevel::info},
                                              {"debug", LogLevel::debug}});
    if (level) config.log_level = *level;
  }
};

struct Key {
  std::string_view name;
  void (Reader::*read)(const yaml::Node&);
};
constexpr std::array keys{Key{"node", &Reader::node},
                          Key{"policy_dir", &Reader::policy_dir},
                          Key{"watch", &Reader::watch},
                          Key{"quiet", &Reader::quiet},
                          Key{"nflog_group", &Reader::nflog_group},
                          Key{"log_enforced", &Reader::log_enforced},
                          Key{"priorities", &Reader::priorities},
                          Key{"failsafe_inbound", &Reader::failsafe_inbound},
                          Key{"failsafe_outbound", &Reader::failsafe_outbound},
                          Key{"workload_prefix", &Reader::workload_prefix},
                          Key{"endpoint_to_host", &Reader::endpoint_to_host},
                          Key{"deny_action", &Reader::deny_action},
                          Key{"promotion", &Reader::promotion},
                          Key{"host_endpoint", &Reader::host_endpoint},
                          Key{"labels", &Reader::labels},
                          Key{"own_tables", &Reader::own_tables},
                          Key{"log_level", &Reader::log_level}};

void read_key(Reader& reader, const yaml::SourceFile& file, const yaml::Node& key, const yaml::Node& value) {
  const auto known = std::ranges::find(keys, key.text, &Key::name);
  if (known == keys.end()) {
    std::array<std::string_view, keys.size()> names;
    std::ranges::transform(keys, names.begin(), &Key::name);
    reader.report.error(place_of(key), "unknown-key", fmt::format("unknown key {}", in_quotes(key.text)),
                        reading::instead_of(key.text, names));
    return;
  }
  if (value.type == yaml::Type::null) {
    reader.report.error(place_of(key), "bad-value", fmt::format("{} has no value", in_quotes(key.text)),
                        "write a value, or remove the key for its default");
    return;
  }
  reader.config.places.emplace(
      key.text,
      Config::Place{{file.name, key.line, key.column}, key.length, std::string(yaml::line_of(file.text, key.line))});
  (reader.*known->read)(value);
}

void check_labels(const Config& config, Report& report) {
  const auto labels = config.places.find("labels");
  if (labels == config.places.end() || config.has_auto_endpoint) return;
  const auto& [at, length, excerpt] = labels->second;
  report.error({0, at.line, at.column, length}, "labels-without-endpoint", "\"labels\" has no host endpoint to label",
               "add the line host_endpoint: auto, or remove labels");
}

void clash(Diagnostics& out, const Config& config, const HostSettings& settings, std::string_view key,
           std::string_view field) {
  const auto place = config.places.find(key);
  if (place == config.places.end()) return;
  const std::string help = "remove one of the two";
  out.push_back({place->second.at, place->second.length, Severity::error, "setting-clash",
                 fmt::format("\"{}\" is also set by the FelixConfiguration at {}", key, to_string(settings.at)), help,
                 place->second.excerpt});
  out.push_back({settings.at,
                 1,
                 Severity::error,
                 "setting-clash",
                 fmt::format("\"{}\" is also set, as \"{}\", at {}", field, key, to_string(place->second.at)),
                 help,
                 {}});
}

}  // namespace

LoadedConfig load_config(const yaml::SourceFile& file) {
  LoadedConfig loaded;
  Report report{std::span(&file, 1)};
  yaml::Documents documents = yaml::load(file, {.bytes = 1U << 20U, .depth = 8, .nodes = 10'000, .documents = 2});
  report.add(0, std::move(documents.diagnostics));
  if (documents.roots.size() > 1) {
    report.error(place_of(documents.roots[1]), "bad-value", "a second document",
                 "write all keys in one document, without a line ---");
  }
  if (!documents.roots.empty() && documents.roots[0].type != yaml::Type::mapping) {
    report.error(place_of(documents.roots[0]), "bad-value", "expected a mapping of keys to values");
  } else if (!documents.roots.empty()) {
    Reader reader{loaded.config, report};
    for (const auto& [key, value] : documents.roots[0].entries) read_key(reader, file, key, value);
    check_labels(loaded.config, report);
  }
  loaded.diagnostics = report.take();
  return loaded;
}

Diagnostics clashes(const Config& config, const HostSettings& settings) {
  Diagnostics out;
  if (settings.failsafe_inbound) clash(out, config, settings, "failsafe_inbound", "failsafeInboundHostPorts");
  if (settings.failsafe_outbound) clash(out, config, settings, "failsafe_outbound", "failsafeOutboundHostPorts");
  if (settings.endpoint_to_host) clash(out, config, settings, "endpoint_to_host", "defaultEndpointToHostAction");
  if (settings.deny_action) clash(out, config, settings, "deny_action", "iptablesFilterDenyAction");
  if (settings.workload_prefixes) clash(out, config, settings, "workload_prefix", "interfacePrefix");
  sort_diagnostics(out);
  return out;
}

std::optional<FailsafePort> parse_failsafe_port(std::string_view text) {
  FailsafePort out{protocol::tcp, 0, std::nullopt};
  const std::size_t last = text.rfind(':');
  const std::optional<unsigned> port = parse_number(last == text.npos ? text : text.substr(last + 1), 65535);
  if (!port || *port == 0) return std::nullopt;
  out.port = static_cast<std::uint16_t>(*port);
  if (last == text.npos) return out;

  text = text.substr(0, last);
  const std::size_t first = text.find(':');
  const std::optional<Protocol> protocol = parse_protocol(text.substr(0, first));
  if (!protocol || (*protocol != protocol::tcp && *protocol != protocol::udp && *protocol != protocol::sctp)) {
    return std::nullopt;
  }
  out.protocol = *protocol;
  if (first == text.npos) return out;

  std::string net(text.substr(first + 1));
  if (net.starts_with('[')) {
    const std::size_t bracket = net.find(']');
    if (bracket == net.npos) return std::nullopt;
    net.erase(bracket, 1);
    net.erase(0, 1);
  } else if (net.find(':') != net.npos) {
    return std::nullopt;  // IPv6 without brackets
  }
  std::optional<Prefix> prefix = parse_prefix(net);
  if (!prefix) return std::nullopt;
  out.net = masked(*prefix);
  return out;
}

std::string to_string(const FailsafePort& port) {
  if (!port.net) return fmt::format("{}:{}", to_string(port.protocol), port.port);
  const std::string base = to_string(port.net->base);
  const std::string_view form = port.net->base.family == Family::v4 ? "{}:{}/{}:{}" : "{}:[{}]/{}:{}";
  return fmt::format(fmt::runtime(form), to_string(port.protocol), base, port.net->length, port.port);
}

}  // namespace drywall
