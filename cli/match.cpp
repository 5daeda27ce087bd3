// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/core.h>

#include <memory>

#include "cli/terminal.h"
#include "cli/verb.h"
#include "policy/selector.h"

namespace drywall::cli {
namespace {

struct MatchOptions {
  std::string selector;
  std::vector<std::string> labels;  // KEY=VALUE
};

Exit match(const MatchOptions& options) {
  const auto selector = Selector::parse(options.selector);
  if (!selector) {
    const SelectorError& error = selector.error();
    say(fmt::format("not a selector: {} (at character {})", error.message, error.offset + 1));
    fmt::print(stderr, "  {}\n  {:>{}}\n", harmless(options.selector), "^", error.offset + 1);
    if (!error.help.empty()) fmt::print(stderr, "  help: {}\n", error.help);
    return Exit::usage;
  }
  Labels labels;
  for (const std::string& text : options.labels) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) {
      say(fmt::format("{} is not KEY=VALUE", text));
      return Exit::usage;
    }
    labels.insert_or_assign(text.substr(0, equals), text.substr(equals + 1));
  }
  const bool matches = selector->matches(labels);
  fmt::print("{}: {}\n", matches ? "match" : "no match", selector->canonical());
  return matches ? Exit::yes : Exit::no;
}

}  // namespace

Run declare_match(Arguments& arguments) {
  auto options = std::make_shared<MatchOptions>();
  arguments.add("SELECTOR", options->selector, "A selector, e.g. \"role == 'database' && has(env)\"").required();
  arguments.add("LABEL", options->labels, "The labels to judge, each KEY=VALUE");
  return [options] { return match(*options); };
}

}  // namespace drywall::cli
