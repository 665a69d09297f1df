// LinkTable: files with several names, so that a copy has one file with several names too.
//
// The first lane to meet such a file copies it; lanes that meet another name of it wait for that and add a link.
// When copying fails, one of those who wait tries again under its own name.
// Limits: one entry for each such file with names still to come. Threading: guarded; claim() waits on the caller's loop.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "apps/ross/copy/tree.h"
#include "runtime/sync.h"

namespace ross::cli::copy {

class LinkTable {
 public:
  // The file made already; or nothing, and the caller copies it and calls made() or failed().
  runtime::Task<std::optional<Made>> claim(const Item& item);
  void made(const Item& item, Made made);
  void failed(const Item& item);

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // device and inode
  struct Entry {
    bool making = false;
    std::optional<Made> made;
    std::uint32_t names_left = 0;
  };
  std::mutex mutex_;
  runtime::WaitQueue waiting_;    // guarded by mutex_
  std::map<Key, Entry> entries_;  // guarded by mutex_
};

}  // namespace ross::cli::copy
