// ucx_get: what UCX itself gives between two processes, and what the fabric's backend over it makes of that.
//
//   ucx_get --transport tcp --pairs 5 --seconds 2
//
// The client asks, the server answers: 4 KiB with the answer at 32 in flight (rpc), or 1 MiB into the client's memory at 16 in
// flight (bulk). Bare UCX does it by active messages (rpc), by ucp_put and by rendezvous active messages (bulk); the backend by
// messages, and by put() into a window. Both wait alike: they look, look again for 20 us, then sleep on the descriptor. The
// forms take turns; the medians over the rounds and their ratios come out as JSON.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "apps/options/options.h"
#include "bare_ucx.h"
#include "base/units.h"
#include "fabric/ucx/domain.h"

namespace ross::bench {
namespace {

constexpr std::size_t kHeadBytes = 64;
constexpr std::size_t kRpcBytes = 4 * kKiB;
constexpr std::size_t kBulkBytes = kMiB;
constexpr unsigned kRpcInFlight = 32;
constexpr unsigned kBulkInFlight = 16;

struct Plan {
  std::string transport;
  double seconds = 2;
  Settings bare_settings;
};

enum class Kind : std::uint32_t { kRpc, kPut, kRendezvous, kStop };

// A request and its answer, as a head.
struct Ask {
  Kind kind = Kind::kRpc;
  std::uint32_t slot = 0;
  std::uint64_t address = 0;
  char rest[kHeadBytes - 16] = {};
};
static_assert(sizeof(Ask) == kHeadBytes);

// What the client writes to who started it.
struct Outcome {
  double per_second = 0;
  double client_cpu_us = 0;  // an operation
};

// Runs until the time is over and nothing is in flight. ask(slot) asks; step() makes progress; done counts answers.
template <class AskOne, class Step>
Outcome measure(const Plan& plan, unsigned in_flight, const std::uint64_t& done, std::vector<std::uint32_t>& free_slots,
                AskOne&& ask, Step&& step) {
  std::uint64_t asked = 0;
  for (std::uint32_t slot = 0; slot < in_flight; ++slot) free_slots.push_back(slot);
  const auto run = [&](double seconds) {
    const Watch watch;
    const std::uint64_t before = done;
    while (watch.seconds() < seconds) {
      for (const std::uint32_t slot : std::exchange(free_slots, {})) {
        ask(slot);
        ++asked;
      }
      step();
    }
    const auto count = static_cast<double>(done - before);
    return Outcome{count / watch.seconds(), watch.cpu_seconds() * 1e6 / count};
  };
  run(0.2);  // warms up
  const Outcome outcome = run(plan.seconds);
  while (done < asked) step();
  return outcome;
}

// ---- bare ----

struct BareSide {
  BareUcx& ucx;
  Kind kind;
  std::vector<std::byte> memory = std::vector<std::byte>(kBulkInFlight * kBulkBytes);
  std::uint64_t done = 0;
  std::vector<std::uint32_t> free_slots;
  bool stopped = false;
  ucp_rkey_h remote = nullptr;
};

struct Pending {
  BareSide* side = nullptr;
  Ask ask;
  void send(const void* data, std::size_t size, std::uint32_t flags) {
    ucp_request_param_t param{};
    param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
    param.flags = flags;
    param.user_data = this;
    param.cb.send = [](void* request, ucs_status_t status, void* self) {
      must("ucp_am_send_nbx", status);
      ucp_request_free(request);
      delete static_cast<Pending*>(self);
    };
    const ucs_status_ptr_t sent = ucp_am_send_nbx(side->ucx.endpoint, 1, &ask, sizeof ask, data, size, &param);
    if (UCS_PTR_IS_ERR(sent)) must("ucp_am_send_nbx", UCS_PTR_STATUS(sent));
    if (sent == nullptr) delete this;
  }
  void put() {
    ucp_request_param_t param{};
    param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
    param.user_data = this;
    param.cb.send = [](void* request, ucs_status_t status, void* self) {
      must("ucp_put_nbx", status);
      ucp_request_free(request);
      static_cast<Pending*>(self)->flush();
    };
    const ucs_status_ptr_t sent = ucp_put_nbx(side->ucx.endpoint, side->memory.data() + ask.slot * kBulkBytes,
                                              kBulkBytes, ask.address, side->remote, &param);
    if (UCS_PTR_IS_ERR(sent)) must("ucp_put_nbx", UCS_PTR_STATUS(sent));
    if (sent == nullptr) flush();
  }
  void flush() {
    ucp_request_param_t param{};
    param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
    param.user_data = this;
    param.cb.send = [](void* request, ucs_status_t status, void* self) {
      must("ucp_ep_flush_nbx", status);
      ucp_request_free(request);
      static_cast<Pending*>(self)->send(nullptr, 0, 0);
    };
    const ucs_status_ptr_t sent = ucp_ep_flush_nbx(side->ucx.endpoint, &param);
    if (UCS_PTR_IS_ERR(sent)) must("ucp_ep_flush_nbx", UCS_PTR_STATUS(sent));
    if (sent == nullptr) send(nullptr, 0, 0);
  }
};

ucs_status_t serve(void* argument, const void* header, std::size_t, void*, std::size_t, const ucp_am_recv_param_t*) {
  auto& side = *static_cast<BareSide*>(argument);
  auto* const pending = new Pending{&side, {}};
  std::memcpy(&pending->ask, header, sizeof(Ask));
  switch (pending->ask.kind) {
    case Kind::kRpc:
      pending->send(side.memory.data(), kRpcBytes, 0);
      break;
    case Kind::kPut:
      pending->put();
      break;
    case Kind::kRendezvous:
      pending->send(side.memory.data() + pending->ask.slot * kBulkBytes, kBulkBytes, UCP_AM_SEND_FLAG_RNDV);
      break;
    case Kind::kStop:
      side.stopped = true;
      delete pending;
      break;
  }
  return UCS_OK;
}

ucs_status_t take(void* argument, const void* header, std::size_t, void* data, std::size_t size,
                  const ucp_am_recv_param_t* param) {
  auto& side = *static_cast<BareSide*>(argument);
  Ask ask;
  std::memcpy(&ask, header, sizeof ask);
  std::byte* const into = side.memory.data() + ask.slot * (ask.kind == Kind::kRpc ? kRpcBytes : kBulkBytes);
  if ((param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) == 0) {
    std::memcpy(into, data, size);
    ++side.done;
    side.free_slots.push_back(ask.slot);
    return UCS_OK;
  }
  struct Landing {
    BareSide* side;
    std::uint32_t slot;
  };
  ucp_request_param_t receive{};
  receive.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  receive.user_data = new Landing{&side, ask.slot};
  receive.cb.recv_am = [](void* request, ucs_status_t status, std::size_t, void* self) {
    must("ucp_am_recv_data_nbx", status);
    if (request != nullptr) ucp_request_free(request);
    const std::unique_ptr<Landing> landing(static_cast<Landing*>(self));
    ++landing->side->done;
    landing->side->free_slots.push_back(landing->slot);
  };
  const ucs_status_ptr_t got = ucp_am_recv_data_nbx(side.ucx.worker, data, into, size, &receive);
  if (UCS_PTR_IS_ERR(got)) must("ucp_am_recv_data_nbx", UCS_PTR_STATUS(got));
  if (got == nullptr) receive.cb.recv_am(nullptr, UCS_OK, size, receive.user_data);
  return UCS_INPROGRESS;
}

void bare_server(const Plan& plan, Kind kind, int socket) {
  BareUcx ucx(plan.bare_settings, socket);
  BareSide side{.ucx = ucx, .kind = kind};
  std::fill(side.memory.begin(), side.memory.end(), std::byte{1});
  ucx.on_message(serve, &side);
  std::size_t size = 0;
  ucx.hear(&size, sizeof size);
  std::vector<std::byte> key(size);
  ucx.hear(key.data(), size);
  must("ucp_ep_rkey_unpack", ucp_ep_rkey_unpack(ucx.endpoint, key.data(), &side.remote));
  ucx.say(&size, 1);
  while (!side.stopped) ucx.step();
  ucp_rkey_destroy(side.remote);
}

Outcome bare_client(const Plan& plan, Kind kind, int socket) {
  BareUcx ucx(plan.bare_settings, socket);
  BareSide side{.ucx = ucx, .kind = kind};
  ucx.on_message(take, &side);
  ucp_mem_map_params_t map{};
  map.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH;
  map.address = side.memory.data();
  map.length = side.memory.size();
  ucp_mem_h mapped = nullptr;
  must("ucp_mem_map", ucp_mem_map(ucx.context, &map, &mapped));
  void* key = nullptr;
  std::size_t size = 0;
  must("ucp_rkey_pack", ucp_rkey_pack(ucx.context, mapped, &key, &size));
  ucx.say(&size, sizeof size);
  ucx.say(key, size);
  ucp_rkey_buffer_release(key);
  char ready = 0;
  ucx.hear(&ready, 1);
  const auto ask = [&](std::uint32_t slot) {
    auto* const pending = new Pending{&side, {.kind = kind, .slot = slot}};
    pending->ask.address = reinterpret_cast<std::uint64_t>(side.memory.data() + slot * kBulkBytes);
    pending->send(nullptr, 0, 0);
  };
  const Outcome outcome = measure(plan, kind == Kind::kRpc ? kRpcInFlight : kBulkInFlight, side.done, side.free_slots,
                                  ask, [&] { ucx.step(); });
  (new Pending{&side, {.kind = Kind::kStop}})->send(nullptr, 0, 0);
  must("ucp_mem_unmap", ucp_mem_unmap(ucx.context, mapped));
  return outcome;
}

// ---- the backend ----

using fabric::Outgoing;
using fabric::Transfer;

std::unique_ptr<fabric::Domain> domain_of(const Plan& plan) {
  auto domain = fabric::ucx::make_domain({.transport = "ucx+" + plan.transport, .settings = {}});
  if (!domain.has_value()) give_up("make_domain", domain.error().message());
  return *std::move(domain);
}

constexpr fabric::ChannelLimits kLimits{.head_bytes_max = 4096, .payload_bytes_max = kMiB};

struct Sent : Outgoing {
  std::vector<Sent*>* pool = nullptr;
};

// Messages to send, used again.
class Pool {
 public:
  Sent& take() {
    if (free_.empty()) {
      Sent& made = all_.emplace_back();
      made.pool = &free_;
      made.head.resize(sizeof(Ask));
      made.sent = [](Outgoing& self, bool) {
        auto& sent = static_cast<Sent&>(self);
        sent.pool->push_back(&sent);
      };
      return made;
    }
    Sent& sent = *free_.back();
    free_.pop_back();
    return sent;
  }

