// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/sarif.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

namespace drywall::cli {
namespace {

constexpr const char* schema =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A file's name as a URI: relative names stay relative, to the folder that the reader takes for the top.
std::string uri_of(std::string_view file) {
  constexpr std::string_view plain = "-._~/";
  std::string uri = file.starts_with('/') ? "file://" : "";
  while (file.starts_with("./")) file.remove_prefix(2);
  for (const char c : file) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = byte < 0x80 && (std::isalnum(byte) != 0 || plain.find(c) != std::string_view::npos);
    uri += is_plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return uri;
}

std::vector<std::string> codes_of(const Diagnostics& diagnostics) {
  std::vector<std::string> codes;
  for (const Diagnostic& diagnostic : diagnostics) codes.push_back(diagnostic.code);
  std::ranges::sort(codes);
  codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  return codes;
}

Json rule_of(const std::string& code) {
  std::string words = code;
  std::ranges::replace(words, '-', ' ');
  return Json{{"id", code}, {"shortDescription", {{"text", words}}}};
}

/// Without a line the file as a whole is meant.
Json location_of(const Diagnostic& diagnostic) {
  Json physical{{"artifactLocation", {{"uri", uri_of(diagnostic.at.file)}}}};
  const auto& at = diagnostic.at;
  if (at.line != 0) physical["region"]["startLine"] = at.line;
  if (at.line != 0 && at.column != 0) {
    physical["region"]["startColumn"] = at.column;
    physical["region"]["endColumn"] = at.column + std::max(1U, diagnostic.length);  // one past the last
  }
  return Json{{"physicalLocation", std::move(physical)}};
}

Json result_of(const Diagnostic& diagnostic, const std::vector<std::string>& codes) {
  const auto rule = std::ranges::lower_bound(codes, diagnostic.code) - codes.begin();
  const std::string help = diagnostic.help.empty() ? "" : fmt::format("\nhelp: {}", diagnostic.help);
  Json result{{"ruleId", diagnostic.code},
              {"ruleIndex", rule},
              {"level", diagnostic.severity == Severity::error ? "error" : "warning"},
              {"message", {{"text", diagnostic.message + help}}}};
  if (!diagnostic.at.file.empty()) result["locations"] = Json::array({location_of(diagnostic)});
  return result;
}

}  // namespace

Json sarif(const Diagnostics& diagnostics) {
  const std::vector<std::string> codes = codes_of(diagnostics);
  Json rules = Json::array();
  for (const std::string& code : codes) rules.push_back(rule_of(code));
  Json results = Json::array();
  for (const Diagnostic& diagnostic : diagnostics) results.push_back(result_of(diagnostic, codes));
  Json driver{{"name", "drywall"}, {"version", DRYWALL_VERSION}, {"rules", std::move(rules)}};
  Json run{
      {"tool", {{"driver", std::move(driver)}}}, {"columnKind", "unicodeCodePoints"}, {"results", std::move(results)}};
  return Json{{"$schema", schema}, {"version", "2.1.0"}, {"runs", Json::array({std::move(run)})}};
}

}  // namespace drywall::cli
