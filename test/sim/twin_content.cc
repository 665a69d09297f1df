// Steps on open files, their bytes and whole objects.
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "fs/object.h"
#include "twin_call.h"

namespace ross::sim {

using fs::NodeId;

namespace {

constexpr std::uint32_t kBlock = 4096;

// Bytes that tell which step wrote them and where.
std::vector<std::byte> draw_bytes(std::size_t size, std::uint32_t die) {
  std::vector<std::byte> bytes(size);
  std::uint64_t value = die * 0x9e3779b97f4a7c15ULL + 1;
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    value = value * 6364136223846793005ULL + 1442695040888963407ULL;
    const std::uint64_t mixed = value ^ (value >> 29);
    std::memcpy(bytes.data() + at, &mixed, 8);
  }
  for (; at < size; ++at) bytes[at] = static_cast<std::byte>(value >> (at % 8 * 8));
  return bytes;
}

struct Range {
  std::uint64_t begin = 0;
  std::uint32_t size = 0;
};

// A place in a file of this size: small and odd ones most, whole blocks, runs of blocks, and now and then far away.
Range draw_range(std::uint64_t size, std::uint32_t kind, std::uint32_t where, std::uint32_t length) {
  const std::uint64_t reach = size + 3 * kBlock;
  switch (kind % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return {where % reach, 1 + length % 300};
    case 6:
    case 7:
    case 8:
      return {where % reach / kBlock * kBlock, (1 + length % 6) * kBlock};
    case 9:
    case 10:
    case 11:
      return {where % reach, 1 + length % (5 * kBlock)};
    case 12:
      return {where % reach / kBlock * kBlock, (1 + length % 40) * kBlock};
    case 13:
      return {where % reach, 1 + length % (40 * kBlock)};
    case 14:
      return {0, static_cast<std::uint32_t>(size % (64 * kBlock)) + length % 2};
    default:
      return {(kind / 16 % 4 == 0 ? fs::kFileBytesMax - 10'000 : 0) + where % (1U << 30), 1 + length % 10'000};
  }
}

}  // namespace

Twin::Work Twin::files(Call& call) {
  switch (call.step.verb) {
    case Verb::kOpen: {
      const NodeId node = pick_file(call.die(0));
      const fs::OpenFlags flags{.read = call.below(1, 4) != 0,
                                .write = call.below(1, 4) != 1,
                                .append = call.below(2, 12) == 0,
                                .truncate = call.below(3, 12) == 0};
      call.say("{}{}", node.value, flags.truncate ? " truncate" : "");
      co_await note_opened(
          call, co_await both([&](const Side& side) { return side.fs.open(call.cred, side.node(node), flags); }),
          false);
      break;
    }
    case Verb::kUnnamed: {
      const NodeId directory = pick_directory(call.die(0));
      call.say("{}", directory.value);
      co_await note_opened(call, co_await both([&](const Side& side) {
                             return side.fs.create_unnamed(call.cred, side.node(directory), 0644);
                           }),
                           true);
      break;
    }
    case Verb::kPublish: {
      Handle* handle = pick_handle(call.step.client, call.die(0));
      for (Handle& candidate : handles_) {
        if (candidate.unnamed && candidate.client == call.step.client) handle = &candidate;
      }
      if (handle == nullptr) break;
      const NodeId directory = pick_directory(call.die(1));
      const std::string name = pick_name(directory, call.die(2));
      call.say("{} as {} '{}'", handle->node.value, directory.value, name);
      const auto answers = co_await both(
          [&](const Side& side) { return side.fs.publish(call.cred, side.file(*handle), side.node(directory), name); });
      if (compare(call, answers.first, answers.second)) handle->unnamed = false;
      break;
    }
    default: {
      Handle* const handle = pick_handle(call.step.client, call.die(0));
      if (handle == nullptr) break;
      const Handle closed = *handle;
      handles_.erase(handles_.begin() + (handle - handles_.data()));
      call.say("{}", closed.node.value);
      const auto answers = co_await both([&](const Side& side) { return side.fs.close(side.file(closed)); });
      compare(call, answers.first, answers.second);
    }
  }
  co_return true;
}

Twin::Work Twin::content(Call& call) {
  if (call.step.verb == Verb::kSync) {
    const auto answers = co_await both([&](const Side& side) { return side.fs.sync(); });
    call.outcome.durable = compare(call, answers.first, answers.second);
    co_return true;
  }
  Handle* const handle = pick_handle(call.step.client, call.die(0));
  if (handle == nullptr) co_return true;
  call.say("{}", handle->node.value);
  switch (call.step.verb) {
    case Verb::kFsync: {
      const auto answers =
          co_await both([&](const Side& side) { return side.fs.fsync(side.file(*handle), call.below(1, 2) == 0); });
      call.outcome.durable = compare(call, answers.first, answers.second);
      break;
    }
    case Verb::kRead:
      co_await read(call, *handle);
      break;
    case Verb::kFallocate:
      co_await fallocate(call, *handle);
      break;
    case Verb::kSeek: {
      const std::uint64_t size = size_of(handle->node);
      const std::uint64_t at = call.die(1) % (size + 100);
      const auto kind = call.below(2, 2) == 0 ? fs::SeekKind::kData : fs::SeekKind::kHole;
      call.say("from {}", at);
      compare_value<std::uint64_t>(
          call, co_await both([&](const Side& side) { return side.fs.seek(side.file(*handle), kind, at); }));
      break;
    }
    default:
      co_await write(call, *handle);
  }
  co_return true;
}

Twin::Work Twin::write(Call& call, Handle& handle) {
  const std::uint64_t size = size_of(handle.node);
  Range range = draw_range(size, call.die(1), call.die(2), call.die(3));
  if (call.step.verb == Verb::kAppend) range.begin = size;
  std::vector<std::byte> bytes = draw_bytes(range.size, call.die(4));
  if (call.below(5, 16) == 0) std::ranges::fill(bytes, std::byte{0});
  call.say("{} bytes at {}", range.size, range.begin);
  // Sometimes in pieces, as from a list of buffers.
  std::vector<memory::Span> spans;
  const std::size_t cut = call.below(5, 5) == 1 ? range.size / 3 : 0;
  if (cut > 0) spans.push_back({bytes.data(), cut});
  spans.push_back({bytes.data() + cut, bytes.size() - cut});
  const memory::Memory from{std::span<const memory::Span>(spans)};
  compare_value<std::uint64_t>(
      call, co_await both([&](const Side& side) { return side.fs.write(side.file(handle), range.begin, from); }));
  co_return true;
}

Twin::Work Twin::read(Call& call, Handle& handle) {
  const std::uint64_t size = size_of(handle.node);
  const Range range = draw_range(size, call.die(1), call.die(2), call.die(3));
  std::vector<std::byte> ours(range.size);
  std::vector<std::byte> theirs(range.size, std::byte{0xa5});
  call.say("{} bytes at {}", range.size, range.begin);
  const auto answers = co_await both([&](const Side& side) {
    std::vector<std::byte>& into = side.tested ? theirs : ours;
    return side.fs.read(side.file(handle), range.begin, memory::Memory(into.data(), into.size()));
  });
  compare_value<std::uint64_t>(call, answers);
  if (!call.outcome.difference.empty() || !answers.first) co_return true;
  const auto end = ours.begin() + static_cast<std::ptrdiff_t>(*answers.first);
  const auto odd = std::mismatch(ours.begin(), end, theirs.begin());
  if (odd.first == end) co_return true;
  call.differs(fmt::format("byte {} of node {} is {}, the model says {}",
                           range.begin + static_cast<std::uint64_t>(odd.first - ours.begin()), handle.node.value,
                           std::to_integer<int>(*odd.second), std::to_integer<int>(*odd.first)));
  co_return true;
}

Twin::Work Twin::fallocate(Call& call, Handle& handle) {
  const std::uint64_t size = size_of(handle.node);
  Range range = draw_range(size, call.die(1), call.die(2), call.die(3));
  const auto kind = static_cast<fs::Fallocate>(call.below(4, 4));
  if (call.below(5, 40) == 0) range.size = 0;
  call.say("kind {} {} bytes at {}", static_cast<int>(kind), range.size, range.begin);
  const auto answers = co_await both(
      [&](const Side& side) { return side.fs.fallocate(side.file(handle), kind, range.begin, range.size); });
  compare(call, answers.first, answers.second);
  co_return true;
}

Twin::Work Twin::objects(Call& call) {
  const NodeId directory = pick_directory(call.die(0));
  const std::string name = pick_name(directory, call.die(1));
  const std::string key = directory == fs::kRootNode ? name : path_of(directory) + "/" + name;
  call.say("'{}'", key);
  switch (call.step.verb) {
    case Verb::kPut: {
      // Only where the directory is there: then a put is one change, and a cut leaves it whole or not at all.
      const model::Node* const node = state_.find(directory);
      if (node == nullptr || !S_ISDIR(node->attr.mode) || key.starts_with("gone/")) break;
      const Range range = draw_range(0, call.die(2) % 15, 0, call.die(3));
      std::vector<std::byte> bytes = draw_bytes(range.size, call.die(4));
      const fs::PutOptions options{.durable = call.below(5, 2) == 0};
      call.say("{} bytes{}", bytes.size(), options.durable ? " durable" : "");
      const memory::Memory from(bytes.data(), bytes.size());
      const auto answers =
          co_await both([&](const Side& side) { return fs::put_object(side.fs, call.cred, key, from, options); });
      if (!compare(call, answers.first, answers.second)) break;
      call.outcome.durable = options.durable;
      compare_attr(call, co_await both([&](const Side& side) {
                     return side.fs.lookup(credentials_[0], side.node(directory), name);
                   }));
      break;
    }
    case Verb::kGet: {
      std::vector<std::byte> ours(1 + call.below(2, 30'000));
      std::vector<std::byte> theirs(ours.size());
      const std::uint64_t offset = call.below(3, 4) == 0 ? call.below(4, 10'000) : 0;
      const auto answers = co_await both([&](const Side& side) {
        std::vector<std::byte>& into = side.tested ? theirs : ours;
        return fs::get_object(side.fs, call.cred, key, memory::Memory(into.data(), into.size()), offset);
      });
      compare_value<std::uint64_t>(call, answers);
      if (answers.first && std::memcmp(ours.data(), theirs.data(), *answers.first) != 0) {
        call.differs("the object's bytes are not those of the model");
      }
      break;
    }
    default: {
      const auto answers = co_await both([&](const Side& side) { return fs::remove_object(side.fs, call.cred, key); });
      compare(call, answers.first, answers.second);
    }
  }
  co_return true;
}

}  // namespace ross::sim
