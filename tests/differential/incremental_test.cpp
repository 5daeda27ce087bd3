// SPDX-License-Identifier: GPL-2.0-or-later
// A generation built with what the last build found out is the one that is built from nothing, whatever was edited.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "daemon/generation.h"
#include "render/change.h"
#include "tests/differential/random_documents.h"
#include "tests/differential/random_source.h"
#include "tests/differential/test_network.h"

namespace drywall::test {
namespace {

/// A policy directory of a few files that somebody keeps changing.
class EditedDirectory {
 public:
  explicit EditedDirectory(std::uint64_t seed) : random_(seed), seed_(seed) {
    const Host host = policed_host();
    machine_ = {host.node, host.interfaces, {}};
    for (YamlValue& document : random_documents(seed, EarlyPolicies::allowed))
      files_[random_.below(files_.size())].documents.push_back(std::move(document));
  }

  void edit() {
    switch (random_.below(9)) {
      case 0:
        return remove_document();
      case 1:
        return add_from_elsewhere();
      case 2:
        return change_a_text("Allow", "Deny");
      case 3:
        return change_a_text("ports: [", "ports: [7, ");
      case 4:
        file().blank_lines = random_.below(4);
        return;
      case 5:
        std::ranges::reverse(file().documents);
        return;
      case 6:
        return move_document();
      case 7:
        config_.deny_action = random_.pick({DenyAction::drop, DenyAction::reject});
        config_.log_enforced = random_.pick({LogEnforced::all, LogEnforced::deny});
        return;
      default:
        return change_the_machine();
    }
  }

  [[nodiscard]] Built build() const { return drywall::build(files(), config_, machine_); }
  [[nodiscard]] Built build(BuildMemo& memo) const { return drywall::build(files(), config_, machine_, memo); }

 private:
  struct File {
    Documents documents;
    std::size_t blank_lines = 0;
    std::vector<std::pair<std::string, std::string>> replaced;
  };

  [[nodiscard]] SharedList<yaml::SourceFile> files() const {
    SharedList<yaml::SourceFile> files;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      if (files_[i].documents.empty()) continue;
      std::string text = std::string(files_[i].blank_lines, '\n') + to_yaml(files_[i].documents);
      for (const auto& [old, fresh] : files_[i].replaced) {
        if (const std::size_t at = text.find(old); at != std::string::npos) text.replace(at, old.size(), fresh);
      }
      files.push_back(yaml::SourceFile{fmt::format("p/{}.yaml", i), std::move(text)});
    }
    return files;
  }

  File& file() { return files_[random_.below(files_.size())]; }
  File& file_with_documents() {
    File& chosen = file();
    return chosen.documents.empty()
               ? *std::ranges::max_element(files_, {}, [](const File& f) { return f.documents.size(); })
               : chosen;
  }
  YamlValue take(File& from) {
    const std::size_t position = random_.below(from.documents.size());
    YamlValue taken = std::move(from.documents[position]);
    from.documents.erase(from.documents.begin() + static_cast<std::ptrdiff_t>(position));
    return taken;
  }

  void remove_document() { std::ignore = take(file_with_documents()); }
  void move_document() {
    YamlValue moved = take(file_with_documents());
    file().documents.push_back(std::move(moved));
  }
  /// Often a duplicate, which is a mistake: then nothing is built, and what is known must stay right.
  void add_from_elsewhere() {
    const Documents others = random_documents(seed_ + 1000 + random_.below(50), EarlyPolicies::allowed);
    file().documents.push_back(random_.pick(others));
  }
  void change_a_text(const std::string& old, const std::string& fresh) {
    auto& replaced = file().replaced;
    replaced.clear();
    replaced.emplace_back(old, fresh);
  }
  void change_the_machine() {
    for (Interface& interface : machine_.interfaces) {
      if (!interface.addresses.empty() && random_.chance(2)) interface.addresses.pop_back();
    }
    if (random_.chance(3)) machine_.interfaces = policed_host().interfaces;
  }

  Random random_;
  std::uint64_t seed_;
  std::vector<File> files_ = std::vector<File>(4);
  Config config_;
  Machine machine_;
};

TEST(Incremental, AGenerationIsTheOneThatIsBuiltFromNothing) {
  std::size_t built = 0;
  std::size_t shared = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    EditedDirectory directory(seed);
    BuildMemo memo;
    std::shared_ptr<const Generation> before;
    std::shared_ptr<const Generation> before_from_nothing;
    for (int edit = 0; edit < 25; ++edit) {
      const Built incremental = directory.build(memo);
      const Built from_nothing = directory.build();
      const std::string place = fmt::format("seed {}, edit {}", seed, edit);
      ASSERT_EQ(incremental.diagnostics, from_nothing.diagnostics) << place;
      ASSERT_EQ(incremental.generation == nullptr, from_nothing.generation == nullptr) << place;
      directory.edit();
      if (incremental.generation == nullptr) continue;
      ++built;
      const Generation& left = *incremental.generation;
      const Generation& right = *from_nothing.generation;
      ASSERT_EQ(left.inventory, right.inventory) << place;
      ASSERT_EQ(*left.enforced, *right.enforced) << place;
      ASSERT_EQ(*left.pending, *right.pending) << place;
      ASSERT_EQ(left.ruleset, right.ruleset) << place;
      ASSERT_EQ(left.rendering, right.rendering) << place;
      ASSERT_TRUE(left == right) << place;
      if (before != nullptr) {
        ASSERT_EQ(diff(before->ruleset, left.ruleset), diff(before_from_nothing->ruleset, right.ruleset)) << place;
        const auto policies = unshared(before->enforced->policies, left.enforced->policies);
        shared += left.enforced->policies.size() - policies.right.size();
      }
      before = incremental.generation;
      before_from_nothing = from_nothing.generation;
    }
  }
  EXPECT_GT(built, 300U);    // of 1000: the rest have mistakes
  EXPECT_GT(shared, 3000U);  // compiled policies that two generations share
}

}  // namespace
}  // namespace drywall::test
