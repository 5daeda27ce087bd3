// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/snapshot_writer.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;
using testing::TemporaryDirectory;
using testing::write;

Snapshot snapshot(std::uint64_t generation) {
  return {generation,
          std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(1'700'000'000'123'456)),
          std::string(64, 'a'),
          {{"/etc/drywall/policy.d/a.yaml", "a: 1\n"}, {"/etc/drywall/policy.d/../x\n.yaml", ""}},
          yaml::SourceFile{"/etc/drywall/drywall.yaml", "watch: false\n"}};
}

Bytes batch() {
  return {std::byte{0}, std::byte{10}, std::byte{255}};
}

Result<void> save(const TemporaryDirectory& state, std::uint64_t generation) {
  return save_snapshot(state.path(), snapshot(generation), batch());
}

TEST(Store, GivesBackWhatWasSaved) {
  const TemporaryDirectory state;
  ASSERT_TRUE(save(state, 12));
  EXPECT_EQ(load_snapshot(state.path()).value(), snapshot(12));
  EXPECT_EQ(load_batch(state.path()).value(), (SavedBatch{12, snapshot(12).rendering, batch()}));
}

TEST(Store, HasNothingAtFirst) {
  const TemporaryDirectory state;
  EXPECT_EQ(load_snapshot(state.path()).value(), std::nullopt);
  EXPECT_EQ(load_batch(state.path()).value(), std::nullopt);
}

TEST(Store, KeepsTheNewestAndNothingElse) {
  const TemporaryDirectory state;
  for (std::uint64_t generation = 1; generation <= 3; ++generation) {
    ASSERT_TRUE(save(state, generation));
  }
  EXPECT_EQ(load_snapshot(state.path()).value()->generation, 3U);
  EXPECT_EQ(std::distance(fs::directory_iterator(state.path()), fs::directory_iterator()), 1);
}

TEST(Store, IsTheOldOneAfterACrashWhileWriting) {
  const TemporaryDirectory state;
  ASSERT_TRUE(save(state, 1));
  fs::create_directories(state / "last-good.new/policy.d");
  write(state / "last-good.new/policy.d/000000.yaml", "half");
  EXPECT_EQ(load_snapshot(state.path()).value()->generation, 1U);
  ASSERT_TRUE(save(state, 2));
  EXPECT_EQ(load_snapshot(state.path()).value()->generation, 2U);
}

TEST(Store, RefusesWhatWasChangedBehindItsBack) {
  const TemporaryDirectory state;
  ASSERT_TRUE(save(state, 1));
  write(state / "last-good/policy.d/000000.yaml", "a: 2\n");
  const auto loaded = load_snapshot(state.path());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(to_string(loaded.error()), "cannot read " + (state / "last-good/policy.d/000000.yaml") +
                                           ": it is not what was saved; to do without it: rm -r " +
                                           (state / "last-good") + " && systemctl restart drywalld");
}

TEST(Store, RefusesABatchThatIsNotWholeWhateverElseIs) {
  const TemporaryDirectory state;
  ASSERT_TRUE(save(state, 1));
  for (const char* text : {"", "x"}) {
    write(state / "last-good/ruleset.batch", text);
    EXPECT_FALSE(load_batch(state.path())) << text;
    EXPECT_TRUE(load_snapshot(state.path())) << text;
  }
  fs::remove(state / "last-good/ruleset.batch");
  EXPECT_FALSE(load_batch(state.path()));
}

TEST(Store, NeitherUsesNorReplacesWhatANewerProgramSaved) {
  const TemporaryDirectory state;
  ASSERT_TRUE(save(state, 1));
  write(state / "last-good/manifest.json", R"({"format":3})");
  const std::string reason =
      ": a newer Drywall wrote it (format 3, this one knows 2): install that again; to do without "
      "it: rm -r " +
      (state / "last-good") + " && systemctl restart drywalld";
  const std::string manifest = state / "last-good/manifest.json";
  EXPECT_EQ(to_string(load_snapshot(state.path()).error()), "cannot read " + manifest + reason);
  EXPECT_EQ(to_string(load_batch(state.path()).error()), "cannot read " + manifest + reason);
  EXPECT_EQ(to_string(save(state, 2).error()), "cannot replace " + manifest + reason);
}

TEST(Store, HasNoBatchOfAFormatWithoutOne) {
  const TemporaryDirectory state;
  fs::create_directories(state / "last-good");
  write(state / "last-good/manifest.json", R"({"format":1,"generation":7})");
  EXPECT_EQ(load_snapshot(state.path()).value()->generation, 7U);
  EXPECT_EQ(load_batch(state.path()).value(), std::nullopt);
}

TEST(Store, RefusesAManifestOfAnyOtherShape) {
  const TemporaryDirectory state;
  ASSERT_TRUE(save(state, 1));
  for (const char* text : {"", "[]", "{}", R"({"format":0})", R"({"format":"x"})", R"({"format":1,"generation":"x"})",
                           R"({"format":1,"files":[1]})", R"({"format":1,"files":{"a":1}})"}) {
    write(state / "last-good/manifest.json", text);
    EXPECT_FALSE(load_snapshot(state.path())) << text;
  }
}

TEST(SnapshotWriter, HasSavedTheNewestWhenItEnds) {
  const TemporaryDirectory state;
  {
    SnapshotWriter writer(state.path());
    for (std::uint64_t generation = 1; generation <= 20; ++generation) writer.save(snapshot(generation), batch);
  }
  EXPECT_EQ(load_snapshot(state.path()).value()->generation, 20U);
}

TEST(SnapshotWriter, TellsWhyItCouldNotSave) {
  const TemporaryDirectory state;
  SnapshotWriter writer(state / "missing");
  writer.save(snapshot(1), batch);
  for (int i = 0; i < 500 && !writer.failure(); ++i) usleep(10'000);
  ASSERT_TRUE(writer.failure());
  EXPECT_EQ(writer.failure()->error, ENOENT);
}

}  // namespace
}  // namespace drywall
