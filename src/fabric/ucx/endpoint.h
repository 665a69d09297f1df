// The endpoint over UCX: links, the ways they come to be, and the look the loop takes at them.
//
// Ownership: owns its links and workers; the domain owns the context. Threading: owner thread (the loop's).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fabric/endpoint.h"
#include "fabric/local/socket.h"
#include "fabric/ucx/hub.h"
#include "fabric/ucx/link.h"
#include "fabric/ucx/meeting.h"

namespace ross::fabric::ucx {

class UcxEndpoint final : public Endpoint, private runtime::Poller, private MeetingHost {
 public:
  static Result<std::unique_ptr<Endpoint>> open(ucp_context_h context, const Transport& transport, runtime::Loop& loop,
                                                const EndpointOptions& options);
  ~UcxEndpoint() override;

  [[nodiscard]] std::string address() const override { return address_; }
  void connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) override;
  Result<Window> expose(const Exposure& exposure) override;
  void revoke(const Window& window) override;

 private:
  UcxEndpoint(ucp_context_h context, const Transport& transport, runtime::Loop& loop, const EndpointOptions& options);
  Status begin(const EndpointOptions& options);

  // Poller
  std::size_t poll() override;
  std::int64_t arm() override;
  void disarm() override { sockets_due_ = true; }
  [[nodiscard]] int fd() const override { return watch_.fd(); }

  // MeetingHost
  Result<Worker*> add_worker() override;
  Result<Link*> add_link(Worker& worker) override;
  Status watch(int fd, Watched& watched) override;
  void met(Link& link) override;
  void not_met(Link& link, const Status& why) override;
  [[nodiscard]] std::int64_t now_ns() const override { return loop_.clock().monotonic_ns(); }

  struct Answer {
    Connecting* connecting;
    Link* link;  // null: failed
    Status why;
  };
  std::size_t handle_events(Worker& worker);
  void handle(const Worker& worker, Events& events, Event& event);
  std::size_t look_at_sockets();
  std::size_t flush_marked();
  std::size_t run_answers();
  std::size_t tend_links();

  const ucp_context_h context_;
  runtime::Loop& loop_;
  Acceptor* const acceptor_;
  Hub hub_;
  Socket watch_;    // an epoll of the workers' descriptors and of sockets_
  Socket sockets_;  // an epoll of the meeting's sockets
  std::string address_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<Link*> tended_;  // not open: they have deadlines, or go
  std::unordered_map<Link*, Connecting*> connecting_;
  std::vector<Answer> answers_;
  std::unique_ptr<Meeting> meeting_;
  bool polled_ = false;  // is added to the loop
  bool sockets_due_ = true;
  std::int64_t sockets_looked_ns_ = 0;
};

}  // namespace ross::fabric::ucx
