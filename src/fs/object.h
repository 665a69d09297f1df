// Whole objects by key, over any FileSystem: the same files, reached flat.
//
// A key is a path without a leading '/' ("train/part-00017"); put makes the directories it needs. Replacement is
// atomic: a reader sees the old object or the new one whole, also across a crash.
// Errors: those of the calls below it; EINVAL for an empty key or one with empty, "." or ".." components.
// Threading: any thread that drives a loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fs/file_system.h"

namespace ross::fs {

struct PutOptions {
  std::uint32_t mode = 0644;
  bool durable = true;  // returns when the object survives power loss
};

AsyncStatus put_object(FileSystem& fs, const Credential& cred, std::string_view key, memory::Memory from,
                       PutOptions options = {});
// Bytes read: min(into's size, the object's size - offset).
Async<std::uint64_t> get_object(FileSystem& fs, const Credential& cred, std::string_view key, memory::Memory into,
                                std::uint64_t offset_bytes = 0);
Async<Attr> head_object(FileSystem& fs, const Credential& cred, std::string_view key);
AsyncStatus remove_object(FileSystem& fs, const Credential& cred, std::string_view key);

}  // namespace ross::fs
