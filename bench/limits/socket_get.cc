// The reference of every transport over sockets: two processes on loopback that do nothing but move the bytes, with
// blocking calls and as few of them as there can be.
//
//   socket_get --mode get4k --seconds 3        one line of JSON
//
// A request is 16 bytes; an answer is 16 bytes and the data. get1m: the client asks again for each answer it has; an answer is
// received with one call that waits for all of it. get4k: what came is answered with one call, and what was answered is asked
// for again with one call. echo: one at a time. Threading: two processes of one thread each.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <vector>

#include "apps/options/options.h"
#include "limits/report.h"

namespace ross::bench {
namespace {

constexpr std::size_t kHeadBytes = 16;
constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::size_t kBuffers = 16;  // of 1 MiB each, on both sides

struct Sockets {
  int server;
  int client;
};

void check(bool works, const char* what) {
  if (!works) give_up(what, std::strerror(errno));
}

Sockets connect_pair(bool use_unix, int send_buffer, int receive_buffer) {
  std::array<int, 2> fds{};
  if (use_unix) {
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0, "socketpair");
    return {fds[0], fds[1]};
  }
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  for (const int fd : {listener, client}) {
    if (send_buffer > 0) ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    if (receive_buffer > 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  check(::bind(listener, any, size) == 0 && ::listen(listener, 1) == 0, "listen");
  check(::getsockname(listener, any, &size) == 0, "getsockname");
  check(::connect(client, any, size) == 0, "connect");
  const int server = ::accept(listener, nullptr, nullptr);
  check(server >= 0, "accept");
  ::close(listener);
  const int one = 1;
  for (const int fd : {client, server}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return {server, client};
}

// All pieces, however often the kernel takes only a part. False when the peer has gone.
bool send_all(int fd, std::vector<iovec>& pieces) {
  std::size_t first = 0;
  while (first < pieces.size()) {
    msghdr header{};
    header.msg_iov = pieces.data() + first;
    header.msg_iovlen = pieces.size() - first;
    const ssize_t result = ::sendmsg(fd, &header, MSG_NOSIGNAL);
    if (result < 0 && (errno == EPIPE || errno == ECONNRESET)) return false;
    check(result > 0, "sendmsg");
    auto sent = static_cast<std::size_t>(result);
    while (first < pieces.size() && sent >= pieces[first].iov_len) sent -= pieces[first++].iov_len;
    if (sent > 0) {
      pieces[first].iov_base = static_cast<char*>(pieces[first].iov_base) + sent;
      pieces[first].iov_len -= sent;
    }
  }
  return true;
}

void serve(int fd, const Traffic& traffic, int report_fd) {
  std::vector<char> data(kBuffers << 20, 'd');
  std::vector<char> requests(kBufferBytes);
  std::array<char, kHeadBytes> head{};
  std::vector<iovec> pieces;
  std::size_t have = 0;
  ServerReport report;
  std::uint64_t answers = 0;
  const Watch watch;
  for (;;) {
    const ssize_t got = ::recv(fd, requests.data() + have, requests.size() - have, 0);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
    pieces.clear();
    for (; have >= kHeadBytes; have -= kHeadBytes) {
      pieces.push_back({head.data(), head.size()});
      pieces.push_back({data.data() + (answers++ % kBuffers << 20), traffic.size_bytes});
    }
    if (!send_all(fd, pieces)) break;
  }
  report.cpu_seconds = watch.cpu_seconds();
  check(::write(report_fd, &report, sizeof report) == sizeof report, "report");
}

// Large answers: each is received where it belongs.
void ask_large(int fd, const Traffic& traffic, double seconds, Latencies& latencies) {
  std::vector<char> data(kBuffers << 20, 'c');
  std::array<char, kHeadBytes> request{};
  std::vector<std::int64_t> began(traffic.inflight);
  std::vector<iovec> pieces;
  for (std::int64_t& at : began) {
    at = now_ns();
    pieces.push_back({request.data(), request.size()});
  }
  check(send_all(fd, pieces), "send");
  const std::int64_t until = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
  std::int64_t now = 0;
  for (std::size_t slot = 0; now < until; slot = (slot + 1) % traffic.inflight) {
    std::array<char, kHeadBytes> head{};
    iovec into[2] = {{head.data(), head.size()}, {data.data() + (slot % kBuffers << 20), traffic.size_bytes}};
    msghdr header{};
    header.msg_iov = into;
    header.msg_iovlen = 2;
    const auto got = ::recvmsg(fd, &header, MSG_WAITALL);
    check(got == static_cast<ssize_t>(head.size() + traffic.size_bytes), "recvmsg");
    now = now_ns();
    latencies.add(now - began[slot]);
    began[slot] = now;
    pieces.assign(1, {request.data(), request.size()});
    check(send_all(fd, pieces), "send");
  }
}

// Small answers: as many as come are received at once, and as many are asked for again.
void ask_small(int fd, const Traffic& traffic, double seconds, Latencies& latencies) {
  const std::size_t answer = kHeadBytes + traffic.size_bytes;
  std::vector<char> buffer(kBufferBytes);
  std::vector<char> requests(traffic.inflight * kHeadBytes);
  std::vector<std::int64_t> began(traffic.inflight, now_ns());
  std::vector<iovec> pieces{{requests.data(), requests.size()}};
  check(send_all(fd, pieces), "send");
  const std::int64_t until = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
  std::int64_t now = 0;
  std::size_t have = 0;
  std::size_t slot = 0;
  while (now < until) {
    const ssize_t got = ::recv(fd, buffer.data() + have, buffer.size() - have, 0);
    check(got > 0, "recv");
    have += static_cast<std::size_t>(got);
    const std::size_t answers = have / answer;
    if (answers == 0) continue;
    now = now_ns();
    for (std::size_t i = 0; i < answers; ++i, slot = (slot + 1) % traffic.inflight) {
      latencies.add(now - began[slot]);
      began[slot] = now;
    }
    have -= answers * answer;
    std::memmove(buffer.data(), buffer.data() + answers * answer, have);
    pieces.assign(1, {requests.data(), answers * kHeadBytes});
    check(send_all(fd, pieces), "send");
  }
}

int run(int argc, char** argv) {
  ross::apps::Options line("Two processes and a socket: what the kernel gives", "socket_get");
  std::string mode = "get4k";
  double seconds = 3;
  std::size_t size_bytes = 0;
  std::size_t inflight = 0;
  bool use_unix = false;
  int send_buffer = 0;
  int receive_buffer = 0;
  line.option("--mode", mode, "get1m, get4k or echo");
  line.option("--seconds", seconds);
  line.option("--size", size_bytes, "of an answer, in place of the mode's");
  line.option("--inflight", inflight);
  line.flag("--unix", use_unix, "a Unix socket instead of TCP");
  line.option("--sndbuf", send_buffer, "SO_SNDBUF; 0: the kernel's own adjustment");
  line.option("--rcvbuf", receive_buffer);
  if (const auto ended = line.parse(argc, argv)) return *ended;
  const Traffic traffic = traffic_of(mode, size_bytes, inflight);
  const Sockets sockets = connect_pair(use_unix, send_buffer, receive_buffer);
  std::array<int, 2> report{};
  check(::pipe(report.data()) == 0, "pipe");
  const pid_t child = ::fork();
  check(child >= 0, "fork");
  if (child == 0) {
    ::close(sockets.client);
    serve(sockets.server, traffic, report[1]);
    return 0;
  }
  ::close(sockets.server);
  ::close(report[1]);
  Latencies latencies;
  const Watch watch;
  if (traffic.size_bytes > kBufferBytes / 4) {
    ask_large(sockets.client, traffic, seconds, latencies);
  } else {
    ask_small(sockets.client, traffic, seconds, latencies);
  }
  const Watch stopped = watch;
  ::shutdown(sockets.client, SHUT_RDWR);
  print_report("socket_get", use_unix ? "unix" : "tcp", traffic, stopped, latencies, report[0]);
  ::close(sockets.client);
  ::waitpid(child, nullptr, 0);
  return 0;
}

}  // namespace
}  // namespace ross::bench

int main(int argc, char** argv) { return ross::bench::run(argc, argv); }
