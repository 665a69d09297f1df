#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <unordered_map>

#include "fabric/ucx/meeting.h"

namespace ross::fabric::ucx {
namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// "127.0.0.1:7471", "[::1]:7471". Names are not looked up: that would block the loop.
Result<SocketAddress> parse(std::string_view text) {
  const auto wrong = [text] {
    return fail(EINVAL, fmt::format("'{}' is not an address: write 127.0.0.1:7471 or [::1]:7471", text));
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string host(text.substr(0, colon));
  const std::string_view port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size()) return wrong();
  SocketAddress address;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    auto* const six = reinterpret_cast<sockaddr_in6*>(&address.storage);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    address.size = sizeof *six;
    if (::inet_pton(AF_INET6, host.c_str(), &six->sin6_addr) != 1) return wrong();
  } else {
    auto* const four = reinterpret_cast<sockaddr_in*>(&address.storage);
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    address.size = sizeof *four;
    if (::inet_pton(AF_INET, host.c_str(), &four->sin_addr) != 1) return wrong();
  }
  return address;
}

std::string format(const sockaddr_storage& address) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &six.sin6_addr, host, sizeof host);
    return fmt::format("[{}]:{}", host, ntohs(six.sin6_port));
  }
  const auto& four = reinterpret_cast<const sockaddr_in&>(address);
  ::inet_ntop(AF_INET, &four.sin_addr, host, sizeof host);
  return fmt::format("{}:{}", host, ntohs(four.sin_port));
}

class BySocketAddress final : public Meeting {
 public:
  BySocketAddress(MeetingHost& host, Worker& worker) : host_(host), worker_(worker) {}
  ~BySocketAddress() override {
    if (listener_ != nullptr) library().listener_destroy(listener_);
  }

  Result<std::string> listen(const std::string& where) override {
    ROSS_TRY(const SocketAddress address, parse(where));
    ucp_listener_params_t params{};
    params.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER;
    params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&address.storage);
    params.sockaddr.addrlen = address.size;
    params.conn_handler.arg = &worker_;
    params.conn_handler.cb = [](ucp_conn_request_h request, void* worker) {
      static_cast<Worker*>(worker)->report({.kind = Event::Kind::kAsked, .asked = request});
    };
    if (const ucs_status_t status = library().listener_create(worker_.handle(), &params, &listener_);
        status != UCS_OK) {
      listener_ = nullptr;
      return fail(to_status(status, fmt::format("cannot listen at {}", where)));
    }
    ucp_listener_attr_t attributes{};
    attributes.field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR;
    if (const ucs_status_t status = library().listener_query(listener_, &attributes); status != UCS_OK) {
      return fail(to_status(status, "UCX does not tell where it listens"));
    }
    return format(attributes.sockaddr);
  }

  Result<Link*> connect(std::string_view where) override {
    ROSS_TRY(const SocketAddress address, parse(where));
    ROSS_TRY(Link* const link, host_.add_link(worker_));
    ucp_ep_params_t params = endpoint_parameters(*link);
    params.field_mask |= UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR;
    params.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER;
    params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&address.storage);
    params.sockaddr.addrlen = address.size;
    ucp_ep_h endpoint = nullptr;
    if (const ucs_status_t status = library().ep_create(worker_.handle(), &params, &endpoint); status != UCS_OK) {
      link->cut(to_status(status, fmt::format("cannot connect to {}", where)));
      return fail(link->why());
    }
    link->set_endpoint(endpoint);
    link->send_hello(Frame::kHello, 0);
    return link;
  }

  void take_asked(void* asked) override {
    auto* const request = static_cast<ucp_conn_request_h>(asked);
    if (guests_.size() >= kMeetingsMax) return refuse_asked(asked);
    Result<Link*> link = host_.add_link(worker_);
    if (!link.has_value()) return refuse_asked(asked);
    ucp_ep_params_t params = endpoint_parameters(**link);
    params.field_mask |= UCP_EP_PARAM_FIELD_CONN_REQUEST;
    params.conn_request = request;
    ucp_ep_h endpoint = nullptr;
    if (const ucs_status_t status = library().ep_create(worker_.handle(), &params, &endpoint); status != UCS_OK) {
      return host_.not_met(**link, to_status(status, "cannot take a connection"));
    }
    (*link)->set_endpoint(endpoint);
    (*link)->set_deadline(host_.now_ns() + kGreetNs);
    guests_.emplace(endpoint, *link);
  }

  void refuse_asked(void* asked) override {
    library().listener_reject(listener_, static_cast<ucp_conn_request_h>(asked));
  }

  // A guest's greeting says which UCX endpoint it answers on. It can name another guest's, who then is not met: it learns
  // nothing, for the answer goes to that one.
  void take_hello(const Event& event, const Hello& hello) override {
    if (event.header.frame == Frame::kHello) {
      const auto guest = guests_.find(event.reply);
      if (guest == guests_.end()) return;
      Link& link = *guest->second;
      guests_.erase(guest);
      if (const Status status = link.meet(hello); !status.ok()) return host_.not_met(link, status);
      link.send_hello(Frame::kWelcome, hello.channel);
      return host_.met(link);
    }
    Link& link = *event.link;
    if (link.state() != Link::State::kMeeting || link.endpoint() == nullptr || guests_.contains(link.endpoint()))
      return;
    if (const Status status = link.meet(hello); !status.ok()) return host_.not_met(link, status);
    host_.met(link);
  }

  void forget(Link& link) override {
    std::erase_if(guests_, [&link](const auto& guest) { return guest.second == &link; });
  }
  [[nodiscard]] bool is_there(const Link& /*link*/) const override { return true; }
  [[nodiscard]] bool has_sockets() const override { return false; }

 private:
  MeetingHost& host_;
  Worker& worker_;
  ucp_listener_h listener_ = nullptr;
  std::unordered_map<ucp_ep_h, Link*> guests_;  // who have not said who they are
};

}  // namespace

Result<std::unique_ptr<Meeting>> meet_by_socket_address(MeetingHost& host) {
  ROSS_TRY(Worker* const worker, host.add_worker());
  return std::make_unique<BySocketAddress>(host, *worker);
}

ucp_ep_params_t endpoint_parameters(Link& link) {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.arg = &link;
  params.err_handler.cb = [](void* arg, ucp_ep_h /*endpoint*/, ucs_status_t status) {
    auto* const failed = static_cast<Link*>(arg);
    failed->worker().report({.kind = Event::Kind::kFailed, .status = status, .link = failed});
  };
  return params;
}

}  // namespace ross::fabric::ucx
