// SPDX-License-Identifier: GPL-2.0-or-later
// Any bytes load in bounded time; and where the quick reader answers, yaml-cpp gives the same tree without complaint.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "policy/yaml.h"
#include "policy/yaml_events.h"
#include "policy/yaml_plain.h"
#include "policy/yaml_text.h"

using namespace drywall;

namespace {

void require(bool condition, const char* fact) {
  if (condition) return;
  std::fprintf(stderr, "not true: %s\n", fact);
  std::abort();
}

void check_node(const yaml::Node& node, const yaml::Limits& limits, std::size_t depth) {
  require(depth <= limits.depth + 1, "nesting is bounded");
  require(node.line > 0 && node.column > 0 && node.length > 0, "a node has a place");
  for (const yaml::Node& item : node.items) check_node(item, limits, depth + 1);
  for (const auto& [key, value] : node.entries) {
    require(key.type == yaml::Type::scalar, "keys are scalars");
    require(node.find(key.text) == &value, "keys are unique");
    check_node(value, limits, depth + 1);
  }
}

void check_readers_agree(const yaml::SourceFile& file) {
  const yaml::Text text(file);
  if (!text.mistakes().empty()) return;
  for (const yaml::Region& region : text.regions()) {
    std::size_t nodes = 100'000;
    const std::optional<yaml::Node> plain = yaml::read_plain(text, region, 64, nodes);
    if (!plain) continue;
    yaml::Budget budget{64, 100'000, 100'000};
    std::optional<yaml::Node> root;
    Diagnostics diagnostics;
    const yaml::Outcome outcome = yaml::read_events(text, region, budget, root, diagnostics);
    require(outcome == yaml::Outcome::complete && diagnostics.empty(),
            "yaml-cpp accepts what the quick reader accepts");
    require(root.has_value() && *root == *plain, "both readers read the same");
    require(nodes == budget.nodes, "both readers count the same");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const yaml::Limits limits{.bytes = 1U << 20U, .depth = 64, .nodes = 100'000, .documents = 1'000};
  const bool json = size % 2 == 1;
  const yaml::SourceFile file{json ? "fuzz.json" : "fuzz.yaml", std::string(reinterpret_cast<const char*>(data), size)};
  const yaml::Documents documents = yaml::load(file, limits);
  for (const yaml::Node& root : documents.roots) check_node(root, limits, 1);
  for (const Diagnostic& diagnostic : documents.diagnostics) {
    require(!diagnostic.code.empty() && !diagnostic.message.empty(), "a diagnostic says something");
    require(!to_string(diagnostic).empty(), "a diagnostic can be printed");
    require(diagnostic.excerpt.empty() || yaml::line_of(file.text, diagnostic.at.line) == diagnostic.excerpt,
            "the excerpt is the line");
  }
  check_readers_agree(file);
  return 0;
}
