#include "engine/meta/meta_store.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>

namespace ross::engine {
namespace {

rocksdb::Options store_options(const MetaStore::Options& options) {
  rocksdb::Options db;
  if (options.env != nullptr) db.env = options.env;
  db.create_if_missing = options.create;
  db.error_if_exists = options.create;
  db.paranoid_checks = true;
  db.write_buffer_size = options.write_buffer_bytes;
  // A simulation may run the store's jobs between its own steps (test/sim): then no write may wait for one.
  db.max_write_buffer_number = options.env != nullptr ? 64 : 3;
  db.max_total_wal_size = options.write_buffer_bytes * 4;
  db.max_background_jobs = 2;
  db.level_compaction_dynamic_level_bytes = true;
  db.compression_per_level = {rocksdb::kNoCompression, rocksdb::kNoCompression, rocksdb::kLZ4Compression};
  db.memtable_whole_key_filtering = true;
  db.memtable_prefix_bloom_size_ratio = 0.02;
  db.bytes_per_sync = 1 << 20;
  // The log is replayed at open instead: at most the write buffers, a second's work.
  db.avoid_flush_during_shutdown = true;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.keep_log_file_num = 2;
  db.max_log_file_size = 4 << 20;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.max_open_files = 512;
  // Threads are made at every open, for however few files: sixteen would cost more than the rest of a small pool's opening.
  db.max_file_opening_threads = options.env != nullptr ? 1 : 4;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.cache_bytes, 4);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  db.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return db;
}

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& text) { return {text.data(), text.size()}; }

}  // namespace

MetaStore::MetaStore(std::unique_ptr<rocksdb::DB> db) : db_(std::move(db)) {}
MetaStore::~MetaStore() = default;

Status from_rocksdb(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return {};
  int error = EIO;
  if (status.IsNoSpace()) error = ENOSPC;
  if (status.IsNotFound()) error = ENOENT;
  const char* const hint = status.IsCorruption() ? ": run ross fsck on the pool" : "";
  return Status(error, fmt::format("the metadata store failed while {}: {}{}", doing, status.ToString(), hint));
}

Result<std::unique_ptr<MetaStore>> MetaStore::open(const std::string& path, const Options& options) {
  rocksdb::DB* db = nullptr;
  const rocksdb::Options db_options = store_options(options);
  const rocksdb::Status opened = options.read_only ? rocksdb::DB::OpenForReadOnly(db_options, path, &db)
                                                   : rocksdb::DB::Open(db_options, path, &db);
  if (!opened.ok()) return fail(from_rocksdb(opened, "opening"));
  return std::unique_ptr<MetaStore>(new MetaStore(std::unique_ptr<rocksdb::DB>(db)));
}

Status MetaStore::destroy(const std::string& path, rocksdb::Env* env) {
  rocksdb::Options options;
  if (env != nullptr) options.env = env;
  return from_rocksdb(rocksdb::DestroyDB(path, options), "removing it");
}

Status MetaStore::repair(const std::string& path, rocksdb::Env* env) {
  rocksdb::Options options = store_options({.env = env});
  options.create_if_missing = false;
  options.error_if_exists = false;
  return from_rocksdb(rocksdb::RepairDB(path, options), "repairing");
}

Result<std::optional<std::string>> MetaStore::get(std::string_view key) {
  for (const Changes* changes : {&open_, &committing_}) {
    if (changes->empty()) continue;
    if (const Change* const change = changes->find(key)) return change->value;
  }
  std::string value;
  const rocksdb::Status got = db_->Get(rocksdb::ReadOptions(), slice(key), &value);
  if (got.IsNotFound()) return std::nullopt;
  if (!got.ok()) return fail(from_rocksdb(got, "reading"));
  return value;
}

void MetaStore::put(std::string key, std::string value) { note_unkept(open_.set(std::move(key), std::move(value))); }

void MetaStore::erase(std::string key) { note_unkept(open_.set(std::move(key), std::nullopt)); }

void MetaStore::take_unkept(format::KeptRecord& record) {
  for (Change* const change : unkept_) {
    change->unkept = false;
    if (change->value) {
      record.put(change->key, *change->value);
    } else {
      record.erase(change->key);
    }
  }
  unkept_.clear();
}

Status MetaStore::scan(std::string_view prefix, std::string_view from, const Visit& visit) {
  const std::string_view start = std::max(prefix, from);
  // The first key past the prefix bounds the RocksDB iterator, so that it does not wander over tombstones behind it.
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  const rocksdb::Slice upper = slice(end);
  rocksdb::ReadOptions read;
  if (!end.empty()) read.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> stored(db_->NewIterator(read));
  Changes::Cursor newest = open_.from(start);
  Changes::Cursor newer = committing_.from(start);
  const auto within = [prefix](std::string_view key) { return key.substr(0, prefix.size()) == prefix; };
  const auto change_at = [&](const Changes::Cursor& cursor) {
    const Change* const change = cursor.get();
    return change != nullptr && within(change->key) ? change : nullptr;
  };
  for (stored->Seek(slice(start));;) {
    const Change* const first = change_at(newest);
    const Change* const second = change_at(newer);
    const bool has_stored = stored->Valid() && within(view(stored->key()));
    if (first == nullptr && second == nullptr && !has_stored) break;
    std::string_view key;
    bool any = false;
    const auto consider = [&](std::string_view candidate) {
      if (!any || candidate < key) key = candidate, any = true;
    };
    if (first != nullptr) consider(first->key);
    if (second != nullptr) consider(second->key);
    if (has_stored) consider(view(stored->key()));
    const bool at_first = first != nullptr && first->key == key;
    const bool at_second = second != nullptr && second->key == key;
    const bool at_stored = has_stored && view(stored->key()) == key;
    bool go_on = true;
    if (at_first || at_second) {
      const Change& change = at_first ? *first : *second;
      if (change.value) go_on = visit(key, *change.value);
    } else {
      go_on = visit(key, view(stored->value()));
    }
    if (!go_on) return {};
    if (at_first) newest.next();
    if (at_second) newer.next();
    if (at_stored) stored->Next();
  }
  return from_rocksdb(stored->status(), "listing");
}

void MetaStore::seal(rocksdb::WriteBatch& batch) {
  ROSS_CHECK(committing_.empty(), "two transactions commit at once");
  committing_.swap(open_);
  unkept_.clear();
  for (Changes::Cursor cursor = committing_.from(""); const Change* const change = cursor.get(); cursor.next()) {
    if (change->value) {
      batch.Put(slice(change->key), slice(*change->value));
    } else {
      batch.Delete(slice(change->key));
    }
  }
}

Status MetaStore::write(rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions options;
  options.sync = true;
  return from_rocksdb(db_->Write(options, &batch), "committing");
}

std::uint64_t MetaStore::memory_bytes() const {
  std::uint64_t total = 0;
  for (const char* property :
       {"rocksdb.cur-size-all-mem-tables", "rocksdb.block-cache-usage", "rocksdb.estimate-table-readers-mem"}) {
    std::uint64_t value = 0;
    if (db_->GetIntProperty(property, &value)) total += value;
  }
  return total;
}

}  // namespace ross::engine
