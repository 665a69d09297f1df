// The traffic of socket_get through the fabric's interface, over any backend: what the interface costs.
//
//   fabric_get --backend tcp --mode get1m --by put --seconds 3        one line of JSON
//
// by put: the client exposes memory for each request, the server puts the data there and answers. by get: the client reads a
// window of the server. by inline: the data travels in the answer. Threading: two processes of one thread each.
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "apps/options/options.h"
#include "fabric/endpoint.h"
#include "limits/backends.h"
#include "limits/report.h"
#include "runtime/loop.h"

namespace ross::bench {
namespace {

using fabric::Window;

constexpr fabric::ChannelLimits kLimits{.head_bytes_max = 4096, .payload_bytes_max = 1 << 20};
constexpr std::size_t kBuffers = 16;  // of 1 MiB each, on both sides

enum class By : std::uint32_t { kInline, kPut, kGet };

// What is asked; the key of a window follows. The answer's head is the slot, or for a first request the server's window.
struct Request {
  std::uint32_t slot = 0;
  By by = By::kInline;
  std::uint64_t size_bytes = 0;
};

By by_of(const std::string& name) {
  if (name == "inline") return By::kInline;
  if (name == "put") return By::kPut;
  if (name == "get") return By::kGet;
  give_up(name, "there is inline, put and get");
}

template <class T>
T must(Result<T> result, const char* what) {
  if (!result.has_value()) give_up(what, result.error().message());
  return *std::move(result);
}

class Server final : public fabric::Acceptor, public fabric::Receiver {
 public:
  Server(runtime::Loop& loop, fabric::Domain& domain, const std::string& listen) : loop_(loop), data_(kBuffers << 20) {
    region_ = must(domain.add_region(data_), "register");
    endpoint_ = must(domain.open(loop, {.limits = kLimits, .listen = listen, .acceptor = this}), "listen");
  }
  [[nodiscard]] std::string address() const { return endpoint_->address(); }
  ServerReport run() {
    while (channel_ == nullptr) loop_.wait();
    const Watch watch;
    while (!closed_) loop_.wait();
    report_.cpu_seconds = watch.cpu_seconds();
    if (window_.exposed()) endpoint_->revoke(window_);
    channel_.reset();
    endpoint_.reset();
    return report_;
  }

 private:
  struct Answer : fabric::Outgoing {
    Server* server = nullptr;
    Window window;
    fabric::Transfer transfer;
  };

  void on_channel(std::unique_ptr<fabric::Channel> channel) override {
    channel_ = std::move(channel);
    channel_->start(*this);
  }
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t) override {
    std::memcpy(&request_, head.data(), sizeof request_);
    key_.assign(reinterpret_cast<const char*>(head.data()) + sizeof request_, head.size() - sizeof request_);
    return memory::Memory();
  }
  Status on_message() override {
    Answer& answer = free_answer();
    answer.payload = memory::Memory();
    answer.head.resize(sizeof request_.slot);
    std::memcpy(answer.head.data(), &request_.slot, sizeof request_.slot);
    const std::span part = std::span(data_).subspan(answers_made_++ % kBuffers << 20, request_.size_bytes);
    if (request_.by == By::kInline) answer.payload = memory::Memory(part);
    if (request_.by == By::kPut) {
      answer.window.key = key_;
      answer.window.size_bytes = request_.size_bytes;
      answer.transfer.local = memory::Memory(part);
      answer.transfer.region = region_.get();
      answer.transfer.window = &answer.window;
      answer.transfer.done = [](fabric::Transfer&, int) {};
      channel_->put(answer.transfer);
    }
    if (request_.by == By::kGet) {
      window_ = must(endpoint_->expose({data_, fabric::Access::kRead, region_.get(), nullptr}), "expose");
      answer.head.resize(window_.key.size());
      std::memcpy(answer.head.data(), window_.key.data(), window_.key.size());
    }
    channel_->send(answer);
    return {};
  }
  void on_closed(const Status&) override { closed_ = true; }

  Answer& free_answer() {
    if (free_.empty()) {
      answers_.emplace_back();
      answers_.back().server = this;
      // Behind the put on the channel, so that is done with, too.
      answers_.back().sent = [](fabric::Outgoing& self, bool) {
        auto& answer = static_cast<Answer&>(self);
        answer.server->free_.push_back(&answer);
      };
      free_.push_back(&answers_.back());
    }
    Answer& answer = *free_.back();
    free_.pop_back();
    return answer;
  }

