// How near the fabric's ofi backend comes to libfabric itself: the same two loads, bare and through ross::fabric, by turns.
//
//   ofi_get --provider ofi+tcp --pairs 5 --seconds 2        (JSON on stdout)
//
// Two processes on this machine. rpc: a request of 64 bytes answered by 4 KiB in a message, 32 in flight. put: 1 MiB into the
// other process's memory, 16 in flight. Bare is fi_send and fi_recv with one buffer a message, and fi_write; both wait on the
// descriptor where the provider has one, after spinning for as long as a Loop does.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/options/options.h"
#include "base/clock.h"
#include "base/units.h"
#include "fabric/ofi/ofi.h"
#include "runtime/loop.h"

namespace {

using namespace ross;  // NOLINT(google-build-using-namespace): a program of its own

constexpr std::size_t kAnswerBytes = 4 * kKiB;
constexpr std::size_t kRequestBytes = 64;
constexpr std::size_t kPutBytes = kMiB;
constexpr std::size_t kRpcInFlight = 32;
constexpr std::size_t kPutInFlight = 16;
constexpr std::int64_t kSpinNs = 20'000;

struct Setting {
  std::string provider;
  std::string node;
  bool is_put = false;
  double seconds = 1;
};

[[noreturn]] void die(const std::string& what) {
  fmt::print(stderr, "ofi_get: {}\n", what);
  ::_exit(1);
}
void must(std::int64_t result, const char* what) {
  if (result < 0) die(fmt::format("{}: {}", what, fi_strerror(static_cast<int>(-result))));
}
std::int64_t now_ns() { return system_clock().monotonic_ns(); }

// Strings between the two processes, before and after the load.
void tell(int fd, const std::string& text) {
  const std::uint32_t size = static_cast<std::uint32_t>(text.size());
  if (::write(fd, &size, sizeof size) != sizeof size || ::write(fd, text.data(), size) != ssize_t{size}) die("pipe");
}
std::string hear(int fd) {
  std::uint32_t size = 0;
  if (::read(fd, &size, sizeof size) != sizeof size) die("the other process has gone");
  std::string text(size, '\0');
  for (std::size_t got = 0; got < size;) {
    const ssize_t step = ::read(fd, text.data() + got, size - got);
    if (step <= 0) die("the other process has gone");
    got += static_cast<std::size_t>(step);
  }
  return text;
}
bool told_to_stop(int fd) {
  pollfd state{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&state, 1, 0) > 0;
}

// ---- bare libfabric ----

struct Bare {
  fi_info* info = nullptr;
  fid_fabric* fabric = nullptr;
  fid_domain* domain = nullptr;
  fid_av* addresses = nullptr;
  fid_cq* queue = nullptr;
  fid_ep* endpoint = nullptr;
  int fd = -1;
  bool serves = false;

