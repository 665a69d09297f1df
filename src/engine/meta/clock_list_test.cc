#include "engine/meta/clock_list.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace ross::engine {
namespace {

struct Item {
  int number = 0;
  bool busy = false;
  ClockHook<Item> clock;
  [[nodiscard]] bool evictable() const { return !busy; }
};

class ClockListTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 5; ++i) {
      items_[i].number = i;
      list_.add(items_[i]);
    }
  }
  // Takes everything that may go, in the order in which it goes.
  std::vector<int> drain() {
    std::vector<int> order;
    while (Item* const item = list_.take()) {
      order.push_back(item->number);
      list_.remove(*item);
    }
    return order;
  }
  std::array<Item, 5> items_;
  ClockList<Item> list_;
};

TEST_F(ClockListTest, WhatWasListedFirstGoesFirst) { EXPECT_EQ(drain(), (std::vector{0, 1, 2, 3, 4})); }

TEST_F(ClockListTest, WhatWasUsedIsSparedOnce) {
  items_[0].clock.used = true;
  items_[2].clock.used = true;
  EXPECT_EQ(drain(), (std::vector{1, 3, 4, 0, 2}));
}

TEST_F(ClockListTest, WhatIsInUseIsUnlistedAndComesBackWhenAdded) {
  items_[0].busy = true;
  EXPECT_EQ(drain(), (std::vector{1, 2, 3, 4}));
  EXPECT_EQ(list_.size(), 0U);
  items_[0].busy = false;
  list_.add(items_[0]);
  EXPECT_EQ(drain(), (std::vector{0}));
}

TEST_F(ClockListTest, AddingTwiceListsOnce) {
  list_.add(items_[3]);
  EXPECT_EQ(list_.size(), 5U);
  EXPECT_EQ(drain(), (std::vector{0, 1, 2, 3, 4}));
}

TEST(ClockListBoundTest, SomethingGoesEvenWhenAllWasUsed) {
  std::vector<Item> items(1000);
  ClockList<Item> list;
  for (Item& item : items) {
    item.clock.used = true;
    list.add(item);
  }
  std::size_t still_marked = 0;
  ASSERT_NE(list.take(), nullptr);
  for (const Item& item : items) still_marked += item.clock.used ? 1 : 0;
  EXPECT_GT(still_marked, 900U);
}

}  // namespace
}  // namespace ross::engine
