#include "model_state.h"

#include <sys/stat.h>

#include "base/status.h"

namespace ross::model {

void Node::add_entry(std::string_view name, fs::NodeId node) {
  const auto [entry, added] = entries.try_emplace(std::string(name));
  entry->second.node = node;
  if (!added) return;  // a replaced entry was there all the time: it keeps its place in a listing
  entry->second.cursor = next_cursor++;
  by_cursor.emplace(entry->second.cursor, entry->first);
}

void Node::remove_entry(std::string_view name) {
  const auto entry = entries.find(name);
  ROSS_CHECK(entry != entries.end(), "the entry to remove is not there");
  by_cursor.erase(entry->second.cursor);
  entries.erase(entry);
}

ModelState::ModelState(std::int64_t now_ns) {
  auto root = std::make_shared<Node>();
  root->attr = {.node = fs::kRootNode, .mode = S_IFDIR | 0755, .links = 2};
  root->attr.atime_ns = root->attr.mtime_ns = root->attr.ctime_ns = root->attr.btime_ns = now_ns;
  root->parent = fs::kRootNode;
  nodes_.emplace(fs::kRootNode, std::move(root));
}

const Node* ModelState::find(fs::NodeId id) const {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : found->second.get();
}

Node* ModelState::edit(fs::NodeId id) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return nullptr;
  if (found->second.use_count() > 1) found->second = std::make_shared<Node>(*found->second);
  return found->second.get();
}

Node& ModelState::add(Node node) {
  node.attr.node = fs::NodeId(next_node_++);
  const fs::NodeId id = node.attr.node;
  return *nodes_.emplace(id, std::make_shared<Node>(std::move(node))).first->second;
}

void ModelState::erase(fs::NodeId id) {
  const auto found = nodes_.find(id);
  ROSS_CHECK(found != nodes_.end(), "the node to erase is not there");
  used_bytes_ -= found->second->content.allocated_bytes();
  nodes_.erase(found);
}

void ModelState::drop_nameless() {
  for (auto node = nodes_.begin(); node != nodes_.end();) {
    const fs::NodeId id = node->first;
    const bool nameless = node->second->attr.links == 0;
    ++node;
    if (nameless) erase(id);
  }
}

}  // namespace ross::model
