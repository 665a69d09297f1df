// Goal: what UCX holds comes back in bounded time, also where the other end is there and does not look; and what the other
// end copies out of memory that has been taken back meanwhile does not count.
// And nothing that comes is slept over, also where UCX's descriptor tells only of what comes after it was armed, as RDMA's does.
// Method: two endpoints on loops of their own, of which one is not driven for a while. For the last, descriptors that tell nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <cstring>
#include <deque>
#include <filesystem>
#include <functional>

#include "base/clock.h"
#include "fabric/local/socket.h"
#include "fabric/ucx/domain.h"
#include "fabric/ucx/library.h"
#include "runtime/loop.h"

namespace ross::fabric::ucx {
namespace {

constexpr ChannelLimits kLimits{.head_bytes_max = 1000, .payload_bytes_max = 1 << 20};
constexpr std::size_t kBulkBytes = 100'000;           // beyond what any transport copies into a frame
constexpr std::int64_t kPatienceNs = 30'000'000'000;  // only a failing test waits so long
constexpr std::int64_t kTakenBackWithinNs =
    4'000'000'000;  // closing waits a second for the other end, revoking not at all

// An endpoint on a loop of its own, one channel, and the end of it.
struct Side final : Acceptor, Receiver {
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
  std::unique_ptr<Domain> domain;
  std::unique_ptr<Endpoint> endpoint;
  std::unique_ptr<Channel> channel;
  std::function<void(std::span<const std::byte>)> on_each_head;
  std::vector<std::byte> payload;
  int messages = 0;
  int closed = 0;

  Side(const std::string& transport, const std::string& listen) {
    auto made = make_domain({.transport = transport});
    if (!made.has_value()) return;
    domain = *std::move(made);
    auto opened = domain->open(*loop, {.limits = kLimits, .listen = listen, .acceptor = this});
    if (opened.has_value()) endpoint = *std::move(opened);
  }
  void take(std::unique_ptr<Channel> made) {
    channel = std::move(made);
    channel->start(*this);
  }
  void on_channel(std::unique_ptr<Channel> accepted) override { take(std::move(accepted)); }
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override {
    if (on_each_head) on_each_head(head);
    payload.resize(payload_bytes);
    return memory::Memory(payload);
  }
  Status on_message() override { return ++messages, Status(); }
  void on_closed(const Status& /*why*/) override { ++closed; }
};

struct Letter : Outgoing {
  int told = 0;
  explicit Letter(std::string_view text, std::size_t payload_bytes) : bytes(payload_bytes) {
    head.resize(text.size());
    std::memcpy(head.data(), text.data(), text.size());
    payload = memory::Memory(bytes);
    sent = [](Outgoing& self, bool) { ++static_cast<Letter&>(self).told; };
  }
  std::vector<std::byte> bytes;
};

struct Get : Transfer {
  int told = 0;
  int error = -1;
  std::vector<std::byte> bytes = std::vector<std::byte>(kBulkBytes);
  explicit Get(const Window& of) {
    local = memory::Memory(bytes);
    window = &of;
    done = [](Transfer& self, int code) {
      ++static_cast<Get&>(self).told;
      static_cast<Get&>(self).error = code;
    };
  }
};

class Ucx : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    const bool by_path = std::string_view(GetParam()) == "ucx+shm";
    left = std::make_unique<Side>(GetParam(), by_path ? directory_ + "/left" : "127.0.0.1:0");
    right = std::make_unique<Side>(GetParam(), by_path ? directory_ + "/right" : "127.0.0.1:0");
    ASSERT_TRUE(left->endpoint != nullptr && right->endpoint != nullptr);
    struct Attempt : Connecting {
      Side* side;
    } attempt;
    attempt.side = left.get();
    attempt.done = [](Connecting& self, Result<std::unique_ptr<Channel>> made) {
      if (made.has_value()) static_cast<Attempt&>(self).side->take(*std::move(made));
    };
    left->endpoint->connect(right->endpoint->address(), attempt, system_clock().monotonic_ns() + kPatienceNs);
    drive([&] { return left->channel != nullptr && right->channel != nullptr; });
    ASSERT_TRUE(left->channel != nullptr && right->channel != nullptr);
  }
  void TearDown() override {
    if (left->channel != nullptr && left->closed == 0) left->channel->close();
    if (right->channel != nullptr) drive([&] { return left->closed == 1 && right->closed == 1; });
    for (auto& side : {left.get(), right.get()}) {
      side->channel.reset();
      side->endpoint.reset();
    }
    std::filesystem::remove_all(directory_);
  }

