// Goal: whatever mix of messages, puts and gets goes both ways at once, every byte is where it should be.
// Method: seeded random steps and a model: each side owns slots that the other may write and slots it may read, at most one
// transfer under way per slot, and the model knows what each slot holds. ROSS_SEED replays the steps.
#include "conformance/fabric/harness.h"

namespace ross::fabric::conformance {
namespace {

class Soak : public FabricTest {
 protected:
  static constexpr std::size_t kSlots = 16;
  static constexpr std::size_t kSlotBytes = 64 * 1024;
  static constexpr int kInFlightMax = 64;

  struct Slot {
    bool busy = false;
    std::uint64_t seed = 0;
    std::size_t size = 0;
    std::size_t offset = 0;
  };
  // One side: the memory it shows, what the model says of it, and what it has sent.
  struct Half {
    End* end = nullptr;
    Guarded* writable = nullptr;
    Guarded* readable = nullptr;
    Window to_write;
    Window to_read;
    std::vector<Slot> slots = std::vector<Slot>(kSlots);  // of what the other side puts here
    std::deque<std::pair<Bytes, Bytes>> expected;         // messages on their way here
    Half* other = nullptr;
    int in_flight = 0;
    std::uint64_t heads = 0;
  };
  // Each lives until it is told.
  struct Sent : Letter {
    using Letter::Letter;
  };

  void make(Half& half, End* end) {
    half.end = end;
    half.writable = &memory(kSlots * kSlotBytes, 1);
    half.readable = &memory(kSlots * kSlotBytes, 2);
    half.to_write = expose(end->side, half.writable->span(), Access::kWrite);
    half.to_read = expose(end->side, half.readable->span(), Access::kRead);
    end->keep = false;
    end->on_each = [this, &half](End::Received& got) { arrived(half, got); };
  }

  void arrived(Half& half, End::Received& got) {
    ASSERT_FALSE(half.expected.empty());
    EXPECT_EQ(got.head, half.expected.front().first);
    EXPECT_TRUE(same(got.payload(), half.expected.front().second));
    half.expected.pop_front();
    // A head that names a slot: the put into it was begun before the message, so its data is here.
    if (got.head.size() < 2 || got.head[0] != std::byte{'P'}) return;
    Slot& slot = half.slots[static_cast<std::size_t>(got.head[1])];
    const std::size_t at = static_cast<std::size_t>(got.head[1]) * kSlotBytes + slot.offset;
    EXPECT_EQ(differs_at(slot.seed, half.writable->span().subspan(at, slot.size)), -1)
        << "a put into slot " << int(got.head[1]);
    ++checked_;
    slot.busy = false;
  }

  void send(Half& half, Bytes head, Bytes payload, std::size_t pieces) {
    half.other->expected.emplace_back(head, payload);
    auto* const sent = new Letter(std::move(head), std::move(payload), pieces);
    ++half.in_flight;
    sent->then = [sent, &half] {
      EXPECT_TRUE(sent->ok);
      --half.in_flight;
      delete sent;
    };
    half.end->send(*sent);
  }

  void step(Half& half, Random& random) {
    if (half.in_flight >= kInFlightMax) return;
    const std::size_t size_max = random.chance(1, 6) ? kSlotBytes : 1 + random.below(3000);
    const std::size_t size = 1 + random.below(size_max);
    half.end->pieces = 1 + random.below(4);
    switch (random.below(3)) {
      case 0: {
        Bytes head = pattern(random(), 2 + random.below(100));
        head[0] = std::byte{'M'};
        send(half, std::move(head), pattern(random(), random.chance(1, 3) ? 0 : size), 1 + random.below(5));
        break;
      }
      case 1: {
        const std::size_t number = random.below(kSlots);
        Slot& slot = half.other->slots[number];
        if (slot.busy) break;
        slot = {.busy = true, .seed = random(), .size = size, .offset = random.below(kSlotBytes - size + 1)};
        auto* const from = new Bytes(pattern(slot.seed, size));
        auto* const put = new Move(memory::Memory(*from), half.other->to_write, number * kSlotBytes + slot.offset);
        ++half.in_flight;
        put->then = [put, from, &half] {
          EXPECT_EQ(put->error, 0);
          --half.in_flight;
          delete from;
          delete put;
        };
        half.end->put(*put);
        Bytes head = bytes("P?");
        head[1] = static_cast<std::byte>(number);
        send(half, std::move(head), random.chance(1, 2) ? Bytes() : pattern(random(), random.below(500)), 1);
        break;
      }
      default: {
        const std::size_t offset = random.below(kSlots * kSlotBytes - size + 1);
        auto* const into = new Bytes(size);
        auto* const get = new Move(memory::Memory(*into), half.other->to_read, offset);
        ++half.in_flight;
        get->then = [this, get, into, offset, &half] {
          EXPECT_EQ(get->error, 0);
          EXPECT_TRUE(same(*into, half.other->readable->span().subspan(offset, into->size())));
          ++checked_;
          --half.in_flight;
          delete into;
          delete get;
        };
        half.end->get(*get);
      }
    }
  }

  void soak(int steps) {
    SCOPED_TRACE("ROSS_SEED=" + std::to_string(seed()));
    Random random(seed());
    auto [left, right] = connect_pair();
    Half halves[2];
    halves[0].other = &halves[1];
    halves[1].other = &halves[0];
    make(halves[0], left);
    make(halves[1], right);
    for (int i = 0; i < steps && !HasFailure(); ++i) {
      step(halves[random.below(2)], random);
      if (random.chance(1, 4)) left->side.loop->poll();
      if (random.chance(1, 4)) right->side.loop->poll();
      if (halves[0].in_flight + halves[1].in_flight >= 2 * kInFlightMax) {
        drive([&] { return halves[0].in_flight + halves[1].in_flight < kInFlightMax; });
      }
    }
    drive([&] {
      return halves[0].in_flight + halves[1].in_flight == 0 && halves[0].expected.empty() && halves[1].expected.empty();
    });
    for (Half& half : halves) {
      EXPECT_TRUE(half.readable->untouched());
      EXPECT_TRUE(half.writable->untouched_outside(0, kSlots * kSlotBytes));
    }
    EXPECT_GT(checked_, steps / 8);
    left->close();
    expect_ended({left, right});
    left->on_each = nullptr;
    right->on_each = nullptr;
  }

  int checked_ = 0;
};
INSTANTIATE_TEST_SUITE_P(All, Soak, testing::ValuesIn(backends()), backend_name);

TEST_P(Soak, AFewThousandSteps) { soak(5'000); }
TEST_P(Soak, SlowManySteps) { soak(200'000); }

}  // namespace
}  // namespace ross::fabric::conformance
