// The inputs that are lists of steps (hostile_steps.h): for libfabric and for UCX. The numbers of steps and the bits of settings are those
// of ofi_fuzz.cc, ofi_local_fuzz.cc and ucx_fuzz.cc.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "fabric/ofi/wire.h"
#include "fabric/ucx/wire.h"
#include "make_corpus.h"

namespace {

template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// A number that stands for one that no input can know.
std::uint64_t word(std::string_view stand_in) {
  std::uint64_t value = 0;
  std::memcpy(&value, stand_in.data(), sizeof value);
  return value;
}

class Script {
 public:
  explicit Script(int setting) : bytes_(1, static_cast<char>(setting)) {}
  Script& step(int doing, std::string_view with = {}) {
    bytes_.push_back(static_cast<char>(doing));
    bytes_ += bytes_of(static_cast<std::uint16_t>(with.size()));
    bytes_ += with;
    return *this;
  }
  void write_as(std::string_view name) const { write(name, bytes_); }

 private:
  std::string bytes_;
};

// ---- libfabric ----

namespace ofi = ross::fabric::ofi;
using ofi::PieceKind;

constexpr std::uint32_t kFirstChannel = 1 << 16;

// The pieces of a peer, in order.
class Pieces {
 public:
  explicit Pieces(std::string_view secret) : secret_(word(secret)) {}
  std::string next(PieceKind kind, std::string_view body = {}, std::uint32_t taken = 0, std::uint32_t floor = 0) {
    const ofi::PieceHeader header{.kind = kind,
                                  .channel = kFirstChannel,
                                  .secret = secret_,
                                  .sequence = sequence_++,
                                  .taken = taken,
                                  .floor = floor,
                                  .body_bytes = static_cast<std::uint32_t>(body.size())};
    return bytes_of(header).append(body);
  }

 private:
  const std::uint64_t secret_;
  std::uint32_t sequence_ = 0;
};

ofi::Introduction introduction(std::size_t address_bytes) {
  return {.secret = 5,
          .head_bytes_max = 4096,
          .payload_bytes_max = 1 << 20,
          .channel = 3,
          .pid = 1,
          .address_bytes = static_cast<std::uint32_t>(address_bytes)};
}

std::string hello(std::string_view address) {
  const std::string body = bytes_of(introduction(address.size())).append(address);
  return bytes_of(ofi::PieceHeader{.kind = PieceKind::kHello, .body_bytes = static_cast<std::uint32_t>(body.size())}) +
         body;
}

// An IPv4 socket address, as Linux lays it out.
std::string numeric_address() { return std::string("\x02\x00\x1d\x2f\x7f\x00\x00\x01", 8) + std::string(8, '\0'); }

std::string message(std::string_view head, std::string_view payload) {
  return bytes_of(static_cast<std::uint32_t>(head.size())) + bytes_of(static_cast<std::uint32_t>(payload.size())) +
         std::string(head) + std::string(payload);
}

std::string transfer(std::uint32_t number, bool put, std::uint64_t offset, std::uint64_t size) {
  return bytes_of(ofi::TransferRecord{.number = number,
                                      .access = put ? 1U : 0U,
                                      .window = put ? 1U : 2U,
                                      .rkey = word(put ? "RKEYwwww" : "RKEYrrrr"),
                                      .offset_bytes = offset,
                                      .size_bytes = size});
}

std::string number(std::uint32_t value) { return bytes_of(value); }

}  // namespace

