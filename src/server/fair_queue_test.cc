// Goal: shares are exact within the bound that the algorithm gives; who asks for less than its share waits for nobody; nothing is lost, and
// nobody's requests that are stuck hold up others.
// Method: the queue alone, with simulated time. Seeds are printed.
#include "server/fair_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "base/random.h"
#include "server/fair_queue_party.h"

namespace ross::server {
namespace {

using Item = FairQueue::Item;
using Line = FairQueue::Line;
using fair_queue_test::kKi;
using fair_queue_test::kMi;
using fair_queue_test::Party;

struct Asked : Item {
  std::size_t who = 0;
  std::uint64_t serial = 0;
};

// ---- shares ----

// All of them always have something waiting. Between any two moments, of any two of them: Goyal's bound.
TEST(FairQueue, SharesAreExactWithinTheBound) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    FairQueue queue;
    std::deque<Party> parties;
    const std::size_t count = 2 + random.below(5);
    for (std::size_t i = 0; i < count; ++i) {
      parties.emplace_back(queue, std::to_string(i), 1 + random.below(1000), 1 + random.below(8));
    }
    std::deque<Asked> items;
    const auto ask = [&](std::size_t who) {
      Party& party = parties[who];
      const std::uint64_t cost = 4 * kKi + random.below(random.chance(1, 10) ? 4 * kMi : 64 * kKi);
      party.dearest = std::max(party.dearest, cost);
      Asked& item = items.emplace_back();
      item.who = who;
      queue.add(party.lines[random.below(party.lines.size())], item, cost);
    };
    for (std::size_t who = 0; who < count; ++who) {
      for (int i = 0; i < 50; ++i) ask(who);
    }
    // What each has had, over its weight: by how much two of them differ, from the begin and between any two moments.
    std::vector<std::vector<double>> difference(count, std::vector<double>(count, 0));
    auto least = difference;
    auto most = difference;
    for (int step = 0; step < 3000; ++step) {
      auto& item = static_cast<Asked&>(*queue.next());
      parties[item.who].served += item.cost;
      queue.done(item);
      ask(item.who);
      for (std::size_t a = 0; a < count; ++a) {
        for (std::size_t b = 0; b < a; ++b) {
          const auto of = [](const Party& party) {
            return static_cast<double>(party.served) / static_cast<double>(party.share->weight);
          };
          const double now = of(parties[a]) - of(parties[b]);
          least[a][b] = std::min(least[a][b], now);
          most[a][b] = std::max(most[a][b], now);
        }
      }
    }
    for (std::size_t a = 0; a < count; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        const auto part = [](const Party& party) {
          return static_cast<double>(party.dearest) / static_cast<double>(party.share->weight);
        };
        EXPECT_LE(most[a][b] - least[a][b], (part(parties[a]) + part(parties[b])) * 1.001) << a << " and " << b;
      }
    }
    for (Party& party : parties) {
      for (Line& line : party.lines) queue.drop(line);
      queue.leave(*party.share);
    }
  }
}

// However many connections and requests the other has, what one party asks for begins next.
TEST(FairQueue, WhoAsksForLessThanItsShareIsNext) {
  FairQueue queue;
  Party greedy(queue, "greedy", 100, 64);
  Party modest(queue, "modest", 100, 1);
  std::deque<Item> items(64 * 100);
  for (std::size_t i = 0; i < items.size(); ++i) queue.add(greedy.lines[i % 64], items[i], 132 * kKi);
  std::uint64_t others = 0;
  Item mine;
  for (int i = 0; i < 1000; ++i) {
    // It has had 4 KiB for each 8 or more of 132 KiB.
    for (std::uint64_t j = 0; j < 8; ++j) {
      Item* const item = queue.next();
      ASSERT_NE(item, nullptr);
      ASSERT_NE(item, &mine);
      queue.done(*item);
      queue.add(greedy.lines[others++ % 64], *item, 132 * kKi);
    }
    queue.add(modest.lines[0], mine, 8 * kKi);
    ASSERT_EQ(queue.next(), &mine) << i;
    queue.done(mine);
  }
  for (Line& line : greedy.lines) queue.drop(line);
}

