// ModelState: a whole file system as a value. What the oracle believes is on the disk.
//
// A copy is a snapshot: it shares nodes and pages with its origin until either changes one. A crash check keeps the
// state at the last sync and a copy after each later operation, and looks for one that equals what was recovered.
//
// Open files and locks are not part of it, as they are not part of a disk. Threading: owner thread (a copy may move
// to another thread once the origin is no longer changed).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "file_content.h"
#include "fs/types.h"

namespace ross::model {

struct Entry {
  fs::NodeId node;
  std::uint64_t cursor = 0;
};

struct Node {
  fs::Attr attr;      // allocated_bytes is filled in when it is told
  fs::NodeId parent;  // directories: who holds it
  FileContent content;
  std::string target;
  std::map<std::string, std::string, std::less<>> xattrs;
  // Directories. A cursor is given once and never again, so listing goes on wherever it stood.
  std::map<std::string, Entry, std::less<>> entries;
  std::map<std::uint64_t, std::string> by_cursor;
  std::uint64_t next_cursor = 1;

  void add_entry(std::string_view name, fs::NodeId node);
  void remove_entry(std::string_view name);
};

class ModelState {
 public:
  // An empty file system: the root, mode 0755, owned by uid 0.
  explicit ModelState(std::int64_t now_ns);

  // Null when there is no such node. find() shows, edit() may copy the node first; both stay valid until it is erased.
  [[nodiscard]] const Node* find(fs::NodeId id) const;
  Node* edit(fs::NodeId id);
  // Gives the node its id.
  Node& add(Node node);
  void erase(fs::NodeId id);
  // Forgets what only an open file held, as a crash does.
  void drop_nameless();
  // Runs change on a node's content and keeps the account of space.
  template <class Change>
  void change_content(Node& node, Change&& change) {
    used_bytes_ -= node.content.allocated_bytes();
    change(node.content);
    used_bytes_ += node.content.allocated_bytes();
  }

  [[nodiscard]] std::uint64_t used_bytes() const { return used_bytes_; }
  [[nodiscard]] const std::map<fs::NodeId, std::shared_ptr<Node>>& nodes() const { return nodes_; }

 private:
  std::map<fs::NodeId, std::shared_ptr<Node>> nodes_;  // shared between copies, replaced when edited
  std::uint64_t next_node_ = fs::kRootNode.value + 1;
  std::uint64_t used_bytes_ = 0;
};

}  // namespace ross::model
