// SPDX-License-Identifier: GPL-2.0-or-later
#include "render/kernel_log.h"

#include <gtest/gtest.h>

namespace drywall {
namespace {

PlannedPolicy policy(PolicyKind kind, std::string ns, std::string name) {
  return {{kind, std::move(ns), std::move(name)}, "default", Direction::ingress, {}, {}};
}

TEST(KernelLogPrefix, SaysWhichPolicyItIs) {
  const PlannedPolicy global = policy(PolicyKind::global_network_policy, "", "ep2-4");
  EXPECT_EQ(kernel_log_prefix("drywall", global), "drywall: ");
  EXPECT_EQ(kernel_log_prefix("aXy9%n%%t %k %p", global), "aXy9ep2-4%default gnp ep2-4: ");
  EXPECT_EQ(kernel_log_prefix("%k %p", policy(PolicyKind::network_policy, "shop", "web")), "np shop/web: ");
  EXPECT_EQ(kernel_log_prefix("%x%", global), "%x%: ");
}

TEST(KernelLogPrefix, FitsTheKernelAndNeverEndsAWord) {
  const PlannedPolicy global = policy(PolicyKind::global_network_policy, "", std::string(200, 'n'));
  EXPECT_EQ(kernel_log_prefix("%n", global).size(), 127U);
  EXPECT_TRUE(kernel_log_prefix("%n", global).ends_with(": "));
  EXPECT_EQ(kernel_log_prefix("a\"b\\c\nd", global), "a_b_c_d: ");
}

}  // namespace
}  // namespace drywall
