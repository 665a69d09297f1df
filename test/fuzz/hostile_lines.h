// What users of an endpoint do while hostile bytes arrive: they take channels, connect, and ask for transfers and messages. Each checks
// that it is told once. Threading: owner thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fabric/endpoint.h"
#include "hostile_channel.h"

namespace ross::fabric {

struct Letter : Outgoing {
  std::vector<std::byte> bytes = std::vector<std::byte>(3000);
  int told = 0;
  Letter() {
    head.resize(8);
    payload = memory::Memory(bytes);
    sent = [](Outgoing& self, bool) { ++static_cast<Letter&>(self).told; };
  }
};

// A channel of ours, and its user.
struct Line {
  std::unique_ptr<Channel> channel;
  Peerless receiver;
};

struct Lines final : Acceptor, Connecting {
  std::vector<std::unique_ptr<Line>> all;
  bool drops_second = false;
  std::size_t seen = 0;
  int dials_told = 0;
  std::function<void()> meanwhile;  // of every receiver
  Lines() {
    done = [](Connecting& self, Result<std::unique_ptr<Channel>> channel) {
      auto& lines = static_cast<Lines&>(self);
      ++lines.dials_told;
      if (channel.has_value()) lines.take(*std::move(channel));
    };
  }
  void on_channel(std::unique_ptr<Channel> channel) override { take(std::move(channel)); }
  void take(std::unique_ptr<Channel> channel) {
    if (++seen == 2 && drops_second) return;
    auto& line = *all.emplace_back(std::make_unique<Line>());
    line.channel = std::move(channel);
    line.receiver.meanwhile = meanwhile;
    line.channel->start(line.receiver);
  }
  [[nodiscard]] bool closed() const {
    return std::ranges::all_of(all, [](const auto& line) { return line->receiver.closed; });
  }
};

// What is asked of one channel.
class Asks {
 public:
  static constexpr std::size_t kLettersMax = 64;
  Asks(std::string write_key, std::string read_key)
      : writable_{.size_bytes = Guarded::kBytes, .key = std::move(write_key)},
        readable_{.size_bytes = Guarded::kBytes, .key = std::move(read_key)} {
    put_.window = &writable_;
    get_.window = &readable_;
    for (Asked* const asked : {&put_, &get_}) asked->local = memory::Memory(into_.span());
  }
  void put(Channel& channel) {
    ++puts_;
    channel.put(put_);
  }
  void get(Channel& channel) {
    ++gets_;
    channel.get(get_);
  }
  void send(Channel& channel) {
    if (letters_.size() < kLettersMax) channel.send(*letters_.emplace_back(std::make_unique<Letter>()));
  }
  // After the end of the channel.
  void check() const {
    ROSS_CHECK(put_.told == puts_ && get_.told == gets_, "a transfer was not told of once");
    ROSS_CHECK(std::ranges::all_of(letters_, [](const auto& letter) { return letter->told == 1; }));
    ROSS_CHECK(into_.whole());
  }

 private:
  const Window writable_;
  const Window readable_;
  Guarded into_;
  Asked put_;
  Asked get_;
  int puts_ = 0;
  int gets_ = 0;
  std::vector<std::unique_ptr<Letter>> letters_;
};

}  // namespace ross::fabric
