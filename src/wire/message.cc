#include "wire/message.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "wire/bytes.h"

namespace ross::wire {
namespace {

std::unexpected<Status> bad(std::string_view what) { return fail(EBADMSG, what); }

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void add(std::vector<std::byte>& to, const void* data, std::size_t size_bytes) {
  const auto* bytes = static_cast<const std::byte*>(data);
  to.insert(to.end(), bytes, bytes + size_bytes);
}

// A greeting's fixed part, with magic and version first.
template <class Greeting>
Result<Greeting> decode_greeting(Taker& taker) {
  const auto greeting = taker.take<Greeting>();
  if (!taker.ok() || greeting.magic != kMagic) return bad("what answers there does not speak ROSS");
  if (greeting.version != kVersion) {
    return fail(EPROTO, "the other end speaks version " + std::to_string(greeting.version) +
                            " of the protocol, this one " + std::to_string(kVersion) +
                            ": run both from the same build");
  }
  return greeting;
}

}  // namespace

bool is_change(Op op) {
  switch (op) {
    case Op::kMkdir:
    case Op::kMknod:
    case Op::kSymlink:
    case Op::kLink:
    case Op::kUnlink:
    case Op::kRmdir:
    case Op::kRename:
    case Op::kSetattr:
    case Op::kSetxattr:
    case Op::kRemovexattr:
    case Op::kOpen:
    case Op::kCreate:
    case Op::kCreateUnnamed:
    case Op::kPublish:
    case Op::kClose:
    case Op::kWrite:
    case Op::kFallocate:
    case Op::kLock:
    case Op::kUnlockOwner:
    case Op::kContainerOpen:
    case Op::kContainerClose:
    case Op::kContainerCreate:
    case Op::kContainerSet:
    case Op::kContainerDestroy:
      return true;
    default:
      return false;
  }
}

void encode(const Hello& hello, std::vector<std::byte>& bytes) { add(bytes, &hello, sizeof hello); }

void encode(const Welcome& welcome, std::string_view sentence, std::vector<std::byte>& bytes) {
  add(bytes, &welcome, sizeof welcome);
  add(bytes, sentence.data(), std::min(sentence.size(), kSentenceBytesMax));
}

Result<Hello> decode_hello(std::span<const std::byte> bytes) {
  Taker taker(text_of(bytes));
  ROSS_TRY(const Hello hello, decode_greeting<Hello>(taker));
  if (bytes.size() != sizeof hello || hello.kind > Kind::kTransfers) return bad("a greeting that is none");
  return hello;
}

Result<Welcomed> decode_welcome(std::span<const std::byte> bytes) {
  Taker taker(text_of(bytes));
  ROSS_TRY(const Welcome welcome, decode_greeting<Welcome>(taker));
  if (welcome.bits > kWelcomeReach || welcome.error < 0 || bytes.size() > sizeof welcome + kSentenceBytesMax)
    return bad("a greeting that is none");
  if (welcome.error == 0 && (welcome.inflight_max == 0 || welcome.inflight_bytes_max < kPayloadBytesMax)) {
    return bad("the server grants nothing");
  }
  return Welcomed{welcome, text_of(bytes).substr(sizeof welcome)};
}

void encode(const Landed& landed, std::vector<std::byte>& bytes) { add(bytes, &landed, sizeof landed); }

Result<Landed> decode_landed(std::span<const std::byte> bytes) {
  Taker taker(text_of(bytes));
  const auto landed = taker.take<Landed>();
  if (!taker.ok() || !taker.empty() || landed.ticket == 0) return bad("a word about transfers that is none");
  return landed;
}

void encode(const Request& request, std::vector<std::byte>& bytes) {
  ROSS_CHECK(request.name.size() <= kNameBytesMax && request.name2.size() <= kNameBytesMax &&
                 request.text.size() <= kTextBytesMax && request.groups.size() <= kGroupsMax,
             "a request beyond the limits of the wire");
  const RequestHeader header{.id = request.id,
                             .op = static_cast<std::uint16_t>(request.op),
                             .name_bytes = static_cast<std::uint16_t>(request.name.size()),
                             .name2_bytes = static_cast<std::uint16_t>(request.name2.size()),
                             .groups = static_cast<std::uint16_t>(request.groups.size()),
                             .text_bytes = static_cast<std::uint32_t>(request.text.size()),
                             .container = request.container,
                             .node = request.node,
                             .other = request.other,
                             .file = request.file,
                             .a = request.a,
                             .b = request.b,
                             .mode = request.mode,
                             .uid = request.uid,
                             .gid = request.gid,
                             .windows = 0,
                             .slot = request.slot};
  const std::size_t groups_bytes = request.groups.size() * sizeof(std::uint32_t);
  bytes.reserve(bytes.size() + sizeof header + groups_bytes + request.name.size() + request.name2.size() +
                request.text.size());
  add(bytes, &header, sizeof header);
  add(bytes, request.groups.data(), groups_bytes);
  add(bytes, request.name.data(), request.name.size());
  add(bytes, request.name2.data(), request.name2.size());
  add(bytes, request.text.data(), request.text.size());
  for (const WindowPart& window : request.windows) add_window(window, bytes);
}

void add_window(const WindowPart& window, std::vector<std::byte>& bytes) {
  std::uint16_t windows = 0;
  std::byte* const count = bytes.data() + offsetof(RequestHeader, windows);
  std::memcpy(&windows, count, sizeof windows);
  ROSS_CHECK(windows < kWindowsMax && window.size_bytes > 0 && window.size_bytes <= kPayloadBytesMax &&
                 !window.key.empty() && window.key.size() <= kWindowKeyBytesMax,
             "a window beyond the limits of the wire");
  ++windows;
  std::memcpy(count, &windows, sizeof windows);
  const WindowHeader header{.offset_bytes = window.offset_bytes,
                            .size_bytes = static_cast<std::uint32_t>(window.size_bytes),
                            .key_bytes = static_cast<std::uint16_t>(window.key.size()),
                            .reserved = 0};
  add(bytes, &header, sizeof header);
  add(bytes, window.key.data(), window.key.size());
}

void set_channel(std::uint64_t channel, std::uint64_t ticket, std::vector<std::byte>& bytes) {
  std::memcpy(bytes.data() + offsetof(RequestHeader, node), &channel, sizeof channel);
  std::memcpy(bytes.data() + offsetof(RequestHeader, other), &ticket, sizeof ticket);
}

namespace {

bool take_windows(Taker& taker, std::size_t count, Request& request) {
  if (request.op != Op::kRead && request.op != Op::kWrite) return false;
  request.windows.resize(count);
  std::uint64_t total_bytes = 0;
  for (WindowPart& window : request.windows) {
    const auto header = taker.take<WindowHeader>();
    window = {header.offset_bytes, header.size_bytes, taker.take_bytes(header.key_bytes)};
    total_bytes += window.size_bytes;
    if (!taker.ok() || header.reserved != 0 || window.size_bytes == 0 || window.key.empty() ||
        window.key.size() > kWindowKeyBytesMax || window.offset_bytes > UINT64_MAX - window.size_bytes) {
      return false;
    }
  }
  return total_bytes <= kPayloadBytesMax && (request.op != Op::kRead || total_bytes == request.b);
}

}  // namespace

Result<Request> decode_request(std::span<const std::byte> bytes) {
  Taker taker(text_of(bytes));
  const auto header = taker.take<RequestHeader>();
  if (!taker.ok()) return bad("a request shorter than its header");
  if (header.op == 0 || header.op > static_cast<std::uint16_t>(Op::kLast)) return bad("a request for nothing known");
  if (header.name_bytes > kNameBytesMax || header.name2_bytes > kNameBytesMax || header.groups > kGroupsMax ||
      header.text_bytes > kTextBytesMax || header.windows > kWindowsMax || header.slot > kSlotsMax) {
    return bad("a request beyond the limits");
  }
  Request request{.id = header.id,
                  .op = static_cast<Op>(header.op),
                  .slot = header.slot,
                  .container = header.container,
                  .node = header.node,
                  .other = header.other,
                  .file = header.file,
                  .a = header.a,
                  .b = header.b,
                  .mode = header.mode,
                  .uid = header.uid,
                  .gid = header.gid,
                  .groups = {},
                  .name = {},
                  .name2 = {},
                  .text = {},
                  .windows = {}};
  const std::string_view groups = taker.take_bytes(header.groups * sizeof(std::uint32_t));
  request.name = taker.take_bytes(header.name_bytes);
  request.name2 = taker.take_bytes(header.name2_bytes);
  request.text = taker.take_bytes(header.text_bytes);
  if (header.windows > 0 && !take_windows(taker, header.windows, request)) return bad("windows that make no sense");
  if (!taker.ok() || !taker.empty()) return bad("a request whose parts do not add up to its length");
  request.groups.resize(header.groups);
  if (!groups.empty()) std::memcpy(request.groups.data(), groups.data(), groups.size());
  return request;
}

void encode(const Reply& reply, std::vector<std::byte>& bytes) {
  ROSS_CHECK(reply.text.size() <= kTextBytesMax, "a reply beyond the limits of the wire");
  const ReplyHeader header{.id = reply.id,
                           .value = reply.value,
                           .error = reply.error,
                           .text_bytes = static_cast<std::uint32_t>(reply.text.size()),
                           .retry = reply.retry,
                           .created = static_cast<std::uint8_t>(reply.created),
                           .has_attr = static_cast<std::uint8_t>(reply.has_attr),
                           .reserved = {}};
  bytes.reserve(bytes.size() + sizeof header + sizeof reply.attr + reply.text.size());
  add(bytes, &header, sizeof header);
  if (reply.has_attr) add(bytes, &reply.attr, sizeof reply.attr);
  add(bytes, reply.text.data(), reply.text.size());
}

Result<Reply> decode_reply(std::span<const std::byte> bytes) {
  Taker taker(text_of(bytes));
  const auto header = taker.take<ReplyHeader>();
  if (!taker.ok()) return bad("a reply shorter than its header");
  constexpr int kErrnoMax = 4095;
  if (header.error < 0 || header.error > kErrnoMax || header.retry > 3 || header.created > 1 || header.has_attr > 1 ||
      header.text_bytes > kTextBytesMax ||
      std::ranges::any_of(header.reserved, [](std::uint8_t byte) { return byte != 0; })) {
    return bad("a reply beyond the limits");
  }
  Reply reply{.id = header.id,
              .error = header.error,
              .retry = header.retry,
              .created = header.created == 1,
              .has_attr = header.has_attr == 1,
              .attr = {},
              .value = header.value,
              .text = {}};
  if (reply.has_attr) reply.attr = taker.take<Attr>();
  reply.text = taker.take_bytes(header.text_bytes);
  if (!taker.ok() || !taker.empty()) return bad("a reply whose parts do not add up to its length");
  return reply;
}

}  // namespace ross::wire
