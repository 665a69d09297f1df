// SocketSet: the sockets of one endpoint, as one poller of its loop.
//
// Every receive and send is a system call that does not block and has ended when it returns, so no memory is ever in the
// kernel's hands between two passes: a window that is revoked and a channel that is closed are done with at once.
// A pass sends what was queued before it, receives, and sends what the receivers' code queued meanwhile, so that the answers to
// a batch of requests leave in one call. Sockets that received lately are tried without asking epoll first: one system call
// instead of two where traffic is dense. The rest is found by epoll, which is also what the loop sleeps on.
//
// Ownership: borrows what it watches. It is shared by the endpoint and its channels, because the last of them may be destroyed
// in a call of a pass, which then goes on. Threading: owner thread (the loop's).
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/units.h"
#include "runtime/loop.h"

struct epoll_event;

namespace ross::fabric::stream {

class StreamChannel;

// A descriptor in a set, and what to do when something happens at it.
class Watched {
 public:
  virtual ~Watched() = default;
  // events as epoll gives them. May remove itself. Returns how many things were done.
  virtual std::size_t on_ready(std::uint32_t events) = 0;
  // Its time has come (SocketSet::set_deadline).
  virtual void on_deadline() {}

 private:
  friend class SocketSet;
  std::int64_t deadline_ns_ = INT64_MAX;
  std::uint32_t events_ = 0;
};

// What one system call sends: pieces of memory, and room for the heads among them. The parts of a set's channels are sent
// one after the other, so they share one.
struct SendPlan {
  static constexpr std::size_t kPiecesMax = 1024;  // IOV_MAX
  static constexpr std::size_t kFramesMax = 512;
  static constexpr std::size_t kHeadRoomBytes = 48;

  struct Frame {
    std::size_t bytes;    // all of it
    std::size_t payload;  // of that
    bool reply;
  };
  std::array<iovec, kPiecesMax> pieces;
  std::array<Frame, kFramesMax> frames;
  std::array<std::array<std::byte, kHeadRoomBytes>, kFramesMax> heads;
  std::size_t piece_count = 0;
  std::size_t frame_count = 0;
  std::size_t bytes = 0;  // in the pieces
};

class SocketSet final : public runtime::Poller, public std::enable_shared_from_this<SocketSet> {
 public:
  // Errors: those of making and watching an epoll.
  static Result<std::shared_ptr<SocketSet>> create(runtime::Loop& loop);
  ~SocketSet();

  // Watches fd for events (EPOLLIN, EPOLLOUT), or for others than before.
  Status watch(int fd, Watched& watched, std::uint32_t events);
  void rewatch(int fd, Watched& watched, std::uint32_t events);
  // Before fd is closed. The deadline stays.
  void unwatch(int fd, Watched& watched);
  // Calls on_deadline once, in the first pass at or after then; INT64_MAX: never, which what is watched says before it goes.
  void set_deadline(Watched& watched, std::int64_t deadline_ns);

  // For channels: something to send; received something; ended; gone for good.
  void want_send(StreamChannel& channel) { sending_.push_back(&channel); }
  void received(StreamChannel& channel);
  void ended(StreamChannel& channel) { ended_.push_back(&channel); }
  void forget(StreamChannel& channel);
  void stop_receiving(StreamChannel& channel);

  [[nodiscard]] runtime::Loop& loop() { return loop_; }
  SendPlan& plan() { return plan_; }
  // Where all channels receive what has no place of its own yet.
  std::span<std::byte> buffer() { return {buffer_.get(), kBufferBytes}; }

  static constexpr std::size_t kBufferBytes = 256 * kKiB;

  // Poller
  std::size_t poll() override;
  std::int64_t arm() override;
  void disarm() override { look_ = true; }
  [[nodiscard]] int fd() const override { return epoll_fd_; }

 private:
  SocketSet(runtime::Loop& loop, int epoll_fd)
      : loop_(loop), epoll_fd_(epoll_fd), buffer_(std::make_unique_for_overwrite<std::byte[]>(kBufferBytes)) {}
  std::size_t tell_ended();
  std::size_t send_queued();
  std::size_t receive_active();
  std::size_t ask_epoll();
  std::size_t run_deadlines();
  [[nodiscard]] bool should_ask();

  // How often a socket is tried in vain before epoll watches it alone, and how many are tried at all: trying costs
  // about what asking epoll costs.
  static constexpr unsigned kVainMax = 16;
  static constexpr std::size_t kActiveMax = 4;
  // Passes between two questions to epoll, while some socket is active and while nothing came for long.
  static constexpr unsigned kAskEvery = 8;
  static constexpr unsigned kQuietPasses = 64;
  static constexpr int kEventsMax = 64;

  struct Active {
    StreamChannel* channel;
    unsigned vain;
  };

  runtime::Loop& loop_;
  const int epoll_fd_;
  const std::unique_ptr<std::byte[]> buffer_;
  SendPlan plan_;
  std::vector<StreamChannel*> sending_;  // null: gone
  std::vector<StreamChannel*> sending_now_;
  std::vector<StreamChannel*> ended_;
  std::vector<Active> active_;     // null: gone
  std::vector<Watched*> timed_;    // null: gone
  std::span<epoll_event> events_;  // of the question being answered
  bool added_ = false;
  bool in_poll_ = false;
  bool look_ = true;
  unsigned pass_ = 0;
  unsigned quiet_ = 0;    // passes since something was done
  unsigned writers_ = 0;  // watched for room to send: only epoll can tell
};

}  // namespace ross::fabric::stream
