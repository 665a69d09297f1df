// What a window is worth on the wire, where the card alone stands before our memory.
//
// Goal: a peer with a libfabric of its own, which asks for no leave, gets at nothing but what a window opens: not beyond it, not
// against its direction, not after it was revoked; it is told so, and the endpoint serves others on. Method: real verbs (rdma.h),
// the peer's end by hand. First that such a peer does reach what is open, or refusals would show nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "conformance/fabric/rdma.h"
#include "fabric/ofi/bare_for_test.h"
#include "fabric/ofi/domain.h"
#include "fabric/ofi/wire.h"
#include "runtime/loop.h"

namespace ross::fabric::ofi {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::int64_t kPatienceNs = 60'000'000'000;
constexpr std::int64_t kTurnNs = 1'000'000;

struct Nobody final : Acceptor {
  void on_channel(std::unique_ptr<Channel>) override {}
};

// An endpoint that moves what it likes.
class Stranger {
 public:
  Stranger(OfiDomain& domain, const std::string& target)
      : bare_(domain, target), memory_(*domain.register_memory(bytes_, Use::kLocal, bare_.ep.get())) {}
  // Begins to move bytes between its memory and what key opens, from offset on. False: not yet.
  bool move(const WindowKey& key, bool is_put, std::int64_t offset, std::size_t size) {
    const std::uint64_t there = key.base + static_cast<std::uint64_t>(offset);
    void* const descriptor = memory_.descriptor;
    const ssize_t result =
        is_put ? fi_write(bare_.ep.get(), bytes_, size, descriptor, bare_.target, there, key.rkey, &space_)
               : fi_read(bare_.ep.get(), bytes_, size, descriptor, bare_.target, there, key.rkey, &space_);
    EXPECT_TRUE(result == 0 || result == -FI_EAGAIN) << result;
    return result == 0;
  }
  // Whether it is over; error is 0, or what the card answered.
  bool over(int& error) {
    fi_cq_data_entry entry{};
    const ssize_t got = fi_cq_read(bare_.cq.get(), &entry, 1);
    if (got == 1) return error = 0, true;
    if (got != -FI_EAVAIL) return false;
    fi_cq_err_entry failed{};
    EXPECT_GE(fi_cq_readerr(bare_.cq.get(), &failed, 0), 0);
    return error = failed.err, true;
  }
  std::span<std::byte> bytes() { return bytes_; }

 private:
  fi_context2 space_{};
  alignas(kPageBytes) std::byte bytes_[kPageBytes];
  Bare bare_;
  Registration memory_;  // of memory that bare_ may be moving, but that this object keeps
};

class WindowScope : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = conformance::skip_without_rdma(); !why.empty()) GTEST_SKIP() << why;
    const std::string address = conformance::rdma_address();
    auto made = OfiDomain::create({.provider = "ofi+verbs", .node = address});
    ASSERT_TRUE(made.has_value()) << made.error().message();
    domain_ = *std::move(made);
    loop_ = *runtime::Loop::create();
    auto endpoint = domain_->open(*loop_, {.limits = {}, .listen = address + ":0", .acceptor = &nobody_});
    ASSERT_TRUE(endpoint.has_value()) << endpoint.error().message();
    endpoint_ = *std::move(endpoint);
    std::memset(memory_, 0x11, sizeof memory_);
  }
  OfiDomain& domain() { return static_cast<OfiDomain&>(*domain_); }
  // The middle page of three.
  std::span<std::byte> middle() { return std::span(memory_).subspan(kPageBytes, kPageBytes); }
  Window expose(Access access) { return *endpoint_->expose({.memory = middle(), .access = access}); }
  static WindowKey key_of(const Window& window) { return *decode_key(window.key); }

  // What a stranger of its own is told of one transfer: 0, or an errno.
  int strangers_move(const WindowKey& key, bool is_put, std::int64_t offset, std::size_t size) {
    Stranger stranger(domain(), endpoint_->address());
    std::memset(stranger.bytes().data(), 0x22, size);
    int error = -1;
    drive([&] { return stranger.over(error) || stranger.move(key, is_put, offset, size); });
    if (error == -1) drive([&] { return stranger.over(error); });
    got_.assign(stranger.bytes().begin(), stranger.bytes().begin() + static_cast<std::ptrdiff_t>(size));
    return error;
  }
  void drive(const std::function<bool()>& done) {
    const std::int64_t deadline = loop_->clock().monotonic_ns() + kPatienceNs;
    while (!done()) {
      ASSERT_LT(loop_->clock().monotonic_ns(), deadline) << "what has to happen does not";
      loop_->wait(loop_->clock().monotonic_ns() + kTurnNs);
    }
  }
  [[nodiscard]] bool untouched() const {
    return std::all_of(std::begin(memory_), std::end(memory_), [](std::byte each) { return each == std::byte{0x11}; });
  }
  // The endpoint serves others on: a transfer as it should be, by somebody new.
  void expect_served() {
    const Window window = expose(Access::kRead);
    EXPECT_EQ(strangers_move(key_of(window), false, 0, kPageBytes), 0);
    endpoint_->revoke(window);
  }

  alignas(kPageBytes) std::byte memory_[3 * kPageBytes];
  std::vector<std::byte> got_;
  Nobody nobody_;
  std::unique_ptr<Domain> domain_;
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<Endpoint> endpoint_;
};

