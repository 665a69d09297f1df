// ReturningClientTest: what tests of clients that outlive their server share: sessions that find the server again by themselves, and
// plain calls on their files.
//
// Threading: owner thread; the mutex is between it and the sessions' threads.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/random_bytes.h"
#include "client/remote_file_system.h"
#include "fabric/tcp/tcp.h"
#include "runtime/loop.h"
#include "self.h"
#include "server/server.h"

namespace ross::remote_test {

inline constexpr std::int64_t kPatienceNs = 20'000'000'000;

class ReturningClientTest : public ::testing::Test {
 protected:
  // Container "c" for this user or another, over a server's first listener. find, called with the mutex held, says which server
  // there is, or group of servers; null: none now.
  template <class Find>
  std::unique_ptr<fs::FileSystem> attach_to(Find find, uid_t uid = ::geteuid(), gid_t gid = ::getegid()) {
    server::Applicant who{.peer = {.pid = 0, .uid = uid, .gid = gid, .groups = {}}};
    fill_random(who.client);
    const auto begun = find()->begin_session(who);
    EXPECT_TRUE(begun.has_value()) << begun.error().message();
    auto session =
        client::Session::connect(*fabric::tcp::make_domain({}), begun->addresses.at(0), begun->token, in_20_s());
    EXPECT_TRUE(session.has_value()) << session.error().message();
    prepare(**session);
    who.returning = true;
    const Status outlives = (*session)->outlive(
        [this, who, find = std::move(find)](std::int64_t) -> runtime::Task<Result<client::Recovery::Found>> {
          const std::lock_guard lock(mutex);
          auto* const there = find();
          if (there == nullptr) co_return fail(ECONNREFUSED, "nobody there");
          ROSS_CO_TRY(const server::Begun again, there->begin_session(who));
          co_return client::Recovery::Found{again.addresses.at(0), again.token, again.resumed};
        },
        {.patience_ns = kPatienceNs});
    EXPECT_TRUE(outlives.ok()) << outlives.message();
    return *client::open_container(*std::move(session), "c");
  }
  // A session, before its first call.
  virtual void prepare(client::Session& session) { static_cast<void>(session); }
  template <class T>
  T run(runtime::Task<T> task) {
    return loop->block_on(std::move(task));
  }
  fs::Opened create(fs::FileSystem& remote, std::string_view name) {
    const auto opened = run(remote.create(self, fs::kRootNode, name, 0600, {.read = true, .write = true}));
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return *opened;
  }
  void write(fs::FileSystem& remote, fs::FileId file, std::string_view text) {
    const auto wrote = run(remote.write(file, 0, memory::Memory::for_write(text.data(), text.size())));
    EXPECT_TRUE(wrote.has_value()) << wrote.error().message();
  }
  std::string read(fs::FileSystem& remote, fs::FileId file) {
    std::string text(100, '\0');
    const auto got = run(remote.read(file, 0, memory::Memory(text.data(), text.size())));
    EXPECT_TRUE(got.has_value()) << got.error().message();
    text.resize(got.value_or(0));
    return text;
  }

  const fs::Credential self{.uid = ::geteuid(), .gid = ::getegid()};
  std::mutex mutex;  // guards which server there is
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
};

}  // namespace ross::remote_test
