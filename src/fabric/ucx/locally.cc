#include <sys/socket.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "fabric/local/listener.h"
#include "fabric/local/socket.h"
#include "fabric/ucx/meeting.h"

namespace ross::fabric::ucx {
namespace {

// A worker's address has some hundred bytes.
constexpr std::size_t kWorkerAddressBytesMax = 64 * 1024;

struct Greeting {
  Hello hello;
  std::uint64_t address_bytes = 0;  // behind
};

class Locally final : public Meeting, private Watched {
 public:
  explicit Locally(MeetingHost& host) : host_(host) {}

  Result<std::string> listen(const std::string& where) override {
    ROSS_OK(listener_.open(where));
    ROSS_OK(host_.watch(listener_.fd(), *this));
    return where;
  }

  Result<Link*> connect(std::string_view where) override {
    ROSS_TRY(Socket socket, start_connect_to(std::string(where)));
    return add(std::move(socket), true);
  }

  void take_hello(const Event& /*event*/, const Hello& /*hello*/) override {}  // ours comes by the socket
  void take_asked(void* /*request*/) override {}
  void refuse_asked(void* /*request*/) override {}
  void forget(Link& link) override { lines_.erase(&link); }
  [[nodiscard]] bool is_there(const Link& link) const override {
    const auto line = lines_.find(&link);
    if (line == lines_.end()) return false;
    std::byte next{};
    const ssize_t got = ::recv(line->second->socket.fd(), &next, sizeof next, MSG_PEEK | MSG_DONTWAIT);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  }
  [[nodiscard]] bool has_sockets() const override { return true; }

 private:
  // The socket between two links.
  struct Line final : Watched {
    Line(Locally& by, Link& of, Socket through, bool calls)
        : locally(by), link(of), socket(std::move(through)), connects(calls) {}
    void ready() override { locally.read(*this); }
    Locally& locally;
    Link& link;
    const Socket socket;
    const bool connects;
    bool greeted = false;
    std::vector<std::byte> got;
  };

  // The listening socket has somebody.
  void ready() override {
    for (std::size_t i = 0; i < kMeetingsMax; ++i) {
      Socket socket(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!socket) return;
      if (std::ranges::count_if(lines_, [](const auto& line) { return !line.second->greeted; }) >=
          static_cast<std::ptrdiff_t>(kMeetingsMax)) {
        continue;  // who comes too many is closed
      }
      const Result<Link*> link = add(std::move(socket), false);
      if (link.has_value()) (*link)->set_deadline(host_.now_ns() + kGreetNs);
    }
  }

  Result<Link*> add(Socket socket, bool connects) {
    ROSS_TRY(Worker* const worker, host_.add_worker());
    ROSS_TRY(Link* const link, host_.add_link(*worker));
    const auto failed = [&](const Status& why) {
      link->cut(why);
      return fail(why);
    };
    Result<Peer> peer = peer_of(socket.fd());
    if (!peer.has_value()) return failed(peer.error());
    link->peer = *std::move(peer);
    auto line = std::make_unique<Line>(*this, *link, std::move(socket), connects);
    if (const Status status = host_.watch(line->socket.fd(), *line); !status.ok()) return failed(status);
    if (connects) {
      if (const Status status = greet(*line); !status.ok()) return failed(status);
    }
    lines_.emplace(link, std::move(line));
    return link;
  }

  // A new socket has room for a greeting, so this does not wait.
  static Status greet(const Line& line) {
    ucp_address_t* address = nullptr;
    std::size_t address_bytes = 0;
    const ucs_status_t status = library().worker_get_address(line.link.worker().handle(), &address, &address_bytes);
    if (status != UCS_OK) return to_status(status, "UCX does not tell a worker's address");
    std::vector<std::byte> said(sizeof(Greeting) + address_bytes);
    const Greeting greeting{.hello = line.link.hello(), .address_bytes = address_bytes};
    std::memcpy(said.data(), &greeting, sizeof greeting);
    std::memcpy(said.data() + sizeof greeting, address, address_bytes);
    library().worker_release_address(line.link.worker().handle(), address);
    const ssize_t sent = ::send(line.socket.fd(), said.data(), said.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == static_cast<ssize_t>(said.size())) return {};
    return Status(sent < 0 ? errno : EIO, "the process at the other end takes no greeting");
  }

  void read(Line& line) {
    Link& link = line.link;
    std::byte buffer[4096];
    const ssize_t got = ::recv(line.socket.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return gone(link, Status(ESHUTDOWN, "the process at the other end has gone"));
    if (line.greeted) return gone(link, Status(EPROTO, "the other end says more than its greeting"));
    line.got.insert(line.got.end(), buffer, buffer + got);
    if (line.got.size() < sizeof(Greeting)) {
      const std::uint64_t magic = kMagic;  // so that what is something else is not waited for
      const std::size_t begun = std::min(line.got.size(), sizeof magic);
      if (std::memcmp(line.got.data(), &magic, begun) == 0) return;
      return host_.not_met(link, Status(EPROTO, "what is at the other end does not speak this protocol"));
    }
    const auto greeting = load<Greeting>(line.got.data());
    if (greeting.hello.magic != kMagic || greeting.address_bytes > kWorkerAddressBytesMax) {
      return host_.not_met(link, Status(EPROTO, "what is at the other end does not speak this protocol"));
    }
    const std::size_t whole = sizeof greeting + greeting.address_bytes;
    if (line.got.size() < whole) return;
    if (line.got.size() > whole) return host_.not_met(link, Status(EPROTO, "a greeting that is too long"));
    line.greeted = true;
    meet(line, greeting.hello);
  }

  void meet(Line& line, const Hello& hello) {
    Link& link = line.link;
    ucp_ep_params_t params = endpoint_parameters(link);
    params.field_mask |= UCP_EP_PARAM_FIELD_REMOTE_ADDRESS;
    params.address = reinterpret_cast<const ucp_address_t*>(line.got.data() + sizeof(Greeting));
    ucp_ep_h endpoint = nullptr;
    if (const ucs_status_t status = library().ep_create(link.worker().handle(), &params, &endpoint); status != UCS_OK) {
      return host_.not_met(link, to_status(status, "cannot connect by shared memory"));
    }
    link.set_endpoint(endpoint);
    line.got = {};
    if (const Status status = link.meet(hello); !status.ok()) return host_.not_met(link, status);
    if (!line.connects) {
      if (const Status status = greet(line); !status.ok()) return host_.not_met(link, status);
    }
    host_.met(link);
  }

  // What the other end has sent before is in shared memory, and first in the events.
  void gone(Link& link, const Status& why) {
    if (link.state() == Link::State::kMeeting) return host_.not_met(link, why);
    lines_.erase(&link);
    link.worker().progress();
    link.worker().report({.kind = Event::Kind::kFailed, .status = UCS_ERR_CONNECTION_RESET, .link = &link});
  }

  MeetingHost& host_;
  Listener listener_;
  std::unordered_map<const Link*, std::unique_ptr<Line>> lines_;
};

}  // namespace

Result<std::unique_ptr<Meeting>> meet_locally(MeetingHost& host) { return std::make_unique<Locally>(host); }

}  // namespace ross::fabric::ucx
