// Goal: a queue keeps the submit contract: an accepted operation has exactly one completion, a refused one none, a full
// queue pushes back, and memory and files in use cannot be taken away.
// Method: a store over the model file system with a gate that keeps operations in flight while the test looks.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>
#include <thread>

#include "model_store.h"
#include "ross/ross.hpp"

namespace {

using ross::Buffer;
using ross::File;
using ross::Queue;
using ross::Store;

class QueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store = Store(model_store());
    file = *store.create("file");
    buffer = *store.alloc(kBytes);
    queue = *store.queue(kDepth);
  }
  std::span<ross_completion> take(std::span<ross_completion> into) { return queue.poll(into, -1).value(); }

  static constexpr std::uint32_t kDepth = 8;
  static constexpr std::size_t kBytes = 1 << 20;
  Store store;
  File file;
  Buffer buffer;
  Queue queue;
  std::array<ross_completion, 32> done{};
};

TEST_F(QueueTest, WhatIsWrittenInOneBatchIsReadInAnother) {
  std::memset(buffer.span().data(), 0x5a, 64 * 1024);
  std::vector<ross_op> ops;
  for (std::uint64_t i = 0; i < kDepth; ++i) {
    ops.push_back(Queue::write(file, buffer.span().subspan(i * 8192, 8192), i * 8192, i, &buffer));
  }
  ASSERT_EQ(queue.submit(ops).value(), kDepth);
  std::set<std::uint64_t> seen;
  while (seen.size() < kDepth) {
    for (const ross_completion& one : take(done)) {
      EXPECT_EQ(one.result, 8192);
      EXPECT_TRUE(seen.insert(one.user_data).second);
    }
  }
  EXPECT_EQ(queue.inflight(), 0);
  const std::array read = {Queue::read(file, buffer.span().subspan(128 * 1024, 128 * 1024), 0, 77, &buffer),
                           Queue::fsync(file, 78)};
  ASSERT_EQ(queue.submit(read).value(), 2U);
  std::uint64_t got = 0;
  while (got < 2) {
    for (const ross_completion& one : take(done)) {
      EXPECT_EQ(one.result, one.user_data == 77 ? 64 * 1024 : 0);  // short at the file's end
      ++got;
    }
  }
  EXPECT_EQ(std::memcmp(buffer.span().data(), buffer.span().data() + 128 * 1024, 64 * 1024), 0);
}

TEST_F(QueueTest, AFullQueuePushesBackAndEveryAcceptedOperationCompletesOnce) {
  model_gate(1);
  std::vector<ross_op> ops;
  for (std::uint64_t i = 0; i < kDepth + 3; ++i) {
    ops.push_back(Queue::write(file, buffer.span().subspan(i * 512, 512), i * 512, i));
  }
  EXPECT_EQ(queue.submit(ops).value(), kDepth);
  EXPECT_EQ(ross_queue_submit(queue.get(), ops.data(), 1), -EAGAIN);
  EXPECT_TRUE(queue.poll(done, 0)->empty());
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(queue.poll(done, 5'000'000)->empty());  // the time is up
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(5));
  EXPECT_EQ(queue.inflight(), kDepth);
  model_gate(0);
  std::set<std::uint64_t> seen;
  while (seen.size() < kDepth) {
    for (const ross_completion& one : take(std::span(done).first(3))) {
      EXPECT_EQ(one.result, 512);
      EXPECT_TRUE(seen.insert(one.user_data).second);
    }
  }
  EXPECT_EQ(*seen.rbegin(), kDepth - 1);         // none of the refused
  EXPECT_TRUE(queue.poll(done, -1)->empty());    // nothing in flight: no wait
  EXPECT_EQ(queue.submit(ops).value(), kDepth);  // room again
}

TEST_F(QueueTest, DoneButNotPolledStillCountsAgainstTheDepth) {
  std::vector<ross_op> ops(kDepth, Queue::fsync(file, 1));
  ASSERT_EQ(queue.submit(ops).value(), kDepth);
  EXPECT_EQ(ross_queue_submit(queue.get(), ops.data(), 1), -EAGAIN);
  EXPECT_EQ(queue.poll(std::span(done).first(1), -1)->size(), 1U);
  EXPECT_EQ(ross_queue_submit(queue.get(), ops.data(), 2), 1);
}