void write_ofi() {
  enum { kDelivers, kBehind, kHolds, kReleases, kFails, kFull, kRevokes, kCloses, kPasses, kPassesLong, kAnother };
  const std::string greeting = hello(numeric_address());
  const auto guest = [&](int setting) { return Script(setting).step(kDelivers, greeting); };
  {
    Pieces peer("SECRET..");
    guest(0)
        .step(kDelivers, peer.next(PieceKind::kData, message("head", "payload") + message("", "")))
        .step(kBehind, peer.next(PieceKind::kData, message("h", std::string(3000, 'p')).substr(0, 1000)))
        .step(kDelivers, peer.next(PieceKind::kData, message("h", std::string(3000, 'p')).substr(1000)))
        .step(kDelivers, peer.next(PieceKind::kCredit))
        .step(kDelivers, peer.next(PieceKind::kClosing))
        .step(kDelivers, peer.next(PieceKind::kBye))
        .write_as("messages");
  }
  for (const bool put : {true, false}) {
    Pieces peer("SECRET..");
    guest(put ? 128 : 1)
        .step(kDelivers, peer.next(PieceKind::kTransfers, transfer(0, put, 0, 1000) + transfer(1, put, 999, 1)))
        .step(kDelivers, peer.next(PieceKind::kCredit, {}, 1, 1))
        .step(kRevokes)
        .step(kDelivers, peer.next(PieceKind::kData, message("done", ""), 1, 2))
        .write_as(put ? "puts" : "gets");
  }
  {
    Pieces peer("SECRET..");
    guest(0).step(kDelivers, peer.next(PieceKind::kTransfers, transfer(0, true, 1, 1000))).write_as("out_of_range");
  }
  for (const int setting : {4 + 8 + 16, 1 + 4 + 8 + 16, 32 + 8}) {
    Pieces peer("SECRET..");
    guest(setting)
        .step(kHolds)
        .step(kDelivers, peer.next(PieceKind::kGrants, number(0) + number(1), 1))
        .step(kAnother)
        .step(setting == 32 + 8 ? kPassesLong : kReleases)
        .step(kDelivers, peer.next(PieceKind::kCredit, {}, 2))
        .step(kCloses)
        .step(kPassesLong)
        .write_as("our_transfers_" + std::to_string(setting));
  }
  {
    Pieces peer("SECRET..");
    Script(2 + 8)
        .step(kDelivers, peer.next(PieceKind::kWelcome, bytes_of(introduction(0))))
        .step(kDelivers, peer.next(PieceKind::kGrants, number(0), 1))
        .step(kFull)
        .step(kAnother)
        .step(kPasses)
        .write_as("dial");
  }
  Script(2).step(kDelivers, Pieces("SECRET..").next(PieceKind::kRefuse)).write_as("refused");
  Script(64).step(kBehind, greeting).step(kDelivers, greeting).step(kPassesLong).write_as("two_guests");
  {
    Pieces peer("SECRET..");
    guest(0).step(kDelivers, peer.next(PieceKind::kData, message(std::string(257, 'h'), ""))).write_as("head_too_long");
  }
  {
    Pieces peer("no key..");
    guest(0).step(kDelivers, peer.next(PieceKind::kData)).write_as("wrong_secret");
  }
  write("key", ofi::encode({.access = 1, .only_for = 65536, .id = 7, .rkey = 99, .base = 4096, .size_bytes = 10}));
  write("address", "127.0.0.1:7471");
  write("address_of_six", "[::1]:7471");
  write("raw_address", numeric_address());
}

