// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/overdue.h"

#include <gtest/gtest.h>

#include <string>

namespace drywall {
namespace {

using namespace std::chrono_literals;
const std::chrono::sys_seconds now = std::chrono::sys_days(std::chrono::year(2026) / 12 / 31) + 12h;

Inventory staged(const std::string& review = "", PolicyKind kind = PolicyKind::staged_network_policy) {
  Policy policy;
  policy.id = {kind, "prod", "lockdown"};
  policy.at = {"lockdown.yaml", 1, 1};
  if (!review.empty()) policy.annotations[std::string(review_annotation)] = review;
  Inventory inventory;
  inventory.policies.push_back(policy);
  return inventory;
}

std::string codes(const Inventory& inventory, std::chrono::seconds age = 1h) {
  std::string out;
  for (const Diagnostic& diagnostic : overdue(inventory, now, [&](const PolicyId&) { return now - age; })) {
    out += diagnostic.code + " ";
  }
  return out;
}

TEST(Overdue, WarnsOfWhatHasBeenStagedForMoreThanThirtyDays) {
  EXPECT_EQ(codes(staged(), 24h * 30), "");
  EXPECT_EQ(codes(staged(), 24h * 30 + 1s), "staged-long ");
  EXPECT_EQ(codes(staged("", PolicyKind::network_policy), 24h * 400), "");
}

TEST(Overdue, WarnsWhenTheDayOfReviewIsOver) {
  EXPECT_EQ(codes(staged("2026-12-30")), "review-due ");
  EXPECT_EQ(codes(staged("2026-12-31")), "");
  EXPECT_EQ(codes(staged("2026-12-31T12:00:00Z")), "review-due ");
  EXPECT_EQ(codes(staged("2026-12-31T12:00:01Z")), "");
}

TEST(Overdue, WarnsOfADateThatIsNone) {
  for (const char* text : {"tomorrow", "2026-13-01", "2026-02-30", "2026-1-1", "31.12.2026", "2026-12-31T25:00:00Z",
                           "2026-12-31 12:00:00", "2026-12-31T12:00:00"}) {
    EXPECT_EQ(codes(staged(text)), "bad-review-date ") << text;
  }
}

}  // namespace
}  // namespace drywall
