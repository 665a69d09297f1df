// Goal: put() and get() move exactly the bytes they name, whatever their sizes and offsets, with and without regions; and a
// message arrives behind the data of every put begun before it.
// Method: memory between guards, windows in the middle of it, and patterns that tell where each byte belongs.
#include "conformance/fabric/harness.h"

namespace ross::fabric::conformance {
namespace {

ROSS_FABRIC_SUITE(Transfers);

TEST_P(Transfers, APutsDataIsThereWhenTheMessageBehindItArrives) {
  auto [left, right] = connect_pair();
  constexpr std::size_t kSize = 4 * kMiB;
  Guarded& from = memory(kSize);
  Guarded& to = memory(kSize, 1);
  const Window window = expose(right->side, to.span(), Access::kWrite);
  Random random(seed());
  for (std::uint64_t round = 0; round < 150; ++round) {
    const std::size_t size =
        round % 10 == 0 ? kSize >> (round / 10 % 4) : 1 + random.below(1 << (1 + random.below(18)));
    const std::size_t offset = random.below(kSize - size + 1);
    fill_pattern(round, from.span().first(size));
    bool there = false;
    right->on_each_head = [&](const Bytes&, std::size_t) {
      there = differs_at(round, to.span().subspan(offset, size)) == -1;
    };
    Move& put = move(from.memory(0, size), window, offset);
    Letter& behind = letter(bytes("behind"), pattern(2, random.below(3) * 1000));
    left->put(put);
    left->send(behind);
    drive([&, end = right] { return end->messages == round + 1 && put.told == 1 && behind.told == 1; });
    ASSERT_EQ(put.error, 0);
    ASSERT_TRUE(there) << size << " bytes at " << offset << " in round " << round;
  }
  EXPECT_TRUE(to.untouched_outside(0, kSize));
}

TEST_P(Transfers, EachMessageOfAMixArrivesBehindItsPuts) {
  auto [left, right] = connect_pair();
  constexpr std::size_t kSlots = 256;
  constexpr std::size_t kSlotBytes = 24'000;
  Guarded& from = memory(kSlots * kSlotBytes);
  Guarded& to = memory(kSlots * kSlotBytes, 1);
  const Window window = expose(right->side, to.span(), Access::kWrite);
  Random random(seed());
  std::vector<std::size_t> sizes;
  std::size_t late = 0;
  right->on_each_head = [&](const Bytes& head, std::size_t) {
    const std::size_t upto = static_cast<std::size_t>(head[0]);
    for (std::size_t i = 0; i <= upto; ++i) {
      if (differs_at(i, to.span().subspan(i * kSlotBytes, sizes[i])) != -1) ++late;
    }
  };
  for (std::size_t i = 0; i < kSlots; ++i) {
    sizes.push_back(1 + random.below(random.chance(1, 8) ? kSlotBytes : 300));
    fill_pattern(i, from.span().subspan(i * kSlotBytes, sizes[i]));
    left->put(move(from.memory(i * kSlotBytes, sizes[i]), window, i * kSlotBytes));
    left->send(letter(Bytes{static_cast<std::byte>(i)}, pattern(i, i % 3 == 0 ? random.below(5000) : 0)));
  }
  drive([&, from_end = left, end = right] { return end->messages == kSlots && from_end->outstanding == 0; });
  EXPECT_EQ(late, 0U);
  for (std::size_t i = 0; i < kSlots; ++i) EXPECT_EQ(differs_at(i, to.span().subspan(i * kSlotBytes, sizes[i])), -1);
}

TEST_P(Transfers, AGetReadsWhatTheWindowHolds) {
  auto [left, right] = connect_pair();
  constexpr std::size_t kSize = 4 * kMiB + 13;
  Guarded& owned = memory(kSize, 3);
  const Window window = expose(right->side, owned.span(), Access::kRead);
  for (const std::size_t size : {1UL, 8UL, 511UL, 4096UL, 65'537UL, 1'000'003UL, kSize}) {
    Guarded& into = memory(size, 4);
    ASSERT_EQ(get_and_wait(*left, move(into.memory(0, size), window, kSize - size)), 0) << size;
    ASSERT_TRUE(same(into.span(), owned.span().last(size))) << size;
    ASSERT_TRUE(into.untouched_outside(0, size));
  }
  EXPECT_TRUE(owned.untouched());
}

TEST_P(Transfers, OddOffsetsAndSizesTouchNothingElse) {
  auto [left, right] = connect_pair();
  constexpr std::size_t kSize = 100'003;
  Guarded& owned = memory(kSize, 5);
  const Window writable = expose(right->side, owned.span(), Access::kWrite);
  Guarded& readable_memory = memory(kSize, 6);
  const Window readable = expose(right->side, readable_memory.span(), Access::kRead);
  Random random(seed());
  for (int round = 0; round < 200; ++round) {
    const std::size_t size = 1 + random.below(random.chance(1, 2) ? 200 : 9000);
    const std::size_t here = random.below(200);
    const std::size_t there = random.below(kSize - size + 1);
    Guarded& mine = memory(here + size + 100, 7);
    fill_pattern(static_cast<std::uint64_t>(round), mine.span().subspan(here, size));
    const Bytes before(owned.all().begin(), owned.all().end());
    ASSERT_EQ(put_and_wait(*left, move(mine.memory(here, size), writable, there)), 0);
    // Data is at its place when a message says so, as done() alone tells only of our side.
    send_and_wait(*left, *right, letter(bytes("look")));
    ASSERT_EQ(differs_at(static_cast<std::uint64_t>(round), owned.span().subspan(there, size)), -1);
    const std::size_t begin = Guarded::kGuardBytes + there;
    ASSERT_TRUE(same(owned.all().first(begin), std::span(before).first(begin))) << size << " at " << there;
    ASSERT_TRUE(same(owned.all().subspan(begin + size), std::span(before).subspan(begin + size)))
        << size << " at " << there;
    Guarded& got = memory(here + size + 100, 8);
    ASSERT_EQ(get_and_wait(*left, move(got.memory(here, size), readable, there)), 0);
    ASSERT_TRUE(same(got.span().subspan(here, size), readable_memory.span().subspan(there, size)));
    ASSERT_TRUE(got.untouched_outside(here, size)) << size << " at " << here;
  }
  EXPECT_TRUE(readable_memory.untouched());
}

TEST_P(Transfers, PiecesOfLocalMemory) {
  auto [left, right] = connect_pair();
  constexpr std::size_t kSize = 300'007;
  Guarded& target = memory(kSize, 9);
  Guarded& source = memory(kSize, 10);
  const Window writable = expose(right->side, target.span(), Access::kWrite);
  const Window readable = expose(right->side, source.span(), Access::kRead);
  for (const std::size_t pieces : {2UL, 3UL, 17UL, 200UL}) {
    Guarded& mine = memory(2 * kSize, 11);
    std::vector<memory::Span> spans;
    Bytes whole;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < pieces; ++i) {  // with gaps between
      const std::size_t size = kSize / pieces + (i < kSize % pieces ? 1 : 0);
      spans.push_back({mine.span().data() + begin, size});
      whole.insert(whole.end(), mine.span().begin() + static_cast<std::ptrdiff_t>(begin),
                   mine.span().begin() + static_cast<std::ptrdiff_t>(begin + size));
      begin += size + 7;
    }
    const memory::Memory local{std::span<const memory::Span>(spans)};
    ASSERT_EQ(put_and_wait(*left, move(local, writable)), 0) << pieces;
    send_and_wait(*left, *right, letter(bytes("look")));
    ASSERT_TRUE(same(target.span(), whole)) << pieces;
    ASSERT_EQ(get_and_wait(*left, move(local, readable)), 0) << pieces;
    std::size_t done = 0;
    for (const memory::Span& span : spans) {
      ASSERT_TRUE(same({span.data, span.size_bytes}, source.span().subspan(done, span.size_bytes))) << pieces;
      done += span.size_bytes;
    }
    Guarded fresh(2 * kSize, 11);
    for (const memory::Span& span : spans) {  // the gaps are as they were
      const auto gap = static_cast<std::size_t>(span.data + span.size_bytes - mine.span().data());
      ASSERT_TRUE(same(mine.span().subspan(gap, 7), fresh.span().subspan(gap, 7))) << pieces;
    }
  }
}

TEST_P(Transfers, ManyAtOnceThroughManyWindows) {
  auto [left, right] = connect_pair();
  constexpr std::size_t kCount = 256;
  constexpr std::size_t kWindows = 16;
  constexpr std::size_t kEach = 20'011;
  constexpr std::size_t kPerWindow = kCount / kWindows;
  std::vector<Guarded*> targets;
  std::vector<Guarded*> sources;
  std::vector<Window> writable;
  std::vector<Window> readable;
  for (std::size_t i = 0; i < kWindows; ++i) {
    targets.push_back(&memory(kPerWindow * kEach, 100 + i));
    sources.push_back(&memory(kPerWindow * kEach, 200 + i));
    writable.push_back(expose(right->side, targets[i]->span(), Access::kWrite));
    readable.push_back(expose(right->side, sources[i]->span(), Access::kRead));
  }
  Guarded& mine = memory(kCount * kEach);
  Guarded& got = memory(kCount * kEach, 1);
  for (std::size_t i = 0; i < kCount; ++i) {
    fill_pattern(i, mine.span().subspan(i * kEach, kEach));
    left->put(move(mine.memory(i * kEach, kEach), writable[i % kWindows], i / kWindows * kEach));
    left->get(move(got.memory(i * kEach, kEach), readable[i % kWindows], i / kWindows * kEach));
  }
  Letter& last = letter(bytes("last"));
  left->send(last);
  drive([&, from = left, to = right] { return from->outstanding == 0 && to->messages == 1; });
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::size_t offset = i / kWindows * kEach;
    ASSERT_EQ(differs_at(i, targets[i % kWindows]->span().subspan(offset, kEach)), -1) << i;
    ASSERT_TRUE(same(got.span().subspan(i * kEach, kEach), sources[i % kWindows]->span().subspan(offset, kEach))) << i;
  }
  for (std::size_t i = 0; i < kWindows; ++i) {
    EXPECT_TRUE(targets[i]->untouched_outside(0, kPerWindow * kEach));
    EXPECT_TRUE(sources[i]->untouched());
  }
}

TEST_P(Transfers, RegionsOnEitherSideOrNone) {
  auto [left, right] = connect_pair();
  constexpr std::size_t kSize = 200'003;
  for (const bool mine_registered : {false, true}) {
    for (const bool theirs_registered : {false, true}) {
      Guarded& mine = memory(kSize, 20);
      Guarded& target = memory(kSize, 21);
      Guarded& source = memory(kSize, 22);
      const Region* const own = mine_registered ? &region(left->side, mine.all()) : nullptr;
      const Region* const target_in = theirs_registered ? &region(right->side, target.all()) : nullptr;
      const Region* const source_in = theirs_registered ? &region(right->side, source.all()) : nullptr;
      if (own != nullptr) {
        EXPECT_TRUE(own->holds(mine.span()));
      }
      const Window writable = expose(right->side, target.span(), Access::kWrite, target_in);
      const Window readable = expose(right->side, source.span(), Access::kRead, source_in);
      const Bytes sent(mine.span().begin(), mine.span().end());
      ASSERT_EQ(put_and_wait(*left, move(mine.memory(0, kSize), writable, 0, own)), 0);
      send_and_wait(*left, *right, letter(bytes("look")));
      ASSERT_TRUE(same(target.span(), sent));
      ASSERT_TRUE(target.untouched_outside(0, kSize));
      ASSERT_EQ(get_and_wait(*left, move(mine.memory(0, kSize), readable, 0, own)), 0);
      ASSERT_TRUE(same(mine.span(), source.span()));
      ASSERT_TRUE(mine.untouched_outside(0, kSize));
    }
  }
}

TEST_P(Transfers, BothSidesAtOnce) {
  auto [left, right] = connect_pair();
  constexpr std::size_t kSize = 2 * kMiB;
  Guarded& left_from = memory(kSize, 30);
  Guarded& right_from = memory(kSize, 31);
  Guarded& left_to = memory(kSize, 32);
  Guarded& right_to = memory(kSize, 33);
  const Window to_left = expose(left->side, left_to.span(), Access::kWrite);
  const Window to_right = expose(right->side, right_to.span(), Access::kWrite);
  for (std::size_t at = 0; at < kSize; at += kSize / 16) {
    left->put(move(left_from.memory(at, kSize / 16), to_right, at));
    right->put(move(right_from.memory(at, kSize / 16), to_left, at));
  }
  left->send(letter(bytes("last")));
  right->send(letter(bytes("last")));
  drive([&, a = left, b = right] {
    return a->outstanding + b->outstanding == 0 && a->messages == 1 && b->messages == 1;
  });
  EXPECT_TRUE(same(right_to.span(), left_from.span()));
  EXPECT_TRUE(same(left_to.span(), right_from.span()));
}

TEST_P(Transfers, NextOnesBeginInsideDone) {
  auto [left, right] = connect_pair();
  constexpr int kRounds = 500;
  Guarded& source = memory(64, 40);
  Guarded& into = memory(64, 41);
  const Window window = expose(right->side, source.span(), Access::kRead);
  int rounds = 0;
  std::function<void()> next = [&, end = left] {
    Move& get = move(into.memory(0, 64), window);
    get.then = [&] {
      if (++rounds < kRounds) next();
    };
    end->get(get);
  };
  next();
  drive([&] { return rounds == kRounds; });
  EXPECT_TRUE(same(into.span(), source.span()));
}

TEST_P(Transfers, NothingAtAllIsDone) {
  auto [left, right] = connect_pair();
  Guarded& owned = memory(100, 50);
  const Window writable = expose(right->side, owned.span(), Access::kWrite);
  const Window readable = expose(right->side, owned.span(), Access::kRead);
  EXPECT_EQ(put_and_wait(*left, move({}, writable, 100)), 0);
  EXPECT_EQ(get_and_wait(*left, move({}, readable, 0)), 0);
  send_and_wait(*left, *right, letter(bytes("still here")));
  EXPECT_TRUE(owned.untouched());
}

}  // namespace
}  // namespace ross::fabric::conformance
