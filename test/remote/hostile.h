// Hostile: what a peer says that knows all of another tenant's names, numbers, keys and tokens, and has none of its rights.
//
//   Hostile hostile(seed, {.names = ..., .nodes = ...});
//   const Hostile::Message message = hostile.next(container);     // whole, or spoiled on the way
//
// Requests that are well formed with fields from what it knows, edges and noise; a part of them is then spoiled bit by bit. What it is
// given in answer it uses from then on: whoever opens a door is followed through it. The same seed says the same.
// Threading: owner thread.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "wire/message.h"

namespace ross::remote_test {

class Hostile {
 public:
  struct Knowledge {
    std::vector<std::string> names;  // of files, and of containers
    std::vector<std::uint64_t> nodes;
    std::vector<std::uint64_t> files;
    std::vector<std::uint64_t> channels;
    std::vector<std::uint32_t> containers;
    std::vector<std::string> keys;  // of windows
    std::uint32_t uid = 0;          // its own
    std::uint32_t gid = 0;
  };
  struct Message {
    std::vector<std::byte> head;
    std::size_t payload_bytes = 0;
    wire::Op op = wire::Op::kPing;
    std::uint64_t id = 0;
    std::uint32_t container = 0;
  };

  Hostile(std::uint64_t seed, Knowledge knows) : random_(seed), knows_(std::move(knows)) {}
  Random& random() { return random_; }
  Knowledge& knows() { return knows_; }

  // container, file: its own. keys: of its own windows. outlives_connections: its session has slots.
  Message next(std::uint32_t container, std::uint64_t file, const std::vector<std::string>& keys,
               bool outlives_connections) {
    wire::Request request;
    constexpr wire::Op kPromising[] = {wire::Op::kContainerOpen, wire::Op::kOpen,   wire::Op::kRead,
                                       wire::Op::kWrite,         wire::Op::kLookup, wire::Op::kReaddir,
                                       wire::Op::kSetattr,       wire::Op::kUnlink, wire::Op::kRename};
    request.op = random_.chance(1, 2)
                     ? kPromising[random_.below(std::size(kPromising))]
                     : static_cast<wire::Op>(1 + random_.below(static_cast<std::uint64_t>(wire::Op::kLast)));
    request.id = ++id_;
    // What ends the connection at once it says now and then only: there is more to be tried on one that goes on.
    if (wire::is_change(request.op) && random_.chance(outlives_connections ? 10 : 1, 40))
      request.slot = static_cast<std::uint16_t>(1 + random_.below(8));
    request.container = random_.chance(3, 4) ? container : one_of(knows_.containers);
    request.node = random_.chance(1, 8) ? one_of(knows_.channels) : node();
    request.other = random_.chance(1, 8) ? random_() : node();
    request.file = random_.chance(1, 2) ? file : one_of(knows_.files);
    if (!given_.empty() && random_.chance(1, 2)) {
      const Given& given = given_[random_.below(given_.size())];
      request.container = given.container;
      if (given.file != 0) request.file = given.file;
    }
    const bool of_pool = request.op >= wire::Op::kContainerOpen && request.op <= wire::Op::kPoolSync;
    if (of_pool && random_.chance(7, 8)) request.container = 0;
    request.a = number();
    request.b = random_.chance(3, 4) ? 64 + random_.below(64 * 1024) : number();
    if (request.op == wire::Op::kRead && random_.chance(39, 40)) request.b %= wire::kPayloadBytesMax;
    constexpr std::uint32_t kModes[] = {0, 1, 2, 3, 4, 7, 8, 0600, 0777, S_IFREG | 0666, S_IFCHR | 0666};
    request.mode =
        random_.chance(9, 10) ? kModes[random_.below(std::size(kModes))] : static_cast<std::uint32_t>(random_());
    request.uid = random_.chance(31, 32) ? knows_.uid : static_cast<std::uint32_t>(random_.below(3));
    request.gid = knows_.gid;
    const std::string name = this->name();
    const std::string name2 = this->name();
    const std::string text = this->text();
    request.name = name;
    request.name2 = name2;
    request.text = text;
    std::vector<std::string> named;
    if ((request.op == wire::Op::kRead || request.op == wire::Op::kWrite) && random_.chance(1, 8)) {
      named.reserve(wire::kWindowsMax);
      for (std::uint64_t i = 0, count = 1 + random_.below(wire::kWindowsMax); i < count; ++i) {
        named.push_back(random_.chance(1, 3) && !keys.empty() ? one_of(keys) : one_of(knows_.keys));
        if (random_.chance(1, 3))
          named.back()[random_.below(named.back().size())] ^= static_cast<char>(1 << random_.below(8));
        request.windows.push_back({.offset_bytes = random_.chance(1, 2) ? 0 : random_.below(8192),
                                   .size_bytes = 1 + random_.below(8192),
                                   .key = named.back()});
      }
      if (random_.chance(1, 2)) request.node = 0;
    }
    Message message{.op = request.op, .id = request.id, .container = request.container};
    wire::encode(request, message.head);
    if (request.op == wire::Op::kWrite && request.windows.empty()) message.payload_bytes = random_.below(16 * 1024);
    if (random_.chance(1, 40)) spoil(message.head);
    return message;
  }

