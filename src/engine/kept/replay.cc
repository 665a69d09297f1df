#include "engine/kept/replay.h"

#include <rocksdb/env.h>

namespace ross::engine {
namespace {

struct Log {
  format::KeptHeader header;
  std::string bytes;  // of the whole file
};

Result<std::optional<Log>> read_log(const KeptLog::Place& place, const std::string& path, const format::Uuid& uuid) {
  Log log;
  auto got = place.files().FileExists(path);
  if (got.IsNotFound()) return std::nullopt;
  if (got.ok()) got = rocksdb::ReadFileToString(&place.files(), path, &log.bytes);
  if (!got.ok()) return fail(from_rocksdb(got, "reading the kept log").with_context(path));
  auto header = format::decode_kept_header(log.bytes);
  if (!header || header->uuid != uuid || header->boot_id != place.boot_id) return std::nullopt;
  log.header = *std::move(header);
  return log;
}

// The number of whole records that were added to the store.
Result<std::uint32_t> add_records(MetaStore& store, const Log& log) {
  std::string_view rest = std::string_view(log.bytes).substr(format::kKeptHeaderBytes);
  std::uint32_t records = 0;
  for (; const auto record = format::take_kept_record(rest); ++records) {
    const bool whole =
        format::each_kept_change(*record, [&](std::string_view key, std::optional<std::string_view> value) {
          if (value) {
            store.put(std::string(key), std::string(*value));
          } else {
            store.erase(std::string(key));
          }
        });
    if (!whole) return fail(EIO, "the kept log matches its checksum and makes no sense: run ross fsck on the pool");
  }
  return records;
}

}  // namespace

Result<Replayed> replay_kept(MetaStore& store, const KeptLog::Place& place) {
  Replayed replayed;
  ROSS_TRY(const auto pool, store.get(format::pool_key()));
  if (!pool) return replayed;
  const auto pool_record = format::decode_pool(*pool);
  if (!pool_record || pool_record->version != format::kServedVersion) return replayed;
  ROSS_TRY(const auto number, store.get(format::transaction_key()));
  if (number) {
    const auto stored = format::decode_transaction(*number);
    replayed.damaged = !stored;
    if (!stored) return replayed;
    replayed.stored_transaction = *stored;
  }
  if (place.boot_id.empty()) return replayed;
  std::uint64_t last = replayed.stored_transaction;
  std::uint32_t records_before = 0;
  for (int logs = 0; logs < 2; ++logs) {
    const std::uint64_t next = last + 1;
    ROSS_TRY(const auto log, read_log(place, place.path(next), pool_record->uuid));
    std::uint32_t records = 0;
    if (log && log->header.transaction == next) {
      const bool follows = last == replayed.stored_transaction || log->header.records_before == records_before;
      if (!follows) break;
      ROSS_TRY(records, add_records(store, *log));
      if (records > 0) replayed.kept_transaction = next;
    }
    last = next;
    records_before = records;
  }
  return replayed;
}

}  // namespace ross::engine
