// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/shrink.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/differential/random_documents.h"

namespace drywall::test {
namespace {

using Shrink = Shrinker<int>;

/// One less, or half of it.
std::vector<int> simpler_number(const int& number) {
  if (number == 0) return {};
  return {number / 2, number - 1};
}

bool has_action(const YamlValue& value, std::string_view action) {
  const YamlValue* own = value.find("action");
  if (own != nullptr && own->text == action) return true;
  return std::ranges::any_of(value.children, [&](const YamlValue& child) { return has_action(child, action); });
}

/// A directory that says Deny somewhere, so that there is something to keep.
Documents directory_with_deny() {
  for (std::uint64_t seed = 0;; ++seed) {
    Documents documents = random_documents(seed, EarlyPolicies::none);
    const bool denies = std::ranges::any_of(documents, [](const YamlValue& d) { return has_action(d, "Deny"); });
    if (denies && documents.size() > 10) return documents;
  }
}

TEST(Shrink, LeavesOutEverythingThatIsNotToBlame) {
  const Shrink::Case small = Shrink(
                                 {directory_with_deny(), 0},
                                 [](const Shrink::Case& candidate) {
                                   return std::ranges::any_of(candidate.documents, [](const YamlValue& document) {
                                     return has_action(document, "Deny");
                                   });
                                 },
                                 simpler_number)
                                 .run();
  ASSERT_EQ(small.documents.size(), 1U);
  const std::string text = to_yaml(small.documents);
  EXPECT_EQ(std::ranges::count(text, '\n'), 4) << text;  // ---, spec, ingress or egress, and the one line of the rule
  EXPECT_NE(text.find("- action: Deny"), std::string::npos) << text;
}

TEST(Shrink, KeepsWhatIsOnlyWrongTogether) {
  Documents documents;
  for (int i = 0; i < 9; ++i) documents.push_back(mapping({{"number", plain(i)}, {"more", plain("true")}}));
  const auto has = [](const Documents& some, const char* number) {
    return std::ranges::any_of(some, [&](const YamlValue& document) {
      const YamlValue* own = document.find("number");
      return own != nullptr && own->text == number;
    });
  };
  const auto wrong = [&](const Shrink::Case& candidate) {
    return has(candidate.documents, "2") && has(candidate.documents, "7");
  };
  const Shrink::Case small = Shrink({documents, 0}, wrong, simpler_number).run();
  EXPECT_EQ(to_yaml(small.documents), "---\nnumber: 2\n---\nnumber: 7\n");
}

TEST(Shrink, TakesTheSimplestJourneyThatStillGoesWrong) {
  const auto wrong = [](const Shrink::Case& candidate) { return candidate.journey >= 17; };
  EXPECT_EQ(Shrink({{}, 1000}, wrong, simpler_number).run().journey, 17);
}

TEST(Shrink, LeavesAloneWhatCannotBeMadeSmaller) {
  const Shrink::Case one{{mapping({{"only", plain(1)}})}, 3};
  EXPECT_EQ(Shrink(
                one, [&](const Shrink::Case& candidate) { return candidate == one; }, simpler_number)
                .run(),
            one);
}

}  // namespace
}  // namespace drywall::test