 private:
  std::deque<Sent> all_;
  std::vector<Sent*> free_;
};

struct Keyed {
  std::uint32_t slot = 0;
  std::uint32_t key_bytes = 0;
  char key[fabric::kKeyBytesMax] = {};
};

class Server final : public fabric::Acceptor, public fabric::Receiver {
 public:
  void on_channel(std::unique_ptr<fabric::Channel> channel) override {
    channel_ = std::move(channel);
    channel_->start(*this);
  }
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t) override {
    if (head.size() == sizeof(Keyed)) {
      Keyed keyed;
      std::memcpy(&keyed, head.data(), sizeof keyed);
      windows_.resize(std::max<std::size_t>(windows_.size(), keyed.slot + 1));
      windows_[keyed.slot] = {.size_bytes = kBulkBytes, .key = std::string(keyed.key, keyed.key_bytes)};
      return memory::Memory();
    }
    Ask ask;
    std::memcpy(&ask, head.data(), sizeof ask);
    Sent& answer = pool_.take();
    std::memcpy(answer.head.data(), &ask, sizeof ask);
    if (ask.kind == Kind::kRpc) {
      answer.payload = memory::Memory(memory_.data(), kRpcBytes);
    } else {
      Transfer& put = puts_[ask.slot];
      put.local = memory::Memory(memory_.data() + ask.slot * kBulkBytes, kBulkBytes);
      put.window = &windows_[ask.slot];
      put.done = [](Transfer&, int error) {
        if (error != 0) give_up("put", Status(error).message());
      };
      channel_->put(put);
      answer.payload = memory::Memory();
    }
    channel_->send(answer);
    return memory::Memory();
  }
  Status on_message() override { return {}; }
  void on_closed(const Status&) override { closed = true; }
  void drop() { channel_.reset(); }
  bool closed = false;

