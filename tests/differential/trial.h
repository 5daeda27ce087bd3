// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "policy/yaml.h"
#include "tests/differential/expectation.h"
#include "tests/differential/journey.h"
#include "tests/differential/policed_host.h"
#include "tests/differential/shrink.h"

// What the tests that load random directories into the kernel share.

namespace drywall::test {

/// The number in an environment variable.
[[nodiscard]] std::uint64_t number_from(const char* variable, std::uint64_t otherwise);
/// DRYWALL_SEED, or one from the clock.
[[nodiscard]] std::uint64_t first_seed();

/// A directory without mistakes; nothing otherwise.
[[nodiscard]] std::unique_ptr<JudgedDirectory> read_directory(const std::vector<yaml::SourceFile>& files);
[[nodiscard]] std::unique_ptr<JudgedDirectory> read_directory(const std::string& yaml);

/// Puts the directory into the kernel; why not, if it is refused.
[[nodiscard]] std::optional<std::string> refusal(PolicedHost& host, const JudgedDirectory& directory);

using Shrink = Shrinker<Journey>;
/// What is wrong with a case, if anything; a case whose documents make no directory is none.
using Fault = std::function<std::optional<std::string>(const Shrink::Case&)>;

/// The fault of a case made small, and its file for tests/differential/cases: the journey, then the documents.
[[nodiscard]] std::string shrunk(const Shrink::Case& wrong, const Fault& fault);

/// A file of tests/differential/cases.
struct KnownCase {
  std::filesystem::path file;
  std::string yaml;
  std::optional<Journey> journey;  // nothing: the first line holds none
};
[[nodiscard]] std::vector<KnownCase> known_cases();

}  // namespace drywall::test
