// Goal: who comes back to a server started anew is waited for, and who does not is given up; nobody is given up that has come. Method:
// the list of those who are awaited, over a store's memory of clients that is a set of ids.
#include "server/returning.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ross::server {
namespace {

using engine::ClientId;

constexpr ClientId kOne{1};
constexpr ClientId kOther{2};

class Memory final : public engine::Clients {
 public:
  Status add(const engine::ClientRecord& client) override { return known.push_back(client.id), Status(); }
  Status remove(const ClientId& id) override { return std::erase(known, id), Status(); }
  Result<std::vector<engine::ClientRecord>> list() override { return fail(ENOSYS); }
  Result<std::vector<engine::RememberedChange>> remembered(const ClientId&) override { return fail(ENOSYS); }
  runtime::Task<Status> keep() override { return runtime::Task<Status>::ready(Status()); }
  Status release_orphans() override { return {}; }

  std::vector<ClientId> known{kOne, kOther};
};

class ReturningTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<AwaitedClient> awaited;
    for (const ClientId& id : memory.known) awaited.push_back({.record = {.id = id}, .binding = nullptr});
    returning.load(std::move(awaited));
    returning.when_over([this] { ++overs; });
    ASSERT_TRUE(returning.grace());
  }
  template <class Call>
  void on_loop(Call&& call) {
    {
      const runtime::Loop::Scope scope(*loop);
      call();
    }
    while (loop->poll() > 0) continue;
  }
  [[nodiscard]] bool knows(const ClientId& id) const { return std::ranges::count(memory.known, id) > 0; }

  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
  Memory memory;
  Worker worker{false};
  Returning returning{&memory, worker};
  int overs = 0;
};

TEST_F(ReturningTest, ItIsOverWhenAllAreBack) {
  on_loop([this] { returning.done(kOne); });
  EXPECT_TRUE(returning.grace());
  on_loop([this] { returning.done(kOther); });
  EXPECT_FALSE(returning.grace());
  EXPECT_EQ(overs, 1);
  EXPECT_TRUE(knows(kOne) && knows(kOther));
}

TEST_F(ReturningTest, WhoDoesNotComeIsGivenUp) {
  on_loop([this] { returning.done(kOne); });
  on_loop([this] { returning.end(); });
  EXPECT_FALSE(returning.grace());
  EXPECT_EQ(overs, 1);
  EXPECT_TRUE(knows(kOne));
  EXPECT_FALSE(knows(kOther));
}

TEST_F(ReturningTest, WhoIsStillAskingForWhatItHadIsNotGivenUp) {
  on_loop([this] { returning.came(kOne); });
  on_loop([this] { returning.end(); });
  EXPECT_TRUE(returning.grace()) << "its locks are still its own";
  EXPECT_TRUE(returning.awaits(kOne));
  EXPECT_TRUE(knows(kOne));
  EXPECT_FALSE(knows(kOther));
  on_loop([this] { returning.done(kOne); });
  EXPECT_FALSE(returning.grace());
  EXPECT_EQ(overs, 1);
  EXPECT_TRUE(knows(kOne));
}

TEST_F(ReturningTest, NobodyIsWaitedForForEver) {
  on_loop([this] { returning.came(kOne); });
  on_loop([this] { returning.end(); });
  on_loop([this] { returning.end_for_all(); });
  EXPECT_FALSE(returning.grace());
  EXPECT_EQ(overs, 1);
  EXPECT_TRUE(knows(kOne)) << "until its session has ended";
}

TEST_F(ReturningTest, AServerThatStopsTellsNobody) {
  on_loop([this] {
    returning.end();
    returning.stop();
  });
  EXPECT_FALSE(returning.grace());
  EXPECT_EQ(overs, 0);
}

TEST_F(ReturningTest, AServerThatStopsIsToldWhenNothingOfItIsLeftAtWork) {
  int idle = 0;
  returning.when_idle([&idle] { ++idle; });
  on_loop([&] {
    returning.end();
    returning.stop();
    EXPECT_TRUE(returning.busy()) << "the store is being told";
    EXPECT_EQ(idle, 0);
  });
  EXPECT_FALSE(returning.busy());
  EXPECT_EQ(idle, 1);
}

}  // namespace
}  // namespace ross::server