TEST_F(QueueTest, ABadOperationIsRefusedAndThoseBeforeItRun) {
  const auto good = Queue::write(file, buffer.span().first(10), 0, 1);
  const auto refused = [&](ross_op bad) {
    const std::array both = {good, bad};
    EXPECT_EQ(ross_queue_submit(queue.get(), both.data(), 2), 1);
    EXPECT_EQ(queue.poll(done, -1)->size(), 1U);
    const std::int64_t result = ross_queue_submit(queue.get(), &bad, 1);
    EXPECT_EQ(queue.inflight(), 0);
    EXPECT_NE(std::string(ross_last_error()), "");
    return result;
  };
  ross_op op = good;
  op.op = 99;
  EXPECT_EQ(refused(op), -EINVAL);
  op = good, op.file = nullptr;
  EXPECT_EQ(refused(op), -EINVAL);
  op = good, op.data = nullptr;
  EXPECT_EQ(refused(op), -EINVAL);
  op = good, op.size = 8;
  EXPECT_EQ(refused(op), -EINVAL);
  op = good, op.offset = UINT64_MAX;
  EXPECT_EQ(refused(op), -EINVAL);
  op = good, op.length = std::uint64_t{ROSS_IO_BYTES_MAX} + 1;
  EXPECT_EQ(refused(op), -EINVAL);
  // Outside its registered buffer: by one at the end, in front, and with a length that would wrap around.
  op = good, op.buffer = buffer.get(), op.data = buffer.span().data() + kBytes - 9;
  EXPECT_EQ(refused(op), -EINVAL);
  op.data = buffer.span().data() - 1;
  EXPECT_EQ(refused(op), -EINVAL);
  op.data = buffer.span().data() + kBytes + 1;
  EXPECT_EQ(refused(op), -EINVAL);
  Store other(model_store());
  const File foreign = *other.create("x");
  op = good, op.file = foreign.get();
  EXPECT_EQ(refused(op), -EBADF);
}

TEST_F(QueueTest, AFailedOperationTellsWhatAndTheNextOnesGoOn) {
  ASSERT_TRUE(file.close().has_value());
  file = *store.open("file", O_RDONLY);
  const std::array ops = {Queue::write(file, buffer.span().first(10), 0, 1),
                          Queue::read(file, buffer.span().first(10), 0, 2)};
  ASSERT_EQ(queue.submit(ops).value(), 2U);
  for (int got = 0; got < 2;) {
    for (const ross_completion& one : take(done)) {
      ++got;
      if (one.user_data == 1) {
        EXPECT_EQ(one.result, -EBADF);
        ASSERT_NE(one.message, nullptr);
        EXPECT_NE(std::string(one.message), "");
      } else {
        EXPECT_EQ(one.result, 0);
        EXPECT_EQ(one.message, nullptr);
      }
    }
  }
}

TEST_F(QueueTest, WhatIsInUseIsNotClosedAndDestroyWaits) {
  model_gate(1);
  const auto op = Queue::write(file, buffer.span().first(4096), 0, 1, &buffer);
  ASSERT_EQ(ross_queue_submit(queue.get(), &op, 1), 1);
  EXPECT_EQ(ross_close(file.get()), -EBUSY);
  EXPECT_EQ(ross_buffer_free(buffer.get()), -EBUSY);
  EXPECT_EQ(ross_detach(store.get()), -EBUSY);
  std::thread opener([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    model_gate(0);
  });
  queue = Queue();  // the destructor of the old one waits for the write
  opener.join();
  EXPECT_EQ(file.stat()->size_bytes, 4096U);
}

TEST_F(QueueTest, TwoQueuesOfTwoThreadsOnOneFile) {
  std::array<std::thread, 2> threads;
  for (std::uint64_t t = 0; t < 2; ++t) {
    threads[t] = std::thread([this, t] {
      Queue mine = *store.queue(4);
      const Buffer memory = *store.alloc(4096);
      std::memset(memory.span().data(), static_cast<int>('a' + t), 4096);
      std::array<ross_completion, 4> completions{};
      for (std::uint64_t i = 0; i < 500; ++i) {
        const auto op = Queue::write(file, memory.span(), (2 * i + t) * 4096, i, &memory);
        ASSERT_EQ(ross_queue_submit(mine.get(), &op, 1), 1);
        ASSERT_EQ(mine.poll(completions, -1)->size(), 1U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::byte byte{};
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(file.pread(std::span(&byte, 1), i * 4096).value(), 1U);
    EXPECT_EQ(byte, static_cast<std::byte>('a' + i % 2));
  }
}

TEST_F(QueueTest, RegisteringTakesAlignedPresentMemoryOnly) {
  void* const map = ::mmap(nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(map, MAP_FAILED);
  auto* const bytes = static_cast<std::byte*>(map);
  EXPECT_TRUE(store.register_memory({bytes, 2 * 4096}).has_value());
  EXPECT_EQ(store.register_memory({bytes + 1, 4096}).error().code, EINVAL);
  EXPECT_EQ(store.register_memory({bytes, 4095}).error().code, EINVAL);
  EXPECT_EQ(store.register_memory({bytes, 0}).error().code, EINVAL);
  ASSERT_EQ(::munmap(bytes + 2 * 4096, 4096), 0);
  // Emulation takes no notice of memory that is not there.
  if (std::getenv("ROSS_EMULATED") == nullptr) {
    EXPECT_EQ(store.register_memory({bytes, 3 * 4096}).error().code, EFAULT);
  }
  ::munmap(bytes, 2 * 4096);
}

TEST_F(QueueTest, AForkedChildIsToldAndTheParentGoesOn) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto op = Queue::fsync(file, 1);
    ::_exit(ross_queue_submit(queue.get(), &op, 1) == -EINVAL ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const auto op = Queue::fsync(file, 1);
  EXPECT_EQ(ross_queue_submit(queue.get(), &op, 1), 1);
  EXPECT_EQ(queue.poll(done, -1)->size(), 1U);
}

}  // namespace
