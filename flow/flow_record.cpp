// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/flow_record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "flow/flow_filter.h"

namespace drywall {
namespace {

/// Bytes of the UTF-8 character at the front of `text`, 0 if it is not one (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
  const auto follows = [&](std::size_t at, unsigned low = 0x80, unsigned high = 0xbf) {
    return byte(at) >= low && byte(at) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first == 0xe0) return follows(1, 0xa0) && follows(2) ? 3 : 0;
  if (first == 0xed) return follows(1, 0x80, 0x9f) && follows(2) ? 3 : 0;
  if (first >= 0xe1 && first <= 0xef) return follows(1) && follows(2) ? 3 : 0;
  if (first == 0xf0) return follows(1, 0x90) && follows(2) && follows(3) ? 4 : 0;
  if (first == 0xf4) return follows(1, 0x80, 0x8f) && follows(2) && follows(3) ? 4 : 0;
  if (first >= 0xf1 && first <= 0xf3) return follows(1) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

/// Appends JSON to a text; puts commas where they belong.
class Writer {
 public:
  Writer() { text_.reserve(1024); }
  void open(char bracket) {
    comma();
    text_ += bracket;
    is_first_ = true;
  }
  void close(char bracket) {
    text_ += bracket;
    is_first_ = false;
  }
  /// `name` needs no escaping.
  void key(std::string_view name) {
    comma();
    text_ += '"';
    text_ += name;
    text_ += "\":";
    is_first_ = true;
  }
  void text_key(std::string_view name) {
    text(name);
    text_ += ':';
    is_first_ = true;
  }
  void text(std::string_view value);
  void number(std::int64_t value) {
    comma();
    append(value);
  }
  void count(std::uint64_t value) {
    comma();
    append(value);
  }
  void boolean(bool value) { word(value ? "true" : "false"); }
  void null() { word("null"); }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void comma() {
    if (!is_first_) text_ += ',';
    is_first_ = false;
  }
  void word(std::string_view value) {
    comma();
    text_ += value;
  }
  template <class Number>
  void append(Number value) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text_.append(digits.data(), end);
  }
  void escape(char character);

  std::string text_;
  bool is_first_ = true;
};

void Writer::escape(char character) {
  constexpr std::string_view digits = "0123456789abcdef";
  switch (character) {
    case '"':
      text_ += "\\\"";
      return;
    case '\\':
      text_ += "\\\\";
      return;
    case '\n':
      text_ += "\\n";
      return;
    case '\t':
      text_ += "\\t";
      return;
    default:
      text_ += "\\u00";
      text_ += digits[static_cast<unsigned char>(character) >> 4U];
      text_ += digits[static_cast<unsigned char>(character) & 0xfU];
  }
}

bool is_plain(char character) {
  return character >= 0x20 && character < 0x7f && character != '"' && character != '\\';
}

// Names of interfaces may hold any bytes: what is not UTF-8 becomes U+FFFD.
void Writer::text(std::string_view value) {
  comma();
  text_ += '"';
  while (!value.empty()) {
    const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(value, is_plain) - value.begin());
    text_ += value.substr(0, plain);
    value.remove_prefix(plain);
    if (value.empty()) break;
    const std::size_t length = utf8_length(value);
    if (length == 0) {
      text_ += "\xef\xbf\xbd";
    } else if (length == 1) {
      escape(value.front());
    } else {
      text_ += value.substr(0, length);
    }
    value.remove_prefix(std::max<std::size_t>(length, 1));
  }
  text_ += '"';
}

std::string_view type_name(FlowPeer::Type type) {
  switch (type) {
    case FlowPeer::Type::workload:
      return "wep";
    case FlowPeer::Type::host:
      return "hep";
    case FlowPeer::Type::network_set:
      return "ns";
    case FlowPeer::Type::network:
      return "net";
  }
  return "net";
}

