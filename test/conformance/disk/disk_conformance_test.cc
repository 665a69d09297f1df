// Goal: every disk backend keeps the contract of disk.h.
// Method: the same tests on each backend; what was written is compared with arrays kept beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "backends.h"
#include "base/random.h"
#include "base/units.h"
#include "disk/disk.h"
#include "runtime/loop.h"

namespace ross::disk::conformance {
namespace {

constexpr std::uint64_t kDiskBytes = 16 * kMiB;

// Different bytes for every seed, cheaply also under a sanitizer.
void fill(std::span<std::byte> bytes, std::uint64_t seed) {
  Random random(seed);
  std::array<std::uint64_t, 512> page;
  static_assert(sizeof page == kBlockBytes);
  for (std::uint64_t& word : page) word = random();
  for (std::size_t at = 0; at < bytes.size(); at += sizeof page) {
    page[0] = at;
    std::memcpy(bytes.data() + at, page.data(), std::min(sizeof page, bytes.size() - at));
  }
}

// Bytes at an address that is a multiple of `alignment` and, past kBlockBytes, of nothing larger.
class Buffer {
 public:
  explicit Buffer(std::size_t size_bytes, std::size_t alignment = kBlockBytes)
      : raw_(static_cast<std::byte*>(
            std::aligned_alloc(kBlockBytes, round_up(size_bytes, kBlockBytes) + 2 * kBlockBytes))),
        data_(raw_ + (alignment == kBlockBytes ? 0 : alignment)),
        size_bytes_(size_bytes) {
    std::memset(data_, 0xee, size_bytes_);
  }
  ~Buffer() { std::free(raw_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::span<std::byte> span() const { return {data_, size_bytes_}; }
  [[nodiscard]] std::span<std::byte> span(std::size_t at, std::size_t size) const { return {data_ + at, size}; }
  void fill(std::uint64_t seed) { conformance::fill(span(), seed); }
  friend bool operator==(const Buffer& a, const Buffer& b) {
    return a.size_bytes_ == b.size_bytes_ && std::memcmp(a.data_, b.data_, a.size_bytes_) == 0;
  }

 private:
  std::byte* const raw_;
  std::byte* const data_;
  const std::size_t size_bytes_;
};

// A request that counts its completions.
struct Counted : Request {
  int completions = 0;
  int result = 1;
  Counted() {
    done = [](runtime::Completion& completion, int value) {
      auto& self = static_cast<Counted&>(completion);
      ++self.completions;
      self.result = value;
    };
  }
};

class DiskConformance : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (!instance_.skip.empty()) GTEST_SKIP() << instance_.skip;
    loop_ = make_loop(256);
  }
  std::unique_ptr<runtime::Loop> make_loop(unsigned ring_entries) {
    runtime::Loop::Options options{.ring_entries = ring_entries};
    if (instance_.clock) options.clock = instance_.clock.get();
    return *runtime::Loop::create(options);
  }
  Disk& disk() { return *instance_.disk; }

  // Submits and drives the loop until all have completed, or a deadline of the machine's clock passes.
  void run(runtime::Loop& loop, std::span<Counted> requests) {
    const runtime::Loop::Scope scope(loop);
    for (Counted& request : requests) disk().submit(loop, request);
    finish(loop, requests);
  }
  static void finish(runtime::Loop& loop, std::span<Counted> requests) {
    const std::int64_t give_up_ns = system_clock().monotonic_ns() + 20'000'000'000;
    for (Counted& request : requests) {
      while (request.completions == 0 && system_clock().monotonic_ns() < give_up_ns) {
        loop.wait(loop.clock().monotonic_ns() + 100'000'000);
      }
    }
    loop.poll();
    for (Counted& request : requests) ASSERT_EQ(1, request.completions);
  }
  int run_one(Counted& request) {
    request.completions = 0;
    run(*loop_, {&request, 1});
    return request.result;
  }
  int write(std::uint64_t at, std::span<const std::byte> from) {
    Counted request;
    request.write(at, from);
    return run_one(request);
  }
  int read(std::uint64_t at, std::span<std::byte> into) {
    Counted request;
    request.read(at, into);
    return run_one(request);
  }

