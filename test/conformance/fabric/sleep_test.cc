// Goal: a loop with endpoints and channels and nothing to do sleeps, and wakes when something comes.
// Method: the processor time of a thread that waits; and a thread that waits for far longer than the test is patient.
#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <thread>

#include "conformance/fabric/harness.h"

namespace ross::fabric::conformance {
namespace {

class Sleep : public FabricTest {
 protected:
  std::deque<std::unique_ptr<Letter>> reply_;
};
INSTANTIATE_TEST_SUITE_P(All, Sleep, testing::ValuesIn(backends()), backend_name);

std::int64_t thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

TEST_P(Sleep, AnIdlePairUsesNoProcessor) {
  ROSS_NEEDS_TRAIT(sleeps);
  auto [left, right] = connect_pair();
  send_and_wait(*left, *right, letter(bytes("there"), pattern(1, 100'000)));
  send_and_wait(*right, *left, letter(bytes("back")));
  Guarded& owned = memory(1000);
  Guarded& got = memory(1000);
  const Window window = expose(right->side, owned.span(), Access::kRead);
  ASSERT_EQ(get_and_wait(*left, move(got.memory(0, 1000), window)), 0);
  settle();
  for (Side* const side : {&left->side, &right->side}) {
    const std::int64_t begin = thread_cpu_ns();
    const Clock& clock = side->loop->clock();
    const std::int64_t until = clock.monotonic_ns() + 200'000'000;
    int waits = 0;
    while (clock.monotonic_ns() < until) {
      side->loop->wait(until);
      ++waits;
    }
    // A spinning loop would take all of the 200 ms; the bound leaves room for a slow machine.
    EXPECT_LT(thread_cpu_ns() - begin, 40'000'000);
    EXPECT_LT(waits, 1000);
  }
}

TEST_P(Sleep, AMessageAndATransferWake) {
  ROSS_NEEDS_TRAIT(sleeps);
  ROSS_NEEDS_BACKEND(threads);
  auto [left, right] = connect_pair();
  Guarded& owned = memory(100'000, 1);
  Guarded& got = memory(100'000, 2);
  const Window window = expose(right->side, owned.span(), Access::kRead);
  // The right side has a thread of its own that would sleep for an hour.
  std::atomic<bool> over{false};
  struct Stop : runtime::Message {
    std::atomic<bool>* over = nullptr;
  } stop;
  stop.over = &over;
  stop.run = [](runtime::Message& self) { *static_cast<Stop&>(self).over = true; };
  right->on_each = [end = right, this](End::Received& got_message) {
    end->send(*reply_.emplace_back(std::make_unique<Letter>(got_message.head)));
  };
  std::jthread sleeper([&, loop = right->side.loop] {
    while (!over) loop->wait(system_clock().monotonic_ns() + 3600LL * 1'000'000'000);
  });
  for (std::size_t round = 1; round <= 20; ++round) {
    // Long enough that the sleeper sleeps; a wake-up lost shows as drive_alone's patience running out.
    left->side.loop->wait(system_clock().monotonic_ns() + 2'000'000);
    Letter& wakes = letter(bytes("wake"));
    left->send(wakes);
    const bool answered =
        drive_alone(left->side, [&, end = left] { return end->messages == round && wakes.told == 1; });
    EXPECT_TRUE(answered);
    left->side.loop->wait(system_clock().monotonic_ns() + 2'000'000);
    Move& get = move(got.memory(0, 100'000), window);
    left->get(get);
    EXPECT_TRUE(drive_alone(left->side, [&] { return get.told == 1; }));
    EXPECT_EQ(get.error, 0);
    if (HasFailure()) break;
  }
  right->side.loop->post(stop);
}

}  // namespace
}  // namespace ross::fabric::conformance
