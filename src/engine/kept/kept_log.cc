#include "engine/kept/kept_log.h"

#include <fmt/format.h>
#include <rocksdb/env.h>

#include "base/log.h"
#include "base/read_file.h"
#include "engine/meta/meta_store.h"

namespace ross::engine {

namespace {

// Empty when the machine does not tell.
std::string machine_boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id");
  if (!text) return {};
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return text->size() <= format::kBootIdBytesMax ? *std::move(text) : std::string();
}

}  // namespace

KeptLog::Place KeptLog::Place::of(std::string directory, const PoolOptions& options) {
  return {.env = options.env,
          .directory = std::move(directory),
          .boot_id = options.boot_id.empty() ? machine_boot_id() : options.boot_id};
}

std::string KeptLog::Place::path(std::uint64_t transaction) const {
  return fmt::format("{}/kept{}", directory, transaction % 2);
}

rocksdb::Env& KeptLog::Place::files() const { return env != nullptr ? *env : *rocksdb::Env::Default(); }

KeptLog::KeptLog(Place place, const format::Uuid& uuid) : place_(std::move(place)), uuid_(uuid) {}
KeptLog::~KeptLog() = default;

Status KeptLog::append(std::uint64_t transaction, std::uint32_t records_before, format::KeptRecord& record) {
  const auto failed = [&](const rocksdb::Status& status) {
    return from_rocksdb(status, "writing the kept log").with_context(place_.path(transaction));
  };
  File& log = file_of(transaction);
  if (log.file == nullptr || log.transaction != transaction) {
    log.transaction = transaction;
    log.file.reset();
    // Removed rather than truncated: some file systems flush a file that is written anew in place of its old content.
    const std::string path = place_.path(transaction);
    if (place_.files().FileExists(path).ok()) {
      if (const auto removed = place_.files().DeleteFile(path); !removed.ok()) return failed(removed);
    }
    if (const auto made = place_.files().NewWritableFile(path, &log.file, rocksdb::EnvOptions()); !made.ok()) {
      log.file.reset();
      return failed(made);
    }
    const std::string header = format::encode(
        {.uuid = uuid_, .transaction = transaction, .records_before = records_before, .boot_id = place_.boot_id});
    if (const auto appended = log.file->Append(header); !appended.ok()) return failed(appended);
  }
  const std::string_view bytes = record.finish();
  const auto appended = log.file->Append(rocksdb::Slice(bytes.data(), bytes.size()));
  return appended.ok() ? Status() : failed(appended);
}

void KeptLog::forget(std::uint64_t transaction) {
  File& file = file_of(transaction);
  if (file.file == nullptr || file.transaction != transaction) return;
  file.file.reset();
  // One that stays is older than the store, and the next log of this name replaces it.
  const auto removed = place_.files().DeleteFile(place_.path(transaction));
  if (!removed.ok()) log().debug("removing a kept log failed: {}", removed.ToString());
}

Status KeptLog::remove(const Place& place) {
  for (const std::uint64_t either : {0, 1}) {
    const std::string path = place.path(either);
    auto removed = place.files().FileExists(path);
    if (removed.IsNotFound()) continue;
    if (removed.ok()) removed = place.files().DeleteFile(path);
    if (!removed.ok()) return from_rocksdb(removed, "removing the kept log").with_context(path);
  }
  return {};
}

}  // namespace ross::engine