  // Something was answered with a number.
  void learn(const Message& message, std::uint64_t value) {
    if (given_.size() >= kGivenMax) given_.erase(given_.begin());
    if (message.op == wire::Op::kContainerOpen) given_.push_back({static_cast<std::uint32_t>(value), 0});
    if (message.op == wire::Op::kOpen || message.op == wire::Op::kCreate) given_.push_back({message.container, value});
  }
  // Its session is another from now on.
  void forget() { given_.clear(); }

  void spoil(std::vector<std::byte>& bytes) {
    for (std::uint64_t i = 0, count = 1 + random_.below(4); i < count && !bytes.empty(); ++i) {
      bytes[random_.below(bytes.size())] ^= static_cast<std::byte>(1 << random_.below(8));
    }
    if (random_.chance(1, 8)) bytes.resize(random_.below(bytes.size()) + 1);
  }

  template <class T>
  T one_of(const std::vector<T>& of) {
    return of.empty() ? T{} : of[random_.below(of.size())];
  }

 private:
  static constexpr std::size_t kGivenMax = 16;
  struct Given {
    std::uint32_t container = 0;
    std::uint64_t file = 0;  // 0: the container itself
  };
  std::uint64_t node() {
    if (random_.chance(1, 3)) return one_of(knows_.nodes);
    if (random_.chance(1, 2)) return 1;  // the root
    return random_.chance(1, 2) ? random_.below(64) : number();
  }
  std::uint64_t number() {
    switch (random_.below(6)) {
      case 0:
        return 0;
      case 1:
        return random_.below(64);
      case 2:
        return random_.below(64) * 4096;
      case 3:
        return UINT64_MAX - random_.below(2);
      case 4:
        return std::uint64_t{1} << random_.below(64);
      default:
        return random_();
    }
  }
  std::string name() {
    std::string name = random_.chance(1, 8) ? "own" : one_of(knows_.names);
    switch (random_.below(20)) {
      case 0:
        return "../" + name;
      case 1:
        return name + "/" + one_of(knows_.names);
      case 2:
        return "p/" + name;
      case 3:
        return name + '\0';
      case 4:
        return "..";
      case 5:
        if (!name.empty()) name[random_.below(name.size())] ^= static_cast<char>(1 << random_.below(8));
        return name;
      default:
        return name;
    }
  }
  std::string text() {
    switch (random_.below(5)) {
      case 0:
        return std::string(wire::as_text(wire::SetAttr{.set = static_cast<std::uint32_t>(random_.below(256)),
                                                       .mode = 0777,
                                                       .uid = knows_.uid,
                                                       .gid = knows_.gid,
                                                       .size_bytes = random_.below(1 << 20)}));
      case 1:
        return std::string(wire::as_text(wire::Lock{.owner = random_.below(8),
                                                    .begin = 0,
                                                    .end = UINT64_MAX,
                                                    .kind = static_cast<std::uint8_t>(random_.below(3)),
                                                    .flock = static_cast<std::uint8_t>(random_.below(2))}));
      case 2:
        return one_of(knows_.names);
      case 3: {
        std::string noise(random_.below(200), ' ');
        for (char& letter : noise) letter = static_cast<char>(random_.below(256));
        return noise;
      }
      default:
        return {};
    }
  }

  Random random_;
  Knowledge knows_;
  std::vector<Given> given_;
  std::uint64_t id_ = 0;
};

}  // namespace ross::remote_test