void write_ofi_local() {
  enum {
    kSays,
    kSlowly,
    kDelivers,
    kScribbles,
    kTurn,
    kHolds,
    kReleases,
    kFails,
    kFull,
    kCloses,
    kLeaves,
    kPasses,
    kLong
  };
  constexpr std::string_view kName = "ross-ofi-1-2-3";
  // As PairGreeting in local_endpoint.h lays it out.
  const auto greeting = [&](std::uint32_t refused) {
    std::string said = std::string("RSRP\x01\0\0\0", 8) + number(refused) + "PID!" + "PROBE@@@" + "PROBE###";
    said += kName;
    said.resize(128, '\0');
    return said;
  };
  const std::string address = std::string(kName) + '\0';
  {
    Pieces peer("SECRET..");
    Script(0)
        .step(kSays, greeting(0))
        .step(kDelivers, hello(address))
        .step(kDelivers, peer.next(PieceKind::kData, message("head", "payload")))
        .step(kDelivers, peer.next(PieceKind::kTransfers, transfer(0, true, 0, 1000)))
        .step(kDelivers, peer.next(PieceKind::kBye))
        .write_as("messages");
  }
  {
    Pieces peer("SECRET..");
    Script(1 + 2 + 4 + 8)
        .step(kSays, greeting(0))
        .step(kDelivers, peer.next(PieceKind::kWelcome, bytes_of(introduction(0))))
        .step(kHolds)
        .step(kDelivers, peer.next(PieceKind::kGrants, number(0) + number(1), 1))
        .step(kReleases)
        .step(kSays, "\x01")
        .step(kCloses)
        .write_as("dial");
  }
  Script(8)
      .step(kSlowly, greeting(0))
      .step(kDelivers, hello(address))
      .step(kTurn, number(1))
      .step(kLong)
      .step(kLeaves)
      .write_as("turn_kept");
  Script(4)
      .step(kSays, greeting(0))
      .step(kDelivers, hello(address))
      .step(kScribbles, std::string(1, '\0') + std::string(200, '\x01'))
      .step(kPasses)
      .write_as("scribbles");
  Script(1).step(kSays, greeting(95)).write_as("refused");
  Script(16).step(kSays, greeting(0)).write_as("no_page");
  Script(32).step(kSays, greeting(0)).write_as("other_page");
  Script(64).step(kSays, greeting(0)).write_as("two_pages");
  Script(0).step(kSays, "GET / HTTP/1.1\r\n").write_as("another_program");
}

// ---- UCX ----

namespace {

namespace ucx = ross::fabric::ucx;
using ucx::Frame;
using ucx::Item;

std::string frame(Frame kind, std::uint32_t message, std::uint32_t put, std::uint32_t messages_received = 0,
                  std::uint32_t puts_received = 0) {
  return bytes_of(ucx::FrameHeader{.channel = kind == Frame::kHello ? 0 : word(std::string_view("LINK\0\0\0\0", 8)),
                                   .first_message = message,
                                   .first_put = put,
                                   .messages_received = messages_received,
                                   .puts_received = puts_received,
                                   .frame = kind});
}

std::string item(Item kind, std::string_view extra, std::string_view payload, std::uint64_t bulk_bytes = 0,
                 bool follows = false) {
  return bytes_of(ucx::ItemHeader{.item = kind,
                                  .payload_follows = follows,
                                  .extra_bytes = static_cast<std::uint32_t>(extra.size()),
                                  .payload_bytes = payload.size() + bulk_bytes})
      .append(extra)
      .append(payload);
}

std::string place(std::string_view key, std::uint64_t offset) {
  std::string bytes(key);
  bytes.resize(sizeof(ucx::Key), '.');
  return bytes + bytes_of(offset);
}

std::string get_request(std::uint64_t offset, std::uint64_t size, std::uint64_t request) {
  return place("KEYr", offset) + bytes_of(size) + bytes_of(request);
}

std::string arriving(std::string_view bytes, char how = 0) { return std::string(1, how).append(bytes); }

}  // namespace

