// Goal: any number of processes use one pool at once, whoever comes first and whoever is killed; nothing hangs, nothing
// synced is lost, and who does not share is told who has the pool.
// Method: real processes on a real pool, driven over pipes; each has an alarm, so that a hang is a failure.
#include "attach/share.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include "attach/attach.h"
#include "base/units.h"
#include "runtime/loop.h"
#include "server/share.h"

namespace ross::attach {
namespace {

constexpr unsigned kSecondsMax = 60;
constexpr fs::OpenFlags kReadWrite{.read = true, .write = true};

fs::Credential self() { return {.uid = ::geteuid(), .gid = ::getegid(), .groups = {}}; }

// In a child: a line on stderr and the end.
void demand(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "process %d: not so: %s\n", ::getpid(), what);
  ::_exit(1);
}
#define DEMAND(condition) demand(condition, #condition)

// A process that runs body and talks with the test in single characters.
class Child {
 public:
  explicit Child(const std::function<void(Child&)>& body) {
    int to[2];
    int from[2];
    EXPECT_EQ(::pipe2(to, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(from, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::alarm(kSecondsMax);
      hear_ = to[0], say_ = from[1];
      ::close(to[1]), ::close(from[0]);
      body(*this);
      ::_exit(0);
    }
    hear_ = from[0], say_ = to[1];
    ::close(to[0]), ::close(from[1]);
  }
  ~Child() {
    if (pid_ > 0) kill();
    ::close(hear_), ::close(say_);
  }
  void say(char word) const { EXPECT_EQ(::write(say_, &word, 1), 1); }
  // 0 when the other end is gone.
  [[nodiscard]] char hear() const {
    char word = 0;
    return ::read(hear_, &word, 1) == 1 ? word : '\0';
  }
  void kill() {
    ::kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }

 private:
  pid_t pid_ = -1;
  int hear_ = -1;
  int say_ = -1;
};

class ShareTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char made[] = "/tmp/ross-share-XXXXXX";
    ASSERT_NE(::mkdtemp(made), nullptr);
    root = made;
    pool = root / "pool";
    // In a process of its own, so that this one has no threads when it forks.
    Child maker([this](Child&) {
      engine::DeviceSpec device;
      device.size_bytes = 256 * kMiB;
      engine::PoolSpec spec;
      spec.devices.push_back(device);
      DEMAND(engine::Pool::create(pool, spec).ok());
      auto opened = engine::Pool::open(pool, {});
      DEMAND(opened.has_value());
      DEMAND((*opened)->create_container("c", {}).ok());
      DEMAND((*opened)->close().ok());
    });
    ASSERT_EQ(maker.wait(), 0);
  }
  void TearDown() override { std::filesystem::remove_all(root); }

  [[nodiscard]] std::unique_ptr<Attachment> attached() const {
    AttachOptions options;
    options.share = &server::share;
    auto attachment = attach("local:" + (pool / "c").string(), options);
    if (!attachment.has_value()) std::fprintf(stderr, "attach: %s\n", attachment.error().message().c_str());
    DEMAND(attachment.has_value());
    return *std::move(attachment);
  }

  std::filesystem::path root;
  std::filesystem::path pool;
};

// Writes a file that says whose it is, durably.
void write_file(runtime::Loop& loop, fs::FileSystem& fs, const std::string& name, char content, std::size_t size) {
  const auto opened = loop.block_on(fs.create(self(), fs::kRootNode, name, 0600, kReadWrite));
  DEMAND(opened.has_value());
  std::vector<std::byte> data(64 * 1024, static_cast<std::byte>(content));
  for (std::size_t at = 0; at < size; at += data.size()) {
    DEMAND(loop.block_on(fs.write(opened->file, at, memory::Memory(data))).has_value());
  }
  DEMAND(loop.block_on(fs.fsync(opened->file, false)).ok());
  DEMAND(loop.block_on(fs.close(opened->file)).ok());
}

void check_file(runtime::Loop& loop, fs::FileSystem& fs, const std::string& name, char content, std::size_t size) {
  const auto attr = loop.block_on(fs.lookup(self(), fs::kRootNode, name));
  DEMAND(attr.has_value());
  DEMAND(attr->size_bytes == size);
  const auto opened = loop.block_on(fs.open(self(), attr->node, {.read = true}));
  DEMAND(opened.has_value());
  std::vector<std::byte> data(size);
  DEMAND(loop.block_on(fs.read(opened->file, 0, memory::Memory(data))).value_or(0) == size);
  for (const std::byte byte : data) DEMAND(byte == static_cast<std::byte>(content));
  DEMAND(loop.block_on(fs.close(opened->file)).ok());
}

TEST_F(ShareTest, FourProcessesThatComeAtTheSameInstant) {
  constexpr std::size_t kBytes = 5 * kMiB;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < 4; ++i) {
      children.push_back(std::make_unique<Child>([this, i, round](Child& test) {
        auto loop = *runtime::Loop::create();
        const auto name = [round](int of) { return "file" + std::to_string(round) + "." + std::to_string(of); };
        DEMAND(test.hear() == 'g');
        const auto attachment = attached();
        write_file(*loop, attachment->file_system(), name(i), static_cast<char>('a' + i), kBytes);
        test.say('w');
        DEMAND(test.hear() == 'r');
        for (int of = 0; of < 4; ++of) {
          check_file(*loop, attachment->file_system(), name(of), static_cast<char>('a' + of), kBytes);
        }
        DEMAND(attachment->pool()->container("c").has_value());
        DEMAND(attachment->pool()->containers().size() == 1);
        DEMAND(attachment->pool()->info().failed.empty());
        DEMAND(attachment->close().ok());
      }));
    }
    for (const auto& child : children) child->say('g');
    for (const auto& child : children) ASSERT_EQ(child->hear(), 'w');
    for (const auto& child : children) child->say('r');
    for (const auto& child : children) EXPECT_EQ(child->wait(), 0);
  }
  EXPECT_FALSE(std::filesystem::exists(pool / "share.sock"));
  EXPECT_FALSE(std::filesystem::exists(pool / "share.lock"));
}