TEST_F(WindowScope, WhatIsOpenIsReached) {
  const Window read = expose(Access::kRead);
  EXPECT_EQ(strangers_move(key_of(read), false, 0, kPageBytes), 0);
  EXPECT_TRUE(std::equal(got_.begin(), got_.end(), middle().begin()));
  const Window write = expose(Access::kWrite);
  EXPECT_EQ(strangers_move(key_of(write), true, 0, kPageBytes), 0);
  EXPECT_TRUE(std::all_of(middle().begin(), middle().end(), [](std::byte each) { return each == std::byte{0x22}; }));
  EXPECT_EQ(memory_[kPageBytes - 1], std::byte{0x11});
  EXPECT_EQ(memory_[2 * kPageBytes], std::byte{0x11});
  endpoint_->revoke(read);
  endpoint_->revoke(write);
}

TEST_F(WindowScope, BeyondItNothingIs) {
  for (const bool is_put : {false, true}) {
    for (const std::int64_t offset : {std::int64_t{-1}, std::int64_t{1}, std::int64_t{kPageBytes}}) {
      SCOPED_TRACE(testing::Message() << (is_put ? "put at " : "get at ") << offset);
      const Window window = expose(is_put ? Access::kWrite : Access::kRead);
      EXPECT_GT(strangers_move(key_of(window), is_put, offset, kPageBytes), 0);
      EXPECT_TRUE(untouched());
      EXPECT_TRUE(std::all_of(got_.begin(), got_.end(), [](std::byte each) { return each == std::byte{0x22}; }));
      endpoint_->revoke(window);
    }
  }
  expect_served();
}

TEST_F(WindowScope, AgainstItsDirectionNothingIs) {
  const Window read = expose(Access::kRead);
  EXPECT_GT(strangers_move(key_of(read), true, 0, 64), 0);
  EXPECT_TRUE(untouched());
  const Window write = expose(Access::kWrite);
  EXPECT_GT(strangers_move(key_of(write), false, 0, 64), 0);
  EXPECT_TRUE(std::all_of(got_.begin(), got_.end(), [](std::byte each) { return each == std::byte{0x22}; }));
  endpoint_->revoke(read);
  endpoint_->revoke(write);
  expect_served();
}

TEST_F(WindowScope, AfterItsRevocationNothingIs) {
  for (const bool is_put : {false, true}) {
    SCOPED_TRACE(is_put ? "put" : "get");
    const Window window = expose(is_put ? Access::kWrite : Access::kRead);
    EXPECT_EQ(strangers_move(key_of(window), is_put, 0, 64), 0);
    endpoint_->revoke(window);
    std::memset(memory_, 0x11, sizeof memory_);
    EXPECT_GT(strangers_move(key_of(window), is_put, 0, 64), 0);
    EXPECT_TRUE(untouched());
  }
  expect_served();
}

}  // namespace
}  // namespace ross::fabric::ofi
