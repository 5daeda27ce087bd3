// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/selector.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace drywall {
namespace {

Selector parsed(std::string_view text) {
  auto selector = Selector::parse(text);
  EXPECT_TRUE(selector.has_value()) << text << ": " << (selector ? "" : selector.error().message);
  return selector.value_or(Selector::equals("the text did not", "parse"));
}

bool match(std::string_view text, const Labels& labels) {
  return parsed(text).matches(labels);
}

std::string canonical(std::string_view text) {
  return parsed(text).canonical();
}

const Labels none;

// Evaluation.

TEST(Selector, EmptyTextMatchesEverything) {
  EXPECT_TRUE(parsed("").is_all());
  EXPECT_TRUE(parsed(" \t").is_all());
  EXPECT_TRUE(Selector().matches(none));
}

TEST(Selector, MissingLabelMatchesNotEqual) {
  EXPECT_TRUE(match("a != 'b'", none));
  EXPECT_TRUE(match("a not in {'b'}", none));
  EXPECT_TRUE(match("!has(a)", none));
  EXPECT_TRUE(match("!(a == 'b')", none));
}

TEST(Selector, MissingLabelMatchesNoOtherComparison) {
  for (const char* text :
       {"a == 'b'", "a == ''", "a in {'b'}", "a contains ''", "a starts with ''", "a ends with ''"}) {
    EXPECT_FALSE(match(text, none)) << text;
  }
}

TEST(Selector, EmptyValueIsAPresentLabel) {
  const Labels labels{{"a", ""}};
  EXPECT_TRUE(match("has(a)", labels));
  EXPECT_TRUE(match("a == ''", labels));
  EXPECT_TRUE(match("a contains ''", labels));
  EXPECT_FALSE(match("a contains 'x'", labels));
}

TEST(Selector, ValuesAreComparedBytewise) {
  const Labels labels{{"a", "Web-1"}};
  EXPECT_FALSE(match("a == 'web-1'", labels));
  EXPECT_TRUE(match("a starts with 'Web'", labels));
  EXPECT_TRUE(match("a ends with '-1'", labels));
  EXPECT_TRUE(match("a contains 'eb-'", labels));
}

TEST(Selector, EmptySetHasNoMember) {
  EXPECT_FALSE(match("a in {}", {{"a", ""}}));
  EXPECT_TRUE(match("a not in {}", {{"a", ""}}));
  EXPECT_TRUE(match("a not in { }", none));
}

TEST(Selector, AndBindsTighterThanOr) {
  EXPECT_TRUE(match("has(a) || has(b) && has(c)", {{"a", ""}}));
  EXPECT_FALSE(match("(has(a) || has(b)) && has(c)", {{"a", ""}}));
}

TEST(Selector, NotBindsToOneComparison) {
  EXPECT_TRUE(match("!a == 'b' && c == 'd'", {{"c", "d"}}));
  EXPECT_TRUE(match("!!has(a)", {{"a", ""}}));
  EXPECT_TRUE(match("! ! ! has(a)", none));
}

TEST(Selector, GlobalMatchesByItself) {
  EXPECT_TRUE(match("global()", none));
  EXPECT_TRUE(parsed("global( )").is_global());
  EXPECT_TRUE(parsed("has(a) && !global()").mentions_global());
  EXPECT_FALSE(parsed("has(global)").mentions_global());
}

// Grammar.

TEST(Selector, WordsOfAnOperatorNeedNoSpace) {
  EXPECT_EQ(canonical("a startswith'b'"), "a starts with \"b\"");
  EXPECT_EQ(canonical("a\tends  with 'b'"), "a ends with \"b\"");
  EXPECT_EQ(canonical("a notin{'b'}"), "a not in {\"b\"}");
  EXPECT_EQ(canonical("a in{'b',}"), "a in {\"b\"}");
  EXPECT_EQ(canonical("a contains\"b\""), "a contains \"b\"");
}

TEST(Selector, FunctionNamesAreLabelsToo) {
  EXPECT_TRUE(match("has == 'x' && all == 'y'", {{"has", "x"}, {"all", "y"}}));
  EXPECT_TRUE(match("in in {'in'}", {{"in", "in"}}));
  EXPECT_TRUE(match("has(not)", {{"not", ""}}));
}

TEST(Selector, TheOtherQuoteMayStandInAValue) {
  EXPECT_EQ(canonical("a == '\"'"), "a == '\"'");
  EXPECT_EQ(canonical("a == \"'\""), "a == \"'\"");
  EXPECT_TRUE(match("a == 'x\ny'", {{"a", "x\ny"}}));
}

TEST(Selector, LabelNameMayHave512Characters) {
  const std::string label(512, 'x');
  EXPECT_TRUE(match("has(" + label + ")", {{label, ""}}));
  EXPECT_FALSE(Selector::parse("has(" + label + "x)").has_value());
  EXPECT_FALSE(Selector::parse(label + "x == 'a'").has_value());
}

TEST(Selector, NestingIsBounded) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '(') + "has(a)" + std::string(depth, ')'); };
  EXPECT_TRUE(Selector::parse(nested(200)).has_value());
  EXPECT_FALSE(Selector::parse(nested(30'000)).has_value());
  EXPECT_TRUE(match(std::string(60'000, '!') + "has(a)", {{"a", ""}}));
  EXPECT_FALSE(Selector::parse(std::string(70'000, '!') + "has(a)").has_value());
}

// The canonical form.

TEST(Selector, CanonicalFormSortsSets) {
  EXPECT_EQ(canonical("a in {'z', 'b', 'z'}"), "a in {\"b\", \"z\"}");
  EXPECT_EQ(canonical("a in {}"), "a in {}");
}

TEST(Selector, CanonicalFormHasParenthesesRoundGroups) {
  EXPECT_EQ(canonical("has(a)||has(b)&&!has(c)"), "(has(a) || (has(b) && !has(c)))");
  EXPECT_EQ(canonical("((has(a)))"), "has(a)");
}

TEST(Selector, DoubleNegationVanishes) {
  EXPECT_EQ(canonical("!(!(has(a)))"), "has(a)");
  EXPECT_EQ(Selector::negation(Selector::negation(Selector::has("a"))), Selector::has("a"));
}

TEST(Selector, EqualMeansTheSameCanonicalForm) {
  EXPECT_EQ(parsed("a=='b'"), Selector::equals("a", "b"));
  EXPECT_EQ(parsed("a in {'c','b'}"), Selector::in("a", {"b", "c", "b"}));
  EXPECT_EQ(parsed("a not in {'c'}"), Selector::not_in("a", {"c"}));
  EXPECT_EQ(parsed("has(a) && has(b)"), Selector::conjunction(Selector::has("a"), Selector::has("b")));
  EXPECT_NE(parsed("has(a)"), parsed("has(b)"));
}

TEST(Selector, PrefixIsPutBeforeEachLabel) {
  EXPECT_EQ(parsed("!has(a) && (b in {'c'} || all())").with_label_prefix("pcns.").canonical(),
            "(!has(pcns.a) && (pcns.b in {\"c\"} || all()))");
}

TEST(Selector, AllAndGlobalCanBeReplaced) {
  const Selector pod = Selector::has("ns");
  EXPECT_EQ(parsed("all()").with_all_replaced(pod), pod);
  EXPECT_EQ(parsed("!all() || has(a)").with_all_replaced(Selector::negation(pod)).canonical(), "(has(ns) || has(a))");
  EXPECT_EQ(parsed("global() && all()").with_global_replaced(pod).canonical(), "(has(ns) && all())");
}

TEST(Selector, RequiredEqualityOfAConjunction) {
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(parsed("a == 'b'").required_equality(), Pair("a", "b"));
  EXPECT_EQ(parsed("a in {'b'}").required_equality(), Pair("a", "b"));
  EXPECT_EQ(parsed("has(x) && (c != 'd' && a == 'b')").required_equality(), Pair("a", "b"));
  for (const char* text : {"a in {'b', 'c'}", "a == 'b' || has(c)", "!a == 'b'", "has(a)", "all()", "a in {}"}) {
    EXPECT_EQ(parsed(text).required_equality(), std::nullopt) << text;
  }
}

// Mistakes.

struct Wrong {
  std::string text;
  std::size_t offset;
  std::size_t length;
  std::string message;  // a part of it
  std::string help;     // likewise
};

void PrintTo(const Wrong& wrong, std::ostream* out) {
  *out << wrong.text;
}

class SelectorMistake : public testing::TestWithParam<Wrong> {};

TEST_P(SelectorMistake, IsToldWithWhatToWrite) {
  const auto selector = Selector::parse(GetParam().text);
  ASSERT_FALSE(selector.has_value());
  const SelectorError& error = selector.error();
  EXPECT_EQ(error.offset, GetParam().offset) << error.message;
  EXPECT_EQ(error.length, GetParam().length) << error.message;
  EXPECT_NE(error.message.find(GetParam().message), std::string::npos) << error.message;
  EXPECT_NE(error.help.find(GetParam().help), std::string::npos) << error.help;
}

INSTANTIATE_TEST_SUITE_P(
    Selector, SelectorMistake,
    testing::Values(
        Wrong{"role = 'db'", 5, 1, "single `=`", "role == 'value'"},
        Wrong{"role === 'db'", 7, 1, "too many", "role == 'value'"},
        Wrong{"role == database", 8, 8, "\"database\" is not in quotes", "role == 'database'"},
        Wrong{"role == ", 8, 1, "expected a value", "role == 'value'"},
        Wrong{"role == {'a'}", 8, 1, "not with a set", "role in {'a', 'b'}"},
        Wrong{"role in 'a'", 8, 1, "expected `{`", "role in {'a', 'b'}"},
        Wrong{"role in ('a')", 8, 1, "expected `{`", "role in {'a', 'b'}"},
        Wrong{"role in {a, b}", 9, 1, "\"a\" is not in quotes", "'a'"},
        Wrong{"role in {'a' 'b'}", 13, 1, "expected `,` or `}`", "{'a', 'b'}"},
        Wrong{"role in {,}", 9, 1, "found ,", "{'a', 'b'}"}, Wrong{"role in {'a'", 8, 1, "never closed", "{'a', 'b'}"},
        Wrong{"has(a) & has(b)", 7, 1, "one `&` alone", "&&"}, Wrong{"has(a) | has(b)", 7, 1, "one `|` alone", "||"},
        Wrong{"has(a) and has(b)", 7, 3, "does not join", "&&"}, Wrong{"has(a) OR has(b)", 7, 2, "does not join", "||"},
        Wrong{"has(a), has(b)", 6, 1, "does not join", "&&"},
        Wrong{"has(a) has(b)", 7, 3, "unexpected \"has\"", "&& or ||"},
        Wrong{"has(a) &&", 9, 1, "ends where a condition", "has(label)"},
        Wrong{"&& has(a)", 0, 1, "expected a condition", "has(label)"}, Wrong{"a == 'b", 5, 1, "never closed", "'"},
        Wrong{"a == 'it''s'", 9, 1, "after a complete condition", "other kind"},
        Wrong{"(has(a)", 0, 1, "never closed", "`)`"}, Wrong{"has(a))", 6, 1, "closes nothing", "remove"},
        Wrong{"has (a)", 0, 5, "`has (`", "has(label)"}, Wrong{"HAS(a)", 0, 4, "`HAS(`", "has(label)"},
        Wrong{"all ()", 0, 5, "`all (`", "all()"}, Wrong{"has('a')", 4, 1, "no quotes", "has(label)"},
        Wrong{"has()", 0, 4, "needs the name", "has(label)"}, Wrong{"has(a b)", 0, 6, "expected `)`", "has(a)"},
        Wrong{"all(a)", 0, 4, "expected `)`", "all()"}, Wrong{"exists(a)", 0, 6, "no function", "has(label)"},
        Wrong{"not has(a)", 0, 3, "does not negate", "!"},
        Wrong{"a like 'b'", 2, 4, "unknown operator \"like\"", "starts with"},
        Wrong{"a inx", 2, 3, "unknown operator \"inx\"", "not in"}, Wrong{"a =~ 'b'", 2, 1, "single `=`", "=="},
        Wrong{"a ~ 'b'", 2, 1, "not an operator", "=="}, Wrong{"a", 0, 1, "stands alone", "has(a)"},
        Wrong{"a && has(b)", 0, 1, "stands alone", "has(a)"},
        Wrong{"'a' == 'b'", 0, 3, "has no quotes", "label == 'value'"},
        Wrong{"has(a) &&\nhas(b)", 9, 1, "line break", ">-"}, Wrong{"has(a)\n", 6, 1, "line break", ">-"},
        Wrong{"a == \xE2\x80\x98"
              "b\xE2\x80\x99",
              5, 3, "not a quote", "'"},
        Wrong{"a\xC2\xA0== 'b'", 1, 2, "no-break space", "space"}, Wrong{"a == `b`", 5, 1, "not a quote", "'"},
        Wrong{"has(\xC3\xA4)", 0, 4, "needs the name", "has(label)"},
        Wrong{"\xC3\xA4 == 'b'", 0, 2, "expected a condition", "label"},
        Wrong{"a@b == 'c'", 0, 1, "stands alone", "has(a)"}));

// libcalico-go's own tests.

nlohmann::json calico_cases() {
  std::ifstream file(DRYWALL_SOURCE_DIR "/tests/conformance/selectors.json");
  return nlohmann::json::parse(file).at("cases");
}

std::vector<std::string> ids_with(const char* member) {
  std::vector<std::string> ids;
  for (const auto& entry : calico_cases()) {
    if (entry.contains(member)) ids.push_back(entry.at("id"));
  }
  return ids;
}

nlohmann::json calico_case(const std::string& id) {
  for (const auto& entry : calico_cases()) {
    if (entry.at("id") == id) return entry;
  }
  return {};
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

class SelectorCalicoMatch : public testing::TestWithParam<std::string> {};
TEST_P(SelectorCalicoMatch, IsTheSame) {
  const nlohmann::json entry = calico_case(GetParam());
  Labels labels;
  for (const auto& [key, value] : entry.at("labels").items()) labels.emplace(key, value.get<std::string>());
  EXPECT_EQ(match(entry.at("selector").get<std::string>(), labels), entry.at("match").get<bool>()) << entry;
}
INSTANTIATE_TEST_SUITE_P(Selector, SelectorCalicoMatch, testing::ValuesIn(ids_with("match")), name_of);

class SelectorCalicoValid : public testing::TestWithParam<std::string> {};
TEST_P(SelectorCalicoValid, IsTheSame) {
  const nlohmann::json entry = calico_case(GetParam());
  EXPECT_EQ(Selector::parse(entry.at("selector").get<std::string>()).has_value(), entry.at("valid").get<bool>())
      << entry;
}
INSTANTIATE_TEST_SUITE_P(Selector, SelectorCalicoValid, testing::ValuesIn(ids_with("valid")), name_of);

class SelectorCalicoCanonical : public testing::TestWithParam<std::string> {};
TEST_P(SelectorCalicoCanonical, IsTheSame) {
  const nlohmann::json entry = calico_case(GetParam());
  const Selector selector = parsed(entry.at("selector").get<std::string>());
  EXPECT_EQ(selector.canonical(), entry.at("canonical").get<std::string>());
  EXPECT_EQ(parsed(selector.canonical()), selector);
  if (!entry.contains("label_prefix")) return;
  EXPECT_EQ(selector.with_label_prefix(entry.at("label_prefix").get<std::string>()).canonical(),
            entry.at("canonical_with_prefix").get<std::string>());
}
INSTANTIATE_TEST_SUITE_P(Selector, SelectorCalicoCanonical, testing::ValuesIn(ids_with("canonical")), name_of);

}  // namespace
}  // namespace drywall
