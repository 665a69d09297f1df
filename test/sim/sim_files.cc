#include "sim_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ross::sim {

namespace {
// "//a/b/" and "/a/b" are one path.
std::string clean(const std::string& path) {
  std::string result;
  for (const char c : path) {
    if (c != '/' || result.empty() || result.back() != '/') result.push_back(c);
  }
  if (result.size() > 1 && result.back() == '/') result.pop_back();
  return result;
}
}  // namespace

std::string SimFiles::directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// ---- counting, failing, cutting ----

int SimFiles::begin(EnvOperation operation, bool& cut_after) {
  cut_after = false;
  if (!powered_) return EIO;
  const auto index = static_cast<std::size_t>(operation);
  ++operations_[index];
  if (operation != EnvOperation::kRead && cut_countdown_ > 0 && --cut_countdown_ == 0) {
    if (operation == EnvOperation::kSync) {
      cut_now();
      return EIO;
    }
    cut_after = true;
  }
  Failure& failure = failures_[index];
  if (failure.countdown > 0 && --failure.countdown == 0) {
    if (failure.sticky) failure.countdown = 1;
    return failure.error;
  }
  return 0;
}

int SimFiles::finish(bool cut_after) {
  if (!cut_after) return 0;
  cut_now();
  return EIO;
}

// Survivors are chosen here, so that a later look at the files sees them; restore_power() only lets operations in again.
void SimFiles::cut_now() {
  powered_ = false;
  ++generation_;
  locks_.clear();
  cut_countdown_ = 0;
  if (kills_) {
    kills_ = false;
    if (on_cut_) std::exchange(on_cut_, nullptr)();
    return;
  }
  if (random_.chance(1, 2)) {
    // A journal: the first so many changes.
    unsynced_.resize(random_.below(unsynced_.size() + 1));
    for (const Change& change : unsynced_) apply(change, durable_);
  } else {
    for (const Change& change : unsynced_) {
      if (random_.chance(1, 2)) apply(change, durable_);
    }
  }
  unsynced_.clear();
  names_ = durable_;
  used_bytes_ = 0;
  std::set<File*> seen;
  for (const auto& [path, file] : names_) {
    if (!seen.insert(file.get()).second) continue;
    const std::uint64_t unsynced_bytes = file->bytes.size() - file->synced_bytes;
    // All, nothing and any part in between are equally worth trying.
    const std::uint64_t dice = random_.below(3);
    const std::uint64_t kept = dice == 0 ? 0 : dice == 1 ? unsynced_bytes : random_.below(unsynced_bytes + 1);
    file->bytes.resize(file->synced_bytes + kept);
    file->synced_bytes = file->bytes.size();
    used_bytes_ += file->bytes.size();
  }
  if (on_cut_) std::exchange(on_cut_, nullptr)();
}

void SimFiles::cut_power() {
  const std::lock_guard lock(mutex_);
  kills_ = false;
  if (powered_) cut_now();
}

void SimFiles::kill() {
  const std::lock_guard lock(mutex_);
  kills_ = true;
  if (powered_) cut_now();
}

void SimFiles::restore_power() {
  const std::lock_guard lock(mutex_);
  powered_ = true;
}

void SimFiles::cut_power_at(std::uint64_t nth, std::function<void()> on_cut) {
  const std::lock_guard lock(mutex_);
  cut_countdown_ = nth;
  on_cut_ = std::move(on_cut);
  kills_ = false;
}

void SimFiles::kill_at(std::uint64_t nth, std::function<void()> on_kill) {
  const std::lock_guard lock(mutex_);
  cut_countdown_ = nth;
  on_cut_ = std::move(on_kill);
  kills_ = true;
}

bool SimFiles::powered() const {
  const std::lock_guard lock(mutex_);
  return powered_;
}

std::uint64_t SimFiles::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

void SimFiles::fail(EnvOperation operation, std::uint64_t nth, int error, bool sticky) {
  const std::lock_guard lock(mutex_);
  failures_[static_cast<std::size_t>(operation)] = {nth, error, sticky};
}

void SimFiles::clear_failures() {
  const std::lock_guard lock(mutex_);
  failures_ = {};
}

void SimFiles::set_space_bytes(std::optional<std::uint64_t> space_bytes) {
  const std::lock_guard lock(mutex_);
  space_bytes_ = space_bytes;
}

std::uint64_t SimFiles::free_bytes() const {
  const std::lock_guard lock(mutex_);
  constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;
  if (!space_bytes_) return kPlenty;
  return *space_bytes_ > used_bytes_ ? *space_bytes_ - used_bytes_ : 0;
}

std::uint64_t SimFiles::operations(EnvOperation operation) const {
  const std::lock_guard lock(mutex_);
  return operations_[static_cast<std::size_t>(operation)];
}

