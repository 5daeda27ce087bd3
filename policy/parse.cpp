// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "policy/cross_check.h"
#include "policy/parse_document.h"
#include "policy/parse_profile.h"
#include "policy/parse_tier.h"
#include "policy/report.h"

namespace drywall {
namespace {

using reading::Draft;
using reading::Reader;
using reading::Report;

/// What is there without any document.
Draft built_in() {
  Draft draft;
  draft.inventory.tiers = reading::built_in_tiers();
  for (const Tier& tier : draft.inventory.tiers) draft.tiers.insert(tier.name);
  draft.inventory.profiles.push_back(reading::allow_all_profile());
  draft.profiles.insert(draft.inventory.profiles.back().name);
  return draft;
}

std::vector<std::uint32_t> in_order_of_names(std::span<const yaml::SourceFile> files) {
  std::vector<std::uint32_t> order(files.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return files[a].name < files[b].name; });
  return order;
}

/// Whether the loader found an error in the lines [first, end) of a file: then what it made of them cannot be judged.
bool is_broken(const Diagnostics& diagnostics, std::uint32_t first, std::uint32_t end) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [&](const Diagnostic& d) {
    return d.severity == Severity::error && d.at.line >= first && d.at.line < end;
  });
}

void read_file(const yaml::SourceFile& file, Reader reader, Report& report, std::uint32_t index, Draft& draft) {
  yaml::Documents documents = yaml::load(file);
  const Diagnostics& mistakes = documents.diagnostics;
  if (has_errors(mistakes)) draft.complete = false;
  for (std::size_t i = 0; i < documents.roots.size(); ++i) {
    const bool last = i + 1 == documents.roots.size();
    const std::uint32_t end = last ? std::numeric_limits<std::uint32_t>::max() : documents.roots[i + 1].line;
    if (!is_broken(mistakes, documents.roots[i].line, end)) reading::read_document(reader, draft, documents.roots[i]);
  }
  report.add(index, std::move(documents.diagnostics));
}

}  // namespace

Parsed parse(std::span<const yaml::SourceFile> files) {
  Report report(files);
  reading::SelectorTable selectors;
  Draft draft = built_in();
  for (const std::uint32_t index : in_order_of_names(files)) {
    read_file(files[index], Reader(report, selectors, index), report, index, draft);
  }
  reading::cross_check(draft, report);
  return {std::move(draft.inventory), report.take()};
}

bool is_understood(const Diagnostics& diagnostics) {
  return std::all_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Severity::warning || diagnostic.code == protocol_case_code;
  });
}

}  // namespace drywall
