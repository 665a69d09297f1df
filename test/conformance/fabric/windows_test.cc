// Goal: a window gives what it promises and nothing else: not with another key, the other way, beyond its range, after
// revoke(), or to another channel than the one it is for; and who tries loses the channel he tried it on, nobody else does.
// Method: one channel per attempt, a second one that must stay usable, and memory that must stay as it was.
#include <algorithm>
#include <cstring>
#include <set>

#include "conformance/fabric/harness.h"

namespace ross::fabric::conformance {
namespace {

class Windows : public FabricTest {
 protected:
  enum class Way { kPut, kGet };
  static constexpr std::size_t kSize = 10'000;

  void make_sides() {
    owner_ = &add_side(0);
    thief_ = &add_side(1);
    honest_ = connect_pair(*thief_, *owner_);
    owned_ = &memory(kSize, 60);
    writable_ = expose(*owner_, owned_->span(), Access::kWrite);
    readable_ = expose(*owner_, owned_->span(), Access::kRead);
  }

  // A channel of its own tries it: a get fails, both ends end, the memory is whole and nothing was learned.
  void expect_refused(Pair pair, Way way, const Window& window, std::uint64_t offset, std::size_t size,
                      const std::string& what) {
    SCOPED_TRACE(what);
    Guarded& mine = memory(size, 61);
    Move& attempt = move(mine.memory(0, size), window, offset);
    way == Way::kPut ? pair.left->put(attempt) : pair.left->get(attempt);
    drive([&] { return attempt.told == 1; });
    // A put is done when its memory may be used again: whether the window took it, the peer tells by ending the channel.
    if (way == Way::kGet) {
      EXPECT_GT(attempt.error, 0);
    }
    expect_ended(pair);
    EXPECT_TRUE(owned_->untouched());
    EXPECT_TRUE(mine.untouched());
  }
  void expect_refused(Way way, const Window& window, std::uint64_t offset, std::size_t size, const std::string& what) {
    expect_refused(connect_pair(*thief_, *owner_), way, window, offset, size, what);
  }

  // The channel beside is as good as ever.
  void expect_undisturbed() {
    send_and_wait(*honest_.left, *honest_.right, letter(bytes("hello")));
    send_and_wait(*honest_.right, *honest_.left, letter(bytes("hello")));
    Guarded& got = memory(kSize, 62);
    ASSERT_EQ(get_and_wait(*honest_.left, move(got.memory(0, kSize), readable_)), 0);
    EXPECT_TRUE(same(got.span(), owned_->span()));
  }

  Side* owner_ = nullptr;
  Side* thief_ = nullptr;
  Pair honest_;
  Guarded* owned_ = nullptr;
  Window writable_;
  Window readable_;
};
INSTANTIATE_TEST_SUITE_P(All, Windows, testing::ValuesIn(backends()), backend_name);

TEST_P(Windows, AWrongKeyIsRefused) {
  make_sides();
  Random random(seed());
  const auto attempt = [&](std::string key, const std::string& what) {
    Window window = writable_;
    window.key = std::move(key);
    expect_refused(Way::kPut, window, 0, kSize, what + ", put");
    window.key = window.key == writable_.key ? readable_.key : window.key;
    expect_refused(Way::kGet, window, 0, kSize, what + ", get");
  };
  // All of the window at once, so that a key that names other memory by a few bytes shows, too.
  const std::size_t step = std::max<std::size_t>(1, writable_.key.size() / 24);
  for (std::size_t at = 0; at < writable_.key.size(); at += step) {
    std::string key = writable_.key;
    key[at] = static_cast<char>(key[at] ^ (1 << random.below(8)));
    attempt(key, "bit flip in byte " + std::to_string(at));
  }
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{1}, writable_.key.size() / 2, writable_.key.size() - 1}) {
    attempt(writable_.key.substr(0, length), "cut to " + std::to_string(length));
  }
  attempt(writable_.key + '\0', "one byte longer");
  attempt(std::string(writable_.key.size(), '\0'), "zeros");
  attempt(std::string(kKeyBytesMax, '\xff'), "ones");
  for (int i = 0; i < 4; ++i) {
    std::string key(i % 2 == 0 ? 200 : writable_.key.size(), '\0');
    for (char& byte : key) byte = static_cast<char>(random());
    attempt(key, "random");
  }
  expect_undisturbed();
}

TEST_P(Windows, TheOtherDirectionIsRefused) {
  make_sides();
  for (const std::size_t size : {std::size_t{1}, kSize}) {
    expect_refused(Way::kPut, readable_, 0, size, "put into a window to read");
    expect_refused(Way::kGet, writable_, 0, size, "get from a window to write");
  }
  expect_undisturbed();
}

