#include "apps/ross/walk.h"

#include <sys/stat.h>

#include <utility>
#include <vector>

namespace ross::cli {
namespace {

constexpr std::size_t kEntriesAtOnce = 1024;

Result<std::vector<fs::DirEntry>> list_some(Volume& volume, fs::NodeId directory, std::uint64_t& cursor) {
  fs::ReaddirOptions options;
  options.cursor = cursor;
  options.entries_max = kEntriesAtOnce;
  options.with_attr = true;
  auto entries = volume.wait(volume.fs.readdir(volume.cred, directory, options));
  if (!entries.has_value()) return entries;
  if (!entries->empty()) cursor = entries->back().cursor;
  for (fs::DirEntry& entry : *entries) {
    if (entry.attr.has_value()) continue;
    auto attr = volume.wait(volume.fs.getattr(entry.node));
    if (attr.has_value()) entry.attr = *attr;
  }
  // Without attributes it has gone since it was listed.
  std::erase_if(*entries, [](const fs::DirEntry& entry) { return !entry.attr.has_value(); });
  return entries;
}

struct Frame {
  Visit visit;
  std::uint64_t cursor = 0;
  std::vector<fs::DirEntry> entries;
  std::size_t next = 0;
};

// The next entry of a frame's directory; null at the end.
Result<fs::DirEntry*> next_entry(Volume& volume, Frame& frame) {
  while (frame.next >= frame.entries.size()) {
    const std::uint64_t before = frame.cursor;
    ROSS_TRY(frame.entries, list_some(volume, frame.visit.attr.node, frame.cursor));
    frame.next = 0;
    if (frame.entries.empty() && frame.cursor == before) return nullptr;
  }
  return &frame.entries[frame.next++];
}

}  // namespace

Status list_directory(Volume& volume, fs::NodeId directory, const std::function<Status(fs::DirEntry& entry)>& each) {
  Frame frame;
  frame.visit.attr.node = directory;
  for (;;) {
    const auto entry = next_entry(volume, frame);
    if (!entry.has_value()) return entry.error();
    if (*entry == nullptr) return {};
    ROSS_STATUS(each(**entry));
  }
}

void walk(Volume& volume, Visit root, const Visitor& visitor) {
  if (!visitor.enter(root) || !S_ISDIR(root.attr.mode)) return;
  std::vector<Frame> stack;
  stack.push_back({std::move(root)});
  while (!stack.empty() && !visitor.stopped()) {
    Frame& frame = stack.back();
    const auto entry = next_entry(volume, frame);
    if (!entry.has_value()) visitor.failed(frame.visit, entry.error());
    if (!entry.has_value() || *entry == nullptr) {
      visitor.leave(frame.visit);
      stack.pop_back();
      continue;
    }
    Visit visit;
    visit.path = join(frame.visit.path, (*entry)->name);
    visit.name = std::move((*entry)->name);
    visit.parent = frame.visit.attr.node;
    visit.attr = *(*entry)->attr;
    visit.depth = frame.visit.depth + 1;
    if (visitor.enter(visit) && S_ISDIR(visit.attr.mode)) stack.push_back({std::move(visit)});
  }
}

}  // namespace ross::cli
