#include "client/translate.h"

namespace ross::client {

wire::Attr to_wire(const fs::Attr& attr) {
  return {.node = attr.node.value,
          .mode = attr.mode,
          .links = attr.links,
          .uid = attr.uid,
          .gid = attr.gid,
          .rdev = attr.rdev,
          .size_bytes = attr.size_bytes,
          .allocated_bytes = attr.allocated_bytes,
          .atime_ns = attr.atime_ns,
          .mtime_ns = attr.mtime_ns,
          .ctime_ns = attr.ctime_ns,
          .btime_ns = attr.btime_ns};
}

fs::Attr from_wire(const wire::Attr& attr) {
  return {.node = fs::NodeId(attr.node),
          .mode = attr.mode,
          .links = attr.links,
          .uid = attr.uid,
          .gid = attr.gid,
          .rdev = attr.rdev,
          .size_bytes = attr.size_bytes,
          .allocated_bytes = attr.allocated_bytes,
          .atime_ns = attr.atime_ns,
          .mtime_ns = attr.mtime_ns,
          .ctime_ns = attr.ctime_ns,
          .btime_ns = attr.btime_ns};
}

std::uint32_t to_wire(const fs::OpenFlags& flags) {
  return (flags.read ? wire::kOpenRead : 0U) | (flags.write ? wire::kOpenWrite : 0U) |
         (flags.append ? wire::kOpenAppend : 0U) | (flags.truncate ? wire::kOpenTruncate : 0U) |
         (flags.exclusive ? wire::kOpenExclusive : 0U);
}

Result<fs::OpenFlags> open_flags_from_wire(std::uint64_t bits) {
  if (bits > 31) return fail(EBADMSG, "open flags that mean nothing");
  return fs::OpenFlags{.read = (bits & wire::kOpenRead) != 0,
                       .write = (bits & wire::kOpenWrite) != 0,
                       .append = (bits & wire::kOpenAppend) != 0,
                       .truncate = (bits & wire::kOpenTruncate) != 0,
                       .exclusive = (bits & wire::kOpenExclusive) != 0};
}

wire::SetAttr to_wire(const fs::SetAttr& change) {
  wire::SetAttr out{};
  if (change.mode) out.set |= wire::kSetMode, out.mode = *change.mode;
  if (change.uid) out.set |= wire::kSetUid, out.uid = *change.uid;
  if (change.gid) out.set |= wire::kSetGid, out.gid = *change.gid;
  if (change.size_bytes) out.set |= wire::kSetSize, out.size_bytes = *change.size_bytes;
  if (change.atime_ns) out.set |= wire::kSetAtime, out.atime_ns = *change.atime_ns;
  if (change.mtime_ns) out.set |= wire::kSetMtime, out.mtime_ns = *change.mtime_ns;
  if (change.atime_now) out.set |= wire::kSetAtimeNow;
  if (change.mtime_now) out.set |= wire::kSetMtimeNow;
  return out;
}

Result<fs::SetAttr> from_wire(const wire::SetAttr& change) {
  if ((change.set & ~static_cast<std::uint32_t>(wire::kSetAll)) != 0) {
    return fail(EBADMSG, "a change of attributes that mean nothing");
  }
  fs::SetAttr out;
  if ((change.set & wire::kSetMode) != 0) out.mode = change.mode;
  if ((change.set & wire::kSetUid) != 0) out.uid = change.uid;
  if ((change.set & wire::kSetGid) != 0) out.gid = change.gid;
  if ((change.set & wire::kSetSize) != 0) out.size_bytes = change.size_bytes;
  if ((change.set & wire::kSetAtime) != 0) out.atime_ns = change.atime_ns;
  if ((change.set & wire::kSetMtime) != 0) out.mtime_ns = change.mtime_ns;
  out.atime_now = (change.set & wire::kSetAtimeNow) != 0;
  out.mtime_now = (change.set & wire::kSetMtimeNow) != 0;
  return out;
}

wire::Lock to_wire(const fs::LockRange& range) {
  return {.owner = range.owner,
          .begin = range.begin,
          .end = range.end,
          .pid = range.pid,
          .kind = static_cast<std::uint8_t>(range.kind),
          .flock = static_cast<std::uint8_t>(range.flock),
          .reserved = {}};
}

Result<fs::LockRange> from_wire(const wire::Lock& lock) {
  if (lock.kind > static_cast<std::uint8_t>(fs::LockKind::kExclusive) || lock.flock > 1) {
    return fail(EBADMSG, "a lock of no known kind");
  }
  return fs::LockRange{.owner = lock.owner,
                       .kind = static_cast<fs::LockKind>(lock.kind),
                       .begin = lock.begin,
                       .end = lock.end,
                       .pid = lock.pid,
                       .flock = lock.flock == 1};
}

}  // namespace ross::client
