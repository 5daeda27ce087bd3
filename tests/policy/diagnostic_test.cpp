// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/diagnostic.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "policy/result.h"

namespace drywall {
namespace {

Diagnostic example() {
  return {{"policies/web.yaml", 14, 15},
          3,
          Severity::error,
          "bad-port",
          "port \"80-\" is not a port or a range",
          "write one port (80) or a range (80:443)",
          "      - port: 80-"};
}

std::string underline_of(const Diagnostic& diagnostic) {
  const std::string text = to_string(diagnostic);
  const std::size_t second = text.find('\n', text.find('\n') + 1) + 1;
  return text.substr(second, text.find('\n', second) - second);
}

std::string quoted_line_of(const Diagnostic& diagnostic) {
  const std::string text = to_string(diagnostic);
  const std::size_t first = text.find('\n') + 1;
  return text.substr(first, text.find('\n', first) - first);
}

TEST(Diagnostic, IsPrintedWithItsLineAndHelp) {
  EXPECT_EQ(to_string(example()),
            "policies/web.yaml:14:15: error: port \"80-\" is not a port or a range [bad-port]\n"
            "   14 |       - port: 80-\n"
            "      |               ^~~\n"
            "help: write one port (80) or a range (80:443)\n");
}

TEST(Diagnostic, WithoutExcerptAndHelpIsOneLine) {
  Diagnostic diagnostic = example();
  diagnostic.excerpt.clear();
  diagnostic.help.clear();
  diagnostic.severity = Severity::warning;
  EXPECT_EQ(to_string(diagnostic),
            "policies/web.yaml:14:15: warning: port \"80-\" is not a port or a range [bad-port]\n");
}

TEST(Diagnostic, OfAWholeFileHasNoLine) {
  Diagnostic diagnostic = example();
  diagnostic.at = {"a.yaml", 0, 0};
  diagnostic.help.clear();
  EXPECT_EQ(to_string(diagnostic), "a.yaml: error: port \"80-\" is not a port or a range [bad-port]\n");
  EXPECT_EQ(to_string(SourceLocation{"a.yaml", 3, 0}), "a.yaml:3");
}

TEST(Diagnostic, CaretCountsCodePoints) {
  Diagnostic diagnostic = example();
  diagnostic.excerpt = "\xC3\xA4\xC3\xB6: \xE2\x82\xAC x";
  diagnostic.at.column = 5;
  diagnostic.length = 1;
  EXPECT_EQ(quoted_line_of(diagnostic), "   14 | \xC3\xA4\xC3\xB6: \xE2\x82\xAC x");
  EXPECT_EQ(underline_of(diagnostic), "      |     ^");
}

TEST(Diagnostic, ControlCharactersAreReplacedOneForOne) {
  Diagnostic diagnostic = example();
  diagnostic.excerpt = "\ta\x1B[31m\x7F\xE2\x80\xAE\xFFz";
  diagnostic.at.column = 10;
  diagnostic.length = 1;
  diagnostic.message = "a\x1B[2Jb\nc";
  EXPECT_EQ(quoted_line_of(diagnostic), "   14 |  a\xE2\x90\x9B[31m\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
  EXPECT_EQ(underline_of(diagnostic), "      |          ^");
  EXPECT_EQ(to_string(diagnostic).find('\x1B'), std::string::npos);
  EXPECT_EQ(to_string(diagnostic).find("b\nc"), std::string::npos);
}

TEST(Diagnostic, LongLinesAreCutAroundTheCaret) {
  Diagnostic diagnostic = example();
  diagnostic.excerpt = std::string(500, 'a') + "b" + std::string(500, 'c');
  diagnostic.at.column = 501;
  diagnostic.length = 1;
  const std::string line = quoted_line_of(diagnostic);
  EXPECT_LT(line.size(), 130U);
  EXPECT_NE(line.find("...aaa"), std::string::npos);
  EXPECT_TRUE(line.ends_with("ccc..."));
  EXPECT_EQ(underline_of(diagnostic).find('^'), line.find('b'));
}

TEST(Diagnostic, UnderlineStaysWithinTheLine) {
  Diagnostic diagnostic = example();
  diagnostic.length = 1000;
  EXPECT_EQ(underline_of(diagnostic), "      |               ^~~");
  diagnostic.at.column = 18;  // behind the last character
  EXPECT_EQ(underline_of(diagnostic), "      |                  ^");
  diagnostic.at.column = 4'000'000'000;
  EXPECT_FALSE(to_string(diagnostic).empty());
}

TEST(Diagnostic, WarningsAreNoErrors) {
  Diagnostic diagnostic = example();
  EXPECT_TRUE(has_errors({diagnostic}));
  diagnostic.severity = Severity::warning;
  EXPECT_FALSE(has_errors({diagnostic}));
  EXPECT_FALSE(has_errors({}));
}

TEST(Diagnostic, AreSortedByPlaceAndRepetitionsDropped) {
  Diagnostic first = example();
  first.at.line = 2;
  Diagnostic other_file = example();
  other_file.at.file = "a.yaml";
  Diagnostic warning = example();
  warning.severity = Severity::warning;
  Diagnostics diagnostics{warning, example(), first, example(), other_file};
  sort_diagnostics(diagnostics);
  EXPECT_EQ(diagnostics, (Diagnostics{other_file, first, example(), warning}));
}

TEST(Failure, IsPrintedWithTheReason) {
  EXPECT_EQ(to_string(Failure{"open", "/etc/drywall", ENOENT, ""}),
            "cannot open /etc/drywall: No such file or directory");
  EXPECT_EQ(to_string(Failure{"bind NFLOG group", "4242", EPERM, "is another reader there?"}),
            "cannot bind NFLOG group 4242: Operation not permitted (is another reader there?)");
  EXPECT_EQ(to_string(Failure{"read", "x", 0, "too long"}), "cannot read x: too long");
  EXPECT_EQ(to_string(Failure{"start", "", 0, ""}), "cannot start");
}

}  // namespace
}  // namespace drywall