  void drive(const std::function<bool()>& done) {
    const std::int64_t until_ns = system_clock().monotonic_ns() + kPatienceNs;
    while (!done() && system_clock().monotonic_ns() < until_ns) {
      if (left->loop->poll() + right->loop->poll() == 0) left->loop->wait(system_clock().monotonic_ns() + 100'000);
    }
    EXPECT_TRUE(done());
  }
  static void drive_alone(Side& side, const std::function<bool()>& done) {
    const std::int64_t until_ns = system_clock().monotonic_ns() + kPatienceNs;
    while (!done() && system_clock().monotonic_ns() < until_ns) {
      side.loop->wait(system_clock().monotonic_ns() + 1'000'000);
    }
    EXPECT_TRUE(done());
  }
  static void turns(Side& side, int count) {
    for (int i = 0; i < count; ++i) side.loop->poll();
  }

  std::string directory_ = (std::filesystem::temp_directory_path() / "ross-ucx-test-XXXXXX").string();
  std::unique_ptr<Side> left;
  std::unique_ptr<Side> right;
};
INSTANTIATE_TEST_SUITE_P(Over, Ucx, testing::Values("ucx+tcp", "ucx+shm"),
                         [](const auto& tested) { return std::string(tested.param).substr(4); });

TEST_P(Ucx, ClosingTowardsAPeerThatDoesNotLookIsBounded) {
  std::deque<Letter> letters;
  for (int i = 0; i < 300; ++i) letters.emplace_back("small", 4000);
  for (int i = 0; i < 100; ++i) letters.emplace_back("large", kBulkBytes);
  for (Letter& letter : letters) left->channel->send(letter);
  turns(*left, 100);  // as much as there is room for
  const std::int64_t begin_ns = system_clock().monotonic_ns();
  left->channel->close();
  drive_alone(*left, [&] { return left->closed == 1; });
  EXPECT_LT(system_clock().monotonic_ns() - begin_ns, kTakenBackWithinNs);
  for (const Letter& letter : letters) EXPECT_EQ(letter.told, 1);
  drive([&] { return right->closed == 1; });
}

TEST_P(Ucx, RevokingTowardsAPeerThatDoesNotLookIsBounded) {
  std::vector<std::byte> owned(kBulkBytes, std::byte{1});
  const Window window = *left->endpoint->expose({.memory = owned, .access = Access::kRead});
  std::deque<Get> gets;
  for (int i = 0; i < 200; ++i) right->channel->get(gets.emplace_back(window));
  turns(*right, 3);
  turns(*left, 100);
  const std::int64_t begin_ns = system_clock().monotonic_ns();
  left->endpoint->revoke(window);
  EXPECT_LT(system_clock().monotonic_ns() - begin_ns, kTakenBackWithinNs);
  drive([&] { return left->closed == 1 && right->closed == 1; });
  for (const Get& get : gets) EXPECT_EQ(get.told, 1);
}

TEST_P(Ucx, WhatIsCopiedOutOfARevokedWindowDoesNotCount) {
  const std::vector<std::byte> before(kBulkBytes, std::byte{1});
  std::vector<std::byte> owned = before;
  const Window window = *left->endpoint->expose({.memory = owned, .access = Access::kRead});
  std::deque<Get> gets;
  for (int i = 0; i < 10; ++i) right->channel->get(gets.emplace_back(window));
  turns(*right, 3);
  turns(*left, 3);
  left->endpoint->revoke(window);
  std::memset(owned.data(), 2, owned.size());
  drive([&] { return left->closed == 1 && right->closed == 1; });
  for (const Get& get : gets) {
    EXPECT_EQ(get.told, 1);
    if (get.error != 0) continue;
    EXPECT_EQ(std::memcmp(get.bytes.data(), before.data(), kBulkBytes), 0) << "memory of later";
  }
}

TEST_P(Ucx, AHeadStaysReadableWhenItsConnectionIsTakenBackMeanwhile) {
  std::vector<std::byte> owned(kBulkBytes);
  const Window window = *left->endpoint->expose({.memory = owned, .access = Access::kRead});
  Get get(window);
  Letter letter("a head that is read late", 8000);
  std::string seen;
  left->on_each_head = [&](std::span<const std::byte> head) {
    left->endpoint->revoke(window);
    seen.assign(reinterpret_cast<const char*>(head.data()), head.size());
  };
  right->channel->get(get);
  turns(*right, 3);
  turns(*left, 3);  // has answered, and the answer is not fetched
  right->channel->send(letter);
  drive([&] { return left->closed == 1 && right->closed == 1; });
  EXPECT_EQ(seen, "a head that is read late");
  EXPECT_EQ(left->messages, 0);
}

// Nobody's descriptor tells anything; and something happens once while a worker is armed.
class Deaf : public Ucx {
 protected:
  void SetUp() override {
    ASSERT_TRUE(load_library().ok());
    real = library();
    Library deaf = real;
    deaf.worker_get_efd = [](ucp_worker_h /*worker*/, int* fd) {
      *fd = descriptors.emplace_back(::eventfd(0, EFD_CLOEXEC)).fd();
      return UCS_OK;
    };
    deaf.worker_arm = [](ucp_worker_h worker) {
      const ucs_status_t status = real.worker_arm(worker);
      if (status == UCS_OK && meanwhile) std::exchange(meanwhile, nullptr)();
      return status;
    };
    stand_in_for_test(deaf);
    Ucx::SetUp();
  }
  void TearDown() override {
    Ucx::TearDown();
    stand_in_for_test(real);
    descriptors.clear();
  }

  static inline Library real;
  static inline std::vector<Socket> descriptors;
  static inline std::function<void()> meanwhile;
};
INSTANTIATE_TEST_SUITE_P(Over, Deaf, testing::Values("ucx+tcp", "ucx+shm"),
                         [](const auto& tested) { return std::string(tested.param).substr(4); });

TEST_P(Deaf, WhatComesWhileAWorkerIsArmedIsNotSleptOver) {
  Letter first("until it is there, UCX may still connect", 100);
  right->channel->send(first);
  drive([&] { return left->messages == 1 && first.told == 1; });
  Letter letter("came meanwhile", 100);
  meanwhile = [&] {
    right->channel->send(letter);
    turns(*right, 10);
  };
  const std::int64_t begin_ns = system_clock().monotonic_ns();
  while (left->messages == 1 && system_clock().monotonic_ns() < begin_ns + kPatienceNs) {
    left->loop->wait(begin_ns + kPatienceNs);
  }
  EXPECT_EQ(left->messages, 2);
  EXPECT_LT(system_clock().monotonic_ns() - begin_ns, kPatienceNs / 2);
}

}  // namespace
}  // namespace ross::fabric::ucx
