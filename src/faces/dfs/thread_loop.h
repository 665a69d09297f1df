// The loop of a calling thread: what a blocking call of the C interface drives.
//
//   Result<fs::Attr> attr = wait_for(fs.lookup(cred, parent, name));
//
// Made at a thread's first call and kept until the thread ends. A loop from before a fork is left alone in the child:
// it shares its ring with the parent. Threading: any thread.
#pragma once

#include <utility>

#include "runtime/loop.h"

namespace ross::dfs {

// This thread's loop; EMFILE and the like when it cannot be made.
Result<runtime::Loop*> thread_loop();

namespace internal {
template <class T>
T as_failure(Status status) {
  return T(fail(std::move(status)));
}
template <>
inline Status as_failure<Status>(Status status) {
  return status;
}
}  // namespace internal

// Runs a task to its end on the calling thread.
template <class T>
T wait_for(runtime::Task<T> task) {
  if (task.await_ready()) return task.await_resume();
  Result<runtime::Loop*> loop = thread_loop();
  if (!loop) return internal::as_failure<T>(std::move(loop).error());
  return (*loop)->block_on(std::move(task));
}

}  // namespace ross::dfs
