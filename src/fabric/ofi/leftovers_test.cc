// Goal: files of dead processes go, those of living ones and of others stay.
// Method: files of all kinds in a directory of the test's own; a pid that has ended, and ours with another start time.
#include "fabric/ofi/leftovers.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ross::fabric::ofi {
namespace {

TEST(Leftovers, OnlyWhatTheDeadLeftIsRemoved) {
  char made[] = "/tmp/ross-leftovers-XXXXXX";
  ASSERT_NE(::mkdtemp(made), nullptr);
  const std::filesystem::path root(made);
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(dead, nullptr, 0), dead);

  const std::string ours = endpoint_name();
  const std::string of_dead = "ross-ofi-" + std::to_string(dead) + "-12345-";
  const std::string stays[] = {ours,    "ross-ofi-",    "ross-ofi-x-1-0",  of_dead + "0x",
                               of_dead, "ross-ofi-1-2", "ross-ofi--5-5-0", "another-1-2-3"};
  const std::string goes[] = {of_dead + "0", "ross-ofi-" + std::to_string(::getpid()) + "-1-7"};
  for (const auto& name : stays) std::ofstream(root / name) << "x";
  for (const auto& name : goes) std::ofstream(root / name) << "x";
  EXPECT_EQ(remove_leftovers(root), 0U);  // young as they are
  EXPECT_EQ(remove_leftovers(root, 0), 2U);
  for (const auto& name : stays) EXPECT_TRUE(std::filesystem::exists(root / name)) << name;
  for (const auto& name : goes) EXPECT_FALSE(std::filesystem::exists(root / name)) << name;
  EXPECT_EQ(remove_leftovers(root / "none"), 0U);
  std::filesystem::remove_all(root);
}

TEST(Leftovers, NamesAreNeverUsedTwice) {
  EXPECT_NE(endpoint_name(), endpoint_name());
  EXPECT_TRUE(is_endpoint_name(endpoint_name()));
  for (const char* const name :
       {"", "ross-ofi-", "ross-ofi-1-2-", "ross-ofi-1-2-3/..", "/ross-ofi-1-2-3", "ross-ofi-0-2-3"}) {
    EXPECT_FALSE(is_endpoint_name(name)) << name;
  }
}

}  // namespace
}  // namespace ross::fabric::ofi
