// ChangeId: the name a client gives a change, so that a file system that survives a crash can say afterwards whether the
// change was made.
//
// A client has slots, and uses the sequence numbers of a slot once each. FileSystem's calls do not carry the name; the
// caller leaves it for the thread, and the call that starts next takes it:
//
//   fs::name_next_change(id);
//   auto made = co_await fs.mkdir(cred, parent, "train", 0755);
//
// A task starts when it is awaited and runs to its first wait at once, so nothing comes between if the two lines stand
// together. A file system that can remember changes takes the name at the very start of every changing call, before its first
// wait and before any call to another file system; the others ignore it. Therefore a caller that names changes sets the name, or
// clears it with ChangeId{}, right before each call: an old one must not be found by a call it does not mean.
//
// Threading: any thread, each has its own.
#pragma once

#include <array>
#include <cstdint>

namespace ross::fs {

struct ChangeId {
  std::array<std::uint8_t, 16> client{};  // all zeros: no name
  std::uint16_t slot = 0;
  std::uint64_t sequence = 0;
  [[nodiscard]] bool set() const { return client != std::array<std::uint8_t, 16>{}; }
  friend bool operator==(const ChangeId&, const ChangeId&) = default;
};

// For the next call that is started on this thread.
void name_next_change(const ChangeId& id);
// What was named last, which it then is no more.
ChangeId take_change_id();

}  // namespace ross::fs
