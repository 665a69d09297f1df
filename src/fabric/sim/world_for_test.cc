#include "fabric/sim/world_for_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace ross::fabric::sim {
namespace {

using Bytes = std::vector<std::byte>;

constexpr ChannelLimits kWorldLimits{.head_bytes_max = 512, .payload_bytes_max = 64 * 1024};
constexpr std::size_t kSlots = 4;
constexpr std::size_t kSlotBytes = 16 * 1024;
constexpr int kOutstandingMax = 12;
constexpr std::int64_t kPatienceNs = 100'000'000;
constexpr std::byte kDead{0xDD};
constexpr std::size_t kGraveBytesMax = 64 * 1024 * 1024;

std::byte byte_of(std::uint64_t seed, std::size_t at) {
  return static_cast<std::byte>((seed * 131 + at * 7 + (at >> 8) * 3) & 0xFF);
}
Bytes bytes_of(std::uint64_t seed, std::size_t size) {
  Bytes made(size);
  for (std::size_t i = 0; i < size; ++i) made[i] = byte_of(seed, i);
  return made;
}
bool holds(std::uint64_t seed, std::span<const std::byte> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != byte_of(seed, i)) return false;
  }
  return true;
}

enum class Kind : std::uint64_t { kWindows, kPlain, kBehindPut, kAnswer };

// What a message says.
struct Head {
  Kind kind = Kind::kPlain;
  std::uint64_t number = 0;
  std::uint64_t slot = 0;
  std::uint64_t seed = 0;  // of the put's bytes
  std::uint64_t size_bytes = 0;
  char keys[2][16] = {};  // of the window to write, and to read
};

}  // namespace

// One channel of a node.
class Line final : public Receiver {
 public:
  Line(World& world, Node& node, std::unique_ptr<Channel> channel);

  void step();
  void close() {
    if (!closed_) channel_->close();
  }
  void revoke_and_expose();
  // Its host has crashed: nothing is told any more.
  void abandon();
  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] bool waits_too_long() const;

  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override;
  Status on_message() override;
  void on_closed(const Status& why) override;

 private:
  struct Letter : Outgoing {
    Line* line = nullptr;
    Bytes bytes;
  };
  struct Move : Transfer {
    Line* line = nullptr;
    Bytes bytes;
    Window window_copy;
    bool is_get = false;
  };
  void send(Head head, std::size_t payload_bytes);
  void transfer(bool is_get, std::size_t slot, std::uint64_t seed, std::size_t size_bytes);
  void expose();
  void unexpose();
  void given_back();

  World& world_;
  Node& node_;
  std::unique_ptr<Channel> channel_;
  bool closed_ = false;
  std::set<Letter*> letters_;
  std::set<Move*> moves_;
  std::int64_t last_news_ns_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  // What we show, and what we know of theirs.
  Bytes writable_;
  Bytes readable_;
  Window windows_[2];
  Window theirs_[2];
  bool slot_busy_[kSlots] = {};
  int answers_due_ = 0;
  // The message that is landing.
  bool in_message_ = false;
  Head head_;
  Bytes landing_;
};

class Node final : public Acceptor {
 public:
  Node(World& world, int number);
  void step();
  void stop();  // every channel is asked to end
  bool stopped() const;
  void crashed();  // destroys everything without a word
  void on_channel(std::unique_ptr<Channel> channel) override;

  World& world;
  const int number;
  std::unique_ptr<runtime::Loop> loop;
  std::unique_ptr<Domain> domain;
  std::unique_ptr<Endpoint> endpoint;
  std::vector<std::unique_ptr<Line>> lines;

 private:
  struct Call : Connecting {
    Node* node = nullptr;
    bool pending = false;
    Line* line = nullptr;
  };
  void forget_closed();
  std::vector<Call> calls_;  // one to each host
  bool stopping_ = false;
};

// ---- Line ----

Line::Line(World& world, Node& node, std::unique_ptr<Channel> channel)
    : world_(world), node_(node), channel_(std::move(channel)), last_news_ns_(world.clock_.monotonic_ns()) {
  channel_->start(*this);
  expose();
}

