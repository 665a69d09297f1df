// Copier: a tree from a Source to a Sink, by several threads.
//
//   Copier copier(source, sink, options, report);
//   copier.add(root);
//   copier.run([&] { draw(copier.counts()); });
//
// Each worker is a thread with a loop of its own on which kLanes coroutines take work (work_queue.h), so that one
// waits for a device while others go on. Everything found is made with its attributes set; a directory gets its own when
// the last thing below it is done. A file appears whole or not at all, whatever stops the copy.
//
// What cannot be copied is reported and the rest goes on; errors that everything after would meet too (no space,
// read-only) stop the copy. Ownership: borrows source and sink. Threading: run() and add() owner thread; stop()
// and counts() any thread; report is called from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/ross/copy/link_table.h"
#include "apps/ross/copy/transfer.h"
#include "apps/ross/copy/tree.h"
#include "apps/ross/copy/work_queue.h"

namespace ross::cli::copy {

struct CopierOptions {
  unsigned jobs = 2;             // worker threads
  bool one_file_system = false;  // leave out what is mounted inside
  // Directories to leave out, by device and inode: the pool itself, and the destination inside its source.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> skip;
};

struct Counts {
  std::atomic<std::uint64_t> files = 0;
  std::atomic<std::uint64_t> directories = 0;
  std::atomic<std::uint64_t> links = 0;     // symbolic ones and further names of a file
  std::atomic<std::uint64_t> specials = 0;  // FIFOs, sockets, devices
  std::atomic<std::uint64_t> bytes = 0;
  std::atomic<std::uint64_t> errors = 0;
  [[nodiscard]] std::uint64_t items() const { return files + directories + links + specials; }
};

// One thing named on the command line.
struct Root {
  DirectoryRef from_parent;     // where a file is found; null for a directory
  DirectoryRef from_directory;  // the directory itself
  Item item;
  DirectoryRef to_parent;     // where it goes, under to_name
  DirectoryRef to_directory;  // or, for a directory: the one its entries go into
  std::string to_name;
  std::string text;  // the source as the user wrote it
};

class Copier {
 public:
  static constexpr unsigned kLanes = 8;  // works in hand of one worker
  using Report = std::function<void(std::string_view path, const Status& status)>;

  Copier(Source& source, Sink& sink, CopierOptions options, Report report);
  void add(Root root);
  // Copies until all is done or stop() was called; tick is called on the caller's thread some times a second.
  // An error only if no worker could start.
  Status run(const std::function<void()>& tick);
  void stop();
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Worker;
  fs::AsyncStatus lane(Worker& worker);
  fs::AsyncStatus list_more(NodeRef node);
  fs::AsyncStatus open_node(Node& node);
  fs::AsyncStatus copy_item(Worker& worker, Node& node, const Item& item);
  fs::AsyncStatus copy_linked(Worker& worker, Node& node, const Item& item);
  fs::Async<Made> copy_one(Worker& worker, Node& node, const Item& item);
  fs::Async<Made> copy_other(Node& node, const Item& item);
  fs::Async<Made> copy_file(Worker& worker, Node& node, const Item& item);
  fs::AsyncStatus release(NodeRef node);
  void found(const NodeRef& node, std::vector<Item> items);
  bool skipped(const Node& node, const Item& item) const;
  void failed(const Node& node, std::string_view name, const Status& status);

  Source& source_;
  Sink& sink_;
  const CopierOptions options_;
  const Report report_;
  Counts counts_;
  WorkQueue queue_;
  LinkTable links_;
};

}  // namespace ross::cli::copy
