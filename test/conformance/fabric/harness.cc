#include "conformance/fabric/harness.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

namespace ross::fabric::conformance {
namespace {

// How long a loop sleeps while another one of the same thread may have work.
constexpr std::int64_t kTurnNs = 50'000;

std::uint64_t seed_of_test = 0;

// One pass over the loops; where that finds nothing, each sleeps a moment.
std::size_t turn(std::span<runtime::Loop* const> loops) {
  std::size_t count = 0;
  for (runtime::Loop* const loop : loops) count += loop->poll();
  for (std::size_t i = 0; i < loops.size() && count == 0; ++i) {
    count += loops[i]->wait(loops[i]->clock().monotonic_ns() + kTurnNs);
  }
  return count;
}

std::vector<runtime::Loop*> loops_of(const std::deque<std::unique_ptr<Side>>& sides) {
  std::vector<runtime::Loop*> loops;
  for (const auto& side : sides) {
    if (side->loop_owned != nullptr) loops.push_back(side->loop);
  }
  return loops;
}

}  // namespace

std::uint64_t test_seed() { return seed_of_test; }

Bytes bytes(std::string_view text) {
  Bytes made(text.size());
  std::memcpy(made.data(), text.data(), text.size());
  return made;
}

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

Bytes told_window(const Window& window) {
  Bytes head(sizeof window.size_bytes + window.key.size());
  std::memcpy(head.data(), &window.size_bytes, sizeof window.size_bytes);
  std::memcpy(head.data() + sizeof window.size_bytes, window.key.data(), window.key.size());
  return head;
}

Window window_of(const Bytes& head) {
  Window window;
  std::memcpy(&window.size_bytes, head.data(), sizeof window.size_bytes);
  window.key.assign(reinterpret_cast<const char*>(head.data()) + sizeof window.size_bytes,
                    head.size() - sizeof window.size_bytes);
  return window;
}

// ---- what is handed to a channel ----

Letter::Letter(Bytes head_bytes, Bytes payload_bytes, std::size_t pieces) : storage(std::move(payload_bytes)) {
  head = std::move(head_bytes);
  std::size_t begin = 0;
  for (std::size_t i = 0; i < pieces; ++i) {
    const std::size_t size = storage.size() / pieces + (i < storage.size() % pieces ? 1 : 0);
    spans.push_back({storage.data() + begin, size});
    begin += size;
  }
  payload = pieces == 1 ? memory::Memory(storage) : memory::Memory(std::span<const memory::Span>(spans));
  sent = [](Outgoing& self, bool was_ok) {
    auto& letter = static_cast<Letter&>(self);
    EXPECT_EQ(++letter.told, 1) << "a message was told twice";
    EXPECT_FALSE(letter.in_call) << "sent() inside send()";
    letter.ok = was_ok;
    letter.end->expect_on_loop("sent()");
    EXPECT_EQ(letter.end->closed, 0) << "sent() after on_closed()";
    --letter.end->outstanding;
    if (letter.then) letter.then();
  };
}

Move::Move(memory::Memory local_memory, const Window& to, std::uint64_t offset, const Region* in) : peers(to) {
  local = local_memory;
  region = in;
  window = &peers;
  offset_bytes = offset;
  done = [](Transfer& self, int with) {
    auto& move = static_cast<Move&>(self);
    EXPECT_EQ(++move.told, 1) << "a transfer was told twice";
    EXPECT_FALSE(move.in_call) << "done() inside put() or get()";
    EXPECT_GE(with, 0) << "errors are positive";
    move.error = with;
    move.end->expect_on_loop("done()");
    EXPECT_EQ(move.end->closed, 0) << "done() after on_closed()";
    --move.end->outstanding;
    if (move.then) move.then();
  };
}

Guarded::Guarded(std::size_t size_bytes, std::uint64_t seed)
    : size_bytes_(size_bytes), bytes_(pattern(seed, size_bytes + 2 * kGuardBytes)), before_(bytes_) {}

bool Guarded::untouched_outside(std::size_t offset, std::size_t size) const {
  const std::span<const std::byte> now(bytes_);
  const std::span<const std::byte> before(before_);
  const std::size_t begin = kGuardBytes + offset;
  return same(now.first(begin), before.first(begin)) && same(now.subspan(begin + size), before.subspan(begin + size));
}

// ---- ends ----

void Side::on_channel(std::unique_ptr<Channel> channel) {
  EXPECT_EQ(runtime::Loop::current(), loop) << "on_channel() on another loop";
  if (on_accept) return on_accept(std::move(channel));
  accepted.push_back(std::move(channel));
}

Bytes End::Received::payload() const {
  Bytes whole;
  for (const Bytes& piece : pieces) whole.insert(whole.end(), piece.begin(), piece.end());
  return whole;
}

void End::send(Letter& letter) {
  letter.end = this;
  ++outstanding;
  letter.in_call = true;
  channel->send(letter);
  letter.in_call = false;
}

void End::begin(Move& move, bool is_put) {
  move.end = this;
  ++outstanding;
  move.in_call = true;
  is_put ? channel->put(move) : channel->get(move);
  move.in_call = false;
}

void End::expect_on_loop(const char* what) const {
  EXPECT_EQ(runtime::Loop::current(), side.loop) << what << " on another loop, or outside any";
}

Result<memory::Memory> End::on_head(std::span<const std::byte> head, std::size_t payload_bytes) {
  expect_on_loop("on_head()");
  EXPECT_EQ(closed, 0) << "on_head() after on_closed()";
  EXPECT_FALSE(in_message_) << "a head inside a message";
  current_ = {.head = Bytes(head.begin(), head.end()), .pieces = {}};
  if (on_each_head) on_each_head(current_.head, payload_bytes);
  if (refuse_head_with != 0) return fail(refuse_head_with, "the test refuses this head");
  in_message_ = true;
  spans_.clear();
  for (std::size_t i = 0; i < pieces; ++i) {
    current_.pieces.emplace_back(payload_bytes / pieces + (i < payload_bytes % pieces ? 1 : 0));
    spans_.push_back({current_.pieces.back().data(), current_.pieces.back().size()});
  }
  return pieces == 1 ? memory::Memory(spans_[0].data, spans_[0].size_bytes)
                     : memory::Memory(std::span<const memory::Span>(spans_));
}

Status End::on_message() {
  expect_on_loop("on_message()");
  EXPECT_EQ(closed, 0) << "on_message() after on_closed()";
  EXPECT_TRUE(in_message_) << "a message without a head";
  in_message_ = false;
  ++messages;
  if (refuse_message_with != 0) return Status(refuse_message_with, "the test refuses this message");
  if (keep) received.push_back(std::move(current_));
  if (on_each) on_each(keep ? received.back() : current_);
  return {};
}

void End::on_closed(const Status& status) {
  expect_on_loop("on_closed()");
  EXPECT_EQ(++closed, 1) << "on_closed() twice";
  EXPECT_EQ(outstanding, 0) << "on_closed() before everything was told";
  EXPECT_FALSE(status.ok()) << "a channel ends with a reason";
  why = status;
  if (destroy_when_closed) channel.reset();
  if (when_closed) when_closed();
}

// ---- sides ----

Result<std::unique_ptr<Side>> make_side(Fixture& fixture, int of, const SideOptions& options) {
  auto side = std::make_unique<Side>();
  if (options.on_loop_of != nullptr) {
    side->loop = options.on_loop_of->loop;
  } else {
    ROSS_TRY(side->loop_owned, fixture.make_loop());
    side->loop = side->loop_owned.get();
  }
  side->domain = &fixture.domain(of);
  ROSS_TRY(side->endpoint, side->domain->open(*side->loop, {.limits = options.limits,
                                                            .listen = options.listens ? fixture.listen_address(of) : "",
                                                            .acceptor = options.listens ? side.get() : nullptr}));
  return side;
}

bool drive_loops(std::span<runtime::Loop* const> loops, const std::function<bool()>& done) {
  const std::int64_t deadline = system_clock().monotonic_ns() + kPatienceNs;
  while (!done()) {
    if (system_clock().monotonic_ns() > deadline) return false;
    turn(loops);
  }
  return true;
}

bool drive_alone(Side& side, const std::function<bool()>& done) {
  runtime::Loop* const loops[] = {side.loop};
  return drive_loops(loops, done);
}

Result<std::unique_ptr<Channel>> connect_from(Side& from, std::string_view address, std::int64_t patience_ns,
                                              const Drive& drive) {
  struct Attempt : Connecting {
    Result<std::unique_ptr<Channel>> result = fail(ECANCELED, "connect() did not come back");
    runtime::Loop* loop = nullptr;
    int told = 0;
    bool in_call = false;
  };
  Attempt attempt;
  attempt.loop = from.loop;
  attempt.done = [](Connecting& self, Result<std::unique_ptr<Channel>> channel) {
    auto& one = static_cast<Attempt&>(self);
    EXPECT_EQ(++one.told, 1) << "a connection was told twice";
    EXPECT_FALSE(one.in_call) << "done() inside connect()";
    EXPECT_EQ(runtime::Loop::current(), one.loop) << "done() on another loop";
    if (!channel.has_value()) {
      EXPECT_FALSE(channel.error().ok());
    }
    one.result = std::move(channel);
  };
  const std::int64_t deadline = from.loop->clock().monotonic_ns() + patience_ns;
  attempt.in_call = true;
  from.endpoint->connect(address, attempt, deadline);
  attempt.in_call = false;
  drive([&] { return attempt.told > 0; });
  return std::move(attempt.result);
}

// ---- the fixture ----

void FabricTest::SetUp() {
  if (backend().skip) {
    static std::map<std::string, std::string> asked;  // probing a machine may take its time
    const auto [found, is_new] = asked.try_emplace(backend().name);
    if (is_new) found->second = backend().skip();
    if (!found->second.empty()) GTEST_SKIP() << backend().name << ": " << found->second;
  }
  const char* const given = std::getenv("ROSS_SEED");
  seed_of_test = given != nullptr ? std::strtoull(given, nullptr, 10) : random_seed();
  auto made = backend().make();
  ASSERT_TRUE(made.has_value()) << made.error().message();
  fixture_ = *std::move(made);
}

void FabricTest::TearDown() {
  if (fixture_ == nullptr) return;
  for (const auto& end : ends_) {
    if (end->channel != nullptr && end->closed == 0) end->close();
  }
  drive([&] { return std::ranges::all_of(ends_, [](const auto& end) { return end->closed == 1 || !end->channel; }); });
  for (const auto& end : ends_) EXPECT_EQ(end->outstanding, 0);
  for (const auto& side : sides_) side->accepted.clear();  // never started
  ends_.clear();
  for (const auto& [side, window] : exposed_) side->endpoint->revoke(window);
  exposed_.clear();
  // Endpoints first: several may share a loop.
  for (const auto& side : sides_) side->endpoint.reset();
  regions_.clear();
  sides_.clear();
  fixture_.reset();
  if (HasFailure()) std::fprintf(stderr, "replay with ROSS_SEED=%llu\n", static_cast<unsigned long long>(seed()));
}

Side& FabricTest::add_side(int of, const SideOptions& options) {
  auto side = make_side(*fixture_, of, options);
  if (!side.has_value()) {
    ADD_FAILURE() << "opening an endpoint: " << side.error().message();
    std::abort();  // nothing a test could go on with
  }
  sides_.push_back(*std::move(side));
  return *sides_.back();
}

void FabricTest::remove_side(Side& side) {
  const auto is_here = [&](const auto& one) { return &one->side == &side; };
  for (const auto& end : ends_) {
    if (is_here(end)) {
      EXPECT_TRUE(end->closed == 1 || !end->channel);
    }
  }
  std::erase_if(ends_, is_here);
  std::erase_if(exposed_, [&](const auto& one) {
    if (one.first != &side) return false;
    side.endpoint->revoke(one.second);
    return true;
  });
  side.accepted.clear();
  side.endpoint.reset();
  if (first_ == &side) first_ = nullptr;
  if (second_ == &side) second_ = nullptr;
  std::erase_if(sides_, [&](const auto& one) { return one.get() == &side; });
}

Letter& FabricTest::letter(Bytes head, Bytes payload, std::size_t pieces) {
  return letters_.emplace_back(std::move(head), std::move(payload), pieces);
}
Move& FabricTest::move(memory::Memory local, const Window& window, std::uint64_t offset, const Region* in) {
  return moves_.emplace_back(local, window, offset, in);
}
Guarded& FabricTest::memory(std::size_t size_bytes, std::uint64_t pattern_seed) {
  return memory_.emplace_back(size_bytes, pattern_seed);
}
Region& FabricTest::region(Side& side, std::span<std::byte> of) {
  auto made = side.domain->add_region(of);
  if (!made.has_value()) ADD_FAILURE() << made.error().message();
  regions_.push_back(*std::move(made));
  return *regions_.back();
}

End& FabricTest::adopt(Side& side, std::unique_ptr<Channel> channel, bool start) {
  ends_.push_back(std::make_unique<End>(side));
  End& end = *ends_.back();
  end.channel = std::move(channel);
  if (start) end.start();
  return end;
}

Result<std::unique_ptr<Channel>> FabricTest::connect_to(Side& from, std::string_view address,
                                                        std::int64_t patience_ns) {
  return connect_from(from, address, patience_ns, [this](const std::function<bool()>& done) { return drive(done); });
}

FabricTest::Pair FabricTest::connect_pair(Side& from, Side& to, bool start) {
  auto channel = connect_to(from, to.endpoint->address());
  if (!channel.has_value()) {
    ADD_FAILURE() << "connecting to " << to.endpoint->address() << ": " << channel.error().message();
    std::abort();  // nothing a test could go on with
  }
  if (!drive([&] { return !to.accepted.empty(); })) std::abort();
  End& left = adopt(from, *std::move(channel), start);
  End& right = adopt(to, std::move(to.accepted.front()), start);
  to.accepted.pop_front();
  return {.left = &left, .right = &right};
}

FabricTest::Pair FabricTest::connect_pair() {
  if (first_ == nullptr) first_ = &add_side(0);
  if (second_ == nullptr) second_ = &add_side(1);
  return connect_pair(*first_, *second_);
}

bool FabricTest::drive(const std::function<bool()>& done) {
  const auto loops = loops_of(sides_);
  const bool came = drive_loops(loops, done);
  EXPECT_TRUE(came) << "what the test waited for did not come";
  return came;
}

void FabricTest::settle(std::int64_t quiet_ns) {
  const auto loops = loops_of(sides_);
  if (loops.empty()) return;
  const Clock& clock = loops.front()->clock();
  const std::int64_t deadline = system_clock().monotonic_ns() + kPatienceNs;
  std::int64_t quiet_since = clock.monotonic_ns();
  while (clock.monotonic_ns() - quiet_since < quiet_ns && system_clock().monotonic_ns() < deadline) {
    if (turn(loops) > 0) quiet_since = clock.monotonic_ns();
  }
}

void FabricTest::send_and_wait(End& from, End& to, Letter& letter) {
  const std::size_t before = to.messages;
  from.send(letter);
  drive([&] { return letter.told == 1 && to.messages > before; });
  EXPECT_TRUE(letter.ok);
}

int FabricTest::put_and_wait(End& end, Move& move) {
  end.put(move);
  drive([&] { return move.told == 1; });
  return move.error;
}

int FabricTest::get_and_wait(End& end, Move& move) {
  end.get(move);
  drive([&] { return move.told == 1; });
  return move.error;
}

Window FabricTest::expose(Side& side, std::span<std::byte> memory, Access access, const Region* region,
                          const Channel* only_for) {
  auto window = side.endpoint->expose({.memory = memory, .access = access, .region = region, .only_for = only_for});
  if (!window.has_value()) {
    ADD_FAILURE() << "expose: " << window.error().message();
    return {};
  }
  EXPECT_TRUE(window->exposed());
  EXPECT_EQ(window->size_bytes, memory.size());
  EXPECT_LE(window->key.size(), kKeyBytesMax);
  exposed_.emplace_back(&side, *window);
  return *std::move(window);
}

void FabricTest::revoke(Side& side, const Window& window) {
  const auto erased =
      std::erase_if(exposed_, [&](const auto& one) { return one.first == &side && one.second.key == window.key; });
  EXPECT_EQ(erased, 1U);
  side.endpoint->revoke(window);
}

void FabricTest::expect_ended(Pair pair) {
  drive([&] { return pair.left->closed == 1 && pair.right->closed == 1; });
}

}  // namespace ross::fabric::conformance
