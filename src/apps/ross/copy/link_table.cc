#include "apps/ross/copy/link_table.h"

namespace ross::cli::copy {

runtime::Task<std::optional<Made>> LinkTable::claim(const Item& item) {
  const Key key{item.space, item.attr.node.value};
  std::unique_lock lock(mutex_);
  for (;;) {
    Entry& entry = entries_.try_emplace(key, Entry{.names_left = item.attr.links}).first->second;
    if (entry.made.has_value()) {
      std::optional<Made> made = entry.made;
      // All names seen: nobody will ask again. One that is seen nevertheless (linked meanwhile) becomes a copy.
      if (--entry.names_left == 0) entries_.erase(key);
      co_return made;
    }
    if (!entry.making) {
      entry.making = true;
      co_return std::nullopt;
    }
    co_await waiting_.wait(lock);
  }
}

void LinkTable::made(const Item& item, Made made) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[{item.space, item.attr.node.value}];
  entry.making = false;
  entry.made = std::move(made);
  if (entry.names_left > 0) --entry.names_left;
  waiting_.notify_all();
}

void LinkTable::failed(const Item& item) {
  const std::lock_guard lock(mutex_);
  entries_.erase({item.space, item.attr.node.value});
  waiting_.notify_all();
}

}  // namespace ross::cli::copy
