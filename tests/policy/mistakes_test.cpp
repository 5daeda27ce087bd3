// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "policy/parse.h"

// Each pair NAME.yaml, NAME.expected of tests/golden/mistakes is a mistake that people make and what they are told.
// UPDATE_GOLDEN=1 rewrites the expected files; the difference is then reviewed like code.

namespace drywall {
namespace {

namespace fs = std::filesystem;

const fs::path folder = fs::path(DRYWALL_SOURCE_DIR) / "tests/golden/mistakes";

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") out.push_back(entry.path().stem().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string printed(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics) out += to_string(diagnostic);
  return out;
}

class Mistake : public testing::TestWithParam<std::string> {};

TEST_P(Mistake, IsToldExactly) {
  const std::vector<yaml::SourceFile> files{{GetParam() + ".yaml", contents(folder / (GetParam() + ".yaml"))}};
  const std::string told = printed(parse(files).diagnostics);
  const fs::path expected = folder / (GetParam() + ".expected");
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(expected, std::ios::binary) << told;
  EXPECT_EQ(told, contents(expected));
}

TEST_P(Mistake, IsToldWithWhatToWriteInstead) {
  const std::vector<yaml::SourceFile> files{{GetParam() + ".yaml", contents(folder / (GetParam() + ".yaml"))}};
  const Diagnostics diagnostics = parse(files).diagnostics;
  EXPECT_FALSE(diagnostics.empty());
  for (const Diagnostic& diagnostic : diagnostics) {
    EXPECT_FALSE(diagnostic.help.empty()) << to_string(diagnostic);
    EXPECT_FALSE(diagnostic.code.empty()) << to_string(diagnostic);
    EXPECT_NE(diagnostic.at.line, 0U) << to_string(diagnostic);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, Mistake, testing::ValuesIn(names()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Mistakes, AreAtLeastSixty) {
  EXPECT_GE(names().size(), 60U);
}

}  // namespace
}  // namespace drywall
