// Goal: events complete once, in polls only, whoever polls and launches. Method: a model whose reads and writes wait at
// a gate, so that calls are under way for as long as the test wants.
#include <daos.h>
#include <daos_fs.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "faces/dfs/test/model_pool_for_test.h"

namespace ross::dfs {
namespace {

struct Transfer {
  daos_event_t ev;
  d_iov_t iov;
  d_sg_list_t list;
  daos_size_t got = 0;
  std::array<char, 512> bytes{};
  Transfer() {
    d_iov_set(&iov, bytes.data(), bytes.size());
    list = {.sg_nr = 1, .sg_nr_out = 0, .sg_iovs = &iov};
  }
};

class Events : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(daos_init(), 0);
    ASSERT_EQ(dfs_connect("events", nullptr, "c", O_CREAT | O_RDWR, nullptr, &dfs_), 0);
    ASSERT_EQ(dfs_open(dfs_, nullptr, "f", S_IFREG | 0600, O_CREAT | O_RDWR, 0, 0, nullptr, &file_), 0);
    ASSERT_EQ(daos_eq_create(&eq_), 0);
    model_ = model_of("events", "c");
    ASSERT_NE(model_, nullptr);
  }
  void TearDown() override {
    model_->open_gate();
    daos_eq_destroy(eq_, DAOS_EQ_DESTROY_FORCE);
    EXPECT_EQ(dfs_release(file_), 0);
    EXPECT_EQ(dfs_disconnect(dfs_), 0);
    EXPECT_EQ(daos_fini(), 0);
    forget_pools();
  }
  void write(Transfer& transfer, std::uint64_t offset = 0) {
    ASSERT_EQ(dfs_write(dfs_, file_, &transfer.list, offset, &transfer.ev), 0);
  }
  int poll(std::int64_t timeout_us, int wait_running = 1) {
    return daos_eq_poll(eq_, wait_running, timeout_us, polled_.size(), polled_.data());
  }

  dfs_t* dfs_ = nullptr;
  dfs_obj_t* file_ = nullptr;
  daos_handle_t eq_{};
  std::shared_ptr<GatedModel> model_;
  std::array<daos_event_t*, 16> polled_{};
};

TEST_F(Events, StayUnderWayUntilTheyAreDone) {
  Transfer transfer;
  EXPECT_EQ(poll(DAOS_EQ_WAIT), 0);  // nothing runs, nothing to wait for
  model_->close_gate();
  ASSERT_EQ(daos_event_init(&transfer.ev, eq_, nullptr), 0);
  write(transfer);
  EXPECT_EQ(dfs_write(dfs_, file_, &transfer.list, 0, &transfer.ev), EBUSY);
  EXPECT_EQ(poll(DAOS_EQ_NOWAIT), 0);
  EXPECT_EQ(poll(1000), 0);  // a millisecond passes
  EXPECT_EQ(daos_eq_query(eq_, DAOS_EQR_WAITING, polled_.size(), polled_.data()), 1);
  EXPECT_EQ(polled_[0], &transfer.ev);
  EXPECT_EQ(daos_eq_query(eq_, DAOS_EQR_COMPLETED, 0, nullptr), 0);
  EXPECT_EQ(daos_event_fini(&transfer.ev), -DER_BUSY);
  EXPECT_EQ(daos_event_abort(&transfer.ev), -DER_NOTSUPPORTED);
  EXPECT_EQ(daos_eq_destroy(eq_, 0), -DER_BUSY);
  EXPECT_EQ(dfs_release(file_), EBUSY);
  EXPECT_EQ(dfs_disconnect(dfs_), EBUSY);
  model_->open_gate();
  EXPECT_EQ(poll(DAOS_EQ_WAIT), 1);
  EXPECT_EQ(polled_[0], &transfer.ev);
  EXPECT_EQ(transfer.ev.ev_error, 0);
  EXPECT_EQ(poll(DAOS_EQ_NOWAIT), 0);
  EXPECT_EQ(daos_event_fini(&transfer.ev), 0);
  EXPECT_EQ(daos_event_fini(&transfer.ev), -DER_INVAL);
}

