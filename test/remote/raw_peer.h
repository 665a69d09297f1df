// RawPeer: a peer of a server that says what a test tells it to, below the client's manners.
//
// It has a loop of its own, driven inside its calls. Threading: owner thread.
#pragma once

#include <unistd.h>

#include <cstring>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "fabric/local/unix_domain.h"
#include "runtime/loop.h"
#include "wire/message.h"

namespace ross::remote_test {

class RawPeer final : private fabric::Receiver {
 public:
  // Connected, and greeted unless hello is to be sent by the test.
  explicit RawPeer(const std::filesystem::path& path, bool greets = true)
      : RawPeer(path, wire::Hello{.pid = ::getpid()}, greets) {}
  RawPeer(const std::filesystem::path& path, const wire::Hello& hello, bool greets = true) {
    const runtime::Loop::Scope scope(*loop_);
    endpoint_ = *domain_->open(*loop_, {.limits = {wire::kHeadBytesMax, 2 * wire::kPayloadBytesMax}});
    const std::int64_t until = deadline();
    struct Dial : fabric::Connecting {
      Result<std::unique_ptr<fabric::Channel>> result = fail(EINPROGRESS);
    } dial;
    dial.done = [](fabric::Connecting& self, Result<std::unique_ptr<fabric::Channel>> channel) {
      static_cast<Dial&>(self).result = std::move(channel);
    };
    endpoint_->connect(path.string(), dial, until);
    while (!dial.result.has_value() && dial.result.error().error() == EINPROGRESS) loop_->wait(until);
    ROSS_CHECK(dial.result.has_value(), "the server cannot be reached");
    channel_ = *std::move(dial.result);
    channel_->start(*this);
    if (!greets) return;
    std::vector<std::byte> head;
    wire::encode(hello, head);
    send(head);
    const auto welcome = next();
    ROSS_CHECK(welcome.has_value() && wire::decode_welcome(*welcome).has_value(), "the server does not greet");
    welcome_ = wire::decode_welcome(*welcome)->welcome;
  }
  ~RawPeer() {
    if (channel_ != nullptr) channel_->close();
    while (channel_ != nullptr) loop_->wait(deadline());
  }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  // Why the server does not want us; 0: it does.
  [[nodiscard]] int welcome_error() const { return welcome_.error; }
  [[nodiscard]] const wire::Welcome& welcome() const { return welcome_; }
  // Lets its loop run until it has been cut off; false: it has not been.
  bool ends() {
    for (const std::int64_t until = deadline(); channel_ != nullptr && system_clock().monotonic_ns() < until;)
      loop_->wait(until);
    return channel_ == nullptr;
  }

  void send(std::span<const std::byte> head, std::size_t payload_bytes = 0) {
    auto& message = *sent_.emplace_back(std::make_unique<Message>());
    message.head.assign(head.begin(), head.end());
    message.bytes.resize(payload_bytes);
    message.payload = memory::Memory(message.bytes);
    message.sent = [](fabric::Outgoing&, bool) {};
    if (channel_ != nullptr) channel_->send(message);
    loop_->poll();
  }
  static std::vector<std::byte> encoded(const wire::Request& request) {
    std::vector<std::byte> head;
    wire::encode(request, head);
    return head;
  }
  // For what the other end does with its memory meanwhile.
  void turn() { loop_->poll(); }
  [[nodiscard]] bool has_heard() const { return !heads_.empty() || channel_ == nullptr; }
  // The head of the next message, or nothing when the server has cut us off.
  std::optional<std::vector<std::byte>> next() {
    for (const std::int64_t until = deadline(); heads_.empty() && channel_ != nullptr;) {
      loop_->wait(until);
      ROSS_CHECK(system_clock().monotonic_ns() < until, "the server neither answers nor hangs up");
    }
    if (heads_.empty()) return std::nullopt;
    auto head = std::move(heads_.front());
    heads_.pop_front();
    return head;
  }
  // The error of the next reply, or -1 when the server has cut us off.
  int reply_error(wire::ReplyHeader* header = nullptr) {
    const auto head = next();
    if (!head.has_value()) return -1;
    const auto reply = wire::decode_reply(*head);
    ROSS_CHECK(reply.has_value(), "the server's reply is none");
    if (header != nullptr) std::memcpy(header, head->data(), sizeof *header);
    return reply->error;
  }
  // Memory of the peer's own, for the server to reach.
  fabric::Window expose(std::span<std::byte> memory, fabric::Access access) {
    const runtime::Loop::Scope scope(*loop_);
    return *endpoint_->expose({memory, access, nullptr, channel_.get()});
  }
  void revoke(const fabric::Window& window) { endpoint_->revoke(window); }
  // Called with each message that comes, whole.
  std::function<void(std::span<const std::byte> head, std::span<const std::byte> payload)> looks;

  int ask(const wire::Request& request, wire::ReplyHeader* header = nullptr) {
    send(encoded(request));
    return reply_error(header);
  }

 private:
  struct Message : fabric::Outgoing {
    std::vector<std::byte> bytes;
  };
  static std::int64_t deadline() { return system_clock().monotonic_ns() + 20'000'000'000; }

  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override {
    heads_.emplace_back(head.begin(), head.end());
    payload_.resize(payload_bytes);
    return memory::Memory(payload_);
  }
  Status on_message() override {
    if (looks) looks(heads_.empty() ? std::span<const std::byte>() : heads_.back(), payload_);
    return {};
  }
  void on_closed(const Status&) override { channel_.reset(); }

  const std::unique_ptr<runtime::Loop> loop_ = *runtime::Loop::create();
  const std::unique_ptr<fabric::Domain> domain_ = *fabric::local::make_domain({});
  std::vector<std::unique_ptr<Message>> sent_;
  std::unique_ptr<fabric::Endpoint> endpoint_;
  std::unique_ptr<fabric::Channel> channel_;
  std::deque<std::vector<std::byte>> heads_;
  std::vector<std::byte> payload_;
  wire::Welcome welcome_;
};

}  // namespace ross::remote_test
