#include "shared_work.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "cluster_client.h"

namespace ross::sim {

namespace {

constexpr std::uint64_t kOwner = 7;
const fs::LockRange kLock{.owner = kOwner, .kind = fs::LockKind::kExclusive};

memory::Memory memory_of(std::uint64_t& number) {
  return memory::Memory(reinterpret_cast<std::byte*>(&number), sizeof number);
}

}  // namespace

SharedWork::Verdict SharedWork::judge_call(ClusterClient& client, const Status& status, std::string_view what) {
  if (client.killed()) return {.goes_on = false, .trouble = {}};
  if (client.is_loss(status.error())) {
    return {.goes_on = false, .trouble = client.lost(fmt::format("{}: {}", what, status.message()))};
  }
  client.heard();
  if (status.ok()) return {};
  // What a power cut took back may be missing.
  if (cluster_.power_cuts() > 0) return {.goes_on = false, .trouble = {}};
  return {.goes_on = false, .trouble = fmt::format("{} of {}: {}", what, client.host(), status.message())};
}

runtime::Task<std::string> SharedWork::take_turns(ClusterClient& client, fs::FileSystem& remote, unsigned turns) {
  const fs::OpenFlags flags{.read = true, .write = true};
  const auto opened = co_await remote.create(kRoot, fs::kRootNode, kCountFile, 0600, flags);
  Verdict verdict = judge_call(client, opened.has_value() ? Status() : opened.error(), "opening the count");
  if (!verdict.goes_on) co_return verdict.trouble;
  Place place{client, remote, opened->file};
  for (unsigned i = 0; i < turns && verdict.goes_on; ++i) {
    if (cluster_.random().chance(1, 2)) {
      verdict = co_await turn(place);
    } else {
      verdict = co_await race(place);
    }
  }
  left(client);
  if (!verdict.goes_on) co_return verdict.trouble;
  const Status closed = co_await remote.close(place.file);
  co_return judge_call(client, closed, "closing the count").trouble;
}

void SharedWork::left(ClusterClient& client) { std::erase(inside_, &client); }

SharedWork::Verdict SharedWork::enter(ClusterClient& client) {
  for (ClusterClient* const other : inside_) {
    if (!other->may_be_given_up()) {
      return {.goes_on = false, .trouble = fmt::format("{} has the lock that {} has", client.host(), other->host())};
    }
  }
  inside_.push_back(&client);
  return {};
}

SharedWork::Verdict SharedWork::check_count(std::uint64_t found, bool told) {
  const bool right = found == count_ || (maybe_more_ && found == count_ + 1);
  if (!right && cluster_.power_cuts() == 0) {
    return {.goes_on = false,
            .trouble = fmt::format("the count is {}, after {} were told{}", found, count_, told ? "" : " at the end")};
  }
  count_ = found;
  maybe_more_ = false;
  return {};
}

runtime::Task<SharedWork::Verdict> SharedWork::turn(Place& place) {
  auto& [client, remote, file] = place;
  const Status locked = co_await remote.lock(file, kLock, true);
  Verdict verdict = judge_call(client, locked, "locking");
  if (!verdict.goes_on) co_return verdict;
  cluster_.tell("{} has the lock", client.host());
  verdict = enter(client);
  if (!verdict.goes_on) co_return verdict;
  std::uint64_t count = 0;
  const auto got = co_await remote.read(file, 0, memory_of(count));
  verdict = judge_call(client, got.has_value() ? Status() : got.error(), "reading the count");
  if (!verdict.goes_on) co_return verdict;
  verdict = check_count(count, true);
  if (!verdict.goes_on) co_return verdict;
  co_await cluster_.loop().sleep_until(cluster_.now_ns() + static_cast<std::int64_t>(cluster_.random().below(kMs)));
  ++count;
  maybe_more_ = true;
  const auto wrote = co_await remote.write(file, 0, memory_of(count));
  verdict = judge_call(client, wrote.has_value() ? Status() : wrote.error(), "writing the count");
  if (!verdict.goes_on) co_return verdict;
  count_ = count;
  maybe_more_ = false;
  ++turns_;
  left(client);
  const Status unlocked = co_await remote.unlock_owner(file, kOwner);
  co_return judge_call(client, unlocked, "unlocking");
}

runtime::Task<SharedWork::Verdict> SharedWork::race(Place& place) {
  auto& [client, remote, file] = place;
  const std::uint64_t cuts = cluster_.power_cuts();
  const std::string name = fmt::format("t{}", next_name_);
  ++tries_[name];
  const fs::OpenFlags flags{.write = true, .exclusive = true};
  const auto made = co_await remote.create(kRoot, fs::kRootNode, name, 0600, flags);
  if (next_name_ < 40 && name == fmt::format("t{}", next_name_)) ++next_name_;
  ++races_;
  if (!made.has_value() && made.error().error() == EEXIST) {
    client.heard();
    if (tries_[name] > 1) co_return Verdict{};
    co_return Verdict{.goes_on = false, .trouble = fmt::format("{} is there, and only {} tried", name, client.host())};
  }
  Verdict verdict = judge_call(client, made.has_value() ? Status() : made.error(), "making " + name);
  if (!verdict.goes_on) co_return verdict;
  const bool first = makers_.emplace(name, client.host()).second;
  if (!first && cluster_.power_cuts() == 0) {
    co_return Verdict{.goes_on = false,
                      .trouble = fmt::format("{} was made by {} and by {}", name, makers_[name], client.host())};
  }
  if (cuts != cluster_.power_cuts()) co_return Verdict{.goes_on = false, .trouble = {}};
  const Status closed = co_await remote.close(made->file);
  co_return judge_call(client, closed, "closing " + name);
}

std::string SharedWork::check_names(fs::FileSystem& container) {
  std::set<std::string> there;
  fs::ReaddirOptions options;
  for (;;) {
    const auto entries = cluster_.loop().block_on(container.readdir(kRoot, fs::kRootNode, options));
    if (!entries.has_value()) return "the shared container cannot be listed: " + entries.error().message();
    if (entries->empty()) break;
    for (const fs::DirEntry& entry : *entries) there.insert(entry.name);
    options.cursor = entries->back().cursor;
  }
  for (const std::string& name : there) {
    if (name != kCountFile && !tries_.contains(name)) return name + " is there, and nobody made it";
  }
  for (const auto& [name, maker] : makers_) {
    if (!there.contains(name) && cluster_.power_cuts() == 0)
      return fmt::format("{}, made by {}, is not there", name, maker);
  }
  return {};
}

std::string SharedWork::judge(fs::FileSystem& container) {
  if (std::string trouble = check_names(container); !trouble.empty()) return trouble;
  runtime::Loop& loop = cluster_.loop();
  const auto found = loop.block_on(container.lookup(kRoot, fs::kRootNode, kCountFile));
  if (!found.has_value()) return "the count cannot be found: " + found.error().message();
  const auto opened = loop.block_on(container.open(kRoot, found->node, {.read = true, .write = true}));
  if (!opened.has_value()) return "the count does not open: " + opened.error().message();
  std::uint64_t count = 0;
  const auto got = loop.block_on(container.read(opened->file, 0, memory_of(count)));
  const Status locked = loop.block_on(container.lock(opened->file, kLock, false));
  static_cast<void>(loop.block_on(container.unlock_owner(opened->file, kOwner)));
  static_cast<void>(loop.block_on(container.close(opened->file)));
  if (!got.has_value()) return "the count cannot be read: " + got.error().message();
  if (!locked.ok()) return "the lock of a client that is gone is held: " + locked.message();
  return check_count(count, false).trouble;
}

}  // namespace ross::sim
