// SPDX-License-Identifier: GPL-2.0-or-later
// An edit of the policy directory is whole or not at all, wherever its writer dies.
#include "directory/transaction.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "tests/daemon/kernel.h"

namespace drywall {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryDirectory;
using testing::write;
using Texts = std::map<std::string, std::string>;

/// A policy directory with three files, of which an edit changes one, removes one and adds one.
class Edit : public ::testing::Test {
 protected:
  Edit() {
    fs::create_directories(state());
    fs::create_directories(policies());
    write(policies() + "/a.yaml", "a: 1\n");
    write(policies() + "/b.yaml", "b: 1\n");
    write(policies() + "/c.yaml", "c: 1\n");
  }

  [[nodiscard]] std::string policies() const { return root_ / "policy.d"; }
  [[nodiscard]] std::string state() const { return root_ / "state"; }

  [[nodiscard]] std::vector<FileEdit> edits() const {
    return {{policies() + "/a.yaml", "a: 1\n", "a: 2\n"},
            {policies() + "/b.yaml", "b: 1\n", {}},
            {policies() + "/d.yaml", {}, "d: 2\n"}};
  }

  [[nodiscard]] EditRecord record(std::optional<std::chrono::seconds> confirm_within = {}) const {
    EditRecord record{new_edit_id(),      "promote", "root", policies(),
                      EditPhase::writing, {},        {},     inspect_files(policies(), edits()).value()};
    if (confirm_within) {
      const BootTime now = boot_time();
      record.confirmation = Confirmation{now.boot, now.at + *confirm_within, {}, {}, {}};
    }
    return record;
  }

  [[nodiscard]] Texts on_disk() const {
    Texts texts;
    for (const yaml::SourceFile& file : read_directory(policies()).files) {
      texts[file.name.substr(policies().size() + 1)] = file.text;
    }
    return texts;
  }
  [[nodiscard]] Texts in_force() const {
    Texts texts;
    const EffectiveDirectory effective = read_effective_directory(policies(), state());
    EXPECT_EQ(effective.contents.diagnostics, Diagnostics{});
    for (const yaml::SourceFile& file : effective.contents.files) {
      texts[file.name.substr(policies().size() + 1)] = file.text;
    }
    return texts;
  }
  [[nodiscard]] Recovery::Outcome recover() const {
    const auto lock = lock_edits(state(), Patience::none);
    EXPECT_TRUE(lock);
    const Result<Recovery> recovery = recover_edit(state());
    EXPECT_TRUE(recovery) << to_string(recovery.error());
    return recovery->outcome;
  }

  const Texts before_{{"a.yaml", "a: 1\n"}, {"b.yaml", "b: 1\n"}, {"c.yaml", "c: 1\n"}};
  const Texts after_{{"a.yaml", "a: 2\n"}, {"c.yaml", "c: 1\n"}, {"d.yaml", "d: 2\n"}};