  explicit Bare(const Setting& setting) {
    fi_info* hints = fi_allocinfo();
    hints->caps = FI_MSG | FI_RMA;
    hints->mode = FI_CONTEXT | FI_CONTEXT2;
    hints->ep_attr->type = FI_EP_RDM;
    hints->domain_attr->mr_mode = 0;
    hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
    hints->tx_attr->msg_order = FI_ORDER_SAS;
    hints->rx_attr->msg_order = FI_ORDER_SAS;
    hints->fabric_attr->prov_name = ::strdup(setting.provider == "ofi+shm" ? "shm" : "tcp;ofi_rxm");
    const bool shm = setting.provider == "ofi+shm";
    must(
        fi_getinfo(FI_VERSION(1, 17), shm ? nullptr : setting.node.c_str(), nullptr, shm ? 0 : FI_SOURCE, hints, &info),
        "fi_getinfo");
    must(fi_fabric(info->fabric_attr, &fabric, nullptr), "fi_fabric");
    must(fi_domain(fabric, info, &domain, nullptr), "fi_domain");
    fi_av_attr table{};
    table.type = FI_AV_TABLE;
    must(fi_av_open(domain, &table, &addresses, nullptr), "fi_av_open");
    fi_cq_attr queueing{};
    queueing.size = 4096;
    queueing.format = FI_CQ_FORMAT_DATA;
    queueing.wait_obj = FI_WAIT_FD;
    if (shm) queueing.wait_obj = FI_WAIT_NONE;
    must(fi_cq_open(domain, &queueing, &queue, nullptr), "fi_cq_open");
    if (!shm) must(fi_control(&queue->fid, FI_GETWAIT, &fd), "FI_GETWAIT");
    must(fi_endpoint(domain, info, &endpoint, nullptr), "fi_endpoint");
    must(fi_ep_bind(endpoint, &addresses->fid, 0), "fi_ep_bind");
    must(fi_ep_bind(endpoint, &queue->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind");
    must(fi_enable(endpoint), "fi_enable");
  }
  ~Bare() {
    fi_close(&endpoint->fid);
    fi_close(&queue->fid);
    fi_close(&addresses->fid);
    fi_close(&domain->fid);
    fi_close(&fabric->fid);
  }
  std::string name() {
    char raw[256];
    std::size_t size = sizeof raw;
    must(fi_getname(&endpoint->fid, raw, &size), "fi_getname");
    return {raw, size};
  }
  fi_addr_t insert(const std::string& raw) {
    fi_addr_t address = 0;
    if (fi_av_insert(addresses, raw.data(), 1, &address, 0, nullptr) != 1) die("fi_av_insert");
    return address;
  }
  // Up to 64 completions; sleeps after a spin, for 1 ms at most.
  std::size_t wait(std::array<fi_cq_data_entry, 64>& entries) {
    std::int64_t spin_until = 0;
    for (;;) {
      const ssize_t got = fi_cq_read(queue, entries.data(), entries.size());
      if (got > 0) return static_cast<std::size_t>(got);
      if (got != -FI_EAGAIN) {
        if (serves) {  // the load is over and its process gone
          fi_close(&endpoint->fid);
          ::_exit(0);
        }
        die("an operation failed");
      }
      if (fd < 0) return 0;
      const std::int64_t at = now_ns();
      if (spin_until == 0) spin_until = at + kSpinNs;
      if (at < spin_until) continue;
      fid* waits = &queue->fid;
      if (fi_trywait(fabric, &waits, 1) == 0) {
        pollfd state{.fd = fd, .events = POLLIN, .revents = 0};
        ::poll(&state, 1, 1);
      }
      return 0;
    }
  }
  template <class Call>
  void retry(Call&& call) {
    for (;;) {
      const ssize_t result = call();
      if (result == 0) return;
      if (result != -FI_EAGAIN) die(fi_strerror(static_cast<int>(-result)));
      fi_cq_read(queue, nullptr, 0);
    }
  }
};

struct Place {
  fi_context2 context{};
  bool is_send = false;
  std::vector<std::byte> bytes;
};

void serve_bare(const Setting& setting, int fd) {
  Bare own(setting);
  own.serves = true;
  const fi_addr_t peer = own.insert(hear(fd));
  std::vector<std::byte> target(kPutInFlight * kPutBytes);
  fid_mr* window = nullptr;
  must(fi_mr_reg(own.domain, target.data(), target.size(), FI_REMOTE_WRITE, 0, 42, 0, &window, nullptr), "fi_mr_reg");
  std::vector<Place> places(2 * kRpcInFlight);
  for (Place& place : places) place.bytes.resize(kRequestBytes);
  for (Place& place : places) {
    must(fi_recv(own.endpoint, place.bytes.data(), kRequestBytes, nullptr, FI_ADDR_UNSPEC, &place.context), "fi_recv");
  }
  std::vector<std::byte> answer(kAnswerBytes);
  std::vector<Place> sends(4 * kRpcInFlight);
  std::vector<Place*> free;
  for (Place& place : sends) {
    place.is_send = true;
    free.push_back(&place);
  }
  tell(fd, own.name());
  std::array<fi_cq_data_entry, 64> entries;
  std::size_t owed = 0;
  bool waited_in_vain = false;
  for (std::uint64_t rounds = 0;; ++rounds) {
    if ((rounds % 1024 == 0 || waited_in_vain) && told_to_stop(fd)) break;
    const std::size_t got = own.wait(entries);
    waited_in_vain = got == 0;
    for (std::size_t i = 0; i < got; ++i) {
      auto* const place = static_cast<Place*>(entries[i].op_context);
      if (place == nullptr) continue;
      if (place->is_send) {
        free.push_back(place);
        continue;
      }
      ++owed;
      own.retry([&] {
        return fi_recv(own.endpoint, place->bytes.data(), kRequestBytes, nullptr, FI_ADDR_UNSPEC, &place->context);
      });
    }
    for (; owed > 0 && !free.empty(); --owed) {
      Place* const place = free.back();
      free.pop_back();
      own.retry([&] { return fi_send(own.endpoint, answer.data(), kAnswerBytes, nullptr, peer, &place->context); });
    }
  }
  fi_close(&window->fid);
}

double load_bare(const Setting& setting, int fd) {
  Bare own(setting);
  tell(fd, own.name());
  const fi_addr_t peer = own.insert(hear(fd));
  std::vector<std::byte> source(kPutInFlight * kPutBytes);
  std::vector<Place> places(2 * kRpcInFlight);
  std::vector<Place> sends(2 * kRpcInFlight);
  std::vector<Place*> free;
  for (Place& place : sends) {
    place.is_send = true;
    free.push_back(&place);
  }
  std::vector<std::byte> request(kRequestBytes);
  const auto send = [&] {
    Place* const place = free.back();
    free.pop_back();
    own.retry([&] { return fi_send(own.endpoint, request.data(), kRequestBytes, nullptr, peer, &place->context); });
  };
  const auto put = [&](std::size_t index) {
    own.retry([&] {
      return fi_write(own.endpoint, source.data() + index * kPutBytes, kPutBytes, nullptr, peer, index * kPutBytes, 42,
                      &places[index].context);
    });
  };
  if (setting.is_put) {
    for (std::size_t i = 0; i < kPutInFlight; ++i) put(i);
  } else {
    for (Place& place : places) {
      place.bytes.resize(kAnswerBytes);
      must(fi_recv(own.endpoint, place.bytes.data(), kAnswerBytes, nullptr, FI_ADDR_UNSPEC, &place.context), "fi_recv");
    }
    for (std::size_t i = 0; i < kRpcInFlight; ++i) send();
  }
  std::array<fi_cq_data_entry, 64> entries;
  std::uint64_t done = 0;
  std::uint64_t warm = 0;
  std::size_t waiting = 0;
  std::int64_t begin = 0;
  const std::int64_t start = now_ns();
  const auto length = static_cast<std::int64_t>(setting.seconds * 1e9);
  for (;;) {
    const std::size_t got = own.wait(entries);
    const std::int64_t at = now_ns();
    if (begin == 0 && at - start > length / 10) {
      begin = at;
      warm = done;
    }
    if (begin != 0 && at - begin > length)
      return static_cast<double>(done - warm) / (static_cast<double>(at - begin) / 1e9);
    for (std::size_t i = 0; i < got; ++i) {
      auto* const place = static_cast<Place*>(entries[i].op_context);
      if (setting.is_put) {
        ++done;
        put(static_cast<std::size_t>(place - places.data()));
      } else if (place->is_send) {
        free.push_back(place);
      } else {
        ++done;
        ++waiting;
        own.retry([&] {
          return fi_recv(own.endpoint, place->bytes.data(), kAnswerBytes, nullptr, FI_ADDR_UNSPEC, &place->context);
        });
      }
    }
    for (; waiting > 0 && !free.empty(); --waiting) send();
  }
}

// ---- through ross::fabric ----

constexpr fabric::ChannelLimits kLimits{.head_bytes_max = 4096, .payload_bytes_max = kMiB};

struct Message : fabric::Outgoing {
  bool busy = false;
};

template <class T>
T value(Result<T> result) {
  if (!result.has_value()) die(result.error().message());
  return *std::move(result);
}

struct Server final : fabric::Acceptor, fabric::Receiver {
  std::unique_ptr<fabric::Channel> channel;
  std::vector<std::byte> answer = std::vector<std::byte>(kAnswerBytes);
  std::vector<std::unique_ptr<Message>> messages;
  std::vector<Message*> free;
  bool closed = false;

  void on_channel(std::unique_ptr<fabric::Channel> made) override {
    channel = std::move(made);
    channel->start(*this);
  }
  Result<memory::Memory> on_head(std::span<const std::byte>, std::size_t) override { return memory::Memory(); }
  Status on_message() override {
    if (free.empty()) {
      messages.push_back(std::make_unique<Message>());
      messages.back()->head.resize(16);
      messages.back()->payload = memory::Memory(answer.data(), answer.size());
      free.push_back(messages.back().get());
    }
    Message* const message = free.back();
    free.pop_back();
    owner = this;
    message->sent = [](fabric::Outgoing& self, bool) { owner->free.push_back(static_cast<Message*>(&self)); };
    channel->send(*message);
    return {};
  }
  void on_closed(const Status&) override { closed = true; }
  static inline Server* owner = nullptr;
};

fabric::ofi::Options options_of(const Setting& setting) { return {.provider = setting.provider, .node = setting.node}; }

void serve_ross(const Setting& setting, int fd) {
  auto loop = value(runtime::Loop::create());
  auto domain = value(fabric::ofi::make_domain(options_of(setting)));
  Server server;
  const std::string listen =
      setting.provider == "ofi+shm" ? fmt::format("/tmp/ross-ofi-get-{}.sock", ::getpid()) : setting.node + ":0";
  auto endpoint = value(domain->open(*loop, {.limits = kLimits, .listen = listen, .acceptor = &server}));
  std::vector<std::byte> target(kPutInFlight * kPutBytes);
  auto region = value(domain->add_region(target));
  const auto window = value(endpoint->expose({target, fabric::Access::kWrite, region.get(), nullptr}));
  tell(fd, endpoint->address());
  tell(fd, window.key);
  while (!server.closed) {
    loop->wait(now_ns() + 1'000'000);
    if (server.channel == nullptr && told_to_stop(fd)) break;
  }
  endpoint->revoke(window);
  server.channel.reset();
}

struct Client final : fabric::Receiver {
  std::vector<std::byte> landing = std::vector<std::byte>(kAnswerBytes);
  std::uint64_t done = 0;
  std::size_t waiting = 0;
  bool closed = false;
  Result<memory::Memory> on_head(std::span<const std::byte>, std::size_t size) override {
    return memory::Memory(landing.data(), size);
  }
  Status on_message() override {
    ++done;
    ++waiting;
    return {};
  }
  void on_closed(const Status& why) override {
    if (why.error() != ESHUTDOWN) die(why.message());
    closed = true;
  }
};

struct Put : fabric::Transfer {
  Client* client = nullptr;
  fabric::Channel* channel = nullptr;
  bool* stop = nullptr;
};

double load_ross(const Setting& setting, int fd) {
  auto loop = value(runtime::Loop::create());
  auto domain = value(fabric::ofi::make_domain(options_of(setting)));
  auto endpoint = value(domain->open(*loop, {.limits = kLimits, .listen = {}, .acceptor = nullptr}));
  const std::string address = hear(fd);
  const fabric::Window window{kPutInFlight * kPutBytes, hear(fd)};
  struct Connect : fabric::Connecting {
    std::optional<Result<std::unique_ptr<fabric::Channel>>> result;
  } connect;
  connect.done = [](fabric::Connecting& self, Result<std::unique_ptr<fabric::Channel>> made) {
    static_cast<Connect&>(self).result = std::move(made);
  };
  endpoint->connect(address, connect, now_ns() + 10'000'000'000);
  while (!connect.result) loop->wait(now_ns() + 1'000'000'000);
  auto channel = value(*std::move(connect.result));
  Client client;
  channel->start(client);
  std::vector<std::byte> source(kPutInFlight * kPutBytes);
  auto region = value(domain->add_region(source));
  bool stop = false;
  std::vector<Put> puts(kPutInFlight);
  std::vector<Message> messages(2 * kRpcInFlight);
  std::size_t next = 0;
  const auto send = [&] {
    while (messages[next % messages.size()].busy) ++next;
    Message& message = messages[next++ % messages.size()];
    message.busy = true;
    message.head.resize(kRequestBytes);
    message.sent = [](fabric::Outgoing& self, bool) { static_cast<Message&>(self).busy = false; };
    channel->send(message);
  };
  if (setting.is_put) {
    for (std::size_t i = 0; i < kPutInFlight; ++i) {
      Put& put = puts[i];
      put.client = &client;
      put.channel = channel.get();
      put.stop = &stop;
      put.local = memory::Memory(source.data() + i * kPutBytes, kPutBytes);
      put.region = region.get();
      put.window = &window;
      put.offset_bytes = i * kPutBytes;
      put.done = [](fabric::Transfer& self, int error) {
        auto& own = static_cast<Put&>(self);
        if (*own.stop) return;
        if (error != 0) die("a put failed");
        ++own.client->done;
        own.channel->put(own);
      };
      channel->put(put);
    }
  } else {
    for (std::size_t i = 0; i < kRpcInFlight; ++i) send();
  }
  std::int64_t begin = 0;
  std::uint64_t warm = 0;
  const std::int64_t start = now_ns();
  const auto length = static_cast<std::int64_t>(setting.seconds * 1e9);
  double rate = 0;
  for (;;) {
    loop->wait(now_ns() + 100'000'000);
    const std::int64_t at = now_ns();
    if (begin == 0 && at - start > length / 10) {
      begin = at;
      warm = client.done;
    }
    if (begin != 0 && at - begin > length) {
      rate = static_cast<double>(client.done - warm) / (static_cast<double>(at - begin) / 1e9);
      break;
    }
    for (; client.waiting > 0; --client.waiting) send();
  }
  stop = true;
  channel->close();
  while (!client.closed) loop->wait(now_ns() + 10'000'000);
  channel.reset();
  return rate;
}

// One load in two new processes; operations a second.
double run(const Setting& setting, bool bare) {
  int sockets[2];
  int results[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0 || ::pipe(results) != 0) die("no descriptors");
  const pid_t server = ::fork();
  if (server == 0) {
    ::close(sockets[0]);
    bare ? serve_bare(setting, sockets[1]) : serve_ross(setting, sockets[1]);
    ::_exit(0);
  }
  const pid_t client = ::fork();
  if (client == 0) {
    ::close(sockets[1]);
    const double rate = bare ? load_bare(setting, sockets[0]) : load_ross(setting, sockets[0]);
    if (::write(results[1], &rate, sizeof rate) != sizeof rate) die("pipe");
    tell(sockets[0], "stop");
    ::_exit(0);
  }
  ::close(sockets[0]);
  ::close(sockets[1]);
  ::close(results[1]);
  double rate = 0;
  if (::read(results[0], &rate, sizeof rate) != sizeof rate) die("a load failed");
  ::close(results[0]);
  int status = 0;
  ::waitpid(client, &status, 0);
  ::waitpid(server, &status, 0);
  return rate;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  ross::apps::Options line("libfabric bare and through ross::fabric", "ofi_get");
  Setting setting{.provider = "ofi+tcp", .node = "127.0.0.1"};
  int pairs = 5;
  std::string only;
  std::string load;
  line.option("--provider", setting.provider, "ofi+tcp or ofi+shm");
  line.option("--node", setting.node, "our own address, where the provider has such");
  line.option("--pairs", pairs, "how often each is measured").between(1, 1000);
  line.option("--seconds", setting.seconds, "of each load");
  line.option("--only", only, "bare or ross, for a profile");
  line.option("--load", load, "rpc or put, for a profile");
  if (const auto ended = line.parse(argc, argv)) return *ended;
  if (setting.provider == "ofi+shm") setting.node.clear();
  std::string out;
  for (const bool is_put : {false, true}) {
    if (!load.empty() && (load == "put") != is_put) continue;
    setting.is_put = is_put;
    std::vector<double> rates[2];
    for (int i = 0; i < pairs; ++i) {
      if (only != "ross") rates[0].push_back(run(setting, true));
      if (only != "bare") rates[1].push_back(run(setting, false));
    }
    const std::string unit = is_put ? "put_1MiB_per_s" : "rpc_4KiB_per_s";
    if (!out.empty()) out += ",\n";
    out += fmt::format("  \"{}\": {{", unit);
    if (!rates[0].empty())
      out += fmt::format("\"bare\": {:.0f}, \"bare_all\": [{:.0f}]", median(rates[0]), fmt::join(rates[0], ", "));
    if (!rates[0].empty() && !rates[1].empty()) out += ", ";
    if (!rates[1].empty())
      out += fmt::format("\"ross\": {:.0f}, \"ross_all\": [{:.0f}]", median(rates[1]), fmt::join(rates[1], ", "));
    if (!rates[0].empty() && !rates[1].empty())
      out += fmt::format(", \"ratio\": {:.3f}", median(rates[1]) / median(rates[0]));
    out += "}";
  }
  fmt::print("{{\n  \"provider\": \"{}\", \"seconds\": {}, \"pairs\": {},\n{}\n}}\n", setting.provider, setting.seconds,
             pairs, out);
  return 0;
}