void write_ucx() {
  enum {
    kArrives,
    kBehind,
    kConnects,
    kSays,
    kSlowly,
    kLeaves,
    kBreaks,
    kHolds,
    kReleases,
    kFails,
    kRefuses,
    kRevokes,
    kCloses,
    kPasses,
    kLong,
    kAnother,
    kDialsThere
  };
  constexpr char kBulk = 1;
  const std::string named = bytes_of(ucx::Hello{.channel = 77, .head_bytes_max = 4096, .payload_bytes_max = 1 << 20});
  const std::string socket_greeting = named + bytes_of(std::uint64_t{4}) + "addr";
  const auto guest = [&](int setting) {
    Script script(setting);
    script.step(kConnects);
    if ((setting & 1) != 0) {
      script.step(kSays, socket_greeting);
    } else {
      script.step(kArrives, arriving(frame(Frame::kHello, 0, 0) + named));
    }
    return script;
  };
  const std::string payload(1000, 'p');
  for (const int local : {0, 1, 32}) {
    const std::string name = "_" + std::to_string(local);
    guest(local)
        .step(kArrives, arriving(frame(Frame::kItems, 0, 0) + item(Item::kMessage, "head", "payload") +
                                 item(Item::kMessage, "", "")))
        .step(kArrives, arriving(frame(Frame::kItems, 3, 0) + item(Item::kBye, "", "")))
        .step(kArrives, arriving(frame(Frame::kItems, 2, 0) + item(Item::kMessage, "late", "")))
        .write_as("messages" + name);
    guest(local)
        .step(kBehind, arriving(frame(Frame::kItems, 0, 0) + item(Item::kMessage, "head", "", 3000, true)))
        .step(kHolds)
        .step(kArrives, arriving(frame(Frame::kBulk, 1, 0) + item(Item::kBody, "", "", 3000), kBulk))
        .step(kBehind, arriving(frame(Frame::kBulk, 2, 0) + item(Item::kMessage, "head", "", 4000), kBulk))
        .step(kReleases)
        .step(kPasses)
        .write_as("bulks" + name);
    guest(local)
        .step(kArrives, arriving(frame(Frame::kItems, 0, 0) + item(Item::kPut, place("KEYw", 0), payload)))
        .step(kArrives, arriving(frame(Frame::kBulk, 0, 1) + item(Item::kPut, place("KEYw", 500), "", 500), kBulk))
        .step(kHolds)
        .step(kArrives, arriving(frame(Frame::kBulk, 0, 2) + item(Item::kPut, place("KEYw", 0), "", 1000), kBulk))
        .step(kRevokes)
        .write_as("puts" + name);
    guest(local + 128)
        .step(kHolds)
        .step(kBehind, arriving(frame(Frame::kBulk, 0, 0) + item(Item::kPut, place("KEYw", 0), "", 1000), kBulk))
        .step(kArrives, arriving(frame(Frame::kItems, 0, 1) + item(Item::kMessage, "before its put", "")))
        .step(kArrives, arriving(frame(Frame::kItems, 0, 0) + item(Item::kMessage, "revokes", "payload")))
        .write_as("revoked_inside" + name);
    guest(local)
        .step(kArrives, arriving(frame(Frame::kItems, 0, 0) + item(Item::kGet, get_request(0, 1000, 1), "") +
                                 item(Item::kGet, get_request(0, 40'000, 2), "")))
        .step(kArrives, arriving(frame(Frame::kItems, 0, 0) + item(Item::kGet, get_request(1, 40'000, 3), "")))
        .write_as("gets" + name);
    guest(local + 4 + 8 + 16)
        .step(kAnother)
        .step(kArrives, arriving(frame(Frame::kItems, 0, 0, 1, 1) +
                                 item(Item::kGot, bytes_of(std::uint64_t{0}), std::string(1000, 'd'))))
        .step(kArrives, arriving(frame(Frame::kItems, 0, 0, 9, 9)))
        .write_as("answers" + name);
    guest(local + 8)
        .step(kRefuses)
        .step(kArrives,
              arriving(frame(Frame::kBulk, 0, 0) + item(Item::kGot, bytes_of(std::uint64_t{0}), "", 1000), kBulk))
        .step(kLong)
        .write_as("answer_in_bulk" + name);
    guest(local + 16)
        .step(kHolds)
        .step(kArrives, arriving(frame(Frame::kItems, 0, 0) + item(Item::kAbort, number(13), "")))
        .step(kFails)
        .write_as("abort" + name);
    guest(local).step(kBreaks).step(kCloses).step(kLeaves).write_as("breaks" + name);
  }
  Script(2 + 8).step(kArrives, arriving(frame(Frame::kWelcome, 0, 0) + named)).write_as("dial");
  Script(0).step(kDialsThere, "[::1]:7472").step(kDialsThere, "10.0.0.7:70000").step(kLong).write_as("dials_there");
  Script(1 + 2 + 4).step(kSlowly, socket_greeting).step(kLeaves).write_as("dial_locally");
  Script(1).step(kConnects).step(kSays, "GET / HTTP/1.1\r\n").write_as("another_program");
  Script(64)
      .step(kConnects)
      .step(kConnects)
      .step(kArrives, arriving(frame(Frame::kHello, 0, 0) + named))
      .write_as("two");
}