TEST(FairQueue, NobodySavesUpWhileItAsksForNothing) {
  FairQueue queue;
  Party one(queue, "one", 100, 1);
  Party two(queue, "two", 100, 1);
  std::deque<Item> of_one(2000);
  std::deque<Item> of_two(500);
  for (Item& item : of_one) queue.add(one.lines[0], item, 8 * kKi);
  for (int i = 0; i < 1000; ++i) queue.done(*queue.next());
  for (Item& item : of_two) queue.add(two.lines[0], item, 8 * kKi);
  std::size_t theirs = 0;
  for (int i = 0; i < 200; ++i) {
    Item* const item = queue.next();
    theirs += item >= &of_two.front() && item <= &of_two.back() ? 1 : 0;
    queue.done(*item);
  }
  EXPECT_NEAR(static_cast<double>(theirs), 100, 1);
  queue.drop(one.lines[0]);
  queue.drop(two.lines[0]);
}

TEST(FairQueue, ConnectionsOfOnePrincipalTakeTurns) {
  FairQueue queue;
  Party party(queue, "p", 100, 4);
  std::deque<Asked> items;
  for (std::size_t line = 0; line < 4; ++line) {
    for (std::uint64_t i = 0; i < (line == 0 ? 4000 : 400); ++i) {
      Asked& item = items.emplace_back();
      item.who = line;
      item.serial = i;
      queue.add(party.lines[line], item, 8 * kKi);
    }
  }
  std::uint64_t begun[4] = {0, 0, 0, 0};
  for (int i = 0; i < 1600; ++i) {
    auto& item = static_cast<Asked&>(*queue.next());
    EXPECT_EQ(item.serial, begun[item.who]++);  // on its own line in order
    queue.done(item);
    const auto [least, most] = std::minmax_element(begun, begun + 4);
    ASSERT_LE(*most - *least, FairQueue::kTurnCost / (8 * kKi));
  }
  queue.drop(party.lines[0]);
}

// ---- what is at work ----

TEST(FairQueue, OnlySoMuchIsAtWorkByWeight) {
  FairQueue queue;
  Party one(queue, "one", 300, 4);
  Party two(queue, "two", 100, 4);
  std::deque<Asked> items(2000);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].who = i % 2;
    queue.add((i % 2 == 0 ? one : two).lines[i / 2 % 4], items[i], 8 * kKi);
  }
  std::vector<Item*> begun[2];
  while (Item* const item = queue.next()) begun[static_cast<Asked&>(*item).who].push_back(item);
  EXPECT_EQ(begun[0].size(), FairQueue::kWorkOpsMax * 3 / 4);
  EXPECT_EQ(begun[1].size(), FairQueue::kWorkOpsMax / 4);
  EXPECT_FALSE(queue.has_next());
  queue.done(*begun[1].back());
  EXPECT_TRUE(queue.has_next());
  EXPECT_NE(queue.next(), nullptr);
  EXPECT_EQ(queue.next(), nullptr);
  for (Party* const party : {&one, &two}) {
    for (Line& line : party->lines) queue.drop(line);
  }
  for (Asked& item : items) queue.done(item);
  // Large ones are bounded by their cost; one may be at work.
  Party three(queue, "three", 1, 1);
  Item large[2];
  for (Item& item : large) queue.add(three.lines[0], item, 4 * kMi);
  EXPECT_EQ(queue.next(), &large[0]);
  EXPECT_EQ(queue.next(), nullptr);
  queue.done(large[0]);
  EXPECT_EQ(queue.next(), &large[1]);
}