  runtime::Loop& loop_;
  std::vector<std::byte> data_;
  std::unique_ptr<fabric::Region> region_;
  std::unique_ptr<fabric::Endpoint> endpoint_;
  std::unique_ptr<fabric::Channel> channel_;
  Window window_;
  Request request_;
  std::string key_;
  std::deque<Answer> answers_;
  std::vector<Answer*> free_;
  ServerReport report_;
  std::uint64_t answers_made_ = 0;
  bool closed_ = false;
};

class Client final : public fabric::Receiver {
 public:
  Client(runtime::Loop& loop, fabric::Domain& domain, const std::string& address, Traffic traffic, By by)
      : loop_(loop), traffic_(std::move(traffic)), by_(by), data_(kBuffers << 20) {
    region_ = must(domain.add_region(data_), "register");
    endpoint_ = must(domain.open(loop, {.limits = kLimits}), "open");
    Connected connected;
    connected.done = [](fabric::Connecting& self, Result<std::unique_ptr<fabric::Channel>> channel) {
      static_cast<Connected&>(self).channel = must(std::move(channel), "connect");
    };
    endpoint_->connect(address, connected, loop.clock().monotonic_ns() + 5'000'000'000);
    while (connected.channel == nullptr) loop.wait();
    channel_ = std::move(connected.channel);
    channel_->start(*this);
    for (std::size_t i = 0; i < traffic_.inflight; ++i) {
      Call& call = calls_.emplace_back();
      call.client = this;
      call.slot = static_cast<std::uint32_t>(i);
      call.sent = [](fabric::Outgoing& self, bool) {
        static_cast<Call&>(self).client->half_done(static_cast<Call&>(self));
      };
      call.transfer.client = this;
      call.transfer.slot = call.slot;
      call.transfer.done = [](fabric::Transfer& self, int error) {
        if (error != 0) give_up("get", Status(error).message());
        auto& done = static_cast<Get&>(self);
        done.client->answered(done.client->calls_[done.slot]);
      };
    }
  }

  void run(double seconds, Latencies& latencies) {
    latencies_ = &latencies;
    if (by_ == By::kGet) {
      call(calls_[0], By::kGet);
      while (!window_.exposed()) loop_.wait();
    }
    until_ = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
    const bool one_sided = by_ == By::kGet;
    for (Call& each : calls_) one_sided ? get(each) : call(each, by_);
    while (running_ > 0) loop_.wait();
  }
  void close() {
    channel_->close();
    while (!closed_) loop_.wait();
    channel_.reset();
    endpoint_.reset();
  }

 private:
  struct Connected : fabric::Connecting {
    std::unique_ptr<fabric::Channel> channel;
  };
  struct Get : fabric::Transfer {
    Client* client = nullptr;
    std::uint32_t slot = 0;
  };
  struct Call : fabric::Outgoing {
    Client* client = nullptr;
    std::uint32_t slot = 0;
    int halves = 0;  // the request has left, the answer has come
    std::int64_t began_ns = 0;
    Window window;
    Get transfer;
  };

  // Calls share memory where there are more of them than there is; nobody reads it.
  [[nodiscard]] std::size_t stride() const { return std::max<std::size_t>(traffic_.size_bytes, 65536); }
  [[nodiscard]] std::span<std::byte> memory_of(const Call& call) {
    return std::span(data_).subspan(call.slot % (data_.size() / stride()) * stride(), traffic_.size_bytes);
  }

  void call(Call& call, By by) {
    ++running_;
    call.halves = 2;
    call.began_ns = now_ns();
    if (by == By::kPut) {
      call.window =
          must(endpoint_->expose({memory_of(call), fabric::Access::kWrite, region_.get(), channel_.get()}), "expose");
    }
    const Request request{.slot = call.slot, .by = by, .size_bytes = traffic_.size_bytes};
    const std::string& key = call.window.key;
    call.head.resize(sizeof request + key.size());
    std::memcpy(call.head.data(), &request, sizeof request);
    if (!key.empty()) std::memcpy(call.head.data() + sizeof request, key.data(), key.size());
    channel_->send(call);
  }

  void get(Call& call) {
    ++running_;
    call.began_ns = now_ns();
    call.transfer.local = memory::Memory(memory_of(call));
    call.transfer.region = region_.get();
    call.transfer.window = &window_;
    call.transfer.offset_bytes = call.slot % kBuffers << 20;
    channel_->get(call.transfer);
  }

  void half_done(Call& done) {
    if (--done.halves == 0) answered(done);
  }

  void answered(Call& done) {
    --running_;
    if (done.window.exposed()) {
      endpoint_->revoke(done.window);
      done.window = {};
    }
    const std::int64_t now = now_ns();
    if (by_ == By::kGet && until_ == 0) return;  // that was the server's window
    latencies_->add(now - done.began_ns);
    if (now >= until_) return;
    by_ == By::kGet ? get(done) : call(done, by_);
  }

  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override {
    if (by_ == By::kGet) {
      window_ = {data_.size(), std::string(reinterpret_cast<const char*>(head.data()), head.size())};
      answered_ = &calls_[0];
    } else {
      std::uint32_t slot = 0;
      std::memcpy(&slot, head.data(), sizeof slot);
      answered_ = &calls_[slot];
    }
    return payload_bytes > 0 ? memory::Memory(memory_of(*answered_)) : memory::Memory();
  }
  Status on_message() override {
    half_done(*answered_);
    return {};
  }
  void on_closed(const Status& why) override {
    if (running_ > 0) give_up("the channel ended", why.message());
    closed_ = true;
  }

  runtime::Loop& loop_;
  const Traffic traffic_;
  const By by_;
  std::vector<std::byte> data_;
  std::unique_ptr<fabric::Region> region_;
  std::unique_ptr<fabric::Endpoint> endpoint_;
  std::unique_ptr<fabric::Channel> channel_;
  std::deque<Call> calls_;
  Call* answered_ = nullptr;
  Window window_;  // the server's
  Latencies* latencies_ = nullptr;
  std::int64_t until_ = 0;
  std::size_t running_ = 0;
  bool closed_ = false;
};

int run(int argc, char** argv) {
  ross::apps::Options line("Two processes and the fabric", "fabric_get");
  std::string backend = "tcp";
  std::string mode = "get4k";
  std::string by = "inline";
  double seconds = 3;
  std::size_t size_bytes = 0;
  std::size_t inflight = 0;
  std::int64_t spin_us = 20;
  line.option("--backend", backend, backend_names());
  line.option("--mode", mode, "get1m, get4k or echo");
  line.option("--by", by, "inline, put or get");
  line.option("--seconds", seconds);
  line.option("--size", size_bytes, "of an answer, in place of the mode's");
  line.option("--inflight", inflight);
  line.option("--spin-us", spin_us, "how long the loops look before they sleep");
  if (const auto ended = line.parse(argc, argv)) return *ended;
  const Traffic traffic = traffic_of(mode, size_bytes, inflight);
  std::array<int, 2> report{};
  std::array<int, 2> meet{};
  if (::pipe(report.data()) != 0 || ::pipe(meet.data()) != 0) give_up("pipe", std::strerror(errno));
  const pid_t child = ::fork();
  if (child < 0) give_up("fork", std::strerror(errno));
  if (child == 0) {
    const auto domain = must(make_domain(backend), backend.c_str());
    const auto loop = must(runtime::Loop::create({.spin_ns = spin_us * 1000}), "loop");
    Server server(*loop, *domain, listen_address(backend));
    std::array<char, fabric::kAddressBytesMax> address{};
    std::strncpy(address.data(), server.address().c_str(), address.size() - 1);
    if (::write(meet[1], address.data(), address.size()) < 0) return 1;
    const ServerReport told = server.run();
    return ::write(report[1], &told, sizeof told) == sizeof told ? 0 : 1;
  }
  ::close(report[1]);
  ::close(meet[1]);
  std::array<char, fabric::kAddressBytesMax> address{};
  if (::read(meet[0], address.data(), address.size()) <= 0) give_up("server", "it did not start");
  const auto domain = must(make_domain(backend), backend.c_str());
  const auto loop = must(runtime::Loop::create({.spin_ns = spin_us * 1000}), "loop");
  Client client(*loop, *domain, address.data(), traffic, by_of(by));
  Latencies latencies;
  const Watch watch;
  client.run(seconds, latencies);
  client.close();
  print_report("fabric_get", backend + " " + by, traffic, watch, latencies, report[0]);
  ::waitpid(child, nullptr, 0);
  return 0;
}

}  // namespace
}  // namespace ross::bench

int main(int argc, char** argv) { return ross::bench::run(argc, argv); }