std::vector<EnvFile> SimFiles::files() const {
  const std::lock_guard lock(mutex_);
  std::vector<EnvFile> result;
  for (const auto& [path, file] : names_) result.push_back({path, file->bytes.size(), file->synced_bytes});
  return result;
}

void SimFiles::add_file(const std::string& path, std::string bytes) {
  const std::lock_guard lock(mutex_);
  const std::string name = clean(path);
  for (std::string above = directory_of(name); directories_.insert(above).second && above != "/";) {
    above = directory_of(above);
  }
  auto file = std::make_shared<File>();
  file->bytes = std::move(bytes);
  file->synced_bytes = file->bytes.size();
  file->changed_at = ++changes_;
  used_bytes_ += file->bytes.size();
  names_[name] = file;
  durable_[name] = std::move(file);
}

void SimFiles::write_back(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const std::string name = clean(path);
  const auto found = names_.find(name);
  if (!powered_ || found == names_.end()) return;
  found->second->synced_bytes = found->second->bytes.size();
  durable_[name] = found->second;
  // What happened to the name before is overtaken.
  for (Change& change : unsynced_) {
    if (change.removed == name) change.removed.clear();
    if (change.added == name) change.added.clear();
  }
}

bool SimFiles::flip_bit(const std::string& path, std::uint64_t offset_bytes, unsigned bit) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(clean(path));
  if (found == names_.end() || offset_bytes >= found->second->bytes.size()) return false;
  char& byte = found->second->bytes[offset_bytes];
  byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << (bit % 8)));
  return true;
}

// ---- names ----

void SimFiles::apply(const Change& change, Names& names) {
  if (!change.removed.empty()) names.erase(change.removed);
  if (!change.added.empty()) names[change.added] = change.file;
}

void SimFiles::record(Change change) {
  apply(change, names_);
  if (change.file) change.file->changed_at = ++changes_;
  unsynced_.push_back(std::move(change));
}

int SimFiles::open(const std::string& path, Handle& handle) {
  const std::lock_guard lock(mutex_);
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kRead, cut_after)) return error;
  const auto found = names_.find(clean(path));
  if (found == names_.end()) return ENOENT;
  handle = {found->second, generation_};
  return 0;
}

int SimFiles::create(const std::string& path, bool keep_existing, Handle& handle) {
  const std::lock_guard lock(mutex_);
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kChange, cut_after)) return error;
  const std::string name = clean(path);
  if (!directories_.contains(directory_of(name))) return ENOENT;
  const auto found = names_.find(name);
  if (found != names_.end() && keep_existing) {
    handle = {found->second, generation_};
    return finish(cut_after);
  }
  if (found != names_.end()) used_bytes_ -= found->second->bytes.size();
  handle = {std::make_shared<File>(), generation_};
  record({.added = name, .file = handle.file});
  return finish(cut_after);
}

int SimFiles::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kChange, cut_after)) return error;
  const auto found = names_.find(clean(path));
  if (found == names_.end()) return ENOENT;
  used_bytes_ -= found->second->bytes.size();
  record({.removed = found->first});
  return finish(cut_after);
}

int SimFiles::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kChange, cut_after)) return error;
  const auto found = names_.find(clean(from));
  const std::string target = clean(to);
  if (found == names_.end() || !directories_.contains(directory_of(target))) return ENOENT;
  if (const auto replaced = names_.find(target); replaced != names_.end())
    used_bytes_ -= replaced->second->bytes.size();
  record({.removed = found->first, .added = target, .file = found->second});
  return finish(cut_after);
}

int SimFiles::make_directory(const std::string& path, bool or_existing) {
  const std::lock_guard lock(mutex_);
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kChange, cut_after)) return error;
  if (!directories_.insert(clean(path)).second && !or_existing) return EEXIST;
  return finish(cut_after);
}

int SimFiles::remove_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kChange, cut_after)) return error;
  const std::string name = clean(path);
  if (!directories_.contains(name)) return ENOENT;
  const auto below = names_.lower_bound(name + "/");
  if (below != names_.end() && below->first.starts_with(name + "/")) return ENOTEMPTY;
  directories_.erase(name);
  return finish(cut_after);
}

int SimFiles::exists(const std::string& path, bool& is_directory) {
  const std::lock_guard lock(mutex_);
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kRead, cut_after)) return error;
  is_directory = directories_.contains(clean(path));
  return is_directory || names_.contains(clean(path)) ? 0 : ENOENT;
}

