// The bounds of every message, agreed by both ends. A message beyond them ends its connection. Threading: immutable.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ross::wire {

// What a message carries beside its payload: a header, names, and at most one value or listing.
inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kTextBytesMax = 64 * 1024;  // an extended attribute's value; also bounds a listing
inline constexpr std::size_t kGroupsMax = 1024;
inline constexpr std::size_t kSentenceBytesMax = 1024;  // why a server refuses
inline constexpr std::size_t kHeadBytesMax = 72 * 1024;
// One transfer, which is also the largest atomic write. Larger ones are several messages.
inline constexpr std::uint32_t kPayloadBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kEntriesMax = 1024;  // of one listing
// Windows of one request: memory in more spans than these travels in messages.
inline constexpr std::size_t kWindowsMax = 8;
inline constexpr std::size_t kWindowKeyBytesMax = 256;

// What the serving side grants a connection, told in its welcome; a client keeps to them, and a server ends a connection
// that goes beyond twice as much (a reply and the next request may cross). Files, containers and owners are a session's.
inline constexpr std::uint32_t kInflightMax = 256;
inline constexpr std::uint32_t kInflightBytesMax = 32 * 1024 * 1024;
inline constexpr std::uint32_t kLockWaitsMax = 1024;   // waits for locks, which are not counted as in flight
inline constexpr std::uint32_t kConnectionsMax = 256;  // of one session; as many again for transfers
inline constexpr std::size_t kWaysMax = 16;            // to a server, for transfers
inline constexpr std::uint16_t kSlotsMax = 8192;       // changes that a session may have under way
// Ids of requests with a slot are below this: from here on they are an agent's own, among those that it passes on.
inline constexpr std::uint64_t kAgentIdsBegin = std::uint64_t{1} << 63;
inline constexpr std::uint32_t kOpenFilesMax = 65536;
inline constexpr std::uint32_t kContainersMax = 256;

}  // namespace ross::wire
