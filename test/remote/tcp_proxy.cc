#include "tcp_proxy.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace ross::remote_test {
namespace {

sockaddr_in parse(const std::string& address) {
  sockaddr_in parsed{};
  parsed.sin_family = AF_INET;
  const std::size_t colon = address.rfind(':');
  parsed.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ROSS_CHECK(::inet_pton(AF_INET, address.substr(0, colon).c_str(), &parsed.sin_addr) == 1, "no IPv4 address");
  return parsed;
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) { ROSS_CHECK(fd >= 0, "no descriptor for the proxy"); }
  ~Fd() { ::close(fd_); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  const int fd_;
};

// One direction of a connection.
struct Flow {
  std::array<char, 65536> bytes;
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct Pair {
  Pair(int client_fd, int server_fd) : ends{Fd(client_fd), Fd(server_fd)} {}
  Fd ends[2];
  Flow flows[2];  // from end i to the other
};

class Proxy final : public TcpProxy {
 public:
  explicit Proxy(const std::string& server)
      : listener_(::socket(AF_INET, SOCK_STREAM, 0)), wake_(::eventfd(0, EFD_NONBLOCK)) {
    target_ = parse(server);
    sockaddr_in own = parse("127.0.0.1:0");
    ROSS_CHECK(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&own), sizeof own) == 0 &&
                   ::listen(listener_.get(), 64) == 0,
               "the proxy cannot listen");
    socklen_t size = sizeof own;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&own), &size);
    address_ = "127.0.0.1:" + std::to_string(ntohs(own.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~Proxy() override {
    ending_ = true;
    wake();
    thread_.join();
  }
  [[nodiscard]] std::string address() const override { return address_; }
  void redirect(const std::string& server) override {
    const std::lock_guard lock(mutex_);
    target_ = parse(server);
  }
  void cut() override {
    const std::lock_guard lock(mutex_);
    pairs_.clear();
    wake();
  }
  void stop(bool stopped) override {
    stopped_ = stopped;
    wake();
  }
  [[nodiscard]] std::uint64_t bytes() const override { return passed_; }

 private:
  void wake() {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_.get(), &one, sizeof one));
  }

  void accept_one() {
    const int client = ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK);
    if (client < 0) return;
    const int server = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(server, reinterpret_cast<sockaddr*>(&target_), sizeof target_) != 0) {
      ::close(client);
      ::close(server);
      return;
    }
    pairs_.emplace_back(client, server);
  }

  // Moves what can be moved; false when the connection has ended.
  bool pump(Pair& pair, int from) {
    Flow& flow = pair.flows[from];
    if (flow.begin == flow.end) {
      const ssize_t got = ::recv(pair.ends[from].get(), flow.bytes.data(), flow.bytes.size(), MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
      if (got < 0) return true;
      flow.begin = 0;
      flow.end = static_cast<std::size_t>(got);
    }
    const ssize_t put = ::send(pair.ends[1 - from].get(), flow.bytes.data() + flow.begin, flow.end - flow.begin,
                               MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN;
    flow.begin += static_cast<std::size_t>(put);
    passed_ += static_cast<std::uint64_t>(put);
    return true;
  }

  void serve() {
    while (!ending_) {
      std::vector<pollfd> polls{{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      {
        const std::lock_guard lock(mutex_);
        for (const Pair& pair : pairs_) {
          for (int i = 0; i < 2; ++i) {
            short events = 0;
            if (!stopped_ && pair.flows[i].begin == pair.flows[i].end) events |= POLLIN;
            if (!stopped_ && pair.flows[1 - i].begin != pair.flows[1 - i].end) events |= POLLOUT;
            polls.push_back({events == 0 ? -1 : pair.ends[i].get(), events, 0});
          }
        }
      }
      ::poll(polls.data(), polls.size(), -1);
      std::uint64_t count = 0;
      static_cast<void>(!::read(wake_.get(), &count, sizeof count));
      const std::lock_guard lock(mutex_);
      if ((polls[1].revents & POLLIN) != 0) accept_one();
      if (stopped_) continue;
      pairs_.remove_if([this](Pair& pair) { return !pump(pair, 0) || !pump(pair, 1); });
    }
  }

  Fd listener_;
  Fd wake_;
  std::string address_;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> stopped_ = false;
  std::atomic<std::uint64_t> passed_ = 0;
  std::mutex mutex_;
  sockaddr_in target_{};   // guarded by mutex_
  std::list<Pair> pairs_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace

std::unique_ptr<TcpProxy> TcpProxy::to(const std::string& server) { return std::make_unique<Proxy>(server); }

}  // namespace ross::remote_test