// Who asks and asks while nothing happens is put to sleep, and still hears of it when something does.
TEST_F(Events, ThatTakeLongAreNotAskedForAllTheTime) {
  constexpr auto kLong = std::chrono::milliseconds(200);
  constexpr int kAskedMax = 5000;  // of a hundred thousand, without sleeping
  Transfer transfer;
  model_->close_gate();
  ASSERT_EQ(daos_event_init(&transfer.ev, eq_, nullptr), 0);
  write(transfer);
  int asked = 0;
  for (const auto until = std::chrono::steady_clock::now() + kLong; std::chrono::steady_clock::now() < until; ++asked) {
    ASSERT_EQ(poll(DAOS_EQ_NOWAIT), 0);
  }
  EXPECT_LT(asked, kAskedMax);
  std::thread opener([this] { model_->open_gate(); });
  int completed = 0;
  for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
       completed == 0 && std::chrono::steady_clock::now() < until;) {
    completed = poll(DAOS_EQ_NOWAIT);
  }
  opener.join();
  EXPECT_EQ(completed, 1);
  EXPECT_EQ(daos_event_fini(&transfer.ev), 0);
}

TEST_F(Events, CarryErrors) {
  Transfer transfer;
  dfs_obj_t* read_only = nullptr;
  ASSERT_EQ(dfs_dup(dfs_, file_, O_RDONLY, &read_only), 0);
  ASSERT_EQ(daos_event_init(&transfer.ev, eq_, nullptr), 0);
  EXPECT_EQ(dfs_write(dfs_, read_only, &transfer.list, 0, &transfer.ev), EPERM);  // told at once
  EXPECT_EQ(dfs_release(read_only), 0);
  ASSERT_EQ(dfs_write(dfs_, file_, &transfer.list, fs::kFileBytesMax, &transfer.ev), 0);
  ASSERT_EQ(poll(DAOS_EQ_WAIT), 1);
  EXPECT_EQ(transfer.ev.ev_error, EFBIG);
  EXPECT_EQ(daos_event_fini(&transfer.ev), 0);
}

TEST_F(Events, AreTestedWithoutAQueue) {
  Transfer transfer;
  bool done = true;
  ASSERT_EQ(daos_event_init(&transfer.ev, DAOS_HDL_INVAL, nullptr), 0);
  model_->close_gate();
  write(transfer);
  EXPECT_EQ(daos_event_test(&transfer.ev, DAOS_EQ_NOWAIT, &done), 0);
  EXPECT_FALSE(done);
  model_->open_gate();
  EXPECT_EQ(daos_event_test(&transfer.ev, DAOS_EQ_WAIT, &done), 0);
  EXPECT_TRUE(done);
  EXPECT_EQ(daos_event_fini(&transfer.ev), 0);
}

TEST_F(Events, OfChildrenCompleteTheParent) {
  daos_event_t parent;
  std::array<Transfer, 3> children;
  ASSERT_EQ(daos_event_init(&parent, eq_, nullptr), 0);
  EXPECT_EQ(daos_event_parent_barrier(&parent), -DER_INVAL);
  for (Transfer& child : children) ASSERT_EQ(daos_event_init(&child.ev, DAOS_HDL_INVAL, &parent), 0);
  int count = 0;
  for (daos_event_t* ev = nullptr; (ev = daos_event_next(&parent, ev)) != nullptr;) ++count;
  EXPECT_EQ(count, 3);
  model_->close_gate();
  write(children[0]);
  write(children[1], 4096);
  EXPECT_EQ(daos_event_parent_barrier(&parent), 0);
  EXPECT_EQ(dfs_write(dfs_, file_, &children[2].list, fs::kFileBytesMax, &children[2].ev), 0);
  EXPECT_EQ(poll(DAOS_EQ_NOWAIT), 0);
  EXPECT_EQ(daos_event_fini(&parent), -DER_BUSY);
  model_->open_gate();
  ASSERT_EQ(poll(DAOS_EQ_WAIT), 1);
  EXPECT_EQ(polled_[0], &parent);
  EXPECT_EQ(parent.ev_error, EFBIG);  // of the child that failed
  for (Transfer& child : children) EXPECT_EQ(daos_event_fini(&child.ev), 0);
  EXPECT_EQ(daos_event_fini(&parent), 0);
}