/// As in a file, "Profile", "Failsafe" or "Essential".
std::string_view kind_name(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::profile:
      return "Profile";
    case PolicyKind::failsafe:
      return "Failsafe";
    case PolicyKind::essential:
      return "Essential";
    case PolicyKind::global_network_policy:
    case PolicyKind::network_policy:
    case PolicyKind::kubernetes_network_policy:
    case PolicyKind::cluster_network_policy:
    case PolicyKind::staged_global_network_policy:
    case PolicyKind::staged_network_policy:
    case PolicyKind::staged_kubernetes_network_policy:
      return file_kind(kind);
  }
  return {};
}

void write_peer(Writer& json, const FlowPeer& peer, const std::vector<Address>& addresses) {
  json.key("type");
  json.text(type_name(peer.type));
  json.key("namespace");
  json.text(peer.ns);
  json.key("name");
  json.text(peer.name);
  json.key("labels");
  json.open('{');
  for (const auto& [key, value] : peer.labels) {
    json.text_key(key);
    json.text(value);
  }
  json.close('}');
  json.key("addresses");
  json.open('[');
  for (const Address& address : addresses) json.text(to_string(address));
  json.close(']');
}

void write_hit(Writer& json, const TraceEntry& hit) {
  json.open('{');
  json.key("tier");
  json.text(hit.tier);
  json.key("kind");
  json.text(kind_name(hit.kind));
  json.key("namespace");
  json.text(hit.ns);
  json.key("name");
  json.text(hit.name);
  json.key("rule");
  json.number(hit.rule);
  json.key("action");
  json.text(to_string(hit.action));
  json.key("file");
  json.text(hit.at.file);
  json.key("line");
  json.count(hit.at.line);
  json.close('}');
}

void write_trace(Writer& json, std::string_view name, const Trace& trace) {
  json.key(name);
  json.open('[');
  for (const TraceEntry& hit : trace) write_hit(json, hit);
  json.close(']');
}

template <class Number>
void write_optional(Writer& json, std::string_view name, std::optional<Number> value) {
  json.key(name);
  if (value) {
    json.count(*value);
  } else {
    json.null();
  }
}

void write_peers(Writer& json, const FlowRecord& record) {
  json.key("source");
  json.open('{');
  write_peer(json, record.source, record.source_addresses);
  json.close('}');
  json.key("destination");
  json.open('{');
  write_peer(json, record.destination, record.destination_addresses);
  const auto port = record.destination_port == 0 ? std::nullopt : std::optional{record.destination_port};
  write_optional(json, "port", port);
  json.close('}');
}

void write_verdicts(Writer& json, const FlowRecord& record) {
  json.key("action");
  json.text(record.action == Verdict::deny ? "deny" : "allow");
  json.key("pending_action");
  json.text(record.pending_action == Verdict::deny ? "would-deny" : "would-allow");
  json.key("differs");
  json.boolean(record.differs());
  json.key("failsafe");
  json.boolean(record.failsafe);
  json.key("predicted");
  json.boolean(record.predicted);
  json.key("policies");
  json.open('{');
  write_trace(json, "enforced", record.enforced);
  write_trace(json, "pending", record.pending);
  json.close('}');
}

void write_counts(Writer& json, const FlowRecord& record) {
  json.key("packets");
  json.count(record.packets);
  json.key("bytes");
  json.count(record.bytes);
  json.key("connections");
  json.open('{');
  json.key("started");
  json.count(record.connections_started);
  json.key("completed");
  json.count(record.connections_completed);
  json.key("live");
  json.count(record.connections_live);
  json.close('}');
  json.key("lost");
  json.count(record.lost);
}

}  // namespace

std::string to_json(const FlowRecord& record) {
  Writer json;
  json.open('{');
  json.key("start");
  json.text(to_rfc3339(record.start));
  json.key("end");
  json.text(to_rfc3339(record.end));
  json.key("reporter");
  json.text(record.reporter == Reporter::source ? "src" : "dst");
  write_peers(json, record);
  json.key("protocol");
  json.text(to_string(record.protocol));
  write_optional(json, "icmp_type", record.icmp_type);
  write_optional(json, "icmp_code", record.icmp_code);
  json.key("interface");
  json.text(record.interface);
  json.key("bucket");
  json.text(to_string(record.bucket));
  write_verdicts(json, record);
  write_counts(json, record);
  json.close('}');
  return json.take();
}

}  // namespace drywall
