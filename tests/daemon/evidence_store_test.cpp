// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/evidence_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace drywall {
namespace {

namespace fs = std::filesystem;
const Timestamp start{std::chrono::microseconds{1'700'000'000'000'000}};

class EvidenceStoreTest : public testing::Test {
 protected:
  EvidenceStoreTest() {
    std::string pattern = fs::temp_directory_path() / "drywall-evidence-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~EvidenceStoreTest() override { fs::remove_all(directory_); }

  [[nodiscard]] KeptEvidence kept() const {
    KeptEvidence found;
    EXPECT_TRUE(EvidenceStore::open(directory_, found));
    return found;
  }

  std::string directory_;
};

Encounter encounter(const std::string& source, Timestamp last) {
  Encounter out;
  out.leg = {{EndpointKind::workload, "prod", "web"}, Bucket::forward, Direction::egress};
  out.interface = "eth0";
  out.packet = {*parse_address(source), *parse_address("2001:db8::1"), protocol::udp, 40000, 53, 0, 0};
  out.pending = Verdict::deny;
  out.connections.add(start, 3, last);
  return out;
}

EvidenceStore::Changes changes_of(const std::vector<Encounter>& encounters) {
  EvidenceStore::Changes changes;
  for (const Encounter& one : encounters) {
    changes.encounters.push_back({key_of(one.leg, one.interface, one.packet), one});
  }
  return changes;
}

TEST_F(EvidenceStoreTest, KeepsEvidenceFromRunToRun) {
  const PolicyId id{PolicyKind::staged_network_policy, "prod", "lockdown"};
  const Encounter newer = encounter("2001:db8::2", start + std::chrono::seconds(9));
  const Encounter older = encounter("2001:db8::3", start + std::chrono::seconds(1));
  EpochTally lost;
  lost.add(start, 7, start);
  {
    KeptEvidence empty;
    const auto store = EvidenceStore::open(directory_, empty);
    ASSERT_TRUE(store);
    EXPECT_TRUE(empty.encounters.empty());
    EvidenceStore::Changes changes = changes_of({newer, older});
    changes.contents = PolicyContents{{id, {"abc", start}}};
    changes.lost = lost;
    (*store)->save(std::move(changes));
  }
  const KeptEvidence found = kept();
  EXPECT_EQ(found.encounters, (std::vector{older, newer}));
  EXPECT_EQ(found.contents, (PolicyContents{{id, {"abc", start}}}));
  EXPECT_EQ(found.lost, lost);
}

TEST_F(EvidenceStoreTest, ForgetsWhatWasForgotten) {
  const Encounter one = encounter("2001:db8::2", start);
  {
    KeptEvidence empty;
    const auto store = EvidenceStore::open(directory_, empty);
    (*store)->save(changes_of({one}));
    EvidenceStore::Changes gone;
    gone.encounters.push_back({key_of(one.leg, one.interface, one.packet), std::nullopt});
    (*store)->save(std::move(gone));
  }
  EXPECT_TRUE(kept().encounters.empty());
}

TEST_F(EvidenceStoreTest, PutsADamagedDatabaseAsideAndBeginsAnew) {
  std::ofstream(directory_ + "/evidence.db") << std::string(8192, 'x');
  KeptEvidence found;
  const auto store = EvidenceStore::open(directory_, found);
  ASSERT_TRUE(store) << to_string(store.error());
  EXPECT_EQ((*store)->put_aside(), directory_ + "/evidence.db.damaged");
  EXPECT_TRUE(fs::exists(directory_ + "/evidence.db.damaged"));
}

TEST_F(EvidenceStoreTest, LeavesANewerFormatAsItIs) {
  std::ignore = kept();
  {
    std::fstream file(directory_ + "/evidence.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60);  // user_version, big endian (sqlite.org/fileformat2.html)
    file.write("\0\0\0\x09", 4);
  }
  KeptEvidence found;
  const auto store = EvidenceStore::open(directory_, found);
  ASSERT_FALSE(store);
  EXPECT_NE(to_string(store.error()).find("format 9"), std::string::npos) << to_string(store.error());
  EXPECT_TRUE(fs::exists(directory_ + "/evidence.db"));
}

TEST_F(EvidenceStoreTest, SaysWhatItCannotOpen) {
  KeptEvidence found;
  const auto store = EvidenceStore::open(directory_ + "/nowhere", found);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().object, directory_ + "/nowhere/evidence.db");
}

}  // namespace
}  // namespace drywall