TEST_P(Windows, OutOfRangeIsRefused) {
  make_sides();
  struct Attempt {
    std::uint64_t offset;
    std::size_t size;
  };
  const Attempt attempts[] = {{kSize, 1},         {kSize - 1, 2},         {1, kSize},
                              {0, kSize + 1},     {kSize + 1, 1},         {UINT64_MAX, 1},
                              {UINT64_MAX, 2},    {UINT64_MAX - 99, 100}, {UINT64_MAX - 99, 200},
                              {1ULL << 63, 8},    {1ULL << 32, 8},        {UINT64_MAX - kSize + 1, kSize},
                              {kSize + 255, 2000}};
  for (const Attempt& one : attempts) {
    const std::string what = std::to_string(one.size) + " at " + std::to_string(one.offset);
    for (const bool lies : {false, true}) {  // about the size, so that our own side lets it through
      Window writable = writable_;
      Window readable = readable_;
      if (lies) writable.size_bytes = readable.size_bytes = UINT64_MAX;
      expect_refused(Way::kPut, writable, one.offset, one.size, "put " + what);
      expect_refused(Way::kGet, readable, one.offset, one.size, "get " + what);
    }
  }
  expect_undisturbed();
}

TEST_P(Windows, RevokedIsRefused) {
  make_sides();
  Guarded& other = memory(kSize, 60);
  for (int round = 0; round < 3; ++round) {
    const Window writable = expose(*owner_, other.span(), Access::kWrite);
    const Window readable = expose(*owner_, other.span(), Access::kRead);
    Pair used = connect_pair(*thief_, *owner_);
    Guarded& got = memory(kSize);
    ASSERT_EQ(get_and_wait(*used.left, move(got.memory(0, kSize), readable)), 0);
    revoke(*owner_, writable);
    revoke(*owner_, readable);
    // Something new stands in the place of the revoked.
    const Window after = expose(*owner_, other.span(), Access::kRead);
    expect_refused(used, Way::kGet, readable, 0, kSize, "get from a revoked window it has used");
    expect_refused(Way::kGet, readable, 0, kSize, "get from a revoked window");
    expect_refused(Way::kPut, writable, 0, kSize, "put into a revoked window");
    expect_refused(Way::kPut, writable, 0, 1, "put of a byte into a revoked window");
    EXPECT_TRUE(other.untouched());
    revoke(*owner_, after);
  }
  expect_undisturbed();
}

TEST_P(Windows, ForOneChannelIsForNoOther) {
  make_sides();
  Side& stranger = add_side(1);
  const Window writable = expose(*owner_, owned_->span(), Access::kWrite, nullptr, honest_.right->channel.get());
  const Window readable = expose(*owner_, owned_->span(), Access::kRead, nullptr, honest_.right->channel.get());
  for (Side* const from : {thief_, &stranger}) {
    expect_refused(connect_pair(*from, *owner_), Way::kPut, writable, 0, kSize, "put by another channel");
    expect_refused(connect_pair(*from, *owner_), Way::kGet, readable, 0, kSize, "get by another channel");
  }
  expect_undisturbed();
  // And it is for that one.
  Guarded& got = memory(kSize);
  EXPECT_EQ(get_and_wait(*honest_.left, move(got.memory(0, kSize), readable)), 0);
  Guarded& same = memory(kSize, 60);
  EXPECT_EQ(put_and_wait(*honest_.left, move(same.memory(0, kSize), writable)), 0);
  // When it has gone the window is for nobody, also where a new channel takes its place in memory.
  honest_.right->destroy_when_closed = true;
  honest_.left->close();
  expect_ended(honest_);
  for (int i = 0; i < 3; ++i) {
    expect_refused(Way::kGet, readable, 0, kSize, "get after the window's channel has gone");
  }
  honest_ = connect_pair(*thief_, *owner_);
  expect_undisturbed();
}

TEST_P(Windows, KeysDifferAndTellNothingOfEachOther) {
  Side& side = add_side(0);
  Guarded& owned = memory(4096);
  const Region& in = region(side, owned.all());
  constexpr std::size_t kCount = 10'000;
  constexpr std::size_t kAlive = 64;
  std::deque<Window> alive;
  std::set<std::string> seen;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < kCount; ++i) {
    auto window = side.endpoint->expose({.memory = owned.span(), .access = Access::kRead, .region = &in});
    ASSERT_TRUE(window.has_value()) << window.error().message();
    for (const Window& other : alive) ASSERT_NE(other.key, window->key);
    if (traits().keys_are_secret) {
      ASSERT_TRUE(seen.insert(window->key).second) << "the key of expose " << i << " came before";
    }
    keys.push_back(window->key);
    alive.push_back(*window);
    if (alive.size() == kAlive) {
      side.endpoint->revoke(alive.front());
      alive.pop_front();
    }
  }
  for (const Window& window : alive) side.endpoint->revoke(window);
  ROSS_NEEDS_TRAIT(keys_are_secret);
  // A position is random if it is set in half of the keys and differs in half of the neighbours: within 5 % of 10,000,
  // ten standard deviations. A counter, an address or a time fails the one or the other; 64 positions have to pass.
  std::size_t random_bits = 0;
  for (std::size_t bit = 0; bit < keys[0].size() * 8; ++bit) {
    const auto at = [&](std::size_t i) { return (static_cast<unsigned char>(keys[i][bit / 8]) >> (bit % 8)) & 1; };
    std::size_t set = 0;
    std::size_t changed = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(keys[i].size(), keys[0].size());
      set += static_cast<std::size_t>(at(i));
      changed += static_cast<std::size_t>(at(i) ^ at(i == 0 ? kCount - 1 : i - 1));
    }
    const auto half = [](std::size_t count) { return count > kCount * 45 / 100 && count < kCount * 55 / 100; };
    if (half(set) && half(changed)) ++random_bits;
  }
  EXPECT_GE(random_bits, 64U);
}

