// Child: a program of a test that runs in a process of its own.
//
// It is forked from a nursery, a process that was forked before the first test: so nothing of the backend, no thread and no
// memory of an earlier test is in it.
//
//   int talk(Fixture& fixture, const std::string& argument);      // what the child runs; 0 when all went well
//   Child child(backend(), talk, address);
//   EXPECT_EQ(child.wait(), 0);
//
// Threading: owner thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "conformance/fabric/backend.h"

namespace ross::fabric::conformance {

class Child {
 public:
  using Program = int (*)(Fixture& fixture, const std::string& argument);
  static constexpr std::size_t kArgumentBytesMax = 1024;

  Child(const Backend& backend, Program program, const std::string& argument);
  ~Child();  // kills it if it runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] bool started() const { return pid_ > 0; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  // SIGKILL, and until it is gone.
  void kill();
  // What the program returned, or 128 and the signal that ended it; it is given a minute.
  int wait();

 private:
  pid_t pid_ = 0;
  int result_ = -1;
};

}  // namespace ross::fabric::conformance
