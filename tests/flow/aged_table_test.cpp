// SPDX-License-Identifier: GPL-2.0-or-later
#include "flow/aged_table.h"

#include <gtest/gtest.h>

#include <map>

#include "flow/connection_memory.h"

namespace drywall {
namespace {

using Table = AgedTable<2, int>;

TEST(AgedTable, FindsWhatWasInsertedUntilItIsErased) {
  Table table{1};
  const auto one = table.insert({1, 1}, 11);
  const auto two = table.insert({1, 2}, 12);
  EXPECT_EQ(table.find({1, 1}), one);
  EXPECT_EQ(table.value(two), 12);
  EXPECT_EQ(table.find({2, 1}), Table::none);
  table.erase(one);
  EXPECT_EQ(table.find({1, 1}), Table::none);
  EXPECT_EQ(table.find({1, 2}), two);
  EXPECT_FALSE(table.is_live(one));
  EXPECT_EQ(table.size(), 1U);
}

TEST(AgedTable, KeepsTheOrderOfInsertion) {
  Table table{1};
  for (std::uint64_t each = 0; each < 5; ++each) table.insert({each, 0}, static_cast<int>(each));
  table.erase(table.find({0, 0}));
  table.erase(table.find({2, 0}));
  table.erase(table.find({4, 0}));
  table.insert({0, 0}, 5);
  std::vector<int> order;
  for (auto slot = table.oldest(); slot != Table::none; slot = table.newer(slot)) order.push_back(table.value(slot));
  EXPECT_EQ(order, (std::vector{1, 3, 5}));
}

TEST(AgedTable, AgreesWithAMapOverManyRandomSteps) {
  Table table{7};
  std::map<Table::Key, int> expected;
  std::uint32_t random = 1;
  for (int step = 0; step < 50'000; ++step) {
    random = random * 1'664'525 + 1'013'904'223;
    const Table::Key key{random >> 20U, 0};
    const auto slot = table.find(key);
    ASSERT_EQ(slot != Table::none, expected.contains(key));
    if (slot == Table::none) {
      table.insert(key, step);
      expected.emplace(key, step);
    } else {
      ASSERT_EQ(table.value(slot), expected.at(key));
      table.erase(slot);
      expected.erase(key);
    }
    ASSERT_EQ(table.size(), expected.size());
  }
  EXPECT_LE(table.slots(), 4096U);
}

TEST(ConnectionMemory, KnowsWhatItSawInTwoGenerations) {
  ConnectionMemory memory{100};
  EXPECT_TRUE(memory.is_new(1));
  EXPECT_FALSE(memory.is_new(1));
  memory.turn();
  EXPECT_FALSE(memory.is_new(1));
  memory.turn();
  EXPECT_FALSE(memory.is_new(1));
  memory.turn();
  memory.turn();
  EXPECT_TRUE(memory.is_new(1));
}

TEST(ConnectionMemory, ZeroIsAFingerprintLikeOthers) {
  ConnectionMemory memory{100};
  EXPECT_TRUE(memory.is_new(0));
  EXPECT_FALSE(memory.is_new(0));
}

TEST(ConnectionMemory, FullGenerationEndsEarly) {
  ConnectionMemory memory{8};
  for (std::uint64_t each = 1; each <= 9; ++each) EXPECT_TRUE(memory.is_new(each << 32U));
  EXPECT_FALSE(memory.is_new(std::uint64_t{9} << 32U));
  EXPECT_TRUE(memory.is_new(std::uint64_t{1} << 32U));
}

TEST(ConnectionMemory, RemembersManyThatShareTheirLowBits) {
  ConnectionMemory memory{100'000};
  for (std::uint64_t each = 1; each <= 2'000; ++each) EXPECT_TRUE(memory.is_new(each << 40U));
  for (std::uint64_t each = 1; each <= 2'000; ++each) EXPECT_FALSE(memory.is_new(each << 40U));
}

}  // namespace
}  // namespace drywall
