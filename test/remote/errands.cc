#include "errands.h"

#include <set>
#include <string>
#include <vector>

#include "self.h"

namespace ross::remote_test {
namespace {

std::string base_of(int worker) { return "w" + std::to_string(worker) + "-"; }

// What stands in a file of 100,000 bytes after a round.
std::byte filler(std::uint64_t round) { return static_cast<std::byte>(round * 7 + 1); }

Status wrong(const Status& status, const std::string& doing) { return status.with_context(doing); }

memory::Memory record(std::uint64_t& number) {
  return memory::Memory(reinterpret_cast<std::byte*>(&number), sizeof number);
}

// One round on a name of its own, and a record in the log.
runtime::Task<Status> one_round(fs::FileSystem& remote, fs::FileId log, const std::string& name, std::uint64_t round) {
  const fs::NodeId root = fs::kRootNode;
  const auto made = co_await remote.create(kSelf, root, name, 0600, {.read = true, .write = true, .exclusive = true});
  if (!made.has_value()) co_return wrong(made.error(), "creating " + name);
  std::vector<std::byte> large(100'000, filler(round));
  const auto wrote = co_await remote.write(made->file, 0, memory::Memory(large));
  if (!wrote.has_value()) co_return wrong(wrote.error(), "writing " + name);
  const auto appended = co_await remote.write(log, 0, record(round));
  if (!appended.has_value()) co_return wrong(appended.error(), "appending");
  const fs::LockRange lock{.owner = 7, .kind = fs::LockKind::kExclusive};
  if (Status status = co_await remote.lock(log, lock, false); !status.ok()) co_return wrong(status, "locking");
  Status moved = co_await remote.rename(kSelf, root, name, root, name + "x", fs::RenameFlags::kNoReplace);
  if (!moved.ok()) co_return wrong(moved, "renaming " + name);
  if (Status status = co_await remote.unlock_owner(log, 7); !status.ok()) co_return wrong(status, "unlocking");
  if (round % 2 == 0) {
    if (Status gone = co_await remote.unlink(kSelf, root, name + "x"); !gone.ok())
      co_return wrong(gone, "unlinking " + name);
  }
  // Also of a file that has no name any more.
  std::vector<std::byte> back(large.size());
  const auto got = co_await remote.read(made->file, 0, memory::Memory(back));
  if (!got.has_value()) co_return wrong(got.error(), "reading " + name);
  if (back != large) co_return Status(EIO, name + " does not hold what was written");
  if (Status status = co_await remote.close(made->file); !status.ok()) co_return wrong(status, "closing " + name);
  co_return Status();
}

}  // namespace

runtime::Task<Status> errands(fs::FileSystem& remote, int worker, int rounds) {
  const auto log = co_await remote.create(kSelf, fs::kRootNode, base_of(worker) + "log", 0600,
                                          {.read = true, .write = true, .append = true, .exclusive = true});
  if (!log.has_value()) co_return wrong(log.error(), "creating the log");
  for (int round = 0; round < rounds; ++round) {
    const std::string name = base_of(worker) + std::to_string(round);
    Status status = co_await one_round(remote, log->file, name, static_cast<std::uint64_t>(round));
    if (!status.ok()) co_return status;
  }
  std::vector<std::uint64_t> records(static_cast<std::size_t>(rounds) + 1);
  const std::size_t bytes = static_cast<std::size_t>(rounds) * sizeof records[0];
  const auto got = co_await remote.read(
      log->file, 0, memory::Memory(reinterpret_cast<std::byte*>(records.data()), records.size() * sizeof records[0]));
  if (!got.has_value()) co_return wrong(got.error(), "reading the log");
  if (*got != bytes)
    co_return Status(EIO, "the log has " + std::to_string(*got) + " bytes of " + std::to_string(bytes));
  for (std::size_t i = 0; i < static_cast<std::size_t>(rounds); ++i) {
    if (records[i] != i) co_return Status(EIO, "record " + std::to_string(i) + " is " + std::to_string(records[i]));
  }
  co_return co_await remote.close(log->file);
}

runtime::Task<Status> errands_are_done(fs::FileSystem& remote, int workers, int rounds) {
  std::set<std::string> expected;
  for (int worker = 0; worker < workers; ++worker) {
    expected.insert(base_of(worker) + "log");
    for (int round = 1; round < rounds; round += 2) expected.insert(base_of(worker) + std::to_string(round) + "x");
  }
  fs::ReaddirOptions options;
  for (;;) {
    const auto entries = co_await remote.readdir(kSelf, fs::kRootNode, options);
    if (!entries.has_value()) co_return wrong(entries.error(), "listing");
    if (entries->empty()) break;
    for (const fs::DirEntry& entry : *entries) {
      if (expected.erase(entry.name) == 0) co_return Status(EIO, entry.name + " is there and should not be");
    }
    options.cursor = entries->back().cursor;
  }
  if (!expected.empty()) co_return Status(EIO, *expected.begin() + " is missing");
  co_return Status();
}

}  // namespace ross::remote_test
