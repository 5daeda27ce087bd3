// SPDX-License-Identifier: GPL-2.0-or-later
#include "directory/directory.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "daemon/watch.h"
#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryDirectory;
using testing::write;

std::vector<std::string> names(const DirectoryContents& contents) {
  std::vector<std::string> out;
  for (const yaml::SourceFile& file : contents.files) out.push_back(fs::path(file.name).filename());
  return out;
}

TEST(Directory, GivesPolicyFilesByNameAndNothingElse) {
  const TemporaryDirectory directory;
  for (const char* name : {"b.yaml", "a.yml", "c.json", ".hidden.yaml", "a.yaml~", ".a.yaml.swp", "a.yaml.dpkg-old",
                           "a.yaml.rpmsave", "README"}) {
    write(directory / name, name);
  }
  const DirectoryContents contents = read_directory(directory.path());
  EXPECT_TRUE(contents.diagnostics.empty());
  EXPECT_EQ(names(contents), (std::vector<std::string>{"a.yml", "b.yaml", "c.json"}));
  EXPECT_EQ(contents.files[0].text, "a.yml");
  EXPECT_EQ(contents.files[0].name, directory / "a.yml");
}

TEST(Directory, ReadsAgainOnlyWhatChanged) {
  const TemporaryDirectory directory;
  write(directory / "a.yaml", "a");
  write(directory / "b.yaml", "b");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // the files are old then
  DirectoryMemo memo;
  const DirectoryContents first = read_directory(directory.path(), {}, memo);
  write(directory / "b.new", "c");
  fs::rename(directory / "b.new", directory / "b.yaml");
  const DirectoryContents second = read_directory(directory.path(), {}, memo);
  EXPECT_EQ(second.files.shared(0), first.files.shared(0));
  EXPECT_EQ(second.files[1].text, "c");
  EXPECT_EQ(second, read_directory(directory.path()));
}

TEST(Directory, ReadsAFileAgainThatHadJustChanged) {
  const TemporaryDirectory directory;
  DirectoryMemo memo;
  for (int i = 0; i < 100; ++i) {  // in place, of one size, and often within one tick of the clock that files have
    const std::string text(1, static_cast<char>('a' + i % 26));
    write(directory / "a.yaml", text);
    ASSERT_EQ(read_directory(directory.path(), {}, memo).files[0].text, text);
  }
}

TEST(Directory, FollowsLinks) {
  const TemporaryDirectory directory;
  fs::create_directories(directory / "v1");
  write(directory / "v1/web.yaml", "web");
  fs::create_symlink("v1", directory / "..data");
  fs::create_symlink("..data/web.yaml", directory / "web.yaml");
  fs::create_symlink(directory.path(), directory / "loop");
  EXPECT_EQ(names(read_directory(directory / "loop")), (std::vector<std::string>{"web.yaml"}));
}

TEST(Directory, NamesWhatItCannotRead) {
  const TemporaryDirectory directory;
  fs::create_symlink("nowhere", directory / "dangling.yaml");
  fs::create_directories(directory / "sub.yaml");
  ASSERT_EQ(mkfifo((directory / "pipe.yaml").c_str(), 0600), 0);  // must not be waited for
  write(directory / "ok.yaml", "");
  const DirectoryContents contents = read_directory(directory.path());
  EXPECT_EQ(names(contents), (std::vector<std::string>{"ok.yaml"}));
  ASSERT_EQ(contents.diagnostics.size(), 3U);
  EXPECT_EQ(contents.diagnostics[0].at.file, directory / "dangling.yaml");
  EXPECT_EQ(contents.diagnostics[1].message, "cannot read " + (directory / "pipe.yaml") + ": it is not a regular file");
  EXPECT_EQ(contents.diagnostics[2].message, "cannot read " + (directory / "sub.yaml") + ": Is a directory");
  EXPECT_TRUE(has_errors(contents.diagnostics));
}

TEST(Directory, ThatIsMissingIsAnError) {
  const TemporaryDirectory directory;
  const DirectoryContents contents = read_directory(directory / "policy.d");
  ASSERT_EQ(contents.diagnostics.size(), 1U);
  EXPECT_EQ(contents.diagnostics[0].message, "cannot open " + (directory / "policy.d") + ": No such file or directory");
}