 private:
  std::unique_ptr<fabric::Channel> channel_;
  Pool pool_;
  std::vector<fabric::Window> windows_;
  std::array<Transfer, kBulkInFlight> puts_;
  std::vector<std::byte> memory_ = std::vector<std::byte>(kBulkInFlight * kBulkBytes, std::byte{1});
};

void our_server(const Plan& plan, const std::string& listen, int socket) {
  auto loop = *runtime::Loop::create();
  auto domain = domain_of(plan);
  Server server;
  auto endpoint = domain->open(*loop, {.limits = kLimits, .listen = listen, .acceptor = &server});
  if (!endpoint.has_value()) give_up("open", endpoint.error().message());
  char address[fabric::kAddressBytesMax] = {};
  std::strncpy(address, (*endpoint)->address().c_str(), sizeof address - 1);
  if (::send(socket, address, sizeof address, 0) != sizeof address) give_up("send", std::strerror(errno));
  while (!server.closed) loop->wait();
  server.drop();
}

class Client final : public fabric::Receiver {
 public:
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override {
    Ask ask;
    std::memcpy(&ask, head.data(), sizeof ask);
    slot_ = ask.slot;
    return memory::Memory(memory.data() + slot_ * kRpcBytes, payload_bytes);
  }
  Status on_message() override {
    ++done;
    free_slots.push_back(slot_);
    return {};
  }
  void on_closed(const Status&) override { closed = true; }

