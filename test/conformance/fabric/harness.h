// The fixture of the suite: endpoints on loops of their own, driven by turns in one thread, and words for what tests do.
//
//   ROSS_FABRIC_SUITE(Messages);
//   TEST_P(Messages, OneArrives) {
//     auto [left, right] = connect_pair();
//     Letter& sent = letter(bytes("head"), pattern(1, 100));
//     left->send(sent);
//     drive([&] { return right->received.size() == 1 && sent.told == 1; });
//   }
//
// What letter(), move(), memory() and region() make lives until the channels are gone, also when a test fails half way.
// TearDown closes what is open, and checks that each End was told its end once, after everything it held.
// Threading: owner thread; a test with threads gives each a Side of its own and drives it with drive_alone.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/units.h"
#include "conformance/fabric/backend.h"
#include "conformance/fabric/pattern.h"
#include "effort.h"
#include "fabric/endpoint.h"
#include "runtime/loop.h"

namespace ross::fabric::conformance {

inline constexpr ChannelLimits kLimits{.head_bytes_max = 4096, .payload_bytes_max = 1 << 20};
// What a test moves many of. To look at large payloads was most of what a sanitizer's run took: they are smaller there.
inline constexpr std::size_t kLargeBytes = repeats(kLimits.payload_bytes_max);
// How long a test waits for what must happen; only a failing test waits so long.
inline constexpr std::int64_t kPatienceNs = 60'000'000'000;

Bytes bytes(std::string_view text);
// Whether two memories hold the same. At once, not byte by byte: tests compare hundreds of megabytes, and a sanitizer asks
// its questions at each load.
bool same(std::span<const std::byte> a, std::span<const std::byte> b);

// A window as it travels in a head: its size, then its key.
Bytes told_window(const Window& window);
Window window_of(const Bytes& head);

class End;

// A message to send; owns its payload, in so many pieces.
struct Letter : Outgoing {
  explicit Letter(Bytes head_bytes = {}, Bytes payload_bytes = {}, std::size_t pieces = 1);
  Letter(const Letter&) = delete;
  Letter& operator=(const Letter&) = delete;
  Bytes storage;
  std::vector<memory::Span> spans;
  int told = 0;
  bool ok = false;
  std::function<void()> then;  // runs when told
  End* end = nullptr;
  bool in_call = false;
};

// A transfer. Its memory stays the test's.
struct Move : Transfer {
  Move(memory::Memory local_memory, const Window& to, std::uint64_t offset = 0, const Region* in = nullptr);
  Move(const Move&) = delete;
  Move& operator=(const Move&) = delete;
  const Window peers;
  int told = 0;
  int error = -1;
  std::function<void()> then;
  End* end = nullptr;
  bool in_call = false;
};

// Memory with guards on both sides.
class Guarded {
 public:
  static constexpr std::size_t kGuardBytes = 256;
  explicit Guarded(std::size_t size_bytes, std::uint64_t seed = 0);
  [[nodiscard]] std::span<std::byte> span() { return std::span(bytes_).subspan(kGuardBytes, size_bytes_); }
  [[nodiscard]] std::span<std::byte> all() { return bytes_; }  // guards included: what a Region may cover
  [[nodiscard]] memory::Memory memory(std::size_t offset, std::size_t size) {
    return memory::Memory(span().subspan(offset, size));
  }
  // Whether the guards are whole, and everything outside [offset, offset + size) still holds the pattern it was made with.
  [[nodiscard]] bool untouched_outside(std::size_t offset, std::size_t size) const;
  [[nodiscard]] bool untouched() const { return untouched_outside(0, 0); }

 private:
  std::size_t size_bytes_;
  Bytes bytes_;
  Bytes before_;
};

// A loop, an endpoint on it, and the channels that came in and were not yet taken.
class Side final : public Acceptor {
 public:
  std::unique_ptr<runtime::Loop> loop_owned;
  runtime::Loop* loop = nullptr;
  std::unique_ptr<Endpoint> endpoint;
  std::deque<std::unique_ptr<Channel>> accepted;
  Domain* domain = nullptr;
  // Takes the place of accepted where it is set.
  std::function<void(std::unique_ptr<Channel>)> on_accept;

  void on_channel(std::unique_ptr<Channel> channel) override;
};

struct SideOptions {
  ChannelLimits limits = kLimits;
  bool listens = true;
  Side* on_loop_of = nullptr;  // else a loop of its own
};

// of: whose domain, 0 or 1.
Result<std::unique_ptr<Side>> make_side(Fixture& fixture, int of, const SideOptions& options = {});
// Drives loops until done(); false when kPatienceNs have passed without.
bool drive_loops(std::span<runtime::Loop* const> loops, const std::function<bool()>& done);
// One loop, from the thread that owns it.
bool drive_alone(Side& side, const std::function<bool()>& done);
// Makes a connection and returns its channel, or why there is none; checks how it is told. drive drives from's loop.
using Drive = std::function<bool(const std::function<bool()>& done)>;
Result<std::unique_ptr<Channel>> connect_from(Side& from, std::string_view address, std::int64_t patience_ns,
                                              const Drive& drive);

// One end of a channel: records what arrives, counts what is told.
class End final : public Receiver {
 public:
  struct Received {
    Bytes head;
    std::vector<Bytes> pieces;
    [[nodiscard]] Bytes payload() const;
  };
  explicit End(Side& at) : side(at) {}

