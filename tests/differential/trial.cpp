// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/differential/trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "policy/parse.h"

namespace drywall::test {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t first_seed() {
  const auto clock = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  return number_from("DRYWALL_SEED", clock % 1'000'000'000);
}

std::unique_ptr<JudgedDirectory> read_directory(const std::vector<yaml::SourceFile>& files) {
  const Parsed parsed = parse(files);
  const bool has_errors =
      std::ranges::any_of(parsed.diagnostics, [](const Diagnostic& d) { return d.severity == Severity::error; });
  return has_errors ? nullptr : std::make_unique<JudgedDirectory>(parsed.inventory);
}

std::unique_ptr<JudgedDirectory> read_directory(const std::string& yaml) {
  return read_directory({{"case.yaml", yaml}});
}

std::optional<std::string> refusal(PolicedHost& host, const JudgedDirectory& directory) {
  const auto ruleset = directory.ruleset();
  if (!ruleset) return "lower() refuses it: " + to_string(ruleset.error().front());
  std::string object;
  const int error = host.load(*ruleset, object);
  if (error == 0) return std::nullopt;
  return fmt::format("the kernel refuses it: {}: {}\n", object, std::strerror(error));
}

std::string shrunk(const Shrink::Case& wrong, const Fault& fault) {
  if (!fault(wrong)) return "it does not happen again\n";
  const auto still_wrong = [&](const Shrink::Case& candidate) { return fault(candidate).has_value(); };
  const Shrink::Case small = Shrink(wrong, still_wrong, simpler).run();
  return *fault(small) + "# " + to_string(small.journey) + "\n" + to_yaml(small.documents);
}

std::vector<KnownCase> known_cases() {
  std::vector<KnownCase> cases;
  for (const auto& entry : std::filesystem::directory_iterator(DRYWALL_SOURCE_DIR "/tests/differential/cases")) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    std::string line;
    std::getline(text.seekg(0), line);
    auto journey = line.starts_with("# ") ? parse_journey(std::string_view(line).substr(2)) : std::nullopt;
    cases.push_back({entry.path(), text.str(), std::move(journey)});
  }
  return cases;
}

}  // namespace drywall::test
