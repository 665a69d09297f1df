// Holdings: what a session has at its server: open containers, open files, locks. It is asked for again when the server has
// been started anew and knows nothing of it.
//
// An answer that opens, closes, locks or unlocks something is noted together with the check that it comes from the server
// that has the session now: what a server says whose time is over is not believed, and the call is made again. So
// nothing that a call was told it has is missing when the list is read.
//
// Threading: any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "wire/message.h"

namespace ross::client {

struct Answer;

class Holdings {
 public:
  // What has to be kept of a request until its answer: what it opens, closes, locks or unlocks.
  struct Note {
    wire::Op op = wire::Op::kOpen;
    std::uint32_t container = 0;
    std::uint64_t file = 0;
    std::uint64_t owner = 0;
    std::uint32_t open_bits = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups;
    std::string name;
    wire::Lock lock{};
  };
  struct File {
    std::uint32_t container = 0;
    std::uint64_t node = 0;
    std::uint32_t open_bits = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups;
    std::vector<wire::Lock> locks;  // none overlaps another of its owner and family
    bool closing = false;           // a close of it has gone out: the server may not have it any more
  };
  struct List {
    std::map<std::uint32_t, std::string> containers;  // by number: its name
    std::map<std::uint64_t, File> files;              // by number
  };

  // Null for a request that changes nothing of what is held.
  static std::unique_ptr<Note> note_of(const wire::Request& request);
  // It goes out to the server. A lock that is given back, or made weaker, may be somebody else's from now on: whatever becomes of the
  // answer, no more than what is left is asked for again.
  void sent(const Note& note);
  // Notes what was answered with success by a server of this generation. False: its time is over.
  bool answered(std::uint32_t generation, const Note& note, const Answer& answer);
  // Begins the time of another server; what is held until then.
  List begin_generation(std::uint32_t generation);

 private:
  std::mutex mutex_;
  // guarded by mutex_
  std::uint32_t generation_ = 0;
  List list_;
};

}  // namespace ross::client
