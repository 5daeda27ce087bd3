// SPDX-License-Identifier: GPL-2.0-or-later
// A selector's canonical form parses to an equal selector with equal matches; errors point into the text.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "policy/selector.h"

using namespace drywall;

namespace {

void require(bool condition, const char* fact) {
  if (condition) return;
  std::fprintf(stderr, "not true: %s\n", fact);
  std::abort();
}

void check_rewritten(const Selector& selector) {
  for (const Selector& changed : {selector.with_label_prefix("p."), selector.with_all_replaced(Selector::has("x")),
                                  selector.with_global_replaced(Selector::negation(Selector::all()))}) {
    const auto again = Selector::parse(changed.canonical());
    require(again.has_value() && *again == changed, "a rewritten selector's canonical form parses to its equal");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size > 16'384) return 0;  // prefixes and parentheses lengthen it; 64 KiB is the limit
  const auto selector = Selector::parse(text);
  if (!selector) {
    require(selector.error().offset <= size && selector.error().length > 0, "the error points into the text");
    require(!selector.error().message.empty() && !selector.error().help.empty(), "the error says something");
    return 0;
  }
  const auto again = Selector::parse(selector->canonical());
  require(again.has_value(), "the canonical form parses");
  require(*again == *selector, "the canonical form is stable");
  const auto required = selector->required_equality();
  for (const Labels& labels : {Labels{}, Labels{{"a", "b"}}, Labels{{"a", ""}, {"b", "c"}}, Labels{{"has", "x"}}}) {
    require(selector->matches(labels) == again->matches(labels), "equal selectors match alike");
    if (!required || !selector->matches(labels)) continue;
    const auto label = labels.find(required->first);
    require(label != labels.end() && label->second == required->second, "a required equality is required");
  }
  check_rewritten(*selector);
  return 0;
}
