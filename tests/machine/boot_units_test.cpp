// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/boot_units.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

namespace drywall {
namespace {

namespace fs = std::filesystem;

/// The files of a machine that has not been booted.
class BootUnits : public ::testing::Test {
 protected:
  BootUnits() {
    std::string pattern = (fs::temp_directory_path() / "drywall-root-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~BootUnits() override { fs::remove_all(root_); }

  void write(const fs::path& path, std::string_view text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void enable(const std::string& unit) {
    const fs::path wants = root_ / "etc/systemd/system/multi-user.target.wants";
    fs::create_directories(wants);
    fs::create_symlink("/lib/systemd/system/" + unit, wants / unit);
  }
  [[nodiscard]] std::vector<BootUnit> read() const { return read_boot_units(root_); }

 private:
  fs::path root_;
};

TEST_F(BootUnits, AreNoneOnAnEmptyMachine) {
  EXPECT_TRUE(read().empty());
}

TEST_F(BootUnits, CountOnlyIfEnabled) {
  write("lib/systemd/system/nftables.service", "");
  EXPECT_TRUE(read().empty());
  enable("nftables.service");
  ASSERT_EQ(read().size(), 1U);
  EXPECT_TRUE(read()[0].flushes.empty());
}

TEST_F(BootUnits, FlushWhereTheirFilesSaySo) {
  enable("nftables.service");
  write("etc/nftables.conf", "#!/usr/sbin/nft -f\n\nflush ruleset\ntable inet filter {\n}\n");
  EXPECT_EQ(read()[0].flushes, std::vector<std::string>{"/etc/nftables.conf:3"});
}

TEST_F(BootUnits, FlushInFilesThatTheirFilesInclude) {
  enable("nftables.service");
  write("etc/nftables.conf", "include \"/etc/nftables.d/*.nft\"\ninclude \"local.nft\"\n");
  write("etc/nftables.d/a.nft", "table ip x { }; flush ruleset\n");
  write("etc/local.nft", "flush ruleset");
  EXPECT_EQ(read()[0].flushes, (std::vector<std::string>{"/etc/nftables.d/a.nft:1", "/etc/local.nft:1"}));
}

TEST_F(BootUnits, DoNotFlushInComments) {
  enable("nftables.service");
  write("etc/nftables.conf", "# flush ruleset\nflush table ip x # flush ruleset\n");
  EXPECT_TRUE(read()[0].flushes.empty());
}

TEST_F(BootUnits, EndWhenFilesIncludeThemselves) {
  enable("nftables.service");
  write("etc/nftables.conf", "include \"/etc/nftables.conf\"\nflush ruleset\n");
  EXPECT_EQ(read()[0].flushes.size(), 1U);
}

TEST_F(BootUnits, OfUfwCountOnlyIfItIsSwitchedOn) {
  enable("ufw.service");
  write("etc/ufw/ufw.conf", "# ENABLED=yes\nENABLED=no\n");
  EXPECT_TRUE(read().empty());
  write("etc/ufw/ufw.conf", "ENABLED=yes\n");
  EXPECT_EQ(read().size(), 1U);
}

TEST_F(BootUnits, AreBeforeDrywallIfItWaitsForThem) {
  enable("firewalld.service");
  EXPECT_FALSE(read()[0].before_drywall);
  write("lib/systemd/system/drywalld.service", "[Unit]\nAfter=sysinit.target ufw.service\nAfter=firewalld.service\n");
  EXPECT_TRUE(read()[0].before_drywall);
}

}  // namespace
}  // namespace drywall