// Three principals whose requests are stuck, one of them with a large weight, and another that asks for one thing after the other.
TEST(FairQueue, WhatIsStuckLeavesRoomForOthers) {
  FairQueue queue;
  std::deque<Party> stuck;
  for (const std::uint64_t weight : {10'000, 100, 100}) {
    stuck.emplace_back(queue, "stuck " + std::to_string(stuck.size()), weight, 4);
  }
  Party other(queue, "other", 1, 1);
  std::deque<Item> items(100'000);
  for (std::size_t i = 0; i < items.size(); ++i) queue.add(stuck[i % 3].lines[i / 3 % 4], items[i], 8 * kKi);
  Item mine;
  std::int64_t now_ns = 5;
  queue.pass_time(now_ns);
  std::size_t served = 0;
  for (int millisecond = 0; millisecond < 2000; ++millisecond) {
    queue.pass_time(now_ns += 1'000'000);
    if (mine.at_work == nullptr && other.lines[0].first == nullptr) queue.add(other.lines[0], mine, 8 * kKi);
    while (Item* const item = queue.next()) {
      if (item != &mine) continue;
      queue.done(mine);
      ++served;
    }
  }
  EXPECT_GE(served, 1500U);
  for (Party& party : stuck) {
    for (Line& line : party.lines) queue.drop(line);
  }
  queue.drop(other.lines[0]);
}

// With nobody else busy a principal may have all of it; and what is stuck counts for two periods at most.
TEST(FairQueue, WhatIsStuckIsNotCountedForLong) {
  FairQueue queue;
  Party party(queue, "p", 100, 1);
  Party other(queue, "other", 100, 1);
  std::deque<Item> items(1000);
  for (Item& item : items) queue.add(party.lines[0], item, 8 * kKi);
  std::int64_t now_ns = 5;
  queue.pass_time(now_ns);
  std::size_t begun = 0;
  const auto begin_all = [&] {
    while (queue.next() != nullptr) ++begun;
  };
  begin_all();
  EXPECT_EQ(begun, FairQueue::kWorkOpsMax);
  queue.pass_time(now_ns += FairQueue::kPeriodNs);
  begin_all();
  EXPECT_EQ(begun, FairQueue::kWorkOpsMax);
  queue.pass_time(now_ns += FairQueue::kPeriodNs);
  begin_all();
  EXPECT_EQ(begun, 2 * FairQueue::kWorkOpsMax);
  // Those that come back after all do not count twice.
  for (std::size_t i = 0; i < FairQueue::kWorkOpsMax; ++i) queue.done(items[i]);
  begin_all();
  EXPECT_EQ(begun, 2 * FairQueue::kWorkOpsMax);
  Item of_other;
  queue.add(other.lines[0], of_other, 8 * kKi);
  EXPECT_EQ(queue.next(), &of_other);  // whatever the first one does
  queue.drop(party.lines[0]);
  for (Item& item : items) queue.done(item);
  queue.done(of_other);
  queue.leave(*party.share);
  queue.leave(*other.share);
}

// Whose requests wait for its own stuck ones has no claim on all that the others had meanwhile.
TEST(FairQueue, WhoWasStuckCatchesUpWithLittle) {
  FairQueue queue;
  Party stuck(queue, "stuck", 100, 1);
  Party other(queue, "other", 100, 1);
  std::deque<Asked> items(40000);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].who = i % 2;
    queue.add((i % 2 == 0 ? stuck : other).lines[0], items[i], 8 * kKi);
  }
  std::vector<Item*> held;
  for (int i = 0; i < 10'000; ++i) {
    auto& item = static_cast<Asked&>(*queue.next());
    if (item.who == 0) {
      held.push_back(&item);
    } else {
      queue.done(item);
    }
  }
  for (Item* const item : held) queue.done(*item);
  std::size_t ahead = 0;
  while (true) {
    auto& item = static_cast<Asked&>(*queue.next());
    queue.done(item);
    if (item.who == 1) break;
    ++ahead;
  }
  EXPECT_LE(ahead, FairQueue::kWorkCostMax / (8 * kKi) + 2);
  queue.drop(stuck.lines[0]);
  queue.drop(other.lines[0]);
}

// ---- begins and ends ----