TEST_F(ShareTest, AKilledPeerLeavesNothingBehind) {
  Child holder([this](Child& test) {
    auto loop = *runtime::Loop::create();
    const auto attachment = attached();
    fs::FileSystem& fs = attachment->file_system();
    const auto opened = loop->block_on(fs.create(self(), fs::kRootNode, "f", 0600, kReadWrite));
    DEMAND(opened.has_value());
    test.say('h');
    DEMAND(test.hear() == 'l');
    const fs::LockRange lock{.owner = 1, .kind = fs::LockKind::kExclusive};
    DEMAND(loop->block_on(fs.lock(opened->file, lock, false)).error() == EAGAIN);  // the peer has it
    test.say('b');
    DEMAND(loop->block_on(fs.lock(opened->file, lock, true)).ok());
    DEMAND(loop->block_on(fs.close(opened->file)).ok());
    DEMAND(attachment->close().ok());
  });
  ASSERT_EQ(holder.hear(), 'h');
  Child peer([this](Child& test) {
    auto loop = *runtime::Loop::create();
    const auto attachment = attached();
    fs::FileSystem& fs = attachment->file_system();
    const auto opened = loop->block_on(fs.create(self(), fs::kRootNode, "f", 0600, kReadWrite));
    DEMAND(opened.has_value());
    DEMAND(loop->block_on(fs.lock(opened->file, {.owner = 1, .kind = fs::LockKind::kExclusive}, false)).ok());
    test.say('l');
    static_cast<void>(test.hear());  // until killed
  });
  ASSERT_EQ(peer.hear(), 'l');
  holder.say('l');
  ASSERT_EQ(holder.hear(), 'b');
  peer.kill();
  EXPECT_EQ(holder.wait(), 0);
}

TEST_F(ShareTest, WhenTheHolderIsKilledPeersAreToldAndOneOfThemHoldsNext) {
  Child holder([this](Child& test) {
    auto loop = *runtime::Loop::create();
    const auto attachment = attached();
    test.say('h');
    static_cast<void>(test.hear());  // until killed
  });
  ASSERT_EQ(holder.hear(), 'h');
  const auto work = [this](Child& test) {
    auto loop = *runtime::Loop::create();
    const std::string name = "of" + std::to_string(::getpid());
    auto attachment = attached();
    write_file(*loop, attachment->file_system(), name, 's', 1 * kMiB);
    test.say('w');
    Status status;
    while (status.ok()) {
      const auto attr = loop->block_on(attachment->file_system().lookup(self(), fs::kRootNode, name));
      if (!attr.has_value()) status = attr.error();
    }
    DEMAND(status.error() == ESHUTDOWN);
    DEMAND(status.message().find("attach again") != std::string::npos);
    static_cast<void>(attachment->close());
    attachment.reset();
    attachment = attached();
    check_file(*loop, attachment->file_system(), name, 's', 1 * kMiB);  // synced before the kill
    test.say('a');
    DEMAND(test.hear() == 'q');
    DEMAND(attachment->close().ok());
  };
  Child one(work);
  Child two(work);
  ASSERT_EQ(one.hear(), 'w');
  ASSERT_EQ(two.hear(), 'w');
  holder.kill();
  ASSERT_EQ(one.hear(), 'a');
  ASSERT_EQ(two.hear(), 'a');
  one.say('q');
  two.say('q');
  EXPECT_EQ(one.wait(), 0);
  EXPECT_EQ(two.wait(), 0);
}

TEST_F(ShareTest, AHolderThatDoesNotShareIsNamed) {
  Child holder([this](Child& test) {
    auto opened = engine::Pool::open(pool, {});
    DEMAND(opened.has_value());
    test.say('h');
    DEMAND(test.hear() == 'q');
    DEMAND((*opened)->close().ok());
  });
  ASSERT_EQ(holder.hear(), 'h');
  Child other([this](Child&) {
    AttachOptions options;
    options.share = &server::share;
    const auto attachment = attach("local:" + (pool / "c").string(), options);
    DEMAND(!attachment.has_value());
    DEMAND(attachment.error().error() == EBUSY);
    DEMAND(attachment.error().message().find("in use by") != std::string::npos);
  });
  EXPECT_EQ(other.wait(), 0);
  holder.say('q');
  EXPECT_EQ(holder.wait(), 0);
}

TEST_F(ShareTest, WhatIsNoPoolIsToldByTheEngine) {
  Child child([this](Child&) {
    AttachOptions options;
    options.share = &server::share;
    DEMAND(!attach("local:" + (root / "none" / "c").string(), options).has_value());
    std::filesystem::create_directory(root / "empty");
    DEMAND(!attach("local:" + (root / "empty" / "c").string(), options).has_value());
    DEMAND(!std::filesystem::exists(root / "empty" / "share.lock"));
    DEMAND(!std::filesystem::exists(root / "empty" / "share.sock"));
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace ross::attach
