// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/edit_helper.h"

#include <gtest/gtest.h>

namespace drywall {
namespace {

TEST(EditHelper, AnswersOfAVerbThatWasDone) {
  const auto result = result_of_answer(R"({"exit":0,"answer":{"generation":7},"messages":"told\n"})");
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)["generation"], 7);
  EXPECT_EQ((*result)["messages"], "told");
  EXPECT_EQ(result_of_answer(R"({"exit":0,"answer":null,"messages":""})"), nlohmann::json::object());
}

TEST(EditHelper, RefusesInTheTermsOfTheBus) {
  const auto kind = [](int exit) {
    const auto result = result_of_answer(R"({"answer":null,"messages":"why","exit":)" + std::to_string(exit) + "}");
    EXPECT_FALSE(result);
    EXPECT_EQ(result.error().message, "why");
    return result.error().kind;
  };
  EXPECT_EQ(kind(1), BusError::Kind::refused);
  EXPECT_EQ(kind(2), BusError::Kind::invalid_arguments);
  EXPECT_EQ(kind(3), BusError::Kind::failed);
  EXPECT_EQ(kind(4), BusError::Kind::access_denied);
  EXPECT_EQ(kind(5), BusError::Kind::kernel_refused);
  EXPECT_EQ(kind(-1), BusError::Kind::failed);
}

TEST(EditHelper, TakesNoNonsenseForAnAnswer) {
  for (const char* const nonsense : {"", "{", "7", "[]", "{}", R"({"exit":"0","messages":""})", R"({"exit":0})",
                                     R"({"exit":0,"messages":[]})", R"({"exit":0.5,"messages":""})"}) {
    const auto result = result_of_answer(nonsense);
    ASSERT_FALSE(result) << nonsense;
    EXPECT_EQ(result.error().kind, BusError::Kind::failed);
  }
}

}  // namespace
}  // namespace drywall
