// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/evidence_audit.h"

#include <gtest/gtest.h>

namespace drywall {
namespace {

constexpr RuleTag denied{World::enforced, LegPoint::host, Direction::ingress, Action::deny, 1};
constexpr RuleTag allowed{World::enforced, LegPoint::host, Direction::ingress, Action::allow, 2};
constexpr RuleTag would_allow{World::pending, LegPoint::host, Direction::ingress, Action::allow, 3};
constexpr RuleTag untracked{World::enforced, LegPoint::untracked, Direction::ingress, Action::allow, 4};

KernelCounts counted(std::uint64_t hits, std::uint64_t limited = 0, std::uint64_t full = 0) {
  return {{{denied, {hits, 0}}}, limited, full};
}

void hear(EvidenceAudit& audit, std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) audit.hear(denied);
}

TEST(EvidenceAudit, AuditsWhatLogsEachHit) {
  EXPECT_TRUE(EvidenceAudit::is_audited(denied, LogEnforced::all));
  EXPECT_TRUE(EvidenceAudit::is_audited(would_allow, LogEnforced::none));
  EXPECT_TRUE(EvidenceAudit::is_audited(untracked, LogEnforced::all));
  EXPECT_FALSE(EvidenceAudit::is_audited(untracked, LogEnforced::deny));
  EXPECT_FALSE(EvidenceAudit::is_audited(allowed, LogEnforced::all));
  EXPECT_FALSE(EvidenceAudit::is_audited(denied, LogEnforced::none));
}

TEST(EvidenceAudit, AHitWithoutMessageIsUnheardOnceItIsOldEnough) {
  EvidenceAudit audit;
  audit.replace("a");
  hear(audit, 3);
  audit.read(counted(5), "a", {});
  EXPECT_EQ(audit.findings().unheard, 0U);  // two may be under way
  audit.read(counted(5), "a", {});
  EXPECT_EQ(audit.findings().unheard, 2U);
}

TEST(EvidenceAudit, WhatTheLimiterKeptBackIsNotUnheard) {
  EvidenceAudit audit;
  audit.replace("a");
  hear(audit, 3);
  for (int i = 0; i < 2; ++i) audit.read(counted(10, 4, 3), "a", {});
  EXPECT_EQ(audit.findings().unheard, 0U);
  EXPECT_EQ(audit.findings().limited, 4U);
  EXPECT_EQ(audit.findings().full, 3U);
}

TEST(EvidenceAudit, FindingsOutliveTheRulesTheyAreOf) {
  EvidenceAudit audit;
  audit.replace("a");
  for (int i = 0; i < 2; ++i) audit.read(counted(5, 1, 1), "a", {});
  audit.replace("b");
  for (int i = 0; i < 2; ++i) audit.read(counted(0), "b", {});
  EXPECT_EQ(audit.findings().unheard, 3U);
  EXPECT_EQ(audit.findings().limited, 1U);
}

TEST(EvidenceAudit, HitsOfRulesThatStayAreNotCountedTwice) {
  EvidenceAudit audit;
  audit.replace("a");
  hear(audit, 5);
  for (int i = 0; i < 2; ++i) audit.read(counted(5), "a", {});
  audit.change("b", counted(5));
  hear(audit, 2);
  for (int i = 0; i < 2; ++i) audit.read(counted(8), "b", {});
  EXPECT_EQ(audit.findings().unheard, 1U);
  EXPECT_EQ(audit.mark().heard, 7U);
}

TEST(EvidenceAudit, HitsCountFromTheReadingAfterAChangeThatReadNothing) {
  EvidenceAudit audit;
  audit.replace("a");
  hear(audit, 5);
  for (int i = 0; i < 2; ++i) audit.read(counted(5), "a", {});
  audit.change_unread("b", {});
  hear(audit, 1);
  audit.read(counted(6), "b", {});  // from here on they count
  hear(audit, 2);
  for (int i = 0; i < 2; ++i) audit.read(counted(9), "b", {});
  EXPECT_EQ(audit.findings().unheard, 1U);
  EXPECT_EQ(audit.mark().heard, 8U);
}

TEST(EvidenceAudit, NoHitThatWasNotLoggedIsForgottenAtAChange) {
  EvidenceAudit audit;
  audit.replace("a");
  audit.read(counted(3, 2, 1), "a", {});
  audit.change_unread("b", {{}, 7, 1});  // five more since the reading
  EXPECT_EQ(audit.findings().limited, 7U);
  audit.read(counted(12, 9, 2), "b", {});
  EXPECT_EQ(audit.findings().limited, 9U);
  EXPECT_EQ(audit.findings().full, 2U);
  EXPECT_EQ(audit.findings().unheard, 0U);
}

TEST(EvidenceAudit, BetweenAChangeAndTheReadingThereIsNoMark) {
  EvidenceAudit audit;
  audit.replace("a");
  hear(audit, 1);
  audit.change_unread("b", {});
  EXPECT_EQ(audit.mark(), EvidenceAudit::Mark{});
  audit.read(counted(4), "b", {});
  EXPECT_EQ(audit.mark(), (EvidenceAudit::Mark{"b", 4}));
}

TEST(EvidenceAudit, CountersThatGoBackAreOfOtherRules) {
  EvidenceAudit audit;
  audit.replace("a");
  hear(audit, 5);
  for (int i = 0; i < 2; ++i) audit.read(counted(5), "a", {});
  hear(audit, 1);
  for (int i = 0; i < 2; ++i) audit.read(counted(2), "a", {});
  EXPECT_EQ(audit.findings().unheard, 2U);
}

TEST(EvidenceAudit, TellsWhatWasLoggedBetweenTwoRuns) {
  EvidenceAudit before;
  before.replace("a");
  hear(before, 4);
  EvidenceAudit after;
  for (int i = 0; i < 2; ++i) after.read(counted(9), "a", parse_mark(to_string(before.mark())));
  EXPECT_EQ(after.findings().unheard, 5U);
}

TEST(EvidenceAudit, ClaimsNothingOfRulesThatAnotherRunLeftWithoutAMark) {
  EvidenceAudit audit;
  for (int i = 0; i < 2; ++i) audit.read(counted(9), "a", EvidenceAudit::Mark{"b", 2});
  EXPECT_EQ(audit.findings().unheard, 0U);
}

TEST(EvidenceAudit, AMarkThatIsNoneIsNone) {
  for (const char* text : {"", "a", "a 1", "a -1\n", "a 1 \n", "a x\n", " \n"}) EXPECT_FALSE(parse_mark(text)) << text;
}

}  // namespace
}  // namespace drywall