TEST(Directory, IsBounded) {
  const TemporaryDirectory directory;
  write(directory / "a.yaml", std::string(100, 'a'));
  write(directory / "b.yaml", std::string(100, 'b'));
  write(directory / "c.yaml", std::string(100, 'c'));
  EXPECT_TRUE(read_directory(directory.path(), {.file_bytes = 100, .total_bytes = 300}).diagnostics.empty());
  EXPECT_EQ(read_directory(directory.path(), {.file_bytes = 99}).diagnostics.size(), 3U);
  EXPECT_EQ(read_directory(directory.path(), {.files = 2}).diagnostics[0].code, "too-many-files");
  EXPECT_EQ(read_directory(directory.path(), {.total_bytes = 299}).diagnostics[0].code, "directory-too-large");
}

TEST(Debounce, ActsOnceChangesPauseAndNeverLaterThanItsPatience) {
  using std::chrono::milliseconds;
  const Debounce::Time start{};
  Debounce changes;
  EXPECT_FALSE(changes.due(milliseconds(200)));
  changes.change(start);
  EXPECT_EQ(changes.due(milliseconds(200)), start + milliseconds(200));
  changes.change(start + milliseconds(150));
  EXPECT_EQ(changes.due(milliseconds(200)), start + milliseconds(350));
  changes.change(start + milliseconds(950));
  EXPECT_EQ(changes.due(milliseconds(200)), start + milliseconds(1000));
  changes.reset();
  EXPECT_FALSE(changes.due(milliseconds(200)));
}

/// A watched directory `policy.d` in a temporary one.
class Watch : public ::testing::Test {
 protected:
  Watch() : watch_(DirectoryWatch::open().value()) {
    fs::create_directories(base_ / "policy.d");
    refresh();
  }
  void refresh() {
    EXPECT_FALSE(watch_.refresh(path_));
    std::ignore = watch_.drain();
  }
  bool notices_now() {
    pollfd poll_fd{watch_.descriptor(), POLLIN, 0};
    poll(&poll_fd, 1, 200);
    return watch_.drain();
  }
  const TemporaryDirectory base_;
  const std::string path_ = base_ / "policy.d";
  DirectoryWatch watch_;
};

TEST_F(Watch, NoticesAFileThatComesChangesAndGoes) {
  EXPECT_FALSE(notices_now());
  write(base_ / "policy.d/a.yaml", "a");
  EXPECT_TRUE(notices_now());
  fs::rename(base_ / "policy.d/a.yaml", base_ / "policy.d/b.yaml");
  EXPECT_TRUE(notices_now());
  fs::remove(base_ / "policy.d/b.yaml");
  EXPECT_TRUE(notices_now());
  write(base_ / "other", "x");
  EXPECT_FALSE(notices_now());
}

TEST_F(Watch, NoticesAnotherDirectoryInItsPlace) {
  fs::create_directories(base_ / "new");
  fs::rename(path_, base_ / "old");
  fs::rename(base_ / "new", path_);
  EXPECT_TRUE(notices_now());
  refresh();
  write(path_ + "/a.yaml", "a");
  EXPECT_TRUE(notices_now());
  write(base_ / "old/a.yaml", "a");
  EXPECT_FALSE(notices_now());
}

TEST_F(Watch, NoticesADirectoryThatIsRemovedAndMadeAgain) {
  fs::remove(path_);
  EXPECT_TRUE(notices_now());
  refresh();
  fs::create_directories(path_);
  EXPECT_TRUE(notices_now());
}

TEST_F(Watch, NoticesThatALinkOnTheWayLeadsElsewhere) {
  fs::remove(path_);
  fs::create_directories(base_ / "releases/1");
  fs::create_directories(base_ / "releases/2");
  fs::create_symlink("releases/1", base_ / "current");
  fs::create_symlink("current", path_);
  refresh();
  fs::create_symlink("releases/2", base_ / "next");
  fs::rename(base_ / "next", base_ / "current");
  EXPECT_TRUE(notices_now());
}

TEST_F(Watch, NoticesAChangeOfAFileThatALinkLeadsTo) {
  fs::create_directories(base_ / "shared");
  write(base_ / "shared/a.yaml", "1");
  fs::create_symlink("../shared/a.yaml", path_ + "/a.yaml");
  refresh();
  write(base_ / "shared/b.yaml", "not ours");
  EXPECT_FALSE(notices_now());
  write(base_ / "shared/a.yaml", "2");
  EXPECT_TRUE(notices_now());
}

TEST(WatchedPlaces, AreBoundedByEndlessLinks) {
  const TemporaryDirectory base;
  fs::create_symlink("b", base / "a");
  fs::create_symlink("a", base / "b");
  EXPECT_LT(watched_places(base / "a").size(), 10U);
}

}  // namespace
}  // namespace drywall