  Instance instance_ = GetParam().make(kDiskBytes);
  std::unique_ptr<runtime::Loop> loop_;
};

TEST_P(DiskConformance, StatesItsSizeAndAnAlignmentThatIsAPowerOfTwo) {
  EXPECT_EQ(kDiskBytes, disk().size_bytes());
  EXPECT_TRUE(std::has_single_bit(disk().alignment_bytes()));
  EXPECT_LE(disk().alignment_bytes(), kBlockBytes);
}

TEST_P(DiskConformance, ReadsWhatWasWrittenInEverySizeAndAtBothEnds) {
  for (const std::size_t size : {4 * kKiB, 8 * kKiB, 60 * kKiB, 1 * kMiB, 4 * kMiB + 4 * kKiB}) {
    for (const std::uint64_t at : {std::uint64_t{0}, 4 * kKiB, 5 * kMiB, kDiskBytes - size}) {
      Buffer written(size);
      Buffer got(size);
      written.fill(size + at);
      ASSERT_EQ(static_cast<int>(size), write(at, written.span()));
      ASSERT_EQ(static_cast<int>(size), read(at, got.span()));
      ASSERT_EQ(written, got) << size << " bytes at " << at;
    }
  }
}

TEST_P(DiskConformance, TakesBuffersOfItsAlignmentAndRefusesLess) {
  const std::size_t alignment = disk().alignment_bytes();
  Buffer written(64 * kKiB, alignment);
  Buffer got(64 * kKiB, alignment);
  written.fill(1);
  EXPECT_EQ(static_cast<int>(64 * kKiB), write(kMiB, written.span()));
  EXPECT_EQ(static_cast<int>(64 * kKiB), read(kMiB, got.span()));
  EXPECT_EQ(written, got);
  if (alignment > 1) {
    Buffer off(64 * kKiB, alignment / 2);
    EXPECT_EQ(-EINVAL, read(kMiB, off.span()));
    EXPECT_EQ(-EINVAL, write(kMiB, off.span()));
  }
}

TEST_P(DiskConformance, RefusesWhatIsNotInsideTheDiskAndChangesNothing) {
  Buffer before(64 * kKiB);
  before.fill(2);
  ASSERT_GT(write(kDiskBytes - 64 * kKiB, before.span()), 0);
  Buffer other(64 * kKiB);
  const std::uint64_t last = UINT64_MAX - kBlockBytes + 1;
  for (const std::uint64_t at :
       {kDiskBytes - 60 * kKiB, kDiskBytes, kDiskBytes + kBlockBytes, std::uint64_t{1} << 63, last}) {
    EXPECT_EQ(-EINVAL, write(at, other.span())) << at;
    EXPECT_EQ(-EINVAL, read(at, other.span())) << at;
  }
  for (const std::uint64_t at : {std::uint64_t{1}, std::uint64_t{512}, kDiskBytes - 64 * kKiB + 1}) {
    EXPECT_EQ(-EINVAL, write(at, other.span())) << at;
  }
  EXPECT_EQ(-EINVAL, write(0, other.span(0, 512)));
  EXPECT_EQ(-EINVAL, write(0, other.span(0, kBlockBytes + 1)));
  EXPECT_EQ(-EINVAL, read(0, {other.data(), kTransferBytesMax + kBlockBytes}));
  EXPECT_EQ(-EINVAL, read(0, {other.data(), SIZE_MAX - kBlockBytes + 1}));
  Buffer got(64 * kKiB);
  ASSERT_GT(read(kDiskBytes - 64 * kKiB, got.span()), 0);
  EXPECT_EQ(before, got);
}

TEST_P(DiskConformance, NothingIsATransferToo) {
  Buffer buffer(kBlockBytes);
  EXPECT_EQ(0, read(0, buffer.span(0, 0)));
  EXPECT_EQ(0, write(kDiskBytes, buffer.span(0, 0)));
  EXPECT_EQ(-EINVAL, read(kDiskBytes + kBlockBytes, buffer.span(0, 0)));
}

TEST_P(DiskConformance, ManyInFlightCompleteOnceEachAlsoPastTheRingsSize) {
  auto loop = make_loop(8);
  const std::size_t count = kDiskBytes / kBlockBytes;
  Buffer written(kDiskBytes);
  Buffer got(kDiskBytes);
  written.fill(3);
  std::vector<Counted> requests(count);
  for (std::size_t i = 0; i < count; ++i) {
    requests[i].write(i * kBlockBytes, written.span(i * kBlockBytes, kBlockBytes));
  }
  run(*loop, requests);
  for (Counted& request : requests) {
    ASSERT_EQ(static_cast<int>(kBlockBytes), request.result);
    request.completions = 0;
    request.read(request.offset_bytes, got.span(request.offset_bytes, kBlockBytes));
  }
  run(*loop, requests);
  for (Counted& request : requests) ASSERT_EQ(static_cast<int>(kBlockBytes), request.result);
  EXPECT_EQ(written, got);
}

TEST_P(DiskConformance, RandomTransfersAgreeWithAModel) {
  Random random(4);
  Buffer model(kDiskBytes);
  model.fill(4);
  ASSERT_GT(write(0, model.span()), 0);
  constexpr std::size_t kLanes = 16;  // each in its own part of the disk, so that transfers in flight never overlap
  constexpr std::uint64_t kLaneBytes = kDiskBytes / kLanes;
  Buffer scratch(kDiskBytes);
  for (int wave = 0; wave < 40; ++wave) {
    std::vector<Counted> requests(kLanes);
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::uint64_t size = (1 + random.below(16)) * kBlockBytes;
      const std::uint64_t inside = random.below((kLaneBytes - size) / kBlockBytes + 1) * kBlockBytes;
      const std::uint64_t at = lane * kLaneBytes + inside;
      if (random.chance(1, 2)) {
        fill(model.span(at, size), random());
        requests[lane].write(at, model.span(at, size));
      } else {
        requests[lane].read(at, scratch.span(at, size));
      }
    }
    run(*loop_, requests);
    for (Counted& request : requests) {
      ASSERT_EQ(static_cast<int>(request.size_bytes), request.result);
      ASSERT_EQ(0, std::memcmp(request.data, model.data() + request.offset_bytes, request.size_bytes))
          << "wave " << wave;
    }
  }
}

TEST_P(DiskConformance, ABatchTellsItsFirstErrorAfterAllAreDone) {
  struct Body {
    static runtime::Task<int> run(Disk& disk, std::span<Request> requests) {
      Batch batch;
      const int nothing = co_await batch;
      if (nothing != 0) co_return 1;
      for (Request& request : requests) batch.submit(disk, request);
      const int error = co_await batch;
      if (error != -EINVAL) co_return 2;
      batch.submit(disk, requests[0]);  // used again, it starts without the old error
      co_return co_await batch;
    }
  };
  Buffer written(3 * kBlockBytes);
  Buffer got(3 * kBlockBytes);
  written.fill(5);
  std::vector<Request> requests(3);
  requests[0].write(0, written.span(0, kBlockBytes));
  requests[1].write(kBlockBytes + 1, written.span(kBlockBytes, kBlockBytes));
  requests[2].write(2 * kBlockBytes, written.span(2 * kBlockBytes, kBlockBytes));
  EXPECT_EQ(0, loop_->block_on(Body::run(disk(), requests)));
  ASSERT_GT(read(0, got.span()), 0);
  EXPECT_EQ(0, std::memcmp(written.data(), got.data(), kBlockBytes));
  EXPECT_EQ(0, std::memcmp(written.data() + 2 * kBlockBytes, got.data() + 2 * kBlockBytes, kBlockBytes));
}

TEST_P(DiskConformance, ARequestCanBeSubmittedAgainFromItsCompletion) {
  struct Chained : Request {
    Disk* disk = nullptr;
    int left = 200;
  };
  Buffer buffer(kBlockBytes);
  Chained chained;
  chained.disk = &disk();
  chained.read(0, buffer.span());
  chained.done = [](runtime::Completion& completion, int result) {
    auto& self = static_cast<Chained&>(completion);
    EXPECT_EQ(static_cast<int>(kBlockBytes), result);
    self.offset_bytes += kBlockBytes;
    if (--self.left > 0) self.disk->submit(*runtime::Loop::current(), self);
  };
  {
    const runtime::Loop::Scope scope(*loop_);
    disk().submit(*loop_, chained);
  }
  const std::int64_t give_up_ns = system_clock().monotonic_ns() + 20'000'000'000;
  while (chained.left > 0 && system_clock().monotonic_ns() < give_up_ns) {
    loop_->wait(loop_->clock().monotonic_ns() + 100'000'000);
  }
  EXPECT_EQ(0, chained.left);
}

TEST_P(DiskConformance, PollingAloneCompletesTransfers) {
  Buffer buffer(kBlockBytes);
  std::vector<Counted> requests(16);
  {
    const runtime::Loop::Scope scope(*loop_);
    for (Counted& request : requests) disk().submit(*loop_, request.read(0, buffer.span()));
  }
  // The bound is on time: a device answers in milliseconds, a spinning caller polls millions of times in between.
  const std::int64_t give_up_ns = system_clock().monotonic_ns() + 20'000'000'000;
  for (Counted& request : requests) {
    while (request.completions == 0 && system_clock().monotonic_ns() < give_up_ns) {
      loop_->poll();
      if (instance_.clock) instance_.clock->advance(1000);
    }
    ASSERT_EQ(1, request.completions);
    EXPECT_EQ(static_cast<int>(kBlockBytes), request.result);
  }
}

TEST_P(DiskConformance, WhatIsMappedIsWhatIsStored) {
  std::byte* const mapped = disk().mapped();
  if (mapped == nullptr) GTEST_SKIP() << "not addressable";
  Buffer written(kMiB);
  written.fill(6);
  ASSERT_GT(write(3 * kMiB, written.span()), 0);
  EXPECT_EQ(0, std::memcmp(mapped + 3 * kMiB, written.data(), kMiB));
  mapped[3 * kMiB] ^= std::byte{1};
  Buffer got(kBlockBytes);
  ASSERT_GT(read(3 * kMiB, got.span()), 0);
  EXPECT_EQ(written.data()[0] ^ std::byte{1}, got.data()[0]);
}

TEST_P(DiskConformance, FlushedDataIsThereWhenOpenedAgain) {
  if (!instance_.reopen) GTEST_SKIP() << "the backend keeps nothing";
  Buffer written(kMiB);
  Buffer got(kMiB);
  written.fill(7);
  ASSERT_GT(write(2 * kMiB, written.span()), 0);
  ASSERT_TRUE(disk().flush().ok());
  instance_.disk.reset();
  auto again = instance_.reopen();
  ASSERT_TRUE(again.has_value()) << again.error().message();
  instance_.disk = *std::move(again);
  EXPECT_EQ(kDiskBytes, disk().size_bytes());
  ASSERT_GT(read(2 * kMiB, got.span()), 0);
  EXPECT_EQ(written, got);
}

TEST_P(DiskConformance, ASecondOpenerIsRefused) {
  if (!instance_.reopen) GTEST_SKIP() << "nothing to open";
  const auto second = instance_.reopen();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(EBUSY, second.error().error());
}

TEST_P(DiskConformance, DiscardHarmsNothingElse) {
  Buffer written(kMiB);
  Buffer got(kMiB);
  written.fill(8);
  ASSERT_GT(write(0, written.span()), 0);
  ASSERT_TRUE(disk().flush().ok());
  disk().discard(256 * kKiB, 256 * kKiB);
  disk().discard(kMiB + 1, 100);
  disk().discard(kDiskBytes, kBlockBytes);
  disk().discard(kDiskBytes - kBlockBytes, UINT64_MAX);
  disk().discard(UINT64_MAX, UINT64_MAX);
  disk().discard(kMiB, 0);
  disk().discard(768 * kKiB, kBlockBytes);  // where a page of any size begins, and of large ones a part
  ASSERT_GT(read(0, got.span()), 0);
  EXPECT_EQ(0, std::memcmp(written.data(), got.data(), 256 * kKiB));
  EXPECT_EQ(0, std::memcmp(written.data() + 512 * kKiB, got.data() + 512 * kKiB, 256 * kKiB));
  EXPECT_EQ(0, std::memcmp(written.data() + 768 * kKiB + kBlockBytes, got.data() + 768 * kKiB + kBlockBytes,
                           256 * kKiB - kBlockBytes));
  ASSERT_GT(write(0, written.span()), 0);
  ASSERT_GT(read(0, got.span()), 0);
  EXPECT_EQ(written, got);
}

TEST_P(DiskConformance, ThreadsWithLoopsOfTheirOwnShareADiskWhileAnotherFlushes) {
  if (instance_.clock) GTEST_SKIP() << "a simulated clock has one thread";
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (std::uint64_t part = 0; part < 3; ++part) {
    threads.emplace_back([this, part, &failures] {
      auto loop = make_loop(16);
      Buffer written(4 * kMiB);
      Buffer got(4 * kMiB);
      written.fill(part);
      std::vector<Counted> requests(written.span().size() / (64 * kKiB));
      for (const bool writing : {true, false}) {
        for (std::size_t i = 0; i < requests.size(); ++i) {
          const std::uint64_t at = i * 64 * kKiB;
          Counted& request = requests[i];
          request.completions = 0;
          if (writing) request.write(part * 4 * kMiB + at, written.span(at, 64 * kKiB));
          if (!writing) request.read(part * 4 * kMiB + at, got.span(at, 64 * kKiB));
        }
        run(*loop, requests);
      }
      if (!(written == got)) ++failures;
    });
  }
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(disk().flush().ok());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(0, failures);
}

TEST_P(DiskConformance, TransfersOfAThreadThatEndedCompleteOnTheNextOneThatDrivesTheLoop) {
  Buffer written(kMiB);
  Buffer got(kMiB);
  written.fill(9);
  ASSERT_GT(write(0, written.span()), 0);
  std::vector<Counted> requests(64);
  std::thread first([&] {
    const runtime::Loop::Scope scope(*loop_);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      disk().submit(*loop_, requests[i].read(i * 16 * kKiB, got.span(i * 16 * kKiB, 16 * kKiB)));
    }
    loop_->poll();
  });
  first.join();
  finish(*loop_, requests);
  for (Counted& request : requests) EXPECT_EQ(static_cast<int>(16 * kKiB), request.result);
  EXPECT_EQ(written, got);
}

INSTANTIATE_TEST_SUITE_P(Backends, DiskConformance, testing::ValuesIn(backends()),
                         [](const auto& backend) { return std::string(backend.param.name); });

}  // namespace
}  // namespace ross::disk::conformance