  std::vector<std::byte> memory = std::vector<std::byte>(kBulkInFlight * kBulkBytes);
  std::uint64_t done = 0;
  std::vector<std::uint32_t> free_slots;
  bool closed = false;

 private:
  std::uint32_t slot_ = 0;
};

Outcome our_client(const Plan& plan, Kind kind, int socket) {
  auto loop = *runtime::Loop::create();
  auto domain = domain_of(plan);
  auto endpoint = *domain->open(*loop, {.limits = kLimits, .listen = {}, .acceptor = nullptr});
  char address[fabric::kAddressBytesMax] = {};
  if (::recv(socket, address, sizeof address, MSG_WAITALL) != sizeof address) give_up("recv", "the server is gone");
  struct Waiting : fabric::Connecting {
    std::unique_ptr<fabric::Channel> channel;
  } waiting;
  waiting.done = [](fabric::Connecting& self, Result<std::unique_ptr<fabric::Channel>> channel) {
    if (!channel.has_value()) give_up("connect", channel.error().message());
    static_cast<Waiting&>(self).channel = *std::move(channel);
  };
  endpoint->connect(address, waiting, loop->clock().monotonic_ns() + 10'000'000'000);
  while (waiting.channel == nullptr) loop->wait();
  fabric::Channel& channel = *waiting.channel;
  Client client;
  channel.start(client);
  Pool pool;
  std::vector<fabric::Window> windows;
  for (std::uint32_t slot = 0; kind == Kind::kPut && slot < kBulkInFlight; ++slot) {
    const auto memory = std::span(client.memory).subspan(slot * kBulkBytes, kBulkBytes);
    windows.push_back(*endpoint->expose({.memory = memory, .access = fabric::Access::kWrite, .only_for = &channel}));
    Keyed keyed{.slot = slot, .key_bytes = static_cast<std::uint32_t>(windows.back().key.size())};
    std::memcpy(keyed.key, windows.back().key.data(), windows.back().key.size());
    Sent& told = pool.take();
    told.head.resize(sizeof keyed);
    std::memcpy(told.head.data(), &keyed, sizeof keyed);
    channel.send(told);
  }
  const auto ask = [&](std::uint32_t slot) {
    const Ask asked{.kind = kind, .slot = slot};
    Sent& request = pool.take();
    request.head.resize(sizeof asked);
    std::memcpy(request.head.data(), &asked, sizeof asked);
    channel.send(request);
  };
  const Outcome outcome = measure(plan, kind == Kind::kRpc ? kRpcInFlight : kBulkInFlight, client.done,
                                  client.free_slots, ask, [&] { loop->wait(); });
  for (const fabric::Window& window : windows) endpoint->revoke(window);
  channel.close();
  while (!client.closed) loop->wait();
  waiting.channel.reset();
  return outcome;
}

// ---- runs ----

struct Form {
  std::string name;
  bool ours;
  Kind kind;
};

Outcome run(const Plan& plan, const Form& form, int round) {
  int sockets[2];
  int results[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0 || ::pipe(results) != 0)
    give_up("pipe", std::strerror(errno));
  const std::string listen = plan.transport == "shm"
                                 ? fmt::format("/tmp/ross-ucx-get-{}-{}-{}", ::getpid(), form.name, round)
                                 : std::string("127.0.0.1:0");
  pid_t children[2];
  for (int side = 0; side < 2; ++side) {
    children[side] = ::fork();
    if (children[side] != 0) continue;
    ::close(sockets[1 - side]);
    if (side == 0) {
      form.ours ? our_server(plan, listen, sockets[0]) : bare_server(plan, form.kind, sockets[0]);
    } else {
      const Outcome outcome =
          form.ours ? our_client(plan, form.kind, sockets[1]) : bare_client(plan, form.kind, sockets[1]);
      if (::write(results[1], &outcome, sizeof outcome) != sizeof outcome) std::exit(1);
    }
    std::fflush(nullptr);
    ::_exit(0);
  }
  ::close(sockets[0]);
  ::close(sockets[1]);
  ::close(results[1]);
  Outcome outcome;
  const bool got = ::read(results[0], &outcome, sizeof outcome) == sizeof outcome;
  ::close(results[0]);
  for (const pid_t child : children) {
    if (!got) ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  if (!got) give_up(form.name, "gave no result");
  return outcome;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

int main_of(int argc, char** argv) {
  Plan plan{.transport = "tcp", .bare_settings = {}};
  int pairs = 5;
  std::string only;
  ross::apps::Options line("Measures UCX by itself beside the fabric's backend over it", "ucx_get");
  line.option("--transport", plan.transport, "tcp or shm").one_of({"tcp", "shm"});
  line.option("--pairs", pairs, "rounds, in each of which every form runs once").between(1, 100);
  line.option("--seconds", plan.seconds, "of each run").between(0.1, 600.0);
  line.option("--only", only, "one form");
  if (const auto ended = line.parse(argc, argv)) return *ended;
  plan.bare_settings = {{"TLS", plan.transport == "tcp" ? "tcp" : "posix,cma"}};
  if (plan.transport == "tcp") {
    plan.bare_settings.insert(plan.bare_settings.end(), {{"TX_SEG_SIZE", "256k"}, {"RX_SEG_SIZE", "256k"}});
  }
  const std::vector<Form> forms = {{"bare_rpc_4k", false, Kind::kRpc},
                                   {"ross_rpc_4k", true, Kind::kRpc},
                                   {"bare_put_1m", false, Kind::kPut},
                                   {"bare_rendezvous_1m", false, Kind::kRendezvous},
                                   {"ross_put_1m", true, Kind::kPut}};
  std::map<std::string, std::vector<double>> rates;
  std::map<std::string, std::vector<double>> costs;
  for (int round = 0; round < pairs; ++round) {
    for (const Form& form : forms) {
      if (!only.empty() && form.name != only) continue;
      const Outcome outcome = run(plan, form, round);
      rates[form.name].push_back(outcome.per_second);
      costs[form.name].push_back(outcome.client_cpu_us);
    }
  }
  std::string json;
  for (const auto& [name, values] : rates) {
    json += fmt::format("  \"{}\": {{\"per_second\": {:.0f}, \"client_cpu_us\": {:.2f}, \"runs\": [{:.0f}]}},\n", name,
                        median(values), median(costs[name]), fmt::join(values, ", "));
  }
  if (only.empty()) {
    json += fmt::format("  \"rpc_ratio\": {:.3f},\n", median(rates["ross_rpc_4k"]) / median(rates["bare_rpc_4k"]));
    json += fmt::format(
        "  \"bulk_ratio\": {:.3f},\n",
        median(rates["ross_put_1m"]) / std::max(median(rates["bare_put_1m"]), median(rates["bare_rendezvous_1m"])));
  }
  fmt::print("{{\n{}  \"transport\": \"{}\", \"pairs\": {}, \"seconds\": {}, \"processors\": {}\n}}\n", json,
             plan.transport, pairs, plan.seconds, ::sysconf(_SC_NPROCESSORS_ONLN));
  return 0;
}

}  // namespace
}  // namespace ross::bench

int main(int argc, char** argv) { return ross::bench::main_of(argc, argv); }
