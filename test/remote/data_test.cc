// Goal: data arrives whole and nowhere else, whichever way it goes: in messages, by windows, by several windows; and when a
// call has ended, however it ended, nobody reaches the caller's memory any more.
// Method: a server over model file systems, and sessions over the transport and through the front that this program is linked with
// (transport_*.cc, front_*.cc). Sizes around the transport's crossover, memory of every shape with guards around it; memory is freed as
// soon as a call has ended, so that the address sanitizer sees who comes late.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/random.h"
#include "client/remote_file_system.h"
#include "conformance/fabric/pattern.h"
#include "front.h"
#include "model_pool.h"
#include "runtime/loop.h"
#include "self.h"
#include "server/server.h"
#include "transport.h"

namespace ross::server {
namespace {

using remote_test::kSelf;
constexpr std::byte kGuard{0xa5};
constexpr std::size_t kGuardBytes = 64;

using remote_test::in_20_s;

// Memory in spans of the given sizes, each between guards, the first byte of each odd bytes behind a page's begin.
class Scattered {
 public:
  Scattered(std::vector<std::size_t> sizes, std::size_t odd) {
    for (const std::size_t size : sizes) {
      const std::size_t room = kGuardBytes + odd + size + kGuardBytes;
      auto& part = parts_.emplace_back(static_cast<std::byte*>(std::aligned_alloc(4096, (room + 4095) / 4096 * 4096)));
      std::memset(part.get(), static_cast<int>(kGuard), room);
      spans_.push_back({part.get() + kGuardBytes + odd, size});
    }
    odd_ = odd;
  }
  [[nodiscard]] memory::Memory memory() const { return memory::Memory(std::span<const memory::Span>(spans_)); }
  [[nodiscard]] std::vector<std::byte> bytes() const {
    std::vector<std::byte> all(memory().size_bytes());
    memory().copy_out(0, all);
    return all;
  }
  void expect_guards() const {
    const auto is_guard = [](std::byte byte) { return byte == kGuard; };
    for (std::size_t i = 0; i < spans_.size(); ++i) {
      EXPECT_TRUE(std::all_of(parts_[i].get(), spans_[i].data, is_guard)) << "before span " << i;
      const std::byte* const end = spans_[i].data + spans_[i].size_bytes;
      EXPECT_TRUE(std::all_of(end, end + kGuardBytes, is_guard)) << "behind span " << i;
    }
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::vector<std::unique_ptr<std::byte, Free>> parts_;
  std::vector<memory::Span> spans_;
  std::size_t odd_ = 0;
};

class DataTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char made[] = "/tmp/ross-data-XXXXXX";
    ASSERT_NE(::mkdtemp(made), nullptr);
    directory = made;
    ASSERT_TRUE(pool.create_container("c", {}).ok());
    std::vector<Listener> listeners(1);
    auto domain = transport::make_domain();
    ASSERT_TRUE(domain.has_value()) << domain.error().message();
    crossover = std::min<std::size_t>((*domain)->traits().inline_bytes_max, 64 * 1024);
    listeners[0] = {.domain = *std::move(domain), .address = transport::listen_address(directory)};
    auto started = Server::start(pool, std::move(listeners), {});
    ASSERT_TRUE(started.has_value()) << started.error().message();
    server = *std::move(started);
    auto fronted = front::make_front(*server, directory / "front");
    ASSERT_TRUE(fronted.has_value()) << fronted.error().message();
    front = *std::move(fronted);
    Server& facing = front != nullptr ? front->server() : *server;
    const auto begun =
        facing.begin_session({.peer = {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}});
    ASSERT_TRUE(begun.has_value()) << begun.error().message();
    auto session =
        client::Session::connect(*transport::make_domain(), facing.addresses().at(0), begun->token, in_20_s());
    ASSERT_TRUE(session.has_value()) << session.error().message();
    if (front != nullptr) front->prepare(**session);
    remote = *client::open_container(*std::move(session), "c");
    const auto opened = run(remote->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
    ASSERT_TRUE(opened.has_value());
    file = opened->file;
  }
  void TearDown() override {
    remote.reset();
    front.reset();
    server.reset();
    loop.reset();
    std::filesystem::remove_all(directory);
  }
  template <class T>
  T run(runtime::Task<T> task) {
    return loop->block_on(std::move(task));
  }

  // Sizes of spans that add up to size.
  std::vector<std::vector<std::size_t>> shapes_of(std::size_t size) {
    std::vector<std::vector<std::size_t>> shapes{{size}, {1, size - 1}, {size / 2, 0, size - size / 2}};
    for (const std::size_t count : {wire::kWindowsMax, wire::kWindowsMax + 1}) {
      std::vector<std::size_t> shape(count, size / count);
      shape.back() += size % count;
      shapes.push_back(shape);
    }
    return shapes;
  }

