// RawChanges: the changes that tests of slots ask for in their own words: a container, a file in it that appends, directories.
//
// Threading: owner thread.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string_view>

#include "raw_peer.h"

namespace ross::remote_test {

class RawChanges {
 protected:
  // The container's number, and an open file that appends.
  void open(RawPeer& raw) {
    wire::ReplyHeader header{};
    ASSERT_EQ(raw.ask({.id = 1, .op = wire::Op::kContainerOpen, .slot = 1, .name = "c"}, &header), 0);
    container = static_cast<std::uint32_t>(header.value);
    wire::Request create{.id = 2, .op = wire::Op::kCreate, .slot = 1, .container = container, .node = 1};
    create.a = wire::kOpenRead | wire::kOpenWrite | wire::kOpenAppend;
    create.mode = 0600;
    create.uid = ::geteuid();
    create.gid = ::getegid();
    create.name = "f";
    ASSERT_EQ(raw.ask(create, &header), 0);
    file = header.value;
  }
  [[nodiscard]] wire::Request mkdir(std::uint64_t id, std::uint16_t slot, std::string_view name) const {
    wire::Request request{.id = id, .op = wire::Op::kMkdir, .slot = slot, .container = container, .node = 1};
    request.mode = 0700;
    request.uid = ::geteuid();
    request.gid = ::getegid();
    request.name = name;
    return request;
  }
  [[nodiscard]] wire::Request append(std::uint64_t id, std::uint16_t slot) const {
    return {.id = id, .op = wire::Op::kWrite, .slot = slot, .container = container, .file = file};
  }

  std::uint32_t container = 0;
  std::uint64_t file = 0;
};

}  // namespace ross::remote_test
