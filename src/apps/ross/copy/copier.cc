#include "apps/ross/copy/copier.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "apps/ross/location.h"

namespace ross::cli::copy {
namespace {

constexpr std::size_t kGroup = 16;      // files that one lane takes at once
constexpr unsigned kSpareBuffers = 16;  // of a worker, for large files
constexpr auto kTick = std::chrono::milliseconds(100);

// Whether everything after would fail the same way.
bool is_fatal(int error) {
  return error == ENOSPC || error == EDQUOT || error == EROFS || error == ENOMEM || error == EMFILE || error == ENFILE;
}

// A root may get another name than it had.
const std::string& to_name(const Node& node, const Item& item) { return node.stands_in ? node.to_name : item.name; }

}  // namespace

struct Copier::Worker {
  std::unique_ptr<runtime::Loop> loop;
  memory::BufferPool buffers{{.buffer_bytes = kPieceBytes, .buffers_max = kLanes + kSpareBuffers}};
  TransferContext transfer;
  unsigned lanes = 0;
  std::thread thread;

  explicit Worker(Copier& copier)
      : transfer{buffers, copier.counts_.bytes, [&copier] { return copier.queue_.stopped(); }, kSpareBuffers} {}
};

Copier::Copier(Source& source, Sink& sink, CopierOptions options, Report report)
    : source_(source), sink_(sink), options_(std::move(options)), report_(std::move(report)) {}

void Copier::add(Root root) {
  // A root hangs below a node that only stands for where it is found and where it goes.
  auto top = std::make_shared<Node>();
  top->stands_in = true;
  top->finishes = false;
  top->from = root.from_parent;
  top->to = root.to_parent;
  top->to_name = root.to_name;
  top->text = root.text;
  if (root.from_directory == nullptr) {
    std::vector<Item> items;
    items.push_back(std::move(root.item));
    queue_.push({std::move(top), std::move(items)});
    return;
  }
  auto node = std::make_shared<Node>();
  node->parent = std::move(top);
  node->item = std::move(root.item);
  node->to_name = std::move(root.to_name);
  node->text = std::move(root.text);
  node->from = std::move(root.from_directory);
  node->to = std::move(root.to_directory);
  queue_.push({std::move(node), {}});
}

Status Copier::run(const std::function<void()>& tick) {
  std::vector<std::unique_ptr<Worker>> workers;
  Status status;
  for (unsigned i = 0; i < std::max(options_.jobs, 1U); ++i) {
    auto worker = std::make_unique<Worker>(*this);
    auto loop = runtime::Loop::create();
    if (!loop.has_value()) {
      status = loop.error();
      break;
    }
    worker->loop = *std::move(loop);
    workers.push_back(std::move(worker));
  }
  if (workers.empty()) return status;
  std::mutex mutex;
  std::condition_variable ended;
  std::size_t running = workers.size();
  for (auto& worker : workers) {
    worker->thread = std::thread([this, &mutex, &ended, &running, worker = worker.get()] {
      worker->lanes = kLanes;
      for (unsigned i = 0; i < kLanes; ++i) {
        worker->loop->start(lane(*worker), [worker](const Status&) { --worker->lanes; });
      }
      while (worker->lanes > 0) worker->loop->wait();
      const std::lock_guard lock(mutex);
      --running;
      ended.notify_one();
    });
  }
  {
    std::unique_lock lock(mutex);
    while (running > 0) {
      ended.wait_for(lock, kTick);
      lock.unlock();
      tick();
      lock.lock();
    }
  }
  for (auto& worker : workers) worker->thread.join();
  return {};
}

void Copier::stop() { queue_.stop(); }

fs::AsyncStatus Copier::lane(Worker& worker) {
  for (;;) {
    std::optional<Work> work = co_await queue_.take();
    if (!work.has_value()) co_return Status();
    if (work->items.empty()) {
      static_cast<void>(co_await list_more(work->node));
    } else {
      for (const Item& item : work->items) {
        if (queue_.stopped()) break;
        Status status = co_await copy_item(worker, *work->node, item);
        if (!status.ok()) failed(*work->node, item.name, status);
      }
      static_cast<void>(co_await release(std::move(work->node)));
    }
    queue_.done();
  }
}

// Lists the next part of a directory, opening it first, and queues what is found.
fs::AsyncStatus Copier::list_more(NodeRef node) {
  if (node->to == nullptr || node->from == nullptr) {
    Status opened = co_await open_node(*node);
    if (!opened.ok()) {
      failed(*node, {}, opened);
      node->finishes = false;
      co_return co_await release(node);
    }
  }
  auto items = co_await source_.list(*node->from);
  if (!items.has_value()) failed(*node, {}, items.error());
  if (!items.has_value() || items->empty()) co_return co_await release(node);
  // The rest may be listed, and be none, before these are queued: until then they count as one.
  ++node->pending;
  queue_.push({node, {}});
  found(node, *std::move(items));
  co_return co_await release(std::move(node));
}

fs::AsyncStatus Copier::open_node(Node& node) {
  if (node.from == nullptr) {
    auto from = co_await source_.open_directory(*node.parent->from, node.item);
    if (!from.has_value()) co_return from.error();
    node.from = *std::move(from);
  }
  auto xattrs = co_await source_.directory_xattrs(*node.from);
  if (!xattrs.has_value()) co_return xattrs.error();
  node.xattrs = *std::move(xattrs);
  if (node.to == nullptr) {
    auto to = co_await sink_.make_directory(*node.parent->to, node.to_name);
    if (!to.has_value()) co_return to.error();
    node.to = *std::move(to);
  }
  co_return Status();
}

void Copier::found(const NodeRef& node, std::vector<Item> items) {
  std::vector<Item> group;
  const auto push_group = [&] {
    if (group.empty()) return;
    ++node->pending;
    queue_.push({node, std::move(group)});
    group.clear();
  };
  for (Item& item : items) {
    if (skipped(*node, item)) continue;
    if (S_ISDIR(item.attr.mode)) {
      auto child = std::make_shared<Node>();
      child->parent = node;
      child->text = join(node->text, item.name);
      child->to_name = item.name;
      child->item = std::move(item);
      ++node->pending;
      queue_.push({std::move(child), {}});
      continue;
    }
    group.push_back(std::move(item));
    if (group.size() == kGroup) push_group();
  }
  push_group();
}

bool Copier::skipped(const Node& node, const Item& item) const {
  if (options_.one_file_system && item.space != node.item.space) return true;
  if (!S_ISDIR(item.attr.mode)) return false;
  return std::ranges::find(options_.skip, std::pair{item.space, item.attr.node.value}) != options_.skip.end();
}

fs::AsyncStatus Copier::copy_item(Worker& worker, Node& node, const Item& item) {
  if (S_ISREG(item.attr.mode) && item.attr.links > 1) co_return co_await copy_linked(worker, node, item);
  const auto made = co_await copy_one(worker, node, item);
  co_return made.has_value() ? Status() : made.error();
}

fs::AsyncStatus Copier::copy_linked(Worker& worker, Node& node, const Item& item) {
  const std::optional<Made> first = co_await links_.claim(item);
  if (first.has_value()) {
    Status status = co_await sink_.link(*first, *node.to, to_name(node, item));
    if (status.ok()) ++counts_.links;
    co_return status;
  }
  auto made = co_await copy_one(worker, node, item);
  if (!made.has_value()) {
    links_.failed(item);
    co_return made.error();
  }
  links_.made(item, *std::move(made));
  co_return Status();
}

fs::Async<Made> Copier::copy_one(Worker& worker, Node& node, const Item& item) {
  if (S_ISREG(item.attr.mode)) return copy_file(worker, node, item);
  return copy_other(node, item);
}

fs::Async<Made> Copier::copy_other(Node& node, const Item& item) {
  const std::string& name = to_name(node, item);
  ROSS_CO_TRY(const Xattrs xattrs, co_await source_.xattrs(*node.from, item, nullptr));
  if (S_ISLNK(item.attr.mode)) {
    ROSS_CO_TRY(const std::string target, co_await source_.readlink(*node.from, item));
    ROSS_CO_TRY(Made made, co_await sink_.symlink(*node.to, name, target, item.attr, xattrs));
    ++counts_.links;
    co_return made;
  }
  ROSS_CO_TRY(Made made, co_await sink_.special(*node.to, name, item.attr, xattrs));
  ++counts_.specials;
  co_return made;
}

fs::Async<Made> Copier::copy_file(Worker& worker, Node& node, const Item& item) {
  ROSS_CO_TRY(const std::unique_ptr<SourceFile> from, co_await source_.open_file(*node.from, item));
  auto xattrs = co_await source_.xattrs(*node.from, item, from.get());
  Status status = xattrs.has_value() ? Status() : xattrs.error();
  Made made;
  if (status.ok()) {
    auto to = co_await sink_.create(*node.to, to_name(node, item), from->attr());
    if (!to.has_value()) status = to.error();
    if (status.ok()) {
      SinkFile& file = **to;
      status = co_await transfer(worker.transfer, *from, file);
      if (status.ok()) {
        auto named = co_await file.commit(from->attr(), *xattrs);
        if (named.has_value()) made = *std::move(named);
        if (!named.has_value()) status = named.error();
      } else {
        static_cast<void>(co_await file.abandon());
      }
    }
  }
  const Status closed = co_await from->close();
  if (!status.ok()) co_return fail(status);
  if (!closed.ok()) co_return fail(closed);
  ++counts_.files;
  co_return made;
}

// One thing below the node is done. The last one sets the node's attributes, and its parent loses a child in turn.
fs::AsyncStatus Copier::release(NodeRef node) {
  while (node != nullptr && --node->pending == 0) {
    if (node->finishes && !queue_.stopped()) {
      Status status = co_await sink_.finish_directory(*node->to, node->item.attr, node->xattrs);
      if (!status.ok()) failed(*node, {}, status);
      ++counts_.directories;
    }
    node = node->parent;
  }
  co_return Status();
}

void Copier::failed(const Node& node, std::string_view name, const Status& status) {
  if (status.error() == ECANCELED && queue_.stopped()) return;
  const bool fatal = is_fatal(status.error());
  // Lanes that fail for the same reason before they see the stop add nothing.
  if (fatal && queue_.stopped()) return;
  if (fatal) queue_.stop();
  ++counts_.errors;
  report_(name.empty() || node.stands_in ? node.text : join(node.text, name), status);
}

}  // namespace ross::cli::copy
