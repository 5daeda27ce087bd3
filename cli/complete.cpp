// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/complete.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "cli/bus.h"
#include "cli/json.h"
#include "cli/policy_name.h"

namespace drywall::cli {
namespace {

constexpr std::size_t most_bytes = 4U << 20U;  // of flows that are looked through

/// Something to offer.
struct Offer {
  std::string word;
  std::string explanation;  // may be empty
  auto operator<=>(const Offer&) const = default;
};
using Offers = std::vector<Offer>;

Offers offers_of(const std::set<std::string>& words) {
  Offers offers;
  for (const std::string& word : words) {
    if (!word.empty()) offers.push_back({word, {}});
  }
  return offers;
}

std::set<std::string> split(std::string_view text, char separator) {
  std::set<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return parts;
}

// --- what drywalld knows

Json ask_policies() {
  Answer<Daemon> daemon = Daemon::connect();
  if (!daemon) return Json::array();
  const Answer<Json> policies = daemon->policies();
  return policies ? *policies : Json::array();
}

/// Which policies a verb can do something with.
bool is_wanted(const std::string& verb, const Json& policy) {
  const bool staged = at(policy, "staged") == true;
  if (verb == "preview" || verb == "promote") return staged;
  return verb != "demote" || !staged;
}

Offers policies(const std::string& verb) {
  std::set<std::string> names;
  const Json all = ask_policies();
  for (const Json& policy : all) {
    if (!is_wanted(verb, policy)) continue;
    const std::string name = text_at(policy, "name");
    const bool is_clear = named_policies(parse_policy_name(name), all).size() == 1;
    names.insert(is_clear ? name : full_name(policy));
  }
  return offers_of(names);
}

Offers tiers() {
  std::set<std::string> names;
  for (const Json& policy : ask_policies()) names.insert(text_at(policy, "tier"));
  return offers_of(names);
}

/// The records that drywalld has, at most so many bytes of them.
std::vector<Json> ask_flows() {
  Answer<Daemon> daemon = Daemon::connect();
  if (!daemon) return {};
  const Answer<Descriptor> stream = daemon->stream({}, Follow::no);
  if (!stream) return {};
  std::string text;
  std::array<char, 65536> block{};
  while (text.size() < most_bytes) {
    const ssize_t got = read(stream->get(), block.data(), block.size());
    if (got <= 0) break;
    text.append(block.data(), static_cast<std::size_t>(got));
  }
  std::vector<Json> records;
  for (std::size_t start = 0, end = text.find('\n'); end != std::string::npos; end = text.find('\n', start)) {
    Json record = Json::parse(text.substr(start, end - start), nullptr, false);
    if (record.is_object()) records.push_back(std::move(record));
    start = end + 1;
  }
  return records;
}

Offers ends(const char* side) {
  std::set<std::string> names;
  for (const Json& record : ask_flows()) {
    const Json& end = at(record, side);
    const std::string ns = text_at(end, "namespace");
    names.insert(ns.empty() ? text_at(end, "name") : fmt::format("{}/{}", ns, text_at(end, "name")));
    for (const Json& address : at(end, "addresses")) {
      if (address.is_string() && ns.empty()) names.insert(address.get<std::string>());
    }
  }
  return offers_of(names);
}

Offers ports() {
  std::set<std::string> numbers;
  for (const Json& record : ask_flows()) {
    const std::uint64_t port = number_at(at(record, "destination"), "port");
    if (port != 0) numbers.insert(fmt::format("{}", port));
  }
  return offers_of(numbers);
}

// --- what the options say

/// What can be written where a value of that type stands.
Offers values(const std::string& verb, const std::string& name, const std::string& type) {
  if (type.find('|') != std::string::npos) return offers_of(split(type, '|'));
  if (type == "POLICY") return policies(verb);
  if (type == "TIER") return tiers();
  if (type == "WHO") return ends(name == "--source" ? "source" : "destination");
  if (type == "PORT") return ports();
  if (type == "PROTOCOL" || name == "--protocol") return offers_of({"tcp", "udp", "icmp", "icmpv6", "sctp", "udplite"});
  if (type == "DIR") return {{":directories", {}}};
  if (type == "FILE" || name == "PATH") return {{":files", {}}};
  return {};
}

const CLI::App* verb_called(const CLI::App& app, const std::string& name) {
  for (const CLI::App* verb : app.get_subcommands({})) {
    if (verb->get_name() == name) return verb;
  }
  return nullptr;
}

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

const CLI::Option* option_called(const CLI::App& verb, const std::string& name) {
  for (const CLI::Option* option : verb.get_options()) {
    if (option->nonpositional() && option->check_name(name)) return option;
  }
  return nullptr;
}

Offers options_of(const CLI::App& app) {
  Offers offers;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // not for people
    for (const std::string& name : option->get_lnames()) offers.push_back({"--" + name, option->get_description()});
  }
  return offers;
}

Offers verbs_of(const CLI::App& app) {
  Offers offers;
  for (const CLI::App* verb : app.get_subcommands({})) {
    offers.push_back({verb->get_name(), verb->get_description()});
  }
  return offers;
}

Offers positionals_of(const CLI::App& verb) {
  for (const CLI::Option* option : verb.get_options()) {
    if (!option->nonpositional()) return values(verb.get_name(), option->get_name(true), option->get_type_name());
  }
  return {};
}

/// The part of a word that is being written, and what stands before it: `--action=`, or earlier values of a list.
struct Cursor {
  std::string before;
  std::string word;
};

void print_offers(const Offers& offers, const Cursor& cursor) {
  for (const Offer& offer : offers) {
    const bool is_hint = offer.word.starts_with(':');
    if (!is_hint && !offer.word.starts_with(cursor.word)) continue;
    fmt::print("{}{}{}{}\n", is_hint ? "" : cursor.before, offer.word, offer.explanation.empty() ? "" : "\t",
               offer.explanation);
  }
}

Cursor behind_comma(const std::string& before, const std::string& word) {
  const std::size_t comma = word.rfind(',') + 1;  // npos + 1 is 0
  return {before + word.substr(0, comma), word.substr(comma)};
}

Exit complete_in(const CLI::App& verb, const std::string& previous, const std::string& word) {
  const CLI::Option* const waiting = option_called(verb, previous);
  const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
  if (equals != std::string::npos) {
    const std::string name = word.substr(0, equals);
    const CLI::Option* const option = option_called(verb, name);
    if (option == nullptr) return Exit::yes;
    print_offers(values(verb.get_name(), name, option->get_type_name()),
                 behind_comma(word.substr(0, equals + 1), word.substr(equals + 1)));
  } else if (waiting != nullptr && takes_value(*waiting)) {
    const std::string name = waiting->get_lnames().empty() ? previous : "--" + waiting->get_lnames().front();
    print_offers(values(verb.get_name(), name, waiting->get_type_name()), behind_comma("", word));
  } else if (word.starts_with('-')) {
    print_offers(options_of(verb), {"", word});
  } else {
    print_offers(positionals_of(verb), {"", word});
  }
  return Exit::yes;
}

}  // namespace

Exit complete(const CLI::App& app, const std::vector<std::string>& words) {
  if (words.size() <= 1) {
    const std::string word = words.empty() ? "" : words.front();
    print_offers(word.starts_with('-') ? options_of(app) : verbs_of(app), {"", word});
    return Exit::yes;
  }
  const CLI::App* const verb = verb_called(app, words.front());
  if (verb == nullptr) return Exit::yes;
  return complete_in(*verb, words[words.size() - 2], words.back());
}

}  // namespace drywall::cli