void Line::expose() {
  writable_ = Bytes(kSlots * kSlotBytes, std::byte{0});
  readable_ = bytes_of(77, kSlots * kSlotBytes);
  windows_[0] = *node_.endpoint->expose({.memory = writable_, .access = Access::kWrite, .only_for = channel_.get()});
  windows_[1] = *node_.endpoint->expose({.memory = readable_, .access = Access::kRead, .only_for = channel_.get()});
  Head head{.kind = Kind::kWindows};
  for (int i = 0; i < 2; ++i) std::memcpy(head.keys[i], windows_[i].key.data(), sizeof head.keys[i]);
  send(head, 0);
}

void Line::unexpose() {
  for (const Window& window : windows_) node_.endpoint->revoke(window);
  world_.bury(std::move(writable_));
  world_.bury(std::move(readable_));
}

void Line::revoke_and_expose() {
  if (closed_) return;
  unexpose();
  expose();
}

void Line::send(Head head, std::size_t payload_bytes) {
  auto* const letter = new Letter;
  letter->line = this;
  head.number = ++sent_;
  letter->head.resize(sizeof head);
  std::memcpy(letter->head.data(), &head, sizeof head);
  letter->bytes = bytes_of(head.number, payload_bytes);
  letter->payload = memory::Memory(letter->bytes);
  letter->sent = [](Outgoing& self, bool /*ok*/) {
    auto* const told = static_cast<Letter*>(&self);
    EXPECT_EQ(told->line->letters_.erase(told), 1U) << "a message was told twice";
    told->line->given_back();
    told->line->world_.bury(std::move(told->bytes));
    delete told;
  };
  letters_.insert(letter);
  channel_->send(*letter);
}

void Line::transfer(bool is_get, std::size_t slot, std::uint64_t seed, std::size_t size_bytes) {
  auto* const move = new Move;
  move->line = this;
  move->is_get = is_get;
  move->bytes = is_get ? Bytes(size_bytes, kDead) : bytes_of(seed, size_bytes);
  move->window_copy = theirs_[is_get ? 1 : 0];
  move->window = &move->window_copy;
  move->local = memory::Memory(move->bytes);
  move->offset_bytes = slot * kSlotBytes;
  move->done = [](Transfer& self, int error) {
    auto* const told = static_cast<Move*>(&self);
    EXPECT_EQ(told->line->moves_.erase(told), 1U) << "a transfer was told twice";
    if (told->is_get && error == 0) {
      const Bytes whole = bytes_of(77, told->offset_bytes + told->bytes.size());
      EXPECT_TRUE(std::equal(told->bytes.begin(), told->bytes.end(),
                             whole.end() - static_cast<std::ptrdiff_t>(told->bytes.size())));
      told->line->world_.checked_ += told->bytes.size();
    }
    told->line->given_back();
    told->line->world_.bury(std::move(told->bytes));
    delete told;
  };
  moves_.insert(move);
  is_get ? channel_->get(*move) : channel_->put(*move);
}

void Line::given_back() {
  EXPECT_FALSE(closed_) << "something was told after on_closed()";
  last_news_ns_ = world_.clock_.monotonic_ns();
  ++world_.told_;
}

void Line::step() {
  if (closed_ || letters_.size() + moves_.size() >= kOutstandingMax) return;
  Random& random = world_.random_;
  const std::size_t size = 1 + random.below(random.chance(1, 5) ? kSlotBytes : 500);
  const std::size_t slot = random.below(kSlots);
  if (letters_.empty() && moves_.empty() && answers_due_ == 0) last_news_ns_ = world_.clock_.monotonic_ns();
  switch (random.below(3)) {
    case 0:
      return send({.kind = Kind::kPlain}, random.chance(1, 2) ? 0 : size);
    case 1:
      if (theirs_[0].exposed() && !slot_busy_[slot]) {
        slot_busy_[slot] = true;
        const std::uint64_t seed = random.below(1'000'000);
        transfer(false, slot, seed, size);
        ++answers_due_;
        send({.kind = Kind::kBehindPut, .slot = slot, .seed = seed, .size_bytes = size}, random.below(2) * 100);
      }
      return;
    default:
      if (theirs_[1].exposed()) transfer(true, slot, 0, size);
  }
}

