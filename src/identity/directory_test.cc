// Goal: a caller becomes the principal that its credential says, until that is revoked or its time is over; whoever is refused is in the
// audit. Method: a simulated clock, an audit file and a list in a temporary folder.
#include "identity/directory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/read_file.h"

namespace ross::identity {
namespace {

constexpr uid_t kTheirs = 4242;

class DirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(Revocations().write(list).ok());
    directory = *Directory::open({.tenants = {{.name = "a", .read = {"p/*"}, .uids = {kTheirs}},
                                              {.name = "b", .write = {"q/*"}},
                                              {.name = "agent", .on_behalf = {"a"}}},
                                  .revoked_path = list,
                                  .audit_path = book},
                                 clock);
  }
  void TearDown() override {
    directory.reset();
    std::filesystem::remove_all(folder);
  }
  Credential token(std::int64_t left_s) const {
    const std::int64_t now_s = clock.realtime_ns() / 1'000'000'000;
    return {.kind = Credential::Kind::kToken,
            .id = "n1",
            .issued_s = now_s,
            .expires_s = now_s + left_s,
            .once = true,
            .access = Access::kRead};
  }
  void expect_refused(const Status& status, std::string_view reason) {
    EXPECT_EQ(status.error(), EACCES) << status.message();
    const std::string text = *read_file(book);
    const std::string last = text.substr(text.rfind('\n', text.size() - 2) + 1);
    EXPECT_NE(last.find(fmt_reason(reason)), std::string::npos) << last;
  }
  static std::string fmt_reason(std::string_view reason) { return "\"reason\":\"" + std::string(reason) + "\""; }

  const std::filesystem::path folder = testing::TempDir() + "ross_directory." + std::to_string(::getpid());
  const std::string list = folder / "revoked";
  const std::string book = folder / "audit";
  const Attempt attempt{.peer = "somewhere", .what = "something"};
  SimClock clock;
  std::shared_ptr<Directory> directory;
};

TEST_F(DirectoryTest, UsersOfThisMachine) {
  const auto theirs = directory->of_user(kTheirs, attempt);
  ASSERT_TRUE(theirs.has_value());
  EXPECT_EQ(theirs->name(), "a");
  const auto own = directory->of_user(::geteuid(), attempt);
  ASSERT_TRUE(own.has_value());
  EXPECT_FALSE(own->bounded());
  expect_refused(directory->of_user(4243, attempt).error(), "unknown");
}

TEST_F(DirectoryTest, ACredentialBoundsAndEnds) {
  const auto who = directory->of_credential("b", token(60), attempt);
  ASSERT_TRUE(who.has_value());
  EXPECT_EQ(who->access("q", "c"), Access::kRead);  // the tenant's write, bounded by the token
  EXPECT_EQ(who->access("p", "c"), Access::kNone);
  clock.advance(60'000'000'000);
  expect_refused(directory->check(*who, attempt), "expired");
  expect_refused(directory->of_credential("c", token(60), attempt).error(), "unknown");
}

TEST_F(DirectoryTest, ATokenForOneSessionIsItsFirstUsers) {
  const auto who = directory->of_credential("b", token(60), attempt);
  ASSERT_TRUE(who.has_value());
  EXPECT_TRUE(directory->take_once(*who, "client one", attempt).ok());
  EXPECT_TRUE(directory->take_once(*who, "client one", attempt).ok());
  expect_refused(directory->take_once(*who, "client two", attempt), "replayed");
  expect_refused(directory->take_once(*who, "", attempt), "replayed");
}

TEST_F(DirectoryTest, AnAgentSpeaksForWhomItMay) {
  const auto agent = directory->of_credential("agent", token(60), attempt);
  ASSERT_TRUE(agent.has_value());
  const auto host = directory->on_behalf(*agent, "a", Access::kAdmin, attempt);
  ASSERT_TRUE(host.has_value());
  EXPECT_EQ(host->name(), "a");
  EXPECT_EQ(host->agent, "agent");
  expect_refused(directory->on_behalf(*agent, "b", Access::kAdmin, attempt).error(), "on-behalf");
  const auto other = directory->of_credential("b", token(60), attempt);
  expect_refused(directory->on_behalf(*other, "a", Access::kAdmin, attempt).error(), "on-behalf");
  // The operator may, for those there are.
  EXPECT_TRUE(directory->on_behalf({}, "b", Access::kAdmin, attempt).has_value());
  expect_refused(directory->on_behalf({}, "c", Access::kAdmin, attempt).error(), "unknown");
}

TEST_F(DirectoryTest, RevokesInTheFileAndByIt) {
  const auto who = directory->of_credential("b", token(60), attempt);
  ASSERT_TRUE(who.has_value());
  EXPECT_TRUE(directory->check(*who, attempt).ok());
  EXPECT_TRUE(directory->revoke("b").ok());
  expect_refused(directory->check(*who, attempt), "revoked");
  EXPECT_NE(read_file(list)->find("tenant b "), std::string::npos);
  EXPECT_EQ(directory->revoke("c").error(), ENOENT);

  Revocations other;
  other.revoke_tenant("a", 5);
  ASSERT_TRUE(other.write(list).ok());
  EXPECT_TRUE(directory->refresh());
  EXPECT_FALSE(directory->refresh());
  EXPECT_TRUE(directory->check(*who, attempt).ok());
  expect_refused(directory->of_user(kTheirs, attempt).error(), "revoked");
  // A list that is gone or broken revokes and restores nobody.
  std::filesystem::remove(list);
  EXPECT_FALSE(directory->refresh());
  expect_refused(directory->of_user(kTheirs, attempt).error(), "revoked");
}

TEST_F(DirectoryTest, TellsWhenTheListChanges) {
  std::mutex mutex;
  std::condition_variable changed;
  bool told = false;
  directory->watch([&] {
    const std::lock_guard lock(mutex);
    told = true;
    changed.notify_all();
  });
  Revocations other;
  other.revoke_certificate("4F");
  ASSERT_TRUE(other.write(list).ok());
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return told; }));
  lock.unlock();
  directory->stop_watching();
}

TEST(Directory, RefusesWhatCannotBe) {
  const auto says = [](std::vector<Tenant> tenants) {
    const auto made = Directory::open({.tenants = std::move(tenants)});
    return made.has_value() ? std::string() : made.error().message();
  };
  EXPECT_EQ(says({{.name = "a", .read = {"p/*"}}, {.name = "a", .read = {"p/*"}}}), "two tenants are called a");
  EXPECT_EQ(says({{.name = "a", .read = {"p/*"}, .uids = {5}}, {.name = "b", .read = {"p/*"}, .uids = {5}}}),
            "user 5 belongs to two tenants: a and b");
  const auto no_list = Directory::open({.tenants = {}, .revoked_path = "/nowhere/revoked"});
  ASSERT_FALSE(no_list.has_value());
  EXPECT_NE(no_list.error().message().find("/nowhere/revoked"), std::string::npos);
}

}  // namespace
}  // namespace ross::identity
