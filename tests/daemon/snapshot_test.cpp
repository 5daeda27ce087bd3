// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/snapshot_writer.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryDirectory;
using testing::write;

Snapshot snapshot(std::uint64_t generation) {
  return {generation,
          std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(1'700'000'000'123'456)),
          std::string(64, 'a'),
          {{"/etc/drywall/policy.d/a.yaml", "a: 1\n"}, {"/etc/drywall/policy.d/../x\n.yaml", ""}},
          yaml::SourceFile{"/etc/drywall/drywall.yaml", "watch: false\n"}};
}

TEST(Store, GivesBackWhatWasSaved) {
  const TemporaryDirectory state;
  ASSERT_TRUE(save_snapshot(state.path(), snapshot(12)));
  EXPECT_EQ(load_snapshot(state.path()).value(), snapshot(12));
}

TEST(Store, HasNothingAtFirst) {
  const TemporaryDirectory state;
  EXPECT_EQ(load_snapshot(state.path()).value(), std::nullopt);
}

TEST(Store, KeepsTheNewestAndNothingElse) {
  const TemporaryDirectory state;
  for (std::uint64_t generation = 1; generation <= 3; ++generation) {
    ASSERT_TRUE(save_snapshot(state.path(), snapshot(generation)));
  }
  EXPECT_EQ(load_snapshot(state.path()).value()->generation, 3U);
  EXPECT_EQ(std::distance(fs::directory_iterator(state.path()), fs::directory_iterator()), 1);
}

TEST(Store, IsTheOldOneAfterACrashWhileWriting) {
  const TemporaryDirectory state;
  ASSERT_TRUE(save_snapshot(state.path(), snapshot(1)));
  fs::create_directories(state / "last-good.new/policy.d");
  write(state / "last-good.new/policy.d/000000.yaml", "half");
  EXPECT_EQ(load_snapshot(state.path()).value()->generation, 1U);
  ASSERT_TRUE(save_snapshot(state.path(), snapshot(2)));
  EXPECT_EQ(load_snapshot(state.path()).value()->generation, 2U);
}

TEST(Store, RefusesWhatWasChangedBehindItsBack) {
  const TemporaryDirectory state;
  ASSERT_TRUE(save_snapshot(state.path(), snapshot(1)));
  write(state / "last-good/policy.d/000000.yaml", "a: 2\n");
  const auto loaded = load_snapshot(state.path());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(to_string(loaded.error()),
            "cannot read " + (state / "last-good/policy.d/000000.yaml") + ": it is not what was saved");
}

TEST(Store, RefusesAManifestOfAnyOtherShape) {
  const TemporaryDirectory state;
  ASSERT_TRUE(save_snapshot(state.path(), snapshot(1)));
  for (const char* text : {"", "[]", "{}", R"({"format":2})", R"({"format":1,"generation":"x"})",
                           R"({"format":1,"files":[1]})", R"({"format":1,"files":{"a":1}})"}) {
    write(state / "last-good/manifest.json", text);
    EXPECT_FALSE(load_snapshot(state.path())) << text;
  }
}

TEST(SnapshotWriter, HasSavedTheNewestWhenItEnds) {
  const TemporaryDirectory state;
  {
    SnapshotWriter writer(state.path());
    for (std::uint64_t generation = 1; generation <= 20; ++generation) writer.save(snapshot(generation));
  }
  EXPECT_EQ(load_snapshot(state.path()).value()->generation, 20U);
}

TEST(SnapshotWriter, TellsWhyItCouldNotSave) {
  const TemporaryDirectory state;
  SnapshotWriter writer(state / "missing");
  writer.save(snapshot(1));
  for (int i = 0; i < 500 && !writer.failure(); ++i) usleep(10'000);
  ASSERT_TRUE(writer.failure());
  EXPECT_EQ(writer.failure()->error, ENOENT);
}

}  // namespace
}  // namespace drywall