  void start() { channel->start(*this); }
  // Each keeps its argument borrowed, as the channel does, until it is told.
  void send(Letter& letter);
  void put(Move& move) { begin(move, true); }
  void get(Move& move) { begin(move, false); }
  void close() { channel->close(); }

  Side& side;
  std::unique_ptr<Channel> channel;
  std::deque<Received> received;  // whole messages
  std::size_t pieces = 1;         // how many spans a payload lands in
  int refuse_head_with = 0;       // an errno that on_head answers
  int refuse_message_with = 0;    // an errno that on_message answers
  std::function<void(const Bytes& head, std::size_t payload_bytes)> on_each_head;
  std::function<void(Received&)> on_each;  // when a message is whole
  std::function<void()> when_closed;
  bool keep = true;  // received messages; else only counted
  bool destroy_when_closed = false;
  std::size_t messages = 0;  // whole ones so far
  int closed = 0;
  Status why;
  int outstanding = 0;  // letters and moves not yet told

  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override;
  Status on_message() override;
  void on_closed(const Status& status) override;

 private:
  friend struct Letter;
  friend struct Move;
  void begin(Move& move, bool is_put);
  void expect_on_loop(const char* what) const;

  Received current_;
  std::vector<memory::Span> spans_;
  bool in_message_ = false;
};

class FabricTest : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;
  void TearDown() override;

  Side& add_side(int of, const SideOptions& options = {});
  void remove_side(Side& side);  // its ends are closed

  // Connects from to to; both ends are started, unless asked otherwise.
  struct Pair {
    End* left = nullptr;  // who connected
    End* right = nullptr;
  };
  Pair connect_pair(Side& from, Side& to, bool start = true);
  Pair connect_pair();  // on two new sides, or those made so by an earlier call
  Letter& letter(Bytes head = {}, Bytes payload = {}, std::size_t pieces = 1);
  Move& move(memory::Memory local, const Window& window, std::uint64_t offset = 0, const Region* in = nullptr);
  Guarded& memory(std::size_t size_bytes, std::uint64_t pattern_seed = 0);
  Region& region(Side& side, std::span<std::byte> of);

  // An end for a channel that a test got by itself.
  End& adopt(Side& side, std::unique_ptr<Channel> channel, bool start = true);
  Result<std::unique_ptr<Channel>> connect_to(Side& from, std::string_view address,
                                              std::int64_t patience_ns = kPatienceNs / 2);

  // Drives all loops until done(); fails the test when that does not come.
  bool drive(const std::function<bool()>& done);
  // As far as they go by themselves: until no loop did anything for this long on its clock.
  void settle(std::int64_t quiet_ns = 2'000'000);

  // Sends and drives until it is told and has arrived.
  void send_and_wait(End& from, End& to, Letter& letter);
  // Each returns what done() was told.
  int put_and_wait(End& end, Move& move);
  int get_and_wait(End& end, Move& move);
  // Expects that it works; revoked at the end if the test did not.
  Window expose(Side& side, std::span<std::byte> memory, Access access, const Region* region = nullptr,
                const Channel* only_for = nullptr);
  void revoke(Side& side, const Window& window);
  // Both ends of a channel that has to end, or has.
  void expect_ended(Pair pair);

  [[nodiscard]] const Traits& traits() { return fixture_->domain(0).traits(); }
  [[nodiscard]] Fixture& fixture() { return *fixture_; }
  [[nodiscard]] const Backend& backend() const { return GetParam(); }
  static std::uint64_t seed() { return test_seed(); }

 private:
  std::unique_ptr<Fixture> fixture_;
  std::deque<Letter> letters_;
  std::deque<Move> moves_;
  std::deque<Guarded> memory_;
  std::vector<std::unique_ptr<Region>> regions_;
  std::deque<std::unique_ptr<Side>> sides_;
  std::deque<std::unique_ptr<End>> ends_;
  std::vector<std::pair<Side*, Window>> exposed_;
  Side* first_ = nullptr;
  Side* second_ = nullptr;
};

inline std::string backend_name(const testing::TestParamInfo<Backend>& tested) { return tested.param.name; }
// Keeps a failing test from printing the bytes of a struct of functions.
inline void PrintTo(const Backend& backend, std::ostream* out) { *out << backend.name; }

// Makes a suite of tests run on every backend of the program.
#define ROSS_FABRIC_SUITE(Suite)      \
  class Suite : public FabricTest {}; \
  INSTANTIATE_TEST_SUITE_P(All, Suite, testing::ValuesIn(backends()), backend_name)

#define ROSS_NEEDS_TRAIT(trait) \
  if (!traits().trait) GTEST_SKIP() << traits().name << " does not claim " #trait
#define ROSS_NEEDS_BACKEND(ability) \
  if (!backend().ability) GTEST_SKIP() << backend().name << " does not claim " #ability

}  // namespace ross::fabric::conformance