TEST_F(Events, CallBackOnce) {
  Transfer transfer;
  struct Seen {
    int calls = 0;
    int result = -1;
  } seen;
  ASSERT_EQ(daos_event_init(&transfer.ev, eq_, nullptr), 0);
  const auto note = [](void* argument, daos_event_t*, int result) {
    auto& to = *static_cast<Seen*>(argument);
    ++to.calls;
    to.result = result;
    return 77;
  };
  EXPECT_EQ(daos_event_register_comp_cb(&transfer.ev, note, &seen), 0);
  EXPECT_EQ(daos_event_register_comp_cb(&transfer.ev, note, &seen), 0);
  EXPECT_EQ(daos_event_register_comp_cb(&transfer.ev, note, &seen), -DER_NOSPACE);
  write(transfer);
  ASSERT_EQ(poll(DAOS_EQ_WAIT), 1);
  EXPECT_EQ(seen.calls, 2);
  EXPECT_EQ(seen.result, 77);
  EXPECT_EQ(transfer.ev.ev_error, 77);
  EXPECT_EQ(daos_event_fini(&transfer.ev), 0);
}

// One thread sleeps in a poll while another launches on the same queue: the sleeper runs and gets the event.
TEST_F(Events, LaunchedByOneThreadArePolledByAnother) {
  constexpr int kRounds = 200;
  Transfer transfer;
  std::atomic<int> polled{0};
  std::thread poller([&] {
    std::array<daos_event_t*, 4> events{};
    while (polled < kRounds) {
      const int count = daos_eq_poll(eq_, 0, DAOS_EQ_WAIT, events.size(), events.data());
      ASSERT_GE(count, 0);
      polled += count;
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_EQ(daos_event_init(&transfer.ev, eq_, nullptr), 0);
    write(transfer);
    while (polled <= round) std::this_thread::yield();
    ASSERT_EQ(daos_event_fini(&transfer.ev), 0);
  }
  poller.join();
}

TEST_F(Events, OfAForcedQueueAreWaitedFor) {
  std::array<Transfer, 4> transfers;
  daos_handle_t eq;
  ASSERT_EQ(daos_eq_create(&eq), 0);
  model_->close_gate();
  for (Transfer& transfer : transfers) {
    ASSERT_EQ(daos_event_init(&transfer.ev, eq, nullptr), 0);
    write(transfer);
  }
  std::thread opener([&] {
    model_->await_waiting(4);
    model_->open_gate();
  });
  EXPECT_EQ(daos_eq_destroy(eq, DAOS_EQ_DESTROY_FORCE), 0);
  opener.join();
  EXPECT_EQ(daos_eq_destroy(eq, DAOS_EQ_DESTROY_FORCE), -DER_NO_HDL);
  for (Transfer& transfer : transfers) EXPECT_EQ(daos_event_fini(&transfer.ev), 0);
  EXPECT_EQ(dfs_sync(dfs_), 0);
}

TEST_F(Events, OfCallsThatBlockAreDoneAtTheNextPoll) {
  daos_event_t ev;
  daos_handle_t poh;
  ASSERT_EQ(daos_event_init(&ev, eq_, nullptr), 0);
  EXPECT_EQ(daos_pool_connect("missing", nullptr, DAOS_PC_RW, &poh, nullptr, &ev), 0);
  ASSERT_EQ(poll(DAOS_EQ_NOWAIT), 1);
  EXPECT_EQ(ev.ev_error, -DER_NONEXIST);
  EXPECT_EQ(daos_event_fini(&ev), 0);
}

TEST_F(Events, RefuseWhatIsNone) {
  daos_event_t garbage;
  std::memset(&garbage, 0xab, sizeof garbage);
  bool flag = false;
  daos_event_t* ev = nullptr;
  EXPECT_EQ(daos_event_fini(&garbage), -DER_INVAL);
  EXPECT_EQ(daos_event_test(&garbage, 0, &flag), -DER_INVAL);
  EXPECT_EQ(daos_event_init(nullptr, eq_, nullptr), -DER_INVAL);
  EXPECT_EQ(daos_event_init(&garbage, daos_handle_t{12345}, nullptr), -DER_NO_HDL);
  EXPECT_EQ(daos_eq_poll(daos_handle_t{12345}, 0, 0, 1, &ev), -DER_NO_HDL);
  EXPECT_EQ(daos_eq_poll(eq_, 0, 0, 0, &ev), -DER_INVAL);
  EXPECT_EQ(daos_eq_poll(eq_, 0, 0, 1, nullptr), -DER_INVAL);
}

}  // namespace
}  // namespace ross::dfs
