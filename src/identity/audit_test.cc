// Goal: a refusal is one line that a program can read whatever a peer has put into it; a flood of them is bounded and counted.
#include "identity/audit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "base/read_file.h"

namespace ross::identity {
namespace {

class AuditTest : public testing::Test {
 protected:
  void SetUp() override { audit = *Audit::open(path, clock); }
  void TearDown() override { ::unlink(path.c_str()); }
  std::string written() { return *read_file(path); }
  std::ptrdiff_t lines() {
    const std::string text = written();
    return std::ranges::count(text, '\n');
  }
  const std::string path = testing::TempDir() + "ross_audit." + std::to_string(::getpid());
  SimClock clock;
  std::unique_ptr<Audit> audit;
};

TEST_F(AuditTest, OneLineWhateverIsInIt) {
  audit->refused({.reason = Reason::kMissingRight,
                  .tenant = "web",
                  .peer = "ipv4:10.0.0.9:4711",
                  .credential = "certificate 4F",
                  .what = "write p/\"x\\\n\x01\xff"});
  EXPECT_EQ(written(),
            R"({"time":"2023-11-14T22:13:20.000Z","event":"refused","reason":"missing-right","tenant":"web",)"
            R"("peer":"ipv4:10.0.0.9:4711","credential":"certificate 4F","what":"write p/\"x\\\u000a\u0001\u00ff"})"
            "\n");
  audit->refused({.reason = Reason::kHandle, .what = std::string(100'000, 'x')});
  EXPECT_EQ(lines(), 2);
  EXPECT_LT(written().size(), 1500U);
}

TEST_F(AuditTest, AFloodIsBoundedAndCounted) {
  for (int i = 0; i < 1000; ++i) audit->refused({.reason = Reason::kSession});
  EXPECT_EQ(lines(), Audit::kBurst);
  clock.advance(1'000'000'000);
  for (int i = 0; i < 1000; ++i) audit->refused({.reason = Reason::kSession});
  EXPECT_EQ(lines(), Audit::kBurst + Audit::kLinesPerSecond);
  EXPECT_NE(written().find(R"("left_out":800})"), std::string::npos);
}

TEST_F(AuditTest, AFileThatCannotBeIsAnError) {
  const auto bad = Audit::open("/nowhere/audit");
  ASSERT_FALSE(bad.has_value());
  EXPECT_NE(bad.error().message().find("/nowhere/audit"), std::string::npos);
}

}  // namespace
}  // namespace ross::identity
