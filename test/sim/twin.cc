#include "twin.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "model/compare.h"
#include "twin_call.h"

namespace ross::sim {

namespace {

constexpr std::size_t kHandlesPerClientMax = 5;
constexpr std::string_view kNames[] = {"a", "b", "c", "d", "e", "f", "notes.txt", "\xc3\xa4 b\n\x01"};

}  // namespace

Twin::Twin(runtime::Loop& loop, SimClock& clock, model::ModelState state, fs::FileSystem& tested, Options options)
    : loop_(loop),
      clock_(clock),
      model_(clock, std::move(state)),
      tested_(tested),
      options_(std::move(options)),
      state_(model_.state()) {
  credentials_ = {{.uid = 0, .gid = 0, .groups = {}},
                  {.uid = 1000, .gid = 1000, .groups = {}},
                  {.uid = 1001, .gid = 1001, .groups = {1000}}};
  to_tested_[fs::kRootNode] = fs::kRootNode;
  to_model_[fs::kRootNode] = fs::kRootNode;
}

runtime::Task<Twin::Outcome> Twin::play(const Step& step) {
  clock_.advance(1'000'003);
  Call call{step, credentials_[step.client % credentials_.size()], {}};
  call.outcome.what = fmt::format("client {} {}", step.client, verb_name(step.verb));
  if (step.verb <= Verb::kReaddir) {
    co_await names(call);
  } else if (step.verb <= Verb::kAccess) {
    co_await attributes(call);
  } else if (step.verb <= Verb::kRemovexattr) {
    co_await xattrs(call);
  } else if (step.verb >= Verb::kPut && step.verb <= Verb::kRemove) {
    co_await objects(call);
  } else if (step.verb == Verb::kOpen || step.verb == Verb::kClose || step.verb == Verb::kUnnamed ||
             step.verb == Verb::kPublish) {
    co_await files(call);
  } else if (step.verb == Verb::kTick) {
    clock_.advance(static_cast<std::int64_t>(call.die(0)) * 1000);
  } else {
    co_await content(call);
  }
  state_ = model_.state();
  co_return std::move(call.outcome);
}

runtime::Task<std::string> Twin::close_all() {
  std::string trouble;
  for (const Handle& handle : std::exchange(handles_, {})) {
    (void)co_await model_.close(handle.model);
    const Status closed = co_await tested_.close(handle.tested);
    if (!closed.ok()) trouble = "closing a file: " + closed.message();
  }
  state_ = model_.state();
  co_return trouble;
}

std::string Twin::match_nodes() {
  to_tested_ = {{fs::kRootNode, fs::kRootNode}};
  to_model_ = to_tested_;
  std::vector<fs::NodeId> open{fs::kRootNode};
  while (!open.empty()) {
    const fs::NodeId directory = open.back();
    open.pop_back();
    for (const auto& [name, entry] : state_.find(directory)->entries) {
      const auto found = loop_.block_on(tested_.lookup(credentials_[0], tested_node(directory), name));
      if (!found) return fmt::format("'{}' cannot be looked up: {}", name, found.error().message());
      const bool first = to_tested_.emplace(entry.node, found->node).second;
      to_model_.emplace(found->node, entry.node);
      if (first) known_.push_back(entry.node);
      if (first && S_ISDIR(state_.find(entry.node)->attr.mode)) open.push_back(entry.node);
    }
  }
  return {};
}

// ---- choosing ----

fs::NodeId Twin::tested_node(fs::NodeId models) const {
  const auto found = to_tested_.find(models);
  // A node that the tested side never showed: no number of its own can be there.
  return found == to_tested_.end() ? fs::NodeId(UINT64_MAX >> 1) : found->second;
}

fs::NodeId Twin::pick_directory(std::uint32_t die) const {
  std::vector<fs::NodeId> found;
  for (const auto& [id, node] : state_.nodes()) {
    if (S_ISDIR(node->attr.mode)) found.push_back(id);
  }
  // Now and then something that is no directory, or is gone.
  if (die % 53 == 0 && !known_.empty()) return pick_node(die);
  return found[die / 53 % found.size()];
}

fs::NodeId Twin::pick_node(std::uint32_t die) const {
  if (options_.oddities && die % 53 == 0 && !known_.empty()) return known_[die / 53 % known_.size()];
  auto at = state_.nodes().begin();
  std::advance(at, die / 53 % state_.nodes().size());
  return at->first;
}

fs::NodeId Twin::pick_file(std::uint32_t die) const {
  std::vector<fs::NodeId> found;
  for (const auto& [id, node] : state_.nodes()) {
    if (S_ISREG(node->attr.mode)) found.push_back(id);
  }
  if (found.empty() || die % 53 == 0) return pick_node(die);
  return found[die / 53 % found.size()];
}

std::string Twin::pick_name(fs::NodeId directory, std::uint32_t die) const {
  const model::Node* const node = state_.find(directory);
  const std::uint32_t choice = die / 64;
  if (node != nullptr && !node->entries.empty() && die % 64 < 40) {
    auto at = node->entries.begin();
    std::advance(at, choice % node->entries.size());
    return at->first;
  }
  if (die % 64 == 63) return std::string(1 + choice % (options_.oddities ? 300 : 255), 'n');  // also past the limit
  if (options_.oddities && die % 64 == 62) return choice % 3 == 0 ? "." : choice % 3 == 1 ? ".." : "";
  return std::string(kNames[choice % std::size(kNames)]);
}

std::string Twin::path_of(fs::NodeId directory) const {
  std::string path;
  for (int depth = 0; directory != fs::kRootNode && depth < 64; ++depth) {
    const model::Node* const node = state_.find(directory);
    const model::Node* const above = node == nullptr ? nullptr : state_.find(node->parent);
    if (above == nullptr) return "gone/" + path;
    for (const auto& [name, entry] : above->entries) {
      if (entry.node == directory) path = name + (path.empty() ? "" : "/") + path;
    }
    directory = node->parent;
  }
  return path;
}

std::uint64_t Twin::size_of(fs::NodeId node) {
  const auto attr = loop_.block_on(model_.getattr(node));
  return attr ? attr->size_bytes : 0;
}

Twin::Handle* Twin::pick_handle(unsigned client, std::uint32_t die) {
  std::vector<Handle*> found;
  for (Handle& handle : handles_) {
    if (handle.client == client) found.push_back(&handle);
  }
  return found.empty() ? nullptr : found[die % found.size()];
}

// ---- comparing ----

bool Twin::compare(Call& call, const Status& ours, const Status& theirs) {
  call.outcome.error = theirs.error();
  call.outcome.expected = ours.error();
  call.say("-> {}", ours.ok() ? "ok" : std::strerror(ours.error()));
  if (ours.error() != theirs.error()) {
    call.differs(fmt::format("answered '{}', the model '{}'", theirs.ok() ? "ok" : std::strerror(theirs.error()),
                             ours.ok() ? "ok" : std::strerror(ours.error())));
  }
  return ours.ok() && theirs.ok();
}

void Twin::note_nodes(Call& call, fs::NodeId ours, fs::NodeId theirs) {
  const auto [forth, added] = to_tested_.emplace(ours, theirs);
  const auto [back, added_back] = to_model_.emplace(theirs, ours);
  if (forth->second != theirs || back->second != ours) {
    call.differs(
        fmt::format("node {} stands for the model's {}, which was {}", theirs.value, ours.value, forth->second.value));
  }
  if (added) known_.push_back(ours);
}

void Twin::compare_attr(Call& call, const fs::Attr& ours, const fs::Attr& theirs) {
  note_nodes(call, ours.node, theirs.node);
  const auto field = [&call](std::string_view name, std::int64_t their_value, std::int64_t our_value) {
    if (their_value == our_value) return;
    call.differs(fmt::format("{} is {} (octal {:o}), the model says {} (octal {:o})", name, their_value, their_value,
                             our_value, our_value));
  };
  const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  field("mode", theirs.mode, ours.mode);
  field("links", theirs.links, ours.links);
  field("uid", theirs.uid, ours.uid);
  field("gid", theirs.gid, ours.gid);
  field("rdev", number(theirs.rdev), number(ours.rdev));
  if (!S_ISDIR(ours.mode)) field("size", number(theirs.size_bytes), number(ours.size_bytes));
  if (!options_.times) return;
  field("mtime", theirs.mtime_ns, ours.mtime_ns);
  field("ctime", theirs.ctime_ns, ours.ctime_ns);
  field("btime", theirs.btime_ns, ours.btime_ns);
}

void Twin::compare_attr(Call& call, const std::pair<Result<fs::Attr>, Result<fs::Attr>>& answers) {
  if (compare(call, answers.first, answers.second)) compare_attr(call, *answers.first, *answers.second);
}

Twin::Work Twin::note_opened(Call& call, const std::pair<Result<fs::Opened>, Result<fs::Opened>>& answers,
                             bool unnamed) {
  const auto& [ours, theirs] = answers;
  if (!compare(call, ours, theirs)) co_return false;
  compare_attr(call, ours->attr, theirs->attr);
  if (ours->created != theirs->created) call.differs("who made the file is told differently");
  handles_.push_back({ours->file, theirs->file, ours->attr.node, call.step.client, unnamed});
  const auto client_has = std::ranges::count(handles_, call.step.client, [](const Handle& h) { return h.client; });
  if (static_cast<std::size_t>(client_has) <= kHandlesPerClientMax) co_return true;
  // The oldest makes room.
  const auto oldest = std::ranges::find(handles_, call.step.client, [](const Handle& h) { return h.client; });
  const Handle closed = *oldest;
  handles_.erase(oldest);
  const auto answer = co_await both([&](const Side& side) { return side.fs.close(side.file(closed)); });
  co_return compare(call, answer.first, answer.second);
}

}  // namespace ross::sim