TEST(FairQueue, AloneNobodyQueues) {
  FairQueue queue;
  Party one(queue, "one", 100, 2);
  Party two(queue, "two", 100, 1);
  std::int64_t now_ns = 5;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(queue.at_once(one.lines[i % 2]));
  EXPECT_FALSE(queue.several());
  EXPECT_FALSE(queue.at_once(two.lines[0]));  // now there are two
  EXPECT_FALSE(queue.at_once(one.lines[0]));
  EXPECT_TRUE(queue.several());
  // The second one asks for nothing more. The periods that pass while the loop sleeps count as well, but not alone.
  for (unsigned i = 0; i <= FairQueue::kQuietPeriodsMax + 2; ++i) {
    queue.pass_time(now_ns += FairQueue::kPeriodNs);
    static_cast<void>(queue.at_once(one.lines[0]));
  }
  EXPECT_TRUE(queue.at_once(one.lines[0]));
  EXPECT_FALSE(queue.several());
  queue.leave(*two.share);
  EXPECT_TRUE(queue.at_once(one.lines[1]));
  // What waits is not overtaken by what comes.
  Party three(queue, "three", 100, 1);
  EXPECT_FALSE(queue.at_once(three.lines[0]));
  Item item;
  queue.add(one.lines[0], item, 1);
  queue.leave(*three.share);
  EXPECT_FALSE(queue.at_once(one.lines[1]));
  EXPECT_EQ(queue.next(), &item);
  EXPECT_TRUE(queue.at_once(one.lines[1]));
  queue.done(item);
}

// Sessions come and go, connections end with requests waiting, answers come in any order: each request begins once or is dropped, on its
// line in order, and in the end nothing is left.
TEST(FairQueue, NothingIsLostOrDoubled) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    FairQueue queue;
    std::deque<Party> parties;
    for (int i = 0; i < 4; ++i) parties.emplace_back(queue, std::to_string(i), 1 + random.below(10'000), 5);
    std::deque<Asked> items;
    std::vector<std::deque<std::uint64_t>> waiting(20);  // by line: serial numbers
    std::vector<Item*> at_work;
    std::int64_t now_ns = 1;
    std::size_t expected = 0;
    for (int step = 0; step < 5000; ++step) {
      const std::uint64_t what = random.below(100);
      const std::size_t line = random.below(20);
      if (what < 45) {
        Asked& item = items.emplace_back();
        item.who = line;
        item.serial = items.size();
        waiting[line].push_back(item.serial);
        queue.add(parties[line / 5].lines[line % 5], item, 1 + random.below(random.chance(1, 20) ? kMi : 64 * kKi));
        ++expected;
      } else if (what < 80) {
        if (Item* const item = queue.next()) {
          auto& asked = static_cast<Asked&>(*item);
          ASSERT_EQ(waiting[asked.who].front(), asked.serial);
          waiting[asked.who].pop_front();
          at_work.push_back(item);
          --expected;
        }
      } else if (what < 97) {
        if (at_work.empty()) continue;
        std::swap(at_work[random.below(at_work.size())], at_work.back());
        queue.done(*at_work.back());
        at_work.pop_back();
      } else if (what < 98) {
        for (Item* item = queue.drop(parties[line / 5].lines[line % 5]); item != nullptr; item = item->next) {
          ASSERT_EQ(waiting[line].front(), static_cast<Asked&>(*item).serial);
          waiting[line].pop_front();
          --expected;
        }
        ASSERT_TRUE(waiting[line].empty());
      } else {
        queue.pass_time(now_ns += static_cast<std::int64_t>(random.below(3 * FairQueue::kPeriodNs)));
      }
      ASSERT_EQ(queue.waiting(), expected);
    }
    while (queue.waiting() > 0 || !at_work.empty()) {
      while (Item* const item = queue.next()) at_work.push_back(item);
      ASSERT_FALSE(at_work.empty());
      for (Item* const item : at_work) queue.done(*item);
      at_work.clear();
    }
    for (Party& party : parties) {
      EXPECT_FALSE(party.share->busy);
      queue.leave(*party.share);
    }
  }
}

}  // namespace
}  // namespace ross::server