TEST_P(Windows, RevokeEndsWhatIsUnderWay) {
  Side& owner = add_side(0);
  Side& peer = add_side(1);
  constexpr std::size_t kBytes = 4 * kLargeBytes;
  Guarded& mine = memory(kBytes, 70);
  const Bytes wanted = pattern(71, Guarded::kGuardBytes + kBytes);
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    const bool writes = round % 2 == 0;
    Pair pair = connect_pair(peer, owner);
    // Freed at once after revoke(): a late write shows in what the allocator puts there, and to the sanitizers.
    auto owned = std::make_unique<Guarded>(kBytes, 71);
    const Window window = expose(owner, owned->span(), writes ? Access::kWrite : Access::kRead);
    Bytes into(kBytes, std::byte{0});
    std::vector<Move*> moves;
    for (std::size_t i = 0; i < 8; ++i) {
      const std::size_t part = kBytes / 8;
      const memory::Memory local =
          writes ? mine.memory(i * part, part) : memory::Memory(std::span(into).subspan(i * part, part));
      moves.push_back(&move(local, window, i * part));
      writes ? pair.left->put(*moves.back()) : pair.left->get(*moves.back());
    }
    // So far that some of it has happened, and in each round a little further.
    for (int turns = 0; turns < round * round; ++turns) {
      peer.loop->poll();
      owner.loop->poll();
    }
    revoke(owner, window);
    const Bytes then(owned->all().begin(), owned->all().end());
    if (writes) {
      settle();
      EXPECT_TRUE(same(then, owned->all())) << "written after revoke()";
    } else {
      std::memset(owned->span().data(), 0xEE, kBytes);
    }
    owned.reset();
    Move& again = move(mine.memory(0, 1), window);
    if (pair.left->closed == 0) writes ? pair.left->put(again) : pair.left->get(again);
    expect_ended(pair);
    for (std::size_t i = 0; i < moves.size(); ++i) {
      ASSERT_EQ(moves[i]->told, 1);
      if (writes || moves[i]->error != 0) continue;
      const std::size_t part = kBytes / 8;
      EXPECT_TRUE(same(std::span(into).subspan(i * part, part),
                       std::span(wanted).subspan(Guarded::kGuardBytes + i * part, part)))
          << "read after revoke()";
    }
  }
}

TEST_P(Windows, SlowMoreThanTheMostAreRefused) {
  Side& side = add_side(0);
  Side& peer = add_side(1);
  Guarded& owned = memory(Endpoint::kWindowsMax + 1, 80);
  const Region& in = region(side, owned.all());
  std::vector<Window> windows;
  for (std::size_t i = 0; i < Endpoint::kWindowsMax; ++i) {
    auto window = side.endpoint->expose({.memory = owned.span().subspan(i, 1), .access = Access::kRead, .region = &in});
    ASSERT_TRUE(window.has_value()) << i << ": " << window.error().message();
    windows.push_back(*std::move(window));
  }
  const Exposure one_more{.memory = owned.span().subspan(0, 1), .access = Access::kRead, .region = &in};
  const auto refused = side.endpoint->expose(one_more);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().error(), ENOBUFS);
  Pair pair = connect_pair(peer, side);
  for (const std::size_t i : {std::size_t{0}, Endpoint::kWindowsMax / 2, Endpoint::kWindowsMax - 1}) {
    Guarded& got = memory(1);
    ASSERT_EQ(get_and_wait(*pair.left, move(got.memory(0, 1), windows[i])), 0);
    EXPECT_EQ(got.span()[0], owned.span()[i]);
  }
  side.endpoint->revoke(windows[1000]);
  auto again = side.endpoint->expose(one_more);
  ASSERT_TRUE(again.has_value()) << again.error().message();
  windows[1000] = *again;
  for (const Window& window : windows) side.endpoint->revoke(window);
}

}  // namespace
}  // namespace ross::fabric::conformance
