// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/edit_request.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "cli/json.h"
#include "cli/program.h"

namespace drywall::cli {
namespace {

constexpr std::size_t most_bytes = 1U << 20U;

template <class T>
using Read = tl::expected<T, std::string>;

struct EditOption {
  std::string_view key;
  std::string_view verbs;  // that take it
  bool takes_value = false;
};
constexpr std::array edit_options{
    EditOption{"accept", "promote"},
    EditOption{"accept_lockout", "promote demote"},
    EditOption{"accept_old_session", "confirm"},
    EditOption{"force", "rollback"},
    EditOption{"dry_run", "promote demote rollback confirm"},
    EditOption{"confirm", "promote demote rollback", true},
    EditOption{"extend", "confirm", true},
};

/// Everything up to the end of standard input.
std::optional<std::string> read_request() {
  std::string text;
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, piece.data(), piece.size());
    if (got < 0 || text.size() > most_bytes) return std::nullopt;
    if (got == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

/// `--accept-lockout`, or `--confirm=2m`.
Read<std::string> word_of(const std::string& verb, const std::string& key, const Json& value) {
  const auto known = std::ranges::find(edit_options, key, &EditOption::key);
  if (known == edit_options.end() || known->verbs.find(verb) == std::string_view::npos) {
    return tl::unexpected(fmt::format("{} takes no option {}", verb, key));
  }
  if (!value.is_string()) return tl::unexpected(fmt::format("option {} is no text", key));
  std::string word = "--" + key;
  std::ranges::replace(word, '_', '-');
  const std::string text = value.get<std::string>();
  if (known->takes_value) return word + "=" + text;
  if (text != "true") return tl::unexpected(fmt::format("option {} is \"true\" or not given, not \"{}\"", key, text));
  return word;
}

bool are_words(const Json& list) {
  return list.is_array() && std::ranges::all_of(list, [](const Json& item) { return item.is_string(); });
}

void answer(int exit, const Json& document, const std::string& messages) {
  const Json all{{"exit", exit}, {"answer", document}, {"messages", messages}};
  fmt::print("{}\n", all.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

Read<std::vector<std::string>> command_of_request(std::string_view request) {
  const Json asked = Json::parse(request, nullptr, false);
  if (!asked.is_object()) return tl::unexpected(std::string("the request is no JSON object"));
  const std::string verb = text_at(asked, "verb");
  const bool takes_policies = verb == "promote" || verb == "demote";
  if (!takes_policies && verb != "rollback" && verb != "confirm") {
    return tl::unexpected(fmt::format("there is no edit \"{}\"", verb));
  }
  std::vector<std::string> words{"/proc/self/exe", verb, "-o", "json", "--on-behalf-of=" + text_at(asked, "by")};
  if (at(asked, "pid").is_number_unsigned()) words.push_back(fmt::format("--caller-pid={}", number_at(asked, "pid")));
  if (at(asked, "options").is_object()) {
    for (const auto& [key, value] : at(asked, "options").items()) {
      Read<std::string> word = word_of(verb, key, value);
      if (!word) return tl::unexpected(word.error());
      words.push_back(std::move(*word));
    }
  }
  const Json& policies = at(asked, "policies");
  if (takes_policies) {
    if (!are_words(policies) || policies.empty()) return tl::unexpected(fmt::format("{} takes policies", verb));
    words.emplace_back("--");  // whatever stands behind it is no option
    for (const Json& name : policies) words.push_back(name.get<std::string>());
  }
  const bool has_nul = std::ranges::any_of(words, [](const std::string& word) { return word.find('\0') != word.npos; });
  if (has_nul) return tl::unexpected(std::string("the request has a NUL character in a word"));
  return words;
}

Exit serve_edit_request() {
  const std::optional<std::string> request = read_request();
  const Read<std::vector<std::string>> words =
      request ? command_of_request(*request)
              : tl::unexpected(fmt::format("no request of at most {} bytes", most_bytes));
  if (!words) {
    answer(static_cast<int>(Exit::usage), nullptr, words.error());
    return Exit::yes;
  }
  const std::optional<Ran> ran = run_program(*words);
  if (!ran) {
    answer(static_cast<int>(Exit::no), nullptr,
           "the edit did not come to its end: drywall recover tells what became of it");
    return Exit::yes;
  }
  const Json document = Json::parse(ran->out, nullptr, false);
  answer(ran->status, document.is_discarded() ? Json() : document, ran->err);
  return Exit::yes;
}

}  // namespace drywall::cli
