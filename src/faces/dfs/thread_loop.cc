#include "faces/dfs/thread_loop.h"

#include <memory>

#include "faces/dfs/fork_count.h"

namespace ross::dfs {
namespace {

struct Owned {
  std::unique_ptr<runtime::Loop> loop;
  std::uint32_t fork = 0;
  // A parent's loop is leaked in the child: destroying it would act on the ring both share.
  void drop_if_foreign() {
    if (loop != nullptr && fork != fork_count()) static_cast<void>(loop.release());
  }
  ~Owned() { drop_if_foreign(); }
};

thread_local Owned owned;

}  // namespace

Result<runtime::Loop*> thread_loop() {
  owned.drop_if_foreign();
  if (owned.loop == nullptr) {
    ROSS_TRY(owned.loop, runtime::Loop::create());
    owned.fork = fork_count();
  }
  return owned.loop.get();
}

}  // namespace ross::dfs