bool Line::waits_too_long() const {
  return !closed_ && (!letters_.empty() || !moves_.empty() || answers_due_ > 0) &&
         world_.clock_.monotonic_ns() - last_news_ns_ > kPatienceNs;
}

void Line::abandon() {
  for (Letter* const letter : letters_) {
    world_.bury(std::move(letter->bytes));
    delete letter;
  }
  for (Move* const move : moves_) {
    world_.bury(std::move(move->bytes));
    delete move;
  }
  if (!closed_) unexpose();
  if (in_message_) world_.bury(std::move(landing_));
  channel_.reset();
}

Result<memory::Memory> Line::on_head(std::span<const std::byte> head, std::size_t payload_bytes) {
  EXPECT_FALSE(closed_ || in_message_);
  EXPECT_EQ(head.size(), sizeof head_);
  std::memcpy(&head_, head.data(), sizeof head_);
  EXPECT_EQ(head_.number, ++received_) << "a message is missing, repeated or early";
  if (head_.kind == Kind::kBehindPut) {
    // The window it was put into may be another one by now; then the put was refused, or went to the old memory.
    const std::span<const std::byte> slot = std::span(writable_).subspan(head_.slot * kSlotBytes, head_.size_bytes);
    const bool is_old = std::ranges::all_of(slot, [](std::byte byte) { return byte == std::byte{0}; });
    EXPECT_TRUE(holds(head_.seed, slot) || (is_old && world_.options_.revokes_per_million > 0))
        << "a message arrived before the data of a put begun before it";
    world_.checked_ += slot.size();
  }
  in_message_ = true;
  landing_ = Bytes(payload_bytes);
  return memory::Memory(landing_);
}

Status Line::on_message() {
  EXPECT_TRUE(in_message_ && !closed_);
  in_message_ = false;
  EXPECT_TRUE(holds(head_.number, landing_));
  world_.checked_ += landing_.size();
  world_.bury(std::move(landing_));
  last_news_ns_ = world_.clock_.monotonic_ns();
  switch (head_.kind) {
    case Kind::kWindows:
      for (int i = 0; i < 2; ++i) {
        theirs_[i].size_bytes = kSlots * kSlotBytes;
        theirs_[i].key.assign(head_.keys[i], sizeof head_.keys[i]);
      }
      break;
    case Kind::kBehindPut:
      send({.kind = Kind::kAnswer, .slot = head_.slot}, 0);
      break;
    case Kind::kAnswer:
      slot_busy_[head_.slot] = false;
      --answers_due_;
      break;
    case Kind::kPlain:
      break;
  }
  return {};
}

void Line::on_closed(const Status& why) {
  EXPECT_FALSE(closed_) << "on_closed() twice";
  EXPECT_TRUE(letters_.empty() && moves_.empty()) << "on_closed() before everything was told";
  EXPECT_FALSE(why.ok());
  closed_ = true;
  ++world_.closed_;
  if (in_message_) world_.bury(std::move(landing_));  // its payload may not land any more
  in_message_ = false;
  unexpose();
}

// ---- Node ----

Node::Node(World& in, int which) : world(in), number(which), calls_(static_cast<std::size_t>(in.options_.hosts)) {
  const std::string host = "host" + std::to_string(number);
  loop = *runtime::Loop::create({.clock = &world.clock_});
  domain = *make_domain(world.network_, host);
  endpoint = *domain->open(*loop, {.limits = kWorldLimits, .listen = host + ":0", .acceptor = this});
  world.addresses_[static_cast<std::size_t>(number)] = endpoint->address();
}

void Node::on_channel(std::unique_ptr<Channel> channel) {
  if (stopping_) return;  // not taken
  lines.push_back(std::make_unique<Line>(world, *this, std::move(channel)));
}

void Node::forget_closed() {
  for (Call& call : calls_) {
    if (call.line != nullptr && call.line->closed()) call.line = nullptr;
  }
  std::erase_if(lines, [](const auto& line) { return line->closed(); });
}