 private:
  TemporaryDirectory root_;
};

TEST_F(Edit, WritesAllFiles) {
  const auto lock = lock_edits(state(), Patience::none);
  EditRecord edit = record();
  ASSERT_TRUE(apply_edit(state(), edit));
  EXPECT_EQ(on_disk(), after_);
  EXPECT_EQ(in_force(), after_);
  ASSERT_TRUE(close_edit(state(), edit, "kept"));
  EXPECT_EQ(in_force(), after_);
}

TEST_F(Edit, CountsOnlyOnceItIsWhole) {
  EditRecord edit = record();
  fs::create_directories(edit_directory(state()));
  ASSERT_TRUE(write_edit_record(state(), edit));
  write(policies() + "/a.yaml", "a: 2\n");
  EXPECT_EQ(in_force(), before_);
  fs::remove(policies() + "/b.yaml");
  EXPECT_EQ(in_force(), before_);
  write(policies() + "/d.yaml", "d: 2\n");
  EXPECT_EQ(in_force(), before_);
  edit.phase = EditPhase::written;
  ASSERT_TRUE(write_edit_record(state(), edit));
  EXPECT_EQ(in_force(), after_);
}

TEST_F(Edit, IsUndoneIfItsWriterDiedWhileWriting) {
  EditRecord edit = record();
  fs::create_directories(edit_directory(state()));
  ASSERT_TRUE(write_edit_record(state(), edit));
  write(policies() + "/a.yaml", "a: 2\n");
  write(policies() + "/.d.yaml.drywall-new", "d:");
  EXPECT_EQ(recover(), Recovery::Outcome::undone);
  EXPECT_EQ(on_disk(), before_);
  EXPECT_FALSE(fs::exists(policies() + "/.d.yaml.drywall-new"));
  EXPECT_EQ(recover(), Recovery::Outcome::nothing);
}

TEST_F(Edit, StaysIfItsWriterDiedAfterTheLastFile) {
  EditRecord edit = record();
  ASSERT_TRUE(lock_edits(state(), Patience::none));
  ASSERT_TRUE(apply_edit(state(), edit));
  EXPECT_EQ(recover(), Recovery::Outcome::kept);
  EXPECT_EQ(on_disk(), after_);
}

TEST_F(Edit, ThatNobodyConfirmedInTimeCountsNoLongerAndIsRolledBack) {
  ASSERT_TRUE(lock_edits(state(), Patience::none));
  EditRecord edit = record(std::chrono::seconds(3600));
  ASSERT_TRUE(apply_edit(state(), edit));
  EXPECT_EQ(recover(), Recovery::Outcome::armed);
  EXPECT_EQ(in_force(), after_);
  edit.confirmation->deadline = boot_time().at;
  ASSERT_TRUE(write_edit_record(state(), edit));
  EXPECT_EQ(in_force(), before_);
  EXPECT_EQ(on_disk(), after_);
  EXPECT_EQ(recover(), Recovery::Outcome::rolled_back);
  EXPECT_EQ(on_disk(), before_);
}

TEST_F(Edit, ThatNobodyConfirmedBeforeTheMachineStartedAgainIsRolledBack) {
  ASSERT_TRUE(lock_edits(state(), Patience::none));
  EditRecord edit = record(std::chrono::seconds(3600));
  ASSERT_TRUE(apply_edit(state(), edit));
  edit.confirmation->boot = "another";
  ASSERT_TRUE(write_edit_record(state(), edit));
  EXPECT_EQ(in_force(), before_);
  EXPECT_EQ(recover(), Recovery::Outcome::rolled_back);
}

TEST_F(Edit, KeepsModeAndAttributes) {
  ASSERT_EQ(chmod((policies() + "/a.yaml").c_str(), 0640), 0);
  ASSERT_EQ(chmod((policies() + "/b.yaml").c_str(), 0600), 0);
  ASSERT_TRUE(lock_edits(state(), Patience::none));
  EditRecord edit = record();
  ASSERT_TRUE(apply_edit(state(), edit));
  const auto mode = [&](const char* name) {
    return static_cast<unsigned>(fs::status(policies() + name).permissions());
  };
  EXPECT_EQ(mode("/a.yaml"), 0640U);
  ASSERT_TRUE(undo_edit(state(), edit, "undone"));
  EXPECT_EQ(mode("/a.yaml"), 0640U);
  EXPECT_EQ(mode("/b.yaml"), 0600U);
  EXPECT_EQ(on_disk(), before_);
}

TEST_F(Edit, RefusesALinkAndNamesIt) {
  fs::rename(policies() + "/a.yaml", state() + "/a.yaml");
  fs::create_symlink(state() + "/a.yaml", policies() + "/a.yaml");
  const auto inspected = inspect_files(policies(), edits());
  ASSERT_FALSE(inspected);
  EXPECT_EQ(to_string(inspected.error()), "cannot edit " + policies() + "/a.yaml: it is a link");
}

TEST_F(Edit, RefusesWhatBelongsToSomebodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_EQ(chown((policies() + "/a.yaml").c_str(), 12345, 0), 0);
  const auto inspected = inspect_files(policies(), edits());
  ASSERT_FALSE(inspected);
  EXPECT_EQ(inspected.error().detail, "it belongs to uid 12345");
}

TEST_F(Edit, RefusesAFileThatWasChangedMeanwhile) {
  write(policies() + "/a.yaml", "a: 7\n");
  const auto inspected = inspect_files(policies(), edits());
  ASSERT_FALSE(inspected);
  EXPECT_EQ(inspected.error().detail, "it was changed meanwhile");
}

TEST_F(Edit, IsUndoneIfAFileChangesUnderIt) {
  ASSERT_TRUE(lock_edits(state(), Patience::none));
  EditRecord edit = record();
  write(policies() + "/d.yaml", "d: mine\n");
  ASSERT_FALSE(apply_edit(state(), edit));
  Texts expected = before_;
  EXPECT_EQ(on_disk(), expected);
  std::string saved;
  std::getline(std::ifstream(policies() + "/d.yaml.drywall-saved"), saved);
  EXPECT_EQ(saved, "d: mine");
}

TEST_F(Edit, KeepsBesideWhatSomebodyWroteBeforeItWasRolledBack) {
  ASSERT_TRUE(lock_edits(state(), Patience::none));
  EditRecord edit = record();
  ASSERT_TRUE(apply_edit(state(), edit));
  write(policies() + "/a.yaml", "a: mine\n");
  EXPECT_EQ(changed_since(edit), std::vector<std::string>{"a.yaml"});
  EXPECT_EQ(undo_edit(state(), edit, "rolled back").value(), std::vector<std::string>{"a.yaml"});
  EXPECT_EQ(on_disk(), before_);
  EXPECT_TRUE(fs::exists(policies() + "/a.yaml.drywall-saved"));
}

TEST_F(Edit, OfOneWriterKeepsOthersOut) {
  const auto lock = lock_edits(state(), Patience::none);
  ASSERT_TRUE(lock);
  const auto second = lock_edits(state(), Patience::none);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().error, EWOULDBLOCK);
}

TEST_F(Edit, ThatCannotBeReadBackStopsTheLoadInsteadOfGuessing) {
  ASSERT_TRUE(lock_edits(state(), Patience::none));
  EditRecord edit = record();
  ASSERT_TRUE(apply_edit(state(), edit));
  write(edit_directory(state()) + "/record", "what is this");
  EXPECT_TRUE(has_errors(read_effective_directory(policies(), state()).contents.diagnostics));
  EXPECT_FALSE(recover_edit(state()));
}

TEST_F(Edit, RecordGivesBackWhatWasWritten) {
  fs::create_directories(edit_directory(state()));
  EditRecord edit = record(std::chrono::seconds(60));
  edit.by = "r\xFFoot\n";
  edit.files[0].name = "x\n\xFE.yaml";
  edit.files[0].traits.attributes = {{"user.note", std::string("\0\xFF", 2)}};
  edit.confirmation->daemon = {"/usr/sbin/drywalld", "--node", "a b"};
  ASSERT_TRUE(write_edit_record(state(), edit));
  EXPECT_EQ(read_edit_record(state()).value(), edit);
}

TEST_F(Edit, IsReadableForADaemonThatIsAnotherUserWhateverTheUmask) {
  const mode_t before = umask(077);
  const auto lock = lock_edits(state(), Patience::none);
  umask(before);
  ASSERT_TRUE(lock);
  struct stat status {};
  ASSERT_EQ(stat(edit_directory(state()).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0755U);
}

}  // namespace
}  // namespace drywall
