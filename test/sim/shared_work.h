// SharedWork: what the clients of a cluster do with each other: a lock that guards a count, and names that each exactly one may make.
//
// Whoever has the lock is alone, reads the count, and writes it back with one more. Only a client that the server may have given up
// can find another one inside. A name that was made with O_EXCL is made by one; who is told EEXIST was not the only one to try.
//
// Threading: owner thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cluster.h"

namespace ross::sim {

class ClusterClient;

class SharedWork {
 public:
  explicit SharedWork(Cluster& cluster) : cluster_(cluster) {}

  [[nodiscard]] static std::string container() { return "shared"; }
  // In it, there from the beginning and durable, empty for zero.
  static constexpr std::string_view kCountFile = "count";
  // Nothing when all is well, else what is wrong.
  runtime::Task<std::string> take_turns(ClusterClient& client, fs::FileSystem& remote, unsigned turns);
  // It is not inside any more, whatever it believes.
  void left(ClusterClient& client);
  // What is there now must be what was told; and nobody has the lock.
  std::string judge(fs::FileSystem& container);

  [[nodiscard]] std::uint64_t turns() const { return turns_; }
  [[nodiscard]] std::uint64_t races() const { return races_; }

 private:
  struct Place {  // where a client is
    ClusterClient& client;
    fs::FileSystem& remote;
    fs::FileId file;
  };
  // Empty and true: go on. Empty and false: this client's time is over.
  struct Verdict {
    bool goes_on = true;
    std::string trouble;
  };
  Verdict judge_call(ClusterClient& client, const Status& status, std::string_view what);
  runtime::Task<Verdict> turn(Place& place);
  runtime::Task<Verdict> race(Place& place);
  Verdict enter(ClusterClient& client);
  Verdict check_count(std::uint64_t found, bool told);
  std::string check_names(fs::FileSystem& container);

  Cluster& cluster_;
  std::vector<ClusterClient*> inside_;
  std::uint64_t count_ = 0;  // told
  bool maybe_more_ = false;  // somebody was to write one more, and was not told that he did
  std::uint64_t next_name_ = 0;
  std::map<std::string, std::string> makers_;  // name: who was told that he made it
  std::map<std::string, unsigned> tries_;      // and how many tried
  std::uint64_t turns_ = 0;
  std::uint64_t races_ = 0;
};

}  // namespace ross::sim
