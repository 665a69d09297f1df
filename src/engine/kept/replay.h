// Replay: adds to the store what a process kept and did not live to commit.
//
// 1. A log counts only if it was written while the machine ran as it runs now, by this pool. Any other is what a power cut left:
//    its records may name data that never reached a device.
// 2. It counts only on top of the transaction before its own: on the store, or on the whole log of that one. A log whose own
//    transaction is in the store has nothing to add.
// 3. Its records become changes of the store's open transaction, in order. They are seen at once, and durable with the next commit.
//
// Threading: owner thread, before the store is used.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/kept/kept_log.h"
#include "engine/meta/meta_store.h"

namespace ross::engine {

struct Replayed {
  std::uint64_t stored_transaction = 0;  // the last one in the store
  std::uint64_t kept_transaction = 0;    // the last one that records were added of, or 0: then nothing was
  bool damaged = false;                  // the number in the store is: so nobody knows what a log counts on top of
};

// Takes the store as it was opened, with nothing changed. Errors: those of reading a log that is there. What a log lacks is
// none.
Result<Replayed> replay_kept(MetaStore& store, const KeptLog::Place& place);

}  // namespace ross::engine
