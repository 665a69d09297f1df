// Goal: a change's name is found once, by the thread it was left on. Method: set, take, and look from another thread.
#include "fs/change_id.h"

#include <gtest/gtest.h>

#include <thread>

namespace ross::fs {
namespace {

constexpr ChangeId kId{.client = {1, 2, 3}, .slot = 4, .sequence = 5};

TEST(ChangeIdTest, IsTakenOnce) {
  EXPECT_FALSE(take_change_id().set());
  name_next_change(kId);
  EXPECT_EQ(take_change_id(), kId);
  EXPECT_FALSE(take_change_id().set());
  name_next_change(kId);
  name_next_change({});
  EXPECT_FALSE(take_change_id().set()) << "cleared";
}

TEST(ChangeIdTest, BelongsToItsThread) {
  name_next_change(kId);
  std::thread([] { EXPECT_FALSE(take_change_id().set()); }).join();
  EXPECT_EQ(take_change_id(), kId);
}

}  // namespace
}  // namespace ross::fs