  std::filesystem::path directory;
  remote_test::ModelPool pool;
  std::unique_ptr<Server> server;
  std::unique_ptr<front::Front> front;
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
  std::unique_ptr<fs::FileSystem> remote;
  fs::FileId file;
  std::size_t crossover = 0;
};

TEST_F(DataTest, EverySizeAndShapeOfMemoryArrivesWholeAndNowhereElse) {
  Random random(7);
  const std::size_t x = crossover;
  constexpr std::size_t kMost = wire::kPayloadBytesMax;
  for (const std::size_t size : {std::size_t{2}, x - 1, x, x + 1, 2 * x + 3, 100'003UL, 1UL << 20, kMost, kMost + 5}) {
    std::vector<std::byte> pattern(size);
    for (const auto& shape : shapes_of(size)) {
      for (const std::size_t odd : {0, 1}) {
        const Scattered from(shape, odd);
        fabric::conformance::fill_pattern(random(), pattern);
        from.memory().copy_in(0, pattern);
        const std::uint64_t at = random.below(10'000);
        ASSERT_EQ(run(remote->write(file, at, from.memory())).value(), size);
        EXPECT_EQ(from.bytes(), pattern);
        from.expect_guards();
        const Scattered into(shape, 1 - odd);
        ASSERT_EQ(run(remote->read(file, at, into.memory())).value(), size);
        ASSERT_EQ(into.bytes(), pattern) << size << " bytes in " << shape.size() << " spans";
        into.expect_guards();
      }
    }
  }
}

TEST_F(DataTest, AReadPastTheEndTouchesWhatWasReadOnly) {
  const std::size_t size = crossover + 1000;
  const Scattered from({size}, 0);
  ASSERT_EQ(run(remote->write(file, 0, from.memory())).value(), size);
  for (const auto& shape : shapes_of(2 * size)) {
    for (const std::size_t left : {std::size_t{0}, std::size_t{1}, size / 2, size}) {
      const Scattered into(shape, 3);
      const std::vector<std::byte> zeros(2 * size);
      into.memory().copy_in(0, zeros);
      ASSERT_EQ(run(remote->read(file, size - left, into.memory())).value(), left);
      const auto bytes = into.bytes();
      const auto guards = static_cast<std::size_t>(std::ranges::count(bytes, kGuard));
      EXPECT_EQ(guards, left);
      EXPECT_TRUE(std::all_of(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(left),
                              [](std::byte byte) { return byte == kGuard; }));
      into.expect_guards();
    }
  }
}

TEST_F(DataTest, ErrorsLeaveTheMemoryAlone) {
  const std::size_t size = 2 * crossover + 100'000;
  const fs::FileId nothing(file.value + 1000);
  for (int round = 0; round < 10; ++round) {
    const Scattered memory({size / 2, size - size / 2}, 1);
    EXPECT_EQ(run(remote->read(nothing, 0, memory.memory())).error().error(), EBADF);
    EXPECT_EQ(run(remote->write(nothing, 0, memory.memory())).error().error(), EBADF);
    EXPECT_TRUE(std::ranges::all_of(memory.bytes(), [](std::byte byte) { return byte == kGuard; }));
  }
}

TEST_F(DataTest, ManyInFlightFromSeveralThreads) {
  constexpr int kThreads = 3;
  constexpr int kCalls = 400;  // more than the grant
  const std::size_t size = crossover + 5000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto own = *runtime::Loop::create();
      for (int round = 0; round < 3; ++round) {
        std::vector<std::unique_ptr<Scattered>> memories;
        int done = 0;
        const auto at = [&](int call) { return static_cast<std::uint64_t>(t * kCalls + call) * size; };
        const auto count = [&done, size](const Result<std::uint64_t>& result) {
          EXPECT_TRUE(result.has_value()) << result.error().message();
          EXPECT_EQ(result.value_or(0), size);
          ++done;
        };
        const auto wait = [&] {
          for (const std::int64_t until = in_20_s(); done < kCalls && system_clock().monotonic_ns() < until;) {
            own->wait(until);
          }
          ASSERT_EQ(done, kCalls);
        };
        for (int i = 0; i < kCalls; ++i) {
          auto& memory = memories.emplace_back(std::make_unique<Scattered>(std::vector{size}, 1));
          std::memset(memory->memory().spans()[0].data, t * 100 + i, size);
          own->start(remote->write(file, at(i), memory->memory()), count);
        }
        wait();
        done = 0;
        for (int i = 0; i < kCalls; ++i) {
          std::memset(memories[i]->memory().spans()[0].data, 0, size);
          own->start(remote->read(file, at(i), memories[i]->memory()), count);
        }
        wait();
        for (int i = 0; i < kCalls; ++i) {
          EXPECT_EQ(memories[i]->bytes(), std::vector(size, static_cast<std::byte>(t * 100 + i)));
          memories[i]->expect_guards();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(DataTest, MemoryIsTheCallersAgainWhenTheServerGoes) {
  const std::size_t size = crossover + 100'000;
  {
    const Scattered from({size}, 0);
    ASSERT_EQ(run(remote->write(file, 0, from.memory())).value(), size);
  }
  // Held back before they begin, and on their way when the server ends.
  pool.at("c").gate.close_gate();
  constexpr std::size_t kCalls = 60;
  std::size_t done = 0;
  for (std::size_t i = 0; i < kCalls; ++i) {
    auto memory = std::make_shared<Scattered>(std::vector{size / 3, size - size / 3}, i);
    const memory::Memory view = memory->memory();
    auto call = i % 2 == 0 ? remote->read(file, 0, view) : remote->write(file, 0, view);
    loop->start(std::move(call), [&done, memory = std::move(memory)](const Result<std::uint64_t>& result) mutable {
      if (!result.has_value()) {
        EXPECT_EQ(result.error().error(), ESHUTDOWN);
      }
      memory.reset();
      ++done;
    });
  }
  std::thread killer([&] {
    front.reset();
    server.reset();
  });
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    pool.at("c").gate.open_gate();
  });
  for (const std::int64_t until = in_20_s(); done < kCalls && system_clock().monotonic_ns() < until;) loop->wait(until);
  opener.join();
  killer.join();
  EXPECT_EQ(done, kCalls);
  EXPECT_EQ(run(remote->getattr(fs::kRootNode)).error().error(), ESHUTDOWN);
}

}  // namespace
}  // namespace ross::server
