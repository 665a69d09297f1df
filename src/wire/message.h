// Requests and replies: what each looks like in bytes, and the only code that takes such bytes apart.
//
// Every message is a fixed little-endian header, then the variable parts in the order and with the lengths the header
// tells, nothing between and nothing behind. The payload of a transfer is not part of it: it travels beside the message
// so that it can land where it is wanted, or goes straight between the server and windows of the peer's memory that the
// request names. Which call uses which field is in the table at Op; docs/formats/messages.md has the bytes.
//
//   wire::Request request{.op = wire::Op::kLookup, .node = 1, .name = "train"};
//   std::vector<std::byte> bytes;
//   wire::encode(request, bytes);
//   Result<wire::Request> again = wire::decode_request(bytes);     // views into bytes
//
// Decoding trusts nothing: lengths, enumerations and limits (wire/limits.h) are checked, and what is wrong is
// EBADMSG. A decoded message borrows the bytes. Threading: immutable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "memory/memory.h"
#include "wire/limits.h"

namespace ross::wire {

inline constexpr std::uint32_t kMagic = 0x53534f52;  // "ROSS"
inline constexpr std::uint16_t kVersion = 6;

// Names a session to its server; random, so that nobody joins another's. Zeros: none.
using Token = std::array<std::uint8_t, 16>;
// Names a client for as long as it lives, through all its connections; random, and nobody else's business. Zeros: none.
using ClientId = std::array<std::uint8_t, 16>;

// What a connection is for.
enum class Kind : std::uint16_t {
  kRequests = 0,
  kTransfers = 1,  // data alone, of requests that reach the server another way (decisions/0013)
};

// The first message of a connection, by who made it; nothing else is heard before it.
struct Hello {
  std::uint32_t magic = kMagic;
  std::uint16_t version = kVersion;
  Kind kind = Kind::kRequests;
  std::int32_t pid = 0;
  std::uint32_t generation =
      0;  // how often the client has tried to come back; a higher one ends the connections of lower ones
  // The session this connection joins; zeros: a new one. For transfers: what kReach gave, good for one connection.
  Token session{};
};
static_assert(sizeof(Hello) == 32);

enum WelcomeBits : std::uint16_t {
  kWelcomeReach = 1,  // it stands before another, which data can go to straight: kReach says how, or why not
};

// The answer: a place in a session, or why there is none, in a sentence behind it.
struct Welcome {
  std::uint32_t magic = kMagic;
  std::uint16_t version = kVersion;
  std::uint16_t bits = 0;  // WelcomeBits
  std::int32_t pid = 0;
  std::int32_t error = 0;  // a positive errno
  std::uint32_t inflight_max = 0;
  std::uint32_t inflight_bytes_max = 0;
  Token session{};
  std::uint64_t channel = 0;  // of one for transfers: its name in requests; random
};
static_assert(sizeof(Welcome) == 48);

void encode(const Hello& hello, std::vector<std::byte>& bytes);
void encode(const Welcome& welcome, std::string_view sentence, std::vector<std::byte>& bytes);
// EPROTO for another version, EBADMSG for what is no such message.
Result<Hello> decode_hello(std::span<const std::byte> bytes);
struct Welcomed {
  Welcome welcome;
  std::string_view sentence;  // a view into the bytes
};
Result<Welcomed> decode_welcome(std::span<const std::byte> bytes);

// The only message after the greeting on a connection for transfers, from the server: what was put before it on this connection is
// the data of the read that has this ticket, all of it.
struct Landed {
  std::uint64_t ticket = 0;
};
static_assert(sizeof(Landed) == 8);
void encode(const Landed& landed, std::vector<std::byte>& bytes);
Result<Landed> decode_landed(std::span<const std::byte> bytes);

// What is asked, and which fields of Request it uses besides container and, where permissions matter, the credential.
// "attr" and "value" after the arrow are what the reply holds.
enum class Op : std::uint16_t {
  // ---- names ----
  kLookup = 1,  // node name -> attr
  kParent,      // node -> value (node)
  kMkdir,       // node name mode -> attr
  kMknod,       // node name mode a (rdev) -> attr
  kSymlink,     // node name text (target) -> attr
  kReadlink,    // node -> text
  kLink,        // node other (parent) name -> attr
  kUnlink,      // node name
  kRmdir,       // node name
  kRename,      // node name other name2 mode (flags)
  kReaddir,     // node a (cursor) b (entries at most) mode (1: with attributes) -> text (entries)
  // ---- attributes ----
  kGetattr,      // node -> attr
  kSetattr,      // node text (SetAttr) file (0: none) -> attr
  kAccess,       // node mode (mask)
  kGetxattr,     // node name -> text
  kSetxattr,     // node name text mode (flags)
  kListxattr,    // node -> text (names)
  kRemovexattr,  // node name
  // ---- files ----
  kOpen,           // node mode (OpenBits) -> attr value (file)
  kCreate,         // node name mode a (OpenBits) -> attr value (file)
  kCreateUnnamed,  // node mode -> attr value (file)
  kPublish,        // file node name
  kClose,          // file
  // With windows of a channel for transfers: node is the channel (0: the windows are of the channel the request came by), other
  // the ticket, which the client has not used before on that channel.
  kRead,       // file a (offset) b (bytes) mode (ReadModes) [windows] -> value text (checksums) payload (no windows)
  kWrite,      // file a (offset), payload or windows -> value
  kFallocate,  // file mode (kind) a (offset) b (bytes)
  kSeek,       // file mode (kind) a (offset) -> value
  kFsync,      // file mode (1: data only)
  kSync,       //
  // ---- locks ----
  kLock,         // file text (Lock) mode (LockModes)
  kTestLock,     // file text (Lock) -> text (Lock)
  kUnlockOwner,  // file a (owner)
  // ---- whole ----
  kStatfs,  // -> text (StatFs)
  // ---- the pool ----
  // name container (the number it has, of a client that comes back; 0: a new one)
  //   -> value (container) text (why no data of it goes past an agent; empty: it may)
  kContainerOpen,
  kContainerClose,    // container
  kContainerCreate,   // name a (quota bytes) b (quota nodes)
  kContainerSet,      // name a b
  kContainerDestroy,  // name
  kContainerInfo,     // name -> text (containers: one)
  kContainerList,     // name (go on behind it; empty: begin) -> text (containers)
  kPoolInfo,          // -> text (PoolInfo)
  kPoolSync,          //
  // ---- the session ----
  kEnd,        // everything it holds is given back, and its connections are closed
  kPing,       // -> nothing, at once
  kReopen,     // container file (the number it has) node mode (OpenBits) -> attr; of a client that comes back
  kReclaimed,  // a client that comes back has again what it held
  kReach,      // text (why the last way was none, for the log; empty: the first time) -> text (Reach)
  kLast = kReach,
};

// Whether doing it twice is more than doing it once. Such a request of a session that outlives connections has a slot.
bool is_change(Op op);

// Bits of OpenFlags.
enum OpenBits : std::uint32_t {
  kOpenRead = 1,
  kOpenWrite = 2,
  kOpenAppend = 4,
  kOpenTruncate = 8,
  kOpenExclusive = 16
};

// Who checks what is read.
enum ReadModes : std::uint32_t {
  kReadChecked = 0,    // the server
  kReadChecksums = 1,  // the reader, if the server answers with checksums; else the server has
};

// How a lock is asked for.
enum LockModes : std::uint32_t {
  kLockTry = 0,
  kLockWait = 1,
  kLockReclaim = 2,  // it is held already: of a client that comes back
};

// A part of a window of the requesting side, as the fabric names it (fabric/endpoint.h).
using WindowPart = memory::WindowPart;

// Slots: a session numbers its changes under way, 1 to kSlotsMax, and uses a number again when it has the answer. The server
// remembers the last change of each, by its id, so that one whose answer was lost is answered again and not done again. Ids in
// a slot only grow; a request with slot 0 is not remembered.
struct Request {
  std::uint64_t id = 0;
  Op op = Op::kSync;
  std::uint16_t slot = 0;
  std::uint32_t container = 0;
  std::uint64_t node = 0;
  std::uint64_t other = 0;
  std::uint64_t file = 0;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
  std::string_view name;
  std::string_view name2;
  std::string_view text;
  std::vector<WindowPart> windows;  // of a read or write only: in this order they are its memory
};

struct RequestHeader {
  std::uint64_t id;
  std::uint16_t op;
  std::uint16_t name_bytes;
  std::uint16_t name2_bytes;
  std::uint16_t groups;
  std::uint32_t text_bytes;
  std::uint32_t container;
  std::uint64_t node;
  std::uint64_t other;
  std::uint64_t file;
  std::uint64_t a;
  std::uint64_t b;
  std::uint32_t mode;
  std::uint32_t uid;
  std::uint32_t gid;
  std::uint16_t windows;
  std::uint16_t slot;
};
static_assert(sizeof(RequestHeader) == 80);

// Before the key of each window, at a request's very end.
struct WindowHeader {
  std::uint64_t offset_bytes;
  std::uint32_t size_bytes;  // at least 1; all of a request's together at most kPayloadBytesMax
  std::uint16_t key_bytes;   // 1 to kWindowKeyBytesMax
  std::uint16_t reserved;
};
static_assert(sizeof(WindowHeader) == 16);

struct Attr {
  std::uint64_t node;
  std::uint32_t mode;
  std::uint32_t links;
  std::uint32_t uid;
  std::uint32_t gid;
  std::uint64_t rdev;
  std::uint64_t size_bytes;
  std::uint64_t allocated_bytes;
  std::int64_t atime_ns;
  std::int64_t mtime_ns;
  std::int64_t ctime_ns;
  std::int64_t btime_ns;
};
static_assert(sizeof(Attr) == 80);

struct Reply {
  std::uint64_t id = 0;
  std::int32_t error = 0;  // a positive errno; then text is the message
  std::uint8_t retry = 0;  // what must be rebuilt before a retry helps
  bool created = false;
  bool has_attr = false;
  Attr attr{};
  std::uint64_t value = 0;
  std::string_view text;
};

struct ReplyHeader {
  std::uint64_t id;
  std::uint64_t value;
  std::int32_t error;
  std::uint32_t text_bytes;
  std::uint8_t retry;
  std::uint8_t created;
  std::uint8_t has_attr;
  std::uint8_t reserved[5];
};
static_assert(sizeof(ReplyHeader) == 32);

// Appends to bytes. The caller keeps to the limits (checked: a violation is a bug).
void encode(const Request& request, std::vector<std::byte>& bytes);
void encode(const Reply& reply, std::vector<std::byte>& bytes);
// Adds a window to a request that was encoded, is all of bytes, and has fewer than kWindowsMax.
void add_window(const WindowPart& window, std::vector<std::byte>& bytes);
// Says of such a read or write of whose channel its windows are.
void set_channel(std::uint64_t channel, std::uint64_t ticket, std::vector<std::byte>& bytes);
Result<Request> decode_request(std::span<const std::byte> bytes);
Result<Reply> decode_reply(std::span<const std::byte> bytes);

// ---- what travels in text ----

enum SetAttrBits : std::uint32_t {
  kSetMode = 1,
  kSetUid = 2,
  kSetGid = 4,
  kSetSize = 8,
  kSetAtime = 16,
  kSetMtime = 32,
  kSetAtimeNow = 64,
  kSetMtimeNow = 128,
  kSetAll = 255,
};
struct SetAttr {
  std::uint32_t set;  // SetAttrBits
  std::uint32_t mode;
  std::uint32_t uid;
  std::uint32_t gid;
  std::uint64_t size_bytes;
  std::int64_t atime_ns;
  std::int64_t mtime_ns;
};
static_assert(sizeof(SetAttr) == 40);

struct Lock {
  std::uint64_t owner;
  std::uint64_t begin;
  std::uint64_t end;
  std::int32_t pid;
  std::uint8_t kind;  // 0 unlock, 1 shared, 2 exclusive
  std::uint8_t flock;
  std::uint8_t reserved[2];
};
static_assert(sizeof(Lock) == 32);

struct StatFs {
  std::uint64_t total_bytes;
  std::uint64_t free_bytes;
  std::uint64_t nodes_total;
  std::uint64_t nodes_used;
  std::uint32_t block_bytes;
  std::uint32_t name_bytes_max;
};
static_assert(sizeof(StatFs) == 40);

// A fixed struct as the text of a message, and back; EBADMSG unless the length is exactly right.
template <class Fixed>
std::string_view as_text(const Fixed& fixed) {
  static_assert(std::is_trivially_copyable_v<Fixed> && std::has_unique_object_representations_v<Fixed>);
  return {reinterpret_cast<const char*>(&fixed), sizeof fixed};
}
template <class Fixed>
Result<Fixed> from_text(std::string_view text) {
  static_assert(std::is_trivially_copyable_v<Fixed>);
  if (text.size() != sizeof(Fixed)) return fail(EBADMSG, "a message holds a struct of the wrong length");
  Fixed fixed;
  __builtin_memcpy(&fixed, text.data(), sizeof fixed);
  return fixed;
}

struct DirEntry {
  std::string_view name;
  std::uint64_t node = 0;
  std::uint64_t cursor = 0;
  std::uint32_t type = 0;
  bool has_attr = false;
  Attr attr{};
};

struct Container {
  std::string_view name;
  std::uint64_t quota_bytes = 0;
  std::uint64_t quota_nodes = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t used_nodes = 0;
  std::int64_t created_ns = 0;
};

struct Device {
  std::uint8_t kind = 0;
  std::string_view path;
  std::uint64_t size_bytes = 0;
  std::uint64_t free_bytes = 0;
};
struct PoolInfo {
  std::string_view uuid;
  std::uint32_t format_version = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t containers = 0;
  std::string_view failed;
  std::vector<Device> devices;
};

// Where a connection for transfers can be made, and by which token, once and soon.
struct Reach {
  struct Way {
    std::string_view backend;
    std::string_view address;
    bool same_machine_only = false;
  };
  Token token{};
  std::string_view machine;  // of the server's kernel
  std::vector<Way> ways;     // best first
};

// Appends one item to a listing; false, with nothing appended, when the listing would grow beyond kTextBytesMax.
bool append(const DirEntry& entry, std::string& listing);
bool append(const Container& container, std::string& listing);
bool append_name(std::string_view name, std::string& listing);
// Whole listings; the views point into listing.
Result<std::vector<DirEntry>> decode_entries(std::string_view listing);
Result<std::vector<Container>> decode_containers(std::string_view listing);
Result<std::vector<std::string_view>> decode_names(std::string_view listing);
// Devices that do not fit are left out.
std::string encode(const PoolInfo& info);
Result<PoolInfo> decode_pool_info(std::string_view text);
std::string encode(const Reach& reach);
Result<Reach> decode_reach(std::string_view text);

}  // namespace ross::wire