void Node::step() {
  forget_closed();
  const std::size_t to = world.random_.below(calls_.size());
  Call& call = calls_[to];
  if (to != static_cast<std::size_t>(number) && call.line == nullptr && !call.pending) {
    call.node = this;
    call.pending = true;
    call.done = [](Connecting& self, Result<std::unique_ptr<Channel>> channel) {
      auto& one = static_cast<Call&>(self);
      EXPECT_TRUE(one.pending) << "a connection was told twice";
      one.pending = false;
      if (!channel.has_value() || one.node->stopping_) return;
      one.node->lines.push_back(std::make_unique<Line>(one.node->world, *one.node, *std::move(channel)));
      one.line = one.node->lines.back().get();
    };
    endpoint->connect(world.addresses_[to], call, world.clock_.monotonic_ns() + kPatienceNs);
  }
  if (lines.empty()) return;
  Line& line = *lines[world.random_.below(lines.size())];
  line.step();
  if (world.random_.chance(world.options_.revokes_per_million, 1'000'000)) line.revoke_and_expose();
  for (const auto& one : lines) {
    if (one->waits_too_long()) one->close();
  }
}

void Node::stop() {
  stopping_ = true;
  for (const auto& line : lines) line->close();
}

bool Node::stopped() const {
  return std::ranges::all_of(lines, [](const auto& line) { return line->closed(); }) &&
         std::ranges::none_of(calls_, [](const Call& call) { return call.pending; });
}

void Node::crashed() {
  for (const auto& line : lines) line->abandon();
  lines.clear();
  endpoint.reset();
}

// ---- World ----

World::World(const WorldOptions& options)
    : options_(options),
      random_(options.seed),
      network_(clock_, {.seed = options.seed, .link = options.link}),
      down_until_step_(static_cast<std::size_t>(options.hosts)),
      addresses_(static_cast<std::size_t>(options.hosts)) {
  for (int i = 0; i < options_.hosts; ++i) nodes_.push_back(std::make_unique<Node>(*this, i));
}

World::~World() = default;

void World::bury(Bytes memory) {
  if (memory.empty() || grave_bytes_ + memory.size() > kGraveBytesMax) return;
  std::ranges::fill(memory, kDead);
  grave_bytes_ += memory.size();
  graves_.push_back(std::move(memory));
}

void World::expect_graves_undisturbed() const {
  for (const Bytes& grave : graves_) {
    ASSERT_TRUE(std::ranges::all_of(grave, [](std::byte byte) { return byte == kDead; }))
        << "memory was written that had been given back";
  }
}

void World::turn() {
  for (const auto& node : nodes_) {
    if (node != nullptr) node->loop->poll();
  }
  clock_.advance(static_cast<std::int64_t>(random_.below(20'000)));
}

void World::run() {
  for (int step = 0; step < options_.steps && !testing::Test::HasFailure(); ++step) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i] == nullptr) {
        if (step < down_until_step_[i]) continue;
        network_.restart("host" + std::to_string(i));
        nodes_[i] = std::make_unique<Node>(*this, static_cast<int>(i));
      }
      if (random_.chance(options_.crashes_per_million, 1'000'000)) {
        network_.crash("host" + std::to_string(i));
        nodes_[i]->crashed();
        nodes_[i].reset();
        down_until_step_[i] = step + 20 + static_cast<int>(random_.below(200));
        continue;
      }
      nodes_[i]->step();
    }
    if (random_.chance(options_.partitions_per_million, 1'000'000)) {
      network_.partition("host0", "host1", static_cast<std::int64_t>(random_.below(40'000'000)));
    }
    turn();
  }
  for (const auto& node : nodes_) {
    if (node != nullptr) node->stop();
  }
  // Bounded: connections give up at their deadline, and ends are told whatever the network does.
  const auto stopped = [&] {
    return std::ranges::all_of(nodes_, [](const auto& node) { return node == nullptr || node->stopped(); });
  };
  for (int i = 0; i < 100'000 && !stopped(); ++i) turn();
  EXPECT_TRUE(stopped()) << "a channel was never told its end";
  // What is still on its way lands nowhere.
  for (int i = 0; i < 5'000; ++i) turn();
  for (const auto& node : nodes_) {
    if (node == nullptr) continue;
    node->lines.clear();
    node->endpoint.reset();
  }
  for (int i = 0; i < 100; ++i) turn();
  expect_graves_undisturbed();
}

}  // namespace ross::fabric::sim
