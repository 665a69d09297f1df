// readdir: entries in the order of their names' hashes, which is the order of their keys; the hash is the cursor.
//
// So a cursor stays right whatever comes and goes. Names with one hash (63 bits: practically none) are listed together or
// listed again, never skipped.
#include "engine/container.h"
#include "engine/names/permission.h"

namespace ross::engine {

fs::Async<std::vector<fs::DirEntry>> Container::readdir(const fs::Credential& cred, fs::NodeId directory,
                                                        const fs::ReaddirOptions& options) {
  const auto list = [&]() -> Result<std::vector<fs::DirEntry>> {
    constexpr std::size_t kEntriesMax = 4096;  // bounds how long the mutex is held
    const std::size_t entries_max = std::min(options.entries_max, kEntriesMax);
    const Lock lock(core_.mutex);
    core_.nodes.trim();
    ROSS_TRY(Inode* const inode, find_directory(directory));
    ROSS_OK(may(cred, inode->record, R_OK));
    std::vector<fs::DirEntry> entries;
    if (options.cursor == UINT64_MAX || entries_max == 0 || inode->record.entries == 0) return entries;
    const std::string prefix = format::entry_prefix(inode->key);
    std::string from = prefix;
    format::append_big(from, options.cursor + 1);
    Status damaged;
    ROSS_OK(core_.store->scan(prefix, from, [&](std::string_view key, std::string_view value) {
      format::Reader in(key.substr(prefix.size()));
      const auto cursor = in.big<std::uint64_t>();
      const std::string_view name = in.rest();
      if (entries.size() >= entries_max && entries.back().cursor != cursor) return false;
      auto entry = format::decode_entry(value);
      if (!entry || name.empty()) {
        damaged =
            entry ? Status(EIO, "a directory entry has no name: run ross fsck on the pool") : std::move(entry).error();
        return false;
      }
      entries.push_back(
          {.name = std::string(name), .node = entry->node, .type = entry->type, .cursor = cursor, .attr = {}});
      return true;
    }));
    ROSS_OK(damaged);
    if (options.with_attr) {
      for (fs::DirEntry& entry : entries) {
        ROSS_TRY(const Inode* const node, find(entry.node));
        entry.attr = attr_of(*node);
      }
    }
    return entries;
  };
  return fs::Async<std::vector<fs::DirEntry>>::ready(list());
}

}  // namespace ross::engine
