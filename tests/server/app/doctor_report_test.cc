#include "server/app/doctor_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<Finding> kFindings = {
    {"configuration", "", Verdict::kOk, "config.yaml: 1 event type", ""},
    {"topic", "dev-orders", Verdict::kFailed, "does not exist", "make it"},
    {"clock", "", Verdict::kSkipped, "no \"date\"", ""},
};

TEST(DoctorReportTest, ARowHasItsVerdictFirstAndTheFixOnALineOfItsOwn) {
  EXPECT_EQ(FindingAsText(kFindings[1], false),
            "failed   topic dev-orders                 does not exist\n"
            "         -> make it\n");
  EXPECT_THAT(FindingAsText(kFindings[2], false), HasSubstr("no \"date\"\n"));
}

TEST(DoctorReportTest, ColoursAreOnlyThereWhenWanted) {
  EXPECT_THAT(FindingAsText(kFindings[1], true), HasSubstr("\x1b[31mfailed  \x1b[0m topic"));
  EXPECT_THAT(FindingAsText(kFindings[1], false), Not(HasSubstr("\x1b")));
}

TEST(DoctorReportTest, WhatOthersWroteIsNoWordForTheTerminal) {
  const Finding row{"cluster", "a\nb", Verdict::kFailed, "\x1b[2J\r\xff", "c\nd"};

  const std::string text = FindingAsText(row, false);

  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\r")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(DoctorReportTest, TheSummaryCounts) {
  EXPECT_EQ(SummaryAsText(kFindings), "3 checks: 1 ok, 0 warnings, 1 failed, 1 skipped\n");
}

TEST(DoctorReportTest, AsJsonItIsOneObject) {
  const auto json = nlohmann::json::parse(FindingsAsJson(kFindings));

  EXPECT_EQ(json.at("ok"), false);
  EXPECT_EQ(json.at("counts").at("failed"), 1);
  EXPECT_EQ(json.at("counts").at("warning"), 0);
  EXPECT_EQ(json.at("checks").at(1), (nlohmann::json{{"check", "topic"},
                                                     {"subject", "dev-orders"},
                                                     {"result", "failed"},
                                                     {"found", "does not exist"},
                                                     {"fix", "make it"}}));
  EXPECT_EQ(nlohmann::json::parse(FindingsAsJson({})).at("ok"), true);
}

}  // namespace
}  // namespace sidebus
