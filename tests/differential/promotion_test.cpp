// SPDX-License-Identifier: GPL-2.0-or-later
// What a promotion enforces is what its preview showed, whatever the policies are and however they are written.
#include <gtest/gtest.h>

#include <algorithm>

#include "policy/compile.h"
#include "policy/edit.h"
#include "policy/parse.h"
#include "tests/differential/random_documents.h"
#include "tests/differential/random_source.h"
#include "tests/differential/test_network.h"

namespace drywall::test {
namespace {

using Files = std::vector<yaml::SourceFile>;
constexpr std::uint64_t directories = 300;

/// Random documents over three files, as blocks, with comments and odd line endings. Nothing learns.
Files random_files(std::uint64_t seed) {
  Random random(seed);
  std::vector<Documents> parts(3);
  for (YamlValue& document : random_documents(seed, EarlyPolicies::allowed)) {
    YamlValue* spec = document.find("spec");
    YamlValue* action = spec == nullptr ? nullptr : spec->find("stagedAction");
    if (action != nullptr && action->text == "Learn") action->text = "Set";
    parts[random.below(3)].push_back(std::move(document));
  }
  Files files;
  for (const Documents& part : parts) {
    std::string text = random.chance(2) ? "# File " + std::to_string(files.size()) + "\n" : "";
    text += to_yaml(part);
    if (random.chance(4)) {
      std::string windows;
      for (const char c : text) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
      text = windows;
    }
    files.push_back({std::string(1, static_cast<char>('a' + files.size())) + ".yaml", text});
  }
  return files;
}

Files after(Files files, const Edited& edited) {
  for (const FileEdit& edit : edited.edits) {
    const auto file = std::ranges::find(files, edit.file, &yaml::SourceFile::name);
    if (edit.after) {
      file->text = *edit.after;
    } else {
      files.erase(file);
    }
  }
  return files;
}

Inventory parsed(const Files& files) {
  Parsed parsed = parse(files);
  for (const Diagnostic& diagnostic : parsed.diagnostics) {
    EXPECT_EQ(diagnostic.severity, Severity::warning) << to_string(diagnostic);
  }
  return std::move(parsed.inventory);
}

/// Without what may differ: names of staged kinds and what is made of them, places, and whom an end of tier blames,
/// which the two worlds tell differently on purpose.
Plan comparable(Plan plan) {
  plan.world = World::enforced;
  for (std::size_t i = 0; i < plan.policies.size(); ++i) {
    plan.policies.edit(i, [](PlannedPolicy& policy) {
      policy.id.kind = enforced_kind(policy.id.kind);
      policy.at = {};
      for (PlannedRule& rule : policy.rules) {
        rule.id = 0;
        rule.at = {};
      }
    });
  }
  for (PlannedEndpoint& endpoint : plan.endpoints) {
    endpoint.at = {};
    for (PlannedLeg& leg : endpoint.legs) {
      for (PlannedTier& tier : leg.tiers) {
        tier.end.blamed = 0;
        tier.end.id = 0;
      }
    }
  }
  return plan;
}

std::vector<PolicyId> staged_policies(const Inventory& inventory, StagedAction but) {
  std::vector<PolicyId> ids;
  for (const Policy& policy : inventory.policies) {
    if (is_staged(policy.id.kind) && policy.staged_action != but) ids.push_back(policy.id);
  }
  return ids;
}

TEST(Promotion, EnforcesWhatWasPending) {
  std::size_t promoted = 0;
  for (std::uint64_t seed = 0; seed < directories; ++seed) {
    const Files files = random_files(seed);
    const Inventory before = parsed(files);
    const std::vector<PolicyId> ids = staged_policies(before, StagedAction::ignore);
    const Edited edited = promote(files, ids);
    ASSERT_EQ(edited.refusals, Diagnostics{}) << "seed " << seed << ": " << to_string(edited.refusals[0]);
    const Inventory now = parsed(after(files, edited));
    ASSERT_EQ(comparable(compile(now, policed_host(), World::enforced)),
              comparable(compile(before, policed_host(), World::pending)))
        << "seed " << seed;
    promoted += ids.size();
  }
  EXPECT_GT(promoted, directories);
}

TEST(Promotion, OfSomePoliciesLeavesTheOthersStaged) {
  for (std::uint64_t seed = 0; seed < directories; ++seed) {
    Random random(seed);
    const Files files = random_files(seed);
    const Inventory before = parsed(files);
    std::vector<PolicyId> ids = staged_policies(before, StagedAction::ignore);
    ids = random.some(ids, random.below(ids.size() + 1));
    const Edited edited = promote(files, ids);
    ASSERT_EQ(edited.refusals, Diagnostics{}) << "seed " << seed;
    const Inventory now = parsed(after(files, edited));
    ASSERT_EQ(comparable(compile(now, policed_host(), World::pending)),
              comparable(compile(before, policed_host(), World::pending)))
        << "seed " << seed;
  }
}

/// The lines of `text` that the other text has too, in order, are all its lines but those of removed documents: what a
/// promotion does not mean, it does not touch.
TEST(Promotion, ChangesNoLineButThoseThatItMeans) {
  for (std::uint64_t seed = 0; seed < directories; ++seed) {
    const Files files = random_files(seed);
    const Edited edited = promote(files, staged_policies(parsed(files), StagedAction::ignore));
    for (const FileEdit& edit : edited.edits) {
      if (!edit.after) continue;
      std::size_t from = 0;
      const std::string& before = *edit.before;
      for (std::size_t at = 0; at < edit.after->size();) {
        const std::size_t end = edit.after->find('\n', at);
        std::string line = edit.after->substr(at, end == std::string::npos ? end : end + 1 - at);
        at += line.size();
        std::size_t found = before.find(line, from);
        while (found != std::string::npos && found > 0 && before[found - 1] != '\n')
          found = before.find(line, found + 1);
        if (found == std::string::npos) {
          const bool is_meant = line.starts_with("kind: ") || line.starts_with("apiVersion: networking.k8s.io/v1");
          ASSERT_TRUE(is_meant) << "seed " << seed << ": " << line;
        } else {
          from = line.starts_with("kind: ") || line.starts_with("apiVersion: ") ? from : found + line.size();
        }
      }
    }
  }
}

TEST(Promotion, AndDemotionRestoreTheMeaning) {
  for (std::uint64_t seed = 0; seed < directories; ++seed) {
    const Files files = random_files(seed);
    const Inventory before = parsed(files);
    std::vector<PolicyId> ids;  // of those that replace or remove nothing
    std::vector<PolicyId> enforced;
    for (const Policy& policy : before.policies) {
      const PolicyId twin{enforced_kind(policy.id.kind), policy.id.ns, policy.id.name};
      const bool alone = std::ranges::none_of(before.policies, [&](const Policy& p) { return p.id == twin; });
      if (!is_staged(policy.id.kind) || policy.staged_action != StagedAction::set || !alone) continue;
      ids.push_back(policy.id);
      enforced.push_back(twin);
    }
    const Files there = after(files, promote(files, ids));
    const Edited back = demote(there, enforced);
    ASSERT_EQ(back.refusals, Diagnostics{}) << "seed " << seed;
    const Inventory now = parsed(after(there, back));
    for (const World world : {World::enforced, World::pending}) {
      ASSERT_EQ(comparable(compile(now, policed_host(), world)), comparable(compile(before, policed_host(), world)))
          << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace drywall::test
