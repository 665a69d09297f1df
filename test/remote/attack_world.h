// AttackWorld: a server with a victim, tenant b, and a hostile peer, tenant a, that knows all of b's names, numbers, keys and tokens.
//
// Threading: owner thread.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <map>

#include "base/random_bytes.h"
#include "client/remote_file_system.h"
#include "engine/pool.h"
#include "fabric/local/unix_domain.h"
#include "hostile.h"
#include "identity/directory.h"
#include "raw_peer.h"
#include "server/server.h"

namespace ross::server {

using remote_test::Hostile;
using remote_test::RawPeer;

class AttackWorld {
 public:
  AttackWorld(engine::Pool& pool, const std::filesystem::path& folder, std::uint64_t seed);
  ~AttackWorld();
  AttackWorld(const AttackWorld&) = delete;
  AttackWorld& operator=(const AttackWorld&) = delete;
  // Each kind of attempt once, and its line.
  void attempt_each();
  void step();
  void check_victim(bool all);
  void check_audit();
  // What came of it.
  [[nodiscard]] std::string told() const {
    return std::to_string(granted_) + " requests granted, " + std::to_string(denied_) + " denied, " +
           std::to_string(sessions_) + " sessions, " + std::to_string(refused_) + " attempts at sessions";
  }

 private:
  static constexpr std::size_t kWindowBytes = 8192;
  [[nodiscard]] Applicant applicant(std::string_view tenant) const;
  template <class T>
  T must(Result<T> result) {
    if (!result.has_value()) ADD_FAILURE() << result.error().message();
    return *std::move(result);
  }
  template <class T>
  T run(fs::Async<T> task) {
    return must(loop_->block_on(std::move(task)));
  }
  void make_victim();
  void make_hostile();
  void join_somehow();
  void have_a_session_somehow();
  bool joins(const wire::Hello& hello);
  void say(const Hostile::Message& message);
  void look(std::span<const std::byte> bytes);
  [[nodiscard]] std::size_t audited(std::size_t* left_out = nullptr) const;
  // Data of b's: its pattern, over and over.
  void fill(std::span<std::byte> memory) const {
    for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = secret_[i % secret_.size()];
  }

  engine::Pool& pool_;
  const std::filesystem::path folder_;
  Hostile hostile_;
  std::array<std::byte, 8> secret_{};
  std::string a_, b_, hidden_;
  std::shared_ptr<identity::Directory> tenants_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<runtime::Loop> loop_ = *runtime::Loop::create();
  std::size_t refused_ = 0;  // attempts that have to be in the audit
  std::size_t said_ = 0;
  std::map<std::uint64_t, Hostile::Message> asked_;  // and not answered yet
  std::size_t granted_ = 0;
  std::size_t denied_ = 0;
  std::size_t sessions_ = 0;

  // The victim: what it holds, and what that was.
  std::unique_ptr<fs::FileSystem> victim_;
  std::unique_ptr<RawPeer> victim_peer_;
  wire::Token victim_token_{};
  wire::Token old_token_{};
  wire::ClientId victim_client_{};
  std::vector<fs::Opened> files_;
  std::vector<fs::Attr> attrs_;
  std::vector<std::byte> window_read_ = std::vector<std::byte>(kWindowBytes);
  std::vector<std::byte> window_written_ = std::vector<std::byte>(kWindowBytes, std::byte{0x5a});

  // The hostile peer's own.
  std::unique_ptr<RawPeer> hostile_peer_;
  wire::Token hostile_token_{};
  bool outlives_ = false;  // its session has slots
  std::uint32_t container_ = 0;
  std::uint64_t file_ = 0;
  std::vector<std::byte> own_window_ = std::vector<std::byte>(kWindowBytes);
  std::vector<std::byte> own_source_ = std::vector<std::byte>(kWindowBytes);
  std::vector<std::string> own_keys_;
};

}  // namespace ross::server