int SimFiles::list(const std::string& directory, std::vector<std::string>& names) {
  const std::lock_guard lock(mutex_);
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kRead, cut_after)) return error;
  const std::string name = clean(directory);
  if (!directories_.contains(name)) return ENOENT;
  const std::string prefix = name == "/" ? name : name + "/";
  const auto take = [&](const std::string& path) {
    const std::string rest = path.substr(prefix.size());
    if (!rest.empty() && rest.find('/') == std::string::npos) names.push_back(rest);
  };
  for (auto at = names_.lower_bound(prefix); at != names_.end() && at->first.starts_with(prefix); ++at) take(at->first);
  for (auto at = directories_.lower_bound(prefix); at != directories_.end() && at->starts_with(prefix); ++at) take(*at);
  return 0;
}

int SimFiles::sync_directory(const std::string& path, std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  if (generation != generation_) return EIO;
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kSync, cut_after)) return error;
  const std::string name = clean(path);
  std::erase_if(unsynced_, [&](const Change& change) {
    const bool here = directory_of(change.removed.empty() ? change.added : change.removed) == name ||
                      (!change.added.empty() && directory_of(change.added) == name);
    if (here) apply(change, durable_);
    return here;
  });
  return 0;
}

int SimFiles::stat(const std::string& path, EnvFile& stat, std::uint64_t& changed_at) {
  const std::lock_guard lock(mutex_);
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kRead, cut_after)) return error;
  const auto found = names_.find(clean(path));
  if (found == names_.end()) return ENOENT;
  stat = {found->first, found->second->bytes.size(), found->second->synced_bytes};
  changed_at = found->second->changed_at;
  return 0;
}

int SimFiles::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!powered_) return EIO;
  return locks_.insert(clean(path)).second ? 0 : EBUSY;
}

void SimFiles::unlock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  locks_.erase(clean(path));
}

// ---- bytes ----

int SimFiles::append(const Handle& handle, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (!alive(handle)) return EIO;
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kChange, cut_after)) return error;
  std::string_view fits = bytes;
  if (space_bytes_) {
    const std::uint64_t free = *space_bytes_ > used_bytes_ ? *space_bytes_ - used_bytes_ : 0;
    fits = bytes.substr(0, std::min<std::uint64_t>(free, bytes.size()));
  }
  if (cut_after && kills_) fits = fits.substr(0, random_.below(fits.size() + 1));  // interrupted in the middle
  handle.file->bytes.append(fits);
  handle.file->changed_at = ++changes_;
  used_bytes_ += fits.size();
  if (const int error = finish(cut_after)) return error;
  return fits.size() == bytes.size() ? 0 : ENOSPC;
}

int SimFiles::truncate(const Handle& handle, std::uint64_t size_bytes) {
  const std::lock_guard lock(mutex_);
  if (!alive(handle)) return EIO;
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kChange, cut_after)) return error;
  File& file = *handle.file;
  used_bytes_ = used_bytes_ - file.bytes.size() + size_bytes;
  file.bytes.resize(size_bytes);
  file.synced_bytes = std::min(file.synced_bytes, size_bytes);
  file.changed_at = ++changes_;
  return finish(cut_after);
}

int SimFiles::sync(const Handle& handle) {
  const std::lock_guard lock(mutex_);
  if (!alive(handle)) return EIO;
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kSync, cut_after)) return error;
  handle.file->synced_bytes = handle.file->bytes.size();
  // The name it was made under goes with it; a later rename does not.
  for (auto change = unsynced_.begin(); change != unsynced_.end(); ++change) {
    if (change->file != handle.file) continue;
    if (!change->removed.empty()) break;
    apply(*change, durable_);
    // What happened to the name before is overtaken.
    for (auto earlier = unsynced_.begin(); earlier != change; ++earlier) {
      if (earlier->removed == change->added) earlier->removed.clear();
      if (earlier->added == change->added) earlier->added.clear();
    }
    unsynced_.erase(change);
    break;
  }
  return 0;
}

int SimFiles::read(const Handle& handle, std::uint64_t offset_bytes, std::size_t size_bytes, char* into,
                   std::size_t& read_bytes) {
  const std::lock_guard lock(mutex_);
  read_bytes = 0;
  if (!alive(handle)) return EIO;
  bool cut_after = false;
  if (const int error = begin(EnvOperation::kRead, cut_after)) return error;
  const std::string& bytes = handle.file->bytes;
  if (offset_bytes >= bytes.size()) return 0;
  read_bytes = std::min<std::uint64_t>(size_bytes, bytes.size() - offset_bytes);
  std::memcpy(into, bytes.data() + offset_bytes, read_bytes);
  return 0;
}

std::uint64_t SimFiles::size(const Handle& handle) const {
  const std::lock_guard lock(mutex_);
  return handle.file->bytes.size();
}

}  // namespace ross::sim
