// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/yaml.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "policy/yaml_events.h"
#include "policy/yaml_plain.h"
#include "policy/yaml_text.h"

namespace drywall::yaml {
namespace {

Diagnostic about_file(const SourceFile& file, std::string message, std::string help) {
  return {{file.name, 0, 0}, 1, Severity::error, "yaml-limit", std::move(message), std::move(help), {}};
}

}  // namespace

bool Node::operator==(const Node& other) const {
  return type == other.type && style == other.style && text == other.text && line == other.line &&
         column == other.column && length == other.length && items == other.items && entries == other.entries;
}

const Node* Node::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.first.text == key; });
  return found == entries.end() ? nullptr : &found->second;
}

std::string_view line_of(std::string_view text, std::uint32_t line) {
  if (line == 0) return {};
  std::size_t begin = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  for (std::uint32_t i = 1; i < line; ++i) {
    const std::size_t newline = text.find('\n', begin);
    if (newline == std::string_view::npos) return {};
    begin = newline + 1;
  }
  const std::size_t newline = text.find('\n', begin);
  if (newline == std::string_view::npos) return text.substr(begin);
  const std::string_view found = text.substr(begin, newline - begin);
  return found.ends_with('\r') ? found.substr(0, found.size() - 1) : found;
}

Documents load(const SourceFile& file, const Limits& limits) {
  if (file.text.size() > limits.bytes) {
    return {{},
            {about_file(file, fmt::format("the file has {} bytes; at most {} are read", file.text.size(), limits.bytes),
                        "split it into several files")}};
  }
  const Text text(file);
  if (has_errors(text.mistakes())) return {{}, text.mistakes()};
  Documents documents;
  Budget budget{limits.depth, limits.nodes, limits.bytes};
  std::size_t read = 0;
  for (const Region& region : text.regions()) {
    if (++read > limits.documents) {
      documents.diagnostics.push_back(
          text.diagnostic(region.begin, region.begin + 3,
                          {"yaml-limit", fmt::format("the file holds more than {} documents", limits.documents),
                           "split it into several files"}));
      break;
    }
    std::optional<Node> root = read_plain(text, region, budget.depth, budget.nodes);
    if (!root && read_events(text, region, budget, root, documents.diagnostics) == Outcome::exhausted) break;
    if (root) documents.roots.push_back(std::move(*root));
  }
  sort_diagnostics(documents.diagnostics);
  return documents;
}

}  // namespace drywall::yaml
