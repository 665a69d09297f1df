#include "apps/ross/bench/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "apps/ross/interrupt.h"
#include "base/clock.h"
#include "base/random.h"
#include "memory/buffer_pool.h"
#include "runtime/loop.h"

namespace ross::cli {
namespace {

// One thread's part, shared by its lanes.
struct Job {
  fs::FileSystem& fs;
  const fs::Credential& cred;
  const fs::NodeId directory;
  const LoadOptions& options;
  const unsigned number;
  const std::int64_t deadline_ns;
  memory::BufferPool buffers;
  Random random;
  fs::FileId file{};
  std::uint64_t next_offset = 0;
  std::uint64_t operations = 0;
  std::uint64_t bytes = 0;
  Histogram latency;
  Status status;
  unsigned lanes = 0;

  [[nodiscard]] std::uint64_t blocks() const {
    return std::max<std::uint64_t>(options.file_bytes / options.block_bytes, 1);
  }
  [[nodiscard]] bool over() const {
    return !status.ok() || interrupted() || system_clock().monotonic_ns() >= deadline_ns;
  }
  // The next call's offset; the sequential write ends with the file, reads begin again.
  [[nodiscard]] bool next(std::uint64_t& offset) {
    if (options.kind == LoadKind::kRandRead || options.kind == LoadKind::kRandWrite) {
      offset = random.below(blocks()) * options.block_bytes;
      return true;
    }
    const std::uint64_t end = blocks() * options.block_bytes;
    if (next_offset >= end && options.kind == LoadKind::kWrite) return false;
    if (next_offset >= end) next_offset = 0;
    offset = next_offset;
    next_offset += options.block_bytes;
    return true;
  }
};

bool writes(LoadKind kind) { return kind == LoadKind::kWrite || kind == LoadKind::kRandWrite; }

fs::AsyncStatus data_lane(Job& job) {
  auto buffer = job.buffers.lease();
  if (!buffer.has_value()) co_return buffer.error();
  const auto span = buffer->span().first(job.options.block_bytes);
  // Bytes that no compression or detection of zeros below could make cheaper.
  for (std::size_t at = 0; at + 8 <= span.size(); at += 8) {
    const std::uint64_t word = job.random();
    std::copy_n(reinterpret_cast<const std::byte*>(&word), sizeof word, span.begin() + static_cast<std::ptrdiff_t>(at));
  }
  const memory::Memory memory(span);
  for (std::uint64_t offset = 0; !job.over() && job.next(offset);) {
    const std::int64_t began_ns = system_clock().monotonic_ns();
    // Made first and awaited in one place: an await inside a conditional expression is miscompiled by GCC 12.
    auto call =
        writes(job.options.kind) ? job.fs.write(job.file, offset, memory) : job.fs.read(job.file, offset, memory);
    const Result<std::uint64_t> moved = co_await call;
    if (!moved.has_value()) co_return moved.error();
    if (*moved == 0) co_return Status(ENODATA, "the file to read is empty: run 'write' before it");
    job.latency.add(static_cast<std::uint64_t>(system_clock().monotonic_ns() - began_ns));
    ++job.operations;
    job.bytes += *moved;
  }
  co_return Status();
}

// Creates, looks up and unlinks files, one after the other; three operations a round.
fs::AsyncStatus metadata_lane(Job& job, fs::NodeId directory, unsigned lane) {
  fs::OpenFlags flags;
  flags.write = true;
  flags.exclusive = true;
  for (std::uint64_t round = 0; !job.over(); ++round) {
    const std::string name = fmt::format("{}-{}", lane, round);
    const std::int64_t began_ns = system_clock().monotonic_ns();
    const auto made = co_await job.fs.create(job.cred, directory, name, 0600, flags);
    if (!made.has_value()) co_return made.error();
    Status closed = co_await job.fs.close(made->file);
    if (!closed.ok()) co_return closed;
    const auto found = co_await job.fs.lookup(job.cred, directory, name);
    if (!found.has_value()) co_return found.error();
    Status removed = co_await job.fs.unlink(job.cred, directory, name);
    if (!removed.ok()) co_return removed;
    job.latency.add(static_cast<std::uint64_t>(system_clock().monotonic_ns() - began_ns) / 3);
    job.operations += 3;
  }
  co_return Status();
}

Status run_lanes(runtime::Loop& loop, Job& job, fs::NodeId directory) {
  job.lanes = job.options.depth;
  for (unsigned i = 0; i < job.options.depth; ++i) {
    auto lane = job.options.kind == LoadKind::kMetadata ? metadata_lane(job, directory, i) : data_lane(job);
    loop.start(std::move(lane), [&job](Status status) {
      --job.lanes;
      if (job.status.ok() && !status.ok()) job.status = std::move(status);
    });
  }
  while (job.lanes > 0) loop.wait();
  return job.status;
}

Status run_job(Job& job) {
  auto loop = runtime::Loop::create();
  if (!loop.has_value()) return loop.error();
  const std::string name = fmt::format("job-{}", job.number);
  if (job.options.kind == LoadKind::kMetadata) {
    const std::string directory = name + "-files";
    auto made = (*loop)->block_on(job.fs.mkdir(job.cred, job.directory, directory, 0700));
    if (!made.has_value()) made = (*loop)->block_on(job.fs.lookup(job.cred, job.directory, directory));
    if (!made.has_value()) return made.error();
    return run_lanes(**loop, job, made->node);
  }
  fs::OpenFlags flags;
  flags.read = true;
  flags.write = true;
  flags.truncate = job.options.kind == LoadKind::kWrite;
  const auto opened = (*loop)->block_on(job.fs.create(job.cred, job.directory, name, 0600, flags));
  if (!opened.has_value()) return opened.error();
  job.file = opened->file;
  Status status = run_lanes(**loop, job, {});
  if (status.ok() && writes(job.options.kind)) status = (*loop)->block_on(job.fs.fsync(job.file, true));
  const Status closed = (*loop)->block_on(job.fs.close(job.file));
  return status.ok() ? closed : status;
}

}  // namespace

std::string_view load_word(LoadKind kind) {
  switch (kind) {
    case LoadKind::kWrite:
      return "write";
    case LoadKind::kRead:
      return "read";
    case LoadKind::kRandRead:
      return "randread";
    case LoadKind::kRandWrite:
      return "randwrite";
    case LoadKind::kMetadata:
      return "metadata";
  }
  return "?";
}

Result<LoadResult> run_load(fs::FileSystem& fs, const fs::Credential& cred, fs::NodeId directory,
                            const LoadOptions& options) {
  const std::int64_t began_ns = system_clock().monotonic_ns();
  const std::int64_t deadline_ns = began_ns + static_cast<std::int64_t>(options.seconds_max * 1e9);
  std::vector<std::unique_ptr<Job>> jobs;
  std::vector<std::thread> threads;
  std::vector<Status> results(options.jobs);
  for (unsigned i = 0; i < options.jobs; ++i) {
    const memory::BufferPool::Options buffers{.buffer_bytes = (options.block_bytes + 4095) / 4096 * 4096,
                                              .buffers_max = options.depth};
    jobs.push_back(std::unique_ptr<Job>(
        new Job{fs, cred, directory, options, i, deadline_ns, memory::BufferPool(buffers), Random(0x51ab + i)}));
    threads.emplace_back([job = jobs.back().get(), &result = results[i]] { result = run_job(*job); });
  }
  for (std::thread& thread : threads) thread.join();
  LoadResult sum;
  sum.seconds = static_cast<double>(system_clock().monotonic_ns() - began_ns) * 1e-9;
  for (unsigned i = 0; i < options.jobs; ++i) {
    if (!results[i].ok()) return fail(results[i]);
    sum.operations += jobs[i]->operations;
    sum.bytes += jobs[i]->bytes;
    sum.latency.add(jobs[i]->latency);
  }
  if (interrupted()) return fail(EINTR);
  return sum;
}

}  // namespace ross::cli
