#include "apps/ross/copy/scan.h"

#include <sys/stat.h>

#include <utility>

namespace ross::cli::copy {
namespace {

struct Frame {
  DirectoryRef directory;
  std::vector<Item> children;  // directories found and not yet gone into
  bool listed = false;
};

// Lists a directory whole and counts what is in it.
void count(runtime::Loop& loop, Source& source, Frame& frame, Totals& totals, const std::function<bool()>& stopped) {
  while (!stopped()) {
    auto items = loop.block_on(source.list(*frame.directory));
    if (!items.has_value() || items->empty()) return;
    for (Item& item : *items) {
      ++totals.items;
      if (S_ISREG(item.attr.mode)) totals.bytes += item.attr.size_bytes;
      if (S_ISDIR(item.attr.mode)) frame.children.push_back(std::move(item));
    }
  }
}

}  // namespace

void scan(runtime::Loop& loop, Source& source, DirectoryRef root, Totals& totals,
          const std::function<bool()>& stopped) {
  std::vector<Frame> stack;
  stack.push_back({std::move(root), {}});
  while (!stack.empty() && !stopped()) {
    Frame& frame = stack.back();
    if (!std::exchange(frame.listed, true)) count(loop, source, frame, totals, stopped);
    if (frame.children.empty()) {
      stack.pop_back();
      continue;
    }
    const Item child = std::move(frame.children.back());
    frame.children.pop_back();
    auto directory = loop.block_on(source.open_directory(*frame.directory, child));
    if (directory.has_value()) stack.push_back({*std::move(directory), {}});
  }
}

}  // namespace ross::cli::copy
