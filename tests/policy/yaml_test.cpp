// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/yaml.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "policy/yaml_events.h"
#include "policy/yaml_plain.h"
#include "policy/yaml_text.h"

namespace drywall::yaml {
namespace {

Documents read(std::string text, std::string name = "f.yaml") {
  return load({std::move(name), std::move(text)});
}

Node root_of(const std::string& text) {
  Documents documents = read(text);
  for (const Diagnostic& diagnostic : documents.diagnostics) ADD_FAILURE() << to_string(diagnostic);
  EXPECT_EQ(documents.roots.size(), 1U);
  return documents.roots.empty() ? Node{} : documents.roots[0];
}

Diagnostic mistake_in(const std::string& text, std::string name = "f.yaml") {
  const Documents documents = read(text, std::move(name));
  EXPECT_EQ(documents.diagnostics.size(), 1U) << text.substr(0, 200);
  return documents.diagnostics.empty() ? Diagnostic{} : documents.diagnostics[0];
}

std::string place_of(const Diagnostic& diagnostic) {
  return std::to_string(diagnostic.at.line) + ":" + std::to_string(diagnostic.at.column) + "+" +
         std::to_string(diagnostic.length);
}

std::string place_of(const Node& node) {
  return std::to_string(node.line) + ":" + std::to_string(node.column) + "+" + std::to_string(node.length);
}

std::string text_of(const Node& root, std::string_view key) {
  const Node* node = root.find(key);
  return node == nullptr ? "(none)" : node->text;
}

bool says(const Diagnostic& diagnostic, std::string_view part) {
  return to_string(diagnostic).find(part) != std::string::npos;
}

constexpr std::size_t megabyte = 1U << 20U;

std::string repeated(std::string_view part, std::size_t times) {
  std::string out;
  out.reserve(part.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += part;
  return out;
}

// Values.

TEST(Yaml, MappingKeepsFileOrder) {
  const Node root = root_of("b: 1\na: 2\n");
  ASSERT_EQ(root.type, Type::mapping);
  ASSERT_EQ(root.entries.size(), 2U);
  EXPECT_EQ(root.entries[0].first.text, "b");
  EXPECT_EQ(root.entries[1].second.text, "2");
}

TEST(Yaml, FindGivesNullptrForAMissingKey) {
  const Node root = root_of("a: 1\n");
  EXPECT_EQ(root.find("b"), nullptr);
  EXPECT_EQ(root.find("a")->text, "1");
}

TEST(Yaml, PlainScalarKeepsItsText) {
  const Node root = root_of("a: 0x1F\nb: true\nc: 1e3\n");
  EXPECT_EQ(text_of(root, "a"), "0x1F");
  EXPECT_EQ(text_of(root, "b"), "true");
  EXPECT_EQ(text_of(root, "c"), "1e3");
  EXPECT_EQ(root.find("a")->style, Style::plain);
}

TEST(Yaml, QuotedScalarIsMarkedQuoted) {
  const Node root = root_of("a: '80'\nb: \"80\"\nc: |\n  80\n");
  EXPECT_EQ(root.find("a")->style, Style::quoted);
  EXPECT_EQ(root.find("b")->style, Style::quoted);
  EXPECT_EQ(root.find("c")->style, Style::quoted);
  EXPECT_EQ(text_of(root, "c"), "80\n");
}

TEST(Yaml, NullIsWrittenInFiveWays) {
  const Node root = root_of("a: null\nb: ~\nc:\nd: Null\ne: NULL\nf: 'null'\ng: nullable\n");
  for (const char* key : {"a", "b", "c", "d", "e"}) EXPECT_EQ(root.find(key)->type, Type::null) << key;
  EXPECT_EQ(root.find("f")->type, Type::scalar);
  EXPECT_EQ(root.find("g")->type, Type::scalar);
}

TEST(Yaml, ListMayStandInTheColumnOfItsKey) {
  const Node root = root_of("a:\n- x\n- y: 1\n  z: 2\nb: 3\n");
  ASSERT_EQ(root.find("a")->items.size(), 2U);
  EXPECT_EQ(text_of(root.find("a")->items[1], "z"), "2");
  EXPECT_EQ(text_of(root, "b"), "3");
}

TEST(Yaml, SelectorsNeedNoQuotes) {
  const Node root = root_of("selector: has(a) && b == 'c' || !(d in {\"e\"}) # why\n");
  EXPECT_EQ(text_of(root, "selector"), "has(a) && b == 'c' || !(d in {\"e\"})");
}

TEST(Yaml, ByteOrderMarkIsAcceptedAtTheStart) {
  const Node root = root_of(
      "\xEF\xBB\xBF"
      "a: 1\n");
  EXPECT_EQ(text_of(root, "a"), "1");
  EXPECT_EQ(place_of(root.entries[0].first), "1:1+1");
}

TEST(Yaml, CarriageReturnsBeforeNewlinesAreAccepted) {
  const Node root = root_of("a: 1\r\nb:\r\n  - 'c'\r\n  - d\r\n");
  EXPECT_EQ(text_of(root, "a"), "1");
  EXPECT_EQ(root.find("b")->items[1].text, "d");
}

TEST(Yaml, StringTagMakesTextOfANumber) {
  const Node root = root_of("a: !!str 80\nb: !!int 80\nc: !!str\n");
  EXPECT_EQ(root.find("a")->style, Style::quoted);
  EXPECT_EQ(root.find("b")->style, Style::plain);
  EXPECT_EQ(root.find("c")->type, Type::scalar);
}

// Places.

TEST(Yaml, PlacesCountCodePoints) {
  const Node root = root_of("ä: [\"öü\", x]\n");
  EXPECT_EQ(place_of(root.entries[0].first), "1:1+1");
  EXPECT_EQ(place_of(root.entries[0].second), "1:4+9");
  EXPECT_EQ(place_of(root.entries[0].second.items[0]), "1:5+4");
  EXPECT_EQ(place_of(root.entries[0].second.items[1]), "1:11+1");
}

TEST(Yaml, BlockMappingIsShownByItsFirstKey) {
  const Node root = root_of("---\nspec:\n  order: 10\n");
  EXPECT_EQ(place_of(root), "2:1+4");
  EXPECT_EQ(place_of(*root.find("spec")), "3:3+5");
  EXPECT_EQ(place_of(*root.find("spec")->find("order")), "3:10+2");
}

TEST(Yaml, MissingValueIsShownByItsKey) {
  EXPECT_EQ(place_of(*root_of("a: 1\nselector:\nb: 2\n").find("selector")), "2:1+8");
  EXPECT_EQ(place_of(*root_of("? a\n: 1\n? selector\n").find("selector")), "3:3+8");
}

TEST(Yaml, LineOfGivesTheLineWithoutItsEnding) {
  EXPECT_EQ(line_of("a\r\nb\nc", 1), "a");
  EXPECT_EQ(line_of("a\r\nb\nc", 2), "b");
  EXPECT_EQ(line_of("a\r\nb\nc", 3), "c");
  EXPECT_EQ(line_of("a\r\nb\nc", 4), "");
  EXPECT_EQ(line_of("a\r\nb\nc", 0), "");
}

// Documents.

TEST(Yaml, DocumentsAreReadInOrder) {
  const Documents documents = read("a: 1\n---\nb: 2\n...\n---\nc: 3\n");
  EXPECT_TRUE(documents.diagnostics.empty());
  ASSERT_EQ(documents.roots.size(), 3U);
  EXPECT_EQ(documents.roots[2].entries[0].first.text, "c");
  EXPECT_EQ(documents.roots[2].line, 6U);
}

TEST(Yaml, EmptyDocumentsGiveNoRoot) {
  for (const char* text :
       {"", "\n", "# only a comment\n", "---\n---\n# x\n---\n", "---\n...\n", "~\n", "\xEF\xBB\xBF"}) {
    const Documents documents = read(text);
    EXPECT_TRUE(documents.roots.empty()) << text;
    EXPECT_TRUE(documents.diagnostics.empty()) << text;
  }
}

TEST(Yaml, MarkersWithinTextDoNotEndADocument) {
  const Documents documents = read("a: |\n  ---\n  ...\nb: ----\n");
  EXPECT_TRUE(documents.diagnostics.empty());
  ASSERT_EQ(documents.roots.size(), 1U);
  EXPECT_EQ(text_of(documents.roots[0], "a"), "---\n...\n");
}

TEST(Yaml, BrokenDocumentDoesNotHideTheOthers) {
  const Documents documents = read("a: 1\n---\nb: [1\n---\nc: 3\n---\nd: 'x\n");
  EXPECT_EQ(documents.roots.size(), 2U);
  ASSERT_EQ(documents.diagnostics.size(), 2U);
  EXPECT_EQ(place_of(documents.diagnostics[0]), "3:4+1");
  EXPECT_EQ(place_of(documents.diagnostics[1]), "7:4+1");
}

TEST(Yaml, TextAfterTheEndOfADocumentIsAnError) {
  const Diagnostic less = mistake_in("  a: 1\nb: 2\n");
  EXPECT_EQ(less.code, "yaml-syntax");
  EXPECT_EQ(place_of(less), "2:1+4");
  EXPECT_TRUE(says(less, "indent this line"));
  EXPECT_TRUE(says(mistake_in("{a: 1}{b: 2}\n", "f.json"), "`---`"));
}

TEST(Yaml, YamlDirectiveIsAccepted) {
  const Documents documents = read("%YAML 1.2\n---\na: 1\n");
  EXPECT_TRUE(documents.diagnostics.empty());
  EXPECT_EQ(documents.roots.size(), 1U);
}

// JSON.

TEST(Yaml, JsonIsRead) {
  const Documents documents = read("{\"a\":[1,true,null,\"x\\/\\u00e9\\n\\\"\"],\"b\":{}}\n", "f.json");
  EXPECT_TRUE(documents.diagnostics.empty());
  ASSERT_EQ(documents.roots.size(), 1U);
  const Node& list = *documents.roots[0].find("a");
  EXPECT_EQ(list.items[2].type, Type::null);
  EXPECT_EQ(list.items[3].text, "x/\xC3\xA9\n\"");
  EXPECT_EQ(documents.roots[0].find("b")->type, Type::mapping);
}

TEST(Yaml, JsonMayBeIndentedWithTabs) {
  const Documents documents = read("{\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}\n", "f.json");
  EXPECT_TRUE(documents.diagnostics.empty());
  ASSERT_EQ(documents.roots.size(), 1U);
  EXPECT_EQ(place_of(*documents.roots[0].find("a")->find("b")), "3:8+1");
}

TEST(Yaml, JsonSurrogatePairsAreOneCharacter) {
  const Documents documents = read("{\"a\": \"<\\ud83d\\uDE00>\", \"b\": 1}\n", "f.json");
  EXPECT_TRUE(documents.diagnostics.empty());
  ASSERT_EQ(documents.roots.size(), 1U);
  EXPECT_EQ(text_of(documents.roots[0], "a"), "<\xF0\x9F\x98\x80>");
  EXPECT_EQ(place_of(documents.roots[0].entries[1].first), "1:25+3");
}

TEST(Yaml, HalfASurrogatePairIsRefused) {
  const Diagnostic half = mistake_in("{\"a\": \"\\ud83d\"}\n", "f.json");
  EXPECT_EQ(half.code, "yaml-syntax");
  EXPECT_EQ(half.at.column, 8U);
  EXPECT_TRUE(says(half, "\\U"));
}

// Bytes.

TEST(Yaml, NulIsRefusedWhereItStands) {
  const Diagnostic nul = mistake_in(std::string("a: 1\nb: x\0y\n", 12));
  EXPECT_EQ(nul.code, "yaml-nul");
  EXPECT_EQ(place_of(nul), "2:5+1");
}

TEST(Yaml, EscapedNulIsRefused) {
  EXPECT_EQ(mistake_in("a: \"x\\0\"\n").code, "yaml-nul");
}

TEST(Yaml, InvalidUtf8IsRefusedWhereItStands) {
  const Diagnostic bad = mistake_in("a: \xC3\xA4\xFFx\n");
  EXPECT_EQ(bad.code, "yaml-utf8");
  EXPECT_EQ(place_of(bad), "1:5+1");
  EXPECT_TRUE(says(bad, "0xFF"));
  for (const char* text : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"}) {
    EXPECT_EQ(mistake_in(text).code, "yaml-utf8");
  }
}

TEST(Yaml, ControlCharactersAreRefused) {
  for (const char* text : {"a: \x1B[31m", "a: \x7F", "a: b\rc: d", "a: \xC2\x9B"}) {
    EXPECT_EQ(mistake_in(text).code, "yaml-control");
  }
}

TEST(Yaml, Utf16IsRefusedWithHelp) {
  const Diagnostic wide =
      mistake_in(std::string("\xFF\xFE"
                             "a\0:\0",
                             6));
  EXPECT_EQ(wide.code, "yaml-encoding");
  EXPECT_TRUE(says(wide, "UTF-8"));
  EXPECT_TRUE(says(mistake_in(std::string("a\0:\0 \0", 6)), "UTF-16"));
}

TEST(Yaml, ByteOrderMarkWithinTheFileIsRefused) {
  EXPECT_EQ(mistake_in("a: 1\n---\n\xEF\xBB\xBF"
                       "b: 2\n")
                .code,
            "yaml-encoding");
}

TEST(Yaml, BinaryFileGivesFewDiagnostics) {
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * 7);
  EXPECT_LE(read(bytes).diagnostics.size(), 20U);
}

// Mistakes.

struct Wrong {
  std::string text;
  std::string code;
  std::string place;
  std::string part;  // of what is printed
};

void PrintTo(const Wrong& wrong, std::ostream* out) {
  *out << wrong.text;
}

class YamlMistake : public testing::TestWithParam<Wrong> {};

TEST_P(YamlMistake, IsToldWithItsPlace) {
  const Diagnostic diagnostic = mistake_in(GetParam().text);
  EXPECT_EQ(diagnostic.code, GetParam().code) << to_string(diagnostic);
  EXPECT_EQ(place_of(diagnostic), GetParam().place) << to_string(diagnostic);
  EXPECT_TRUE(says(diagnostic, GetParam().part)) << to_string(diagnostic);
  EXPECT_FALSE(diagnostic.help.empty());
  EXPECT_EQ(diagnostic.excerpt, line_of(GetParam().text, diagnostic.at.line));
}

INSTANTIATE_TEST_SUITE_P(
    Yaml, YamlMistake,
    testing::Values(
        Wrong{"a:\n\tb: 1\n", "yaml-tab", "2:1+1", "spaces"},
        Wrong{"a:\n  b: 1\n \tc: 2\n", "yaml-tab", "3:2+1", "spaces"},
        Wrong{"a:\n  b: x\n\tc: 2\n", "yaml-tab", "3:1+1", "spaces"},
        Wrong{"a:\n-\tb: 1\n", "yaml-tab", "2:2+1", "spaces"}, Wrong{"a:\n\tb\n", "yaml-tab", "2:1+1", "spaces"},
        Wrong{"a: 1\nb: 2\na: 3\n", "duplicate-key", "3:1+1", "\"a\" is given twice in one mapping, first at 1:1"},
        Wrong{"kind: A\nx: 1\nkind: B\n", "duplicate-key", "3:1+4", "`---`"},
        Wrong{"x:\n  kind: A\n  kind: B\n", "duplicate-key", "3:3+4", "remove one"},
        Wrong{"a: 1\n\"a\": 2\n", "duplicate-key", "2:1+3", "first at 1:1"},
        Wrong{"a: b: c\n", "yaml-syntax", "1:5+1", "quotes"}, Wrong{"a: b\n  c: d\n", "yaml-syntax", "2:3+1", "align"},
        Wrong{"a:\n    b: 1\n  c: 2\n", "yaml-syntax", "3:3+2", "does not belong to the mapping"},
        Wrong{"a:\n  - b\n  c: 2\n", "yaml-syntax", "3:3+2", "in column 1 like the other keys"},
        Wrong{"a: 'x' y\n", "yaml-syntax", "1:8+1", "after a complete value"},
        Wrong{"a: - b\n", "yaml-syntax", "1:4+1", "own line"},
        Wrong{"a: [1, 2\nb: 3\n", "yaml-syntax", "2:2+1", "still open"},
        Wrong{"a: {b: 1\n", "yaml-syntax", "1:4+1", "never closed"}, Wrong{"a: [1}\n", "yaml-syntax", "1:6+1", "1:4"},
        Wrong{"a: ]\n", "yaml-syntax", "1:4+1", "closes nothing"},
        Wrong{"a: \"x\nb: 1\n", "yaml-syntax", "1:4+1", "never closed"},
        Wrong{"a: \"\\d\"\n", "yaml-syntax", "1:5+3", "single quotes"},
        Wrong{"a: @x\n", "yaml-syntax", "1:4+1", "quotes"}, Wrong{"a: | x\n", "yaml-syntax", "1:6+1", "next line"},
        Wrong{"a: *\n", "yaml-alias", "1:5+1", "\"*\""}, Wrong{"a: *b\n", "yaml-alias", "1:4+2", "quotes"},
        Wrong{"a: &x [*x]\n", "yaml-alias", "1:8+2", "within the value"},
        Wrong{"selector: !has(x)\n", "yaml-tag", "1:11+7", ": '!has(x)'"},
        Wrong{"a: !foo {b: 1}\n", "yaml-tag", "1:4+4", "quotes"},
        Wrong{"a: !!binary aGk=\n", "yaml-tag", "1:4+8", "quotes"},
        Wrong{"<<: {a: 1}\n", "yaml-merge-key", "1:1+2", "write the merged keys"},
        Wrong{"{a: b}: 1\n", "yaml-syntax", "1:7+1", "`: `"}, Wrong{"x: 1\n? [a]\n: 2\n", "yaml-key", "2:3+3", "list"},
        Wrong{"x: {{ y }}\n", "yaml-key", "1:5+5", "template"}, Wrong{"x: 1\n: 2\n", "yaml-key", "2:1+1", "missing"},
        Wrong{"null: 2\n", "yaml-key", "1:1+4", "missing"}));

TEST(Yaml, SeveralMistakesOfADocumentAreTold) {
  const Documents documents = read("a: 1\na: 2\nb: !x 3\nc: {d: 1, d: 2}\n");
  EXPECT_EQ(documents.diagnostics.size(), 3U);
  EXPECT_EQ(documents.roots.size(), 1U);
}

TEST(Yaml, TabsThatDoNotIndentAreAccepted) {
  const Node root = root_of("a:\t1\t# x\nb: |\n  x\n  \ty\nc: [\n\t1 ]\n");
  EXPECT_EQ(text_of(root, "a"), "1");
  EXPECT_EQ(text_of(root, "b"), "x\n\ty\n");
  EXPECT_EQ(root.find("c")->items.size(), 1U);
}

// Aliases.

TEST(Yaml, AliasIsACopy) {
  const Node root = root_of("a: &x {k: [1, 2]}\nb: *x\nc: &y text\nd: [*y, *x]\n*y : e\n");
  EXPECT_EQ(*root.find("b"), *root.find("a"));
  EXPECT_EQ(root.find("d")->items[0].text, "text");
  EXPECT_EQ(root.find("d")->items[1].find("k")->items.size(), 2U);
  EXPECT_EQ(text_of(root, "text"), "e");
}

TEST(Yaml, AliasReachesIntoAnOpenCollection) {
  const Node root = root_of("- &a [x]\n- - &b {k: v}\n  - *a\n  - *b\n");
  EXPECT_EQ(root.items[1].items[1].items[0].text, "x");
  EXPECT_EQ(text_of(root.items[1].items[2], "k"), "v");
}

TEST(Yaml, AnchorMayBeGivenAgain) {
  const Node root = root_of("- &a x\n- *a\n- &a y\n- *a\n");
  EXPECT_EQ(root.items[1].text, "x");
  EXPECT_EQ(root.items[3].text, "y");
}

TEST(Yaml, AliasesCountAsCopies) {
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 1; j < 10; ++j) laughs += "," + before;
    laughs += "]\n";
  }
  const Documents documents = load({"f.yaml", laughs}, {.nodes = 100'000});
  ASSERT_EQ(documents.diagnostics.size(), 1U);
  EXPECT_EQ(documents.diagnostics[0].code, "yaml-limit");
}

TEST(Yaml, AliasesOfLongTextAreBounded) {
  const Diagnostic diagnostic = mistake_in("- &a '" + std::string(megabyte, 'x') + "'\n" + repeated("- *a\n", 100'000));
  EXPECT_EQ(diagnostic.code, "yaml-limit");
}

TEST(Yaml, AliasesDoNotDeepenBeyondTheLimit) {
  const std::string open(40, '[');
  const std::string close(40, ']');
  EXPECT_EQ(mistake_in("a: &a " + open + close + "\nb: " + open + "*a" + close + "\n").code, "yaml-limit");
}

// Limits.

TEST(Yaml, FileLongerThanTheLimitIsRefused) {
  const Documents documents = load({"f.yaml", "a: 1234567\n"}, {.bytes = 10});
  ASSERT_EQ(documents.diagnostics.size(), 1U);
  EXPECT_EQ(documents.diagnostics[0].code, "yaml-limit");
  EXPECT_EQ(documents.diagnostics[0].at.line, 0U);
}

TEST(Yaml, DepthIsBoundedInBothReaders) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']') + "\n"; };
  EXPECT_TRUE(read(nested(64)).diagnostics.empty());
  EXPECT_EQ(mistake_in(nested(65)).code, "yaml-limit");
  const auto blocks = [](std::size_t depth) { return repeated("- ", depth) + "x\n"; };
  EXPECT_TRUE(read(blocks(64)).diagnostics.empty());
  EXPECT_EQ(mistake_in(blocks(65)).code, "yaml-limit");
}

TEST(Yaml, NodesAreBounded) {
  EXPECT_TRUE(load({"f.yaml", "[a, b, c]\n"}, {.nodes = 4}).diagnostics.empty());
  const Documents documents = load({"f.yaml", "[a, b, c]\n"}, {.nodes = 3});
  ASSERT_EQ(documents.diagnostics.size(), 1U);
  EXPECT_EQ(documents.diagnostics[0].code, "yaml-limit");
}

TEST(Yaml, DocumentsAreBounded) {
  const Documents documents = load({"f.yaml", "a: 1\n---\nb: 1\n---\nc: 1\n"}, {.documents = 2});
  EXPECT_EQ(documents.roots.size(), 2U);
  ASSERT_EQ(documents.diagnostics.size(), 1U);
  EXPECT_EQ(documents.diagnostics[0].at.line, 4U);
}

TEST(Yaml, DiagnosticsOfAFileAreBounded) {
  EXPECT_LE(read(repeated("- !a b\n", 10'000)).diagnostics.size(), 101U);
  EXPECT_LE(read(repeated("---\na: [\n", 10'000)).diagnostics.size(), 101U);
}

class YamlHostile : public testing::TestWithParam<std::string> {};

TEST_P(YamlHostile, EndsSoonWithAnError) {
  const auto begin = std::chrono::steady_clock::now();
  const Documents documents = read(repeated(GetParam(), megabyte / GetParam().size()));
  EXPECT_FALSE(documents.diagnostics.empty());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));  // about one without sanitizers
}

INSTANTIATE_TEST_SUITE_P(Yaml, YamlHostile,
                         testing::Values("[", "{", "- ", "? ", "[{", "- [", "{a: ", "? [", "\"a\"", "!a ", "&a ",
                                         "a: ", "[:,", "'", "---\n[\n", "a: 1\n"));

// Two readers.

class YamlReaders : public testing::TestWithParam<std::string> {};

TEST_P(YamlReaders, GiveTheSameTree) {
  const SourceFile file{"f.yaml", GetParam()};
  const Text text(file);
  ASSERT_TRUE(text.mistakes().empty());
  for (const Region& region : text.regions()) {
    std::size_t nodes = 1000;
    const std::optional<Node> plain = read_plain(text, region, 64, nodes);
    ASSERT_TRUE(plain.has_value()) << "the quick reader should know this";
    Budget budget{64, 1000, 1000};
    std::optional<Node> root;
    Diagnostics diagnostics;
    EXPECT_EQ(read_events(text, region, budget, root, diagnostics), Outcome::complete);
    EXPECT_TRUE(diagnostics.empty());
    EXPECT_EQ(plain, root);
    EXPECT_EQ(nodes, budget.nodes);
  }
}

INSTANTIATE_TEST_SUITE_P(Yaml, YamlReaders,
                         testing::Values("a: 1\nb:\n  c: 'd'  # x\n  e: \"f\\n\\\"\"\n# y\ng:\nh: ~\n",
                                         "- a\n- - b\n  - c\n-   d: 1\n    e: 2\n",
                                         "a:\n- b\n- c: 1\n  d:\n  - e\nf: [x, 'y', \"z\", 80:90, -1]\n",
                                         "{\"a\":{\"b\":[1,2,{}]},\n\t\"c\": [] }\n", "a: x#y z:w --- 'q'\n",
                                         "b: ['ö', c]\n", "--- # x\n\na: ü # ß\n\n---\nb: 1\r\nc:\r\n- d\r\n", "text\n",
                                         "a: http://x/y?z=1&b=[2]\n"));

}  // namespace
}  // namespace drywall::yaml
