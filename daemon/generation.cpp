// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "policy/auto_endpoint.h"
#include "policy/lint.h"
#include "render/lower.h"

namespace drywall {
namespace {

constexpr std::string_view comment_start = "generation ";
constexpr std::size_t sha256_digits = 64;

template <Stance S>
std::size_t count_rules(const Layer<S>& layer) {
  std::size_t rules = 0;
  for (const Chain<S>& chain : layer.chains) rules += chain.rules.size();
  return rules;
}

bool is_hexadecimal(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string line_at(const SharedList<yaml::SourceFile>& files, const SourceLocation& at) {
  const auto file = std::ranges::find(files, at.file, &yaml::SourceFile::name);
  return file == files.end() ? std::string{} : std::string(yaml::line_of(file->text, at.line));
}

}  // namespace

RenderOptions render_options(const Config& config) {
  RenderOptions options;
  options.nflog_group = config.nflog_group;
  options.log_enforced = config.log_enforced;
  options.priorities = config.priorities;
  return options;
}

bool operator==(const Generation& left, const Generation& right) {
  return left.inventory == right.inventory && left.host == right.host && *left.enforced == *right.enforced &&
         *left.pending == *right.pending && left.ruleset == right.ruleset && left.rendering == right.rendering;
}

Built build(const SharedList<yaml::SourceFile>& files, const Config& config, const Machine& machine) {
  BuildMemo memo;
  return build(files, config, machine, memo);
}

Built build(const SharedList<yaml::SourceFile>& files, const Config& config, const Machine& machine, BuildMemo& memo) {
  Parsed parsed = parse(files, memo.parse);
  Built built{nullptr, std::move(parsed.diagnostics)};
  for (Diagnostic& clash : clashes(config, parsed.inventory.settings)) {
    if (clash.excerpt.empty()) clash.excerpt = line_at(files, clash.at);
    built.diagnostics.push_back(std::move(clash));
  }
  if (std::optional<HostEndpoint> automatic = auto_endpoint(config, machine)) {
    for (Diagnostic& clash : clashes(*automatic, parsed.inventory)) {
      clash.excerpt = line_at(files, clash.at);
      built.diagnostics.push_back(std::move(clash));
    }
    parsed.inventory.host_endpoints.push_back(std::move(*automatic));
  }
  sort_diagnostics(built.diagnostics);
  if (has_errors(built.diagnostics)) return built;

  Generation generation;
  generation.host = host_for(config, machine);
  for (Diagnostic& warning : lint_bridges(parsed.inventory, generation.host)) {
    warning.excerpt = line_at(files, warning.at);
    built.diagnostics.push_back(std::move(warning));
  }
  sort_diagnostics(built.diagnostics);
  const auto plan = [&](World world) {
    return std::make_shared<const Plan>(compile(parsed.inventory, generation.host, world, memo.compile));
  };
  generation.enforced = plan(World::enforced);
  generation.pending = plan(World::pending);
  memo.compile.sweep();
  generation.inventory = std::move(parsed.inventory);
  tl::expected<Ruleset, Diagnostics> ruleset =
      lower(*generation.enforced, *generation.pending, render_options(config), memo.lower);
  if (!ruleset) {
    built.diagnostics.insert(built.diagnostics.end(), ruleset.error().begin(), ruleset.error().end());
    sort_diagnostics(built.diagnostics);
    return built;
  }
  generation.ruleset = std::move(*ruleset);
  memo.rendering.replace(memo.ruleset, generation.ruleset);
  memo.ruleset = generation.ruleset;
  generation.rendering = memo.rendering.text();
  built.generation = std::make_shared<const Generation>(std::move(generation));
  return built;
}

std::string rendering_of(const Ruleset& ruleset) {
  return Rendering(ruleset).text();
}

std::size_t count_rules(const Ruleset& ruleset) {
  std::size_t rules = 0;
  for (const Table& table : ruleset.tables) rules += count_rules(table.enforce) + count_rules(table.observe);
  return rules;
}

std::string to_string(const GenerationComment& comment) {
  return fmt::format("{}{} {}", comment_start, comment.number, comment.rendering);
}

std::optional<GenerationComment> parse_generation_comment(std::string_view text) {
  if (!text.starts_with(comment_start)) return std::nullopt;
  text.remove_prefix(comment_start.size());
  GenerationComment comment;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, comment.number);
  if (error != std::errc{} || stop == end || *stop != ' ') return std::nullopt;
  comment.rendering = std::string(stop + 1, end);
  if (comment.rendering.size() != sha256_digits || !is_hexadecimal(comment.rendering)) return std::nullopt;
  return comment;
}

}  // namespace drywall
