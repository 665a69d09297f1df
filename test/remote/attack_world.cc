#include "attack_world.h"

#include <algorithm>
#include <cstring>

#include "base/read_file.h"

namespace ross::server {

namespace {

using wire::Op;

constexpr std::size_t kFileBytes = 64 * 1024 + 5;
constexpr int kFiles = 4;

// As another user where this process may become one: then even b's own token is none for a.
bool is_root() { return ::geteuid() == 0; }
uid_t hostile_uid() { return is_root() ? 65534 : ::geteuid(); }
gid_t hostile_gid() { return is_root() ? 65534 : ::getegid(); }

class AsHostile {
 public:
  AsHostile() {
    if (is_root_) ROSS_CHECK(::seteuid(hostile_uid()) == 0, "cannot become another user");
  }
  ~AsHostile() {
    if (is_root_) ROSS_CHECK(::seteuid(0) == 0, "cannot become root again");
  }

 private:
  const bool is_root_ = is_root();
};

}  // namespace

AttackWorld::AttackWorld(engine::Pool& pool, const std::filesystem::path& folder, std::uint64_t seed)
    : pool_(pool), folder_(folder), hostile_(seed, {.uid = hostile_uid(), .gid = hostile_gid()}) {
  Random random(seed ^ 0x5ec7e7);
  for (std::byte& byte : secret_) byte = static_cast<std::byte>(128 + random.below(128));
  const std::string tag = std::to_string(seed);
  a_ = "a" + tag;
  b_ = "b" + tag;
  hidden_ = "hidden-" + std::string(reinterpret_cast<const char*>(secret_.data()), secret_.size());
  for (const std::string& name : {a_, b_}) {
    EXPECT_TRUE(pool_.create_container(name, {.quota_bytes = 16 << 20, .quota_nodes = 1000}).ok());
  }
  tenants_ = *identity::Directory::open(
      {.tenants = {{.name = "a", .write = {"p/" + a_}, .admin = {"p/own*"}}, {.name = "b", .admin = {"p/" + b_}}},
       .audit_path = folder_ / "audit"});
  std::vector<Listener> listeners(1);
  listeners[0] = {.domain = *fabric::local::make_domain({}), .address = folder_ / "sock"};
  server_ = *Server::start(pool_, std::move(listeners),
                           {.patience = std::chrono::milliseconds(0),
                            .lease = std::chrono::seconds(20),
                            .tenants = tenants_,
                            .export_name = "p"});
  std::filesystem::permissions(folder_, std::filesystem::perms(0755));
  std::filesystem::permissions(folder_ / "sock", std::filesystem::perms(0777));
  make_victim();
  make_hostile();
}

AttackWorld::~AttackWorld() {
  hostile_peer_.reset();
  victim_peer_.reset();
  victim_.reset();
  server_.reset();
  for (const engine::ContainerInfo& container : pool_.containers()) {
    EXPECT_TRUE(pool_.destroy_container(container.name).ok());
  }
  std::filesystem::remove(folder_ / "audit");
}

Applicant AttackWorld::applicant(std::string_view tenant) const {
  Applicant who{.peer = {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}};
  if (tenant == "a") who.peer.uid = hostile_uid(), who.peer.gid = hostile_gid();
  who.who = {.tenant = tenants_->find(tenant),
             .credential = {.kind = identity::Credential::Kind::kToken, .id = std::string(tenant), .issued_s = 1}};
  return who;
}

// Modes of files and directories forbid nothing here: the tenant's bounds alone do.
void AttackWorld::make_victim() {
  const fs::Credential self{.uid = ::geteuid(), .gid = ::getegid()};
  for (const std::string& name : {a_, b_}) {
    const auto opened = must(pool_.open_container(name));
    run(opened->setattr(self, fs::kRootNode, {.mode = 0777}, std::nullopt));
  }
  Applicant who = applicant("b");
  fill_random(who.client);
  victim_client_ = who.client;
  const Begun begun = must(server_->begin_session(who));
  victim_token_ = begun.token;
  std::shared_ptr<client::Session> session = must(client::Session::connect(
      *fabric::local::make_domain({}), folder_ / "sock", begun.token, system_clock().monotonic_ns() + 20'000'000'000));
  victim_ = must(client::open_container(session, b_));
  std::vector<std::byte> data(kFileBytes);
  fill(data);
  auto& knows = hostile_.knows();
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = i == 0 ? hidden_ : "f" + std::to_string(i);
    const auto made = run(victim_->create(self, fs::kRootNode, name, 0666, {.read = true, .write = true}));
    run(victim_->write(made.file, 0, memory::Memory(data)));
    ROSS_CHECK(loop_
                   ->block_on(victim_->setxattr(self, made.attr.node, "user.x",
                                                std::string(reinterpret_cast<const char*>(data.data()), 64), {}))
                   .ok(),
               "setxattr");
    files_.push_back(made);
    attrs_.push_back(run(victim_->getattr(made.attr.node)));
    knows.nodes.push_back(made.attr.node.value);
    knows.files.push_back(made.file.value);
    if (i > 0) knows.names.push_back(name);
  }
  for (std::uint64_t i = 1; i < 12; ++i) knows.files.push_back(i);
  knows.names.insert(knows.names.end(), {b_, a_, "own", "own1", "user.x", ""});
  knows.containers = {0, 1, 2, 3, 4, 5, UINT32_MAX};
  // Another session of the same tenant, with a window each way, and one that has ended.
  const Begun other = must(server_->begin_session(applicant("b")));
  victim_peer_ = std::make_unique<RawPeer>(folder_ / "sock", wire::Hello{.pid = ::getpid(), .session = other.token});
  EXPECT_EQ(victim_peer_->ask({.op = Op::kContainerOpen, .name = b_}), 0);
  fill(window_read_);
  knows.keys.push_back(victim_peer_->expose(window_read_, fabric::Access::kRead).key);
  knows.keys.push_back(victim_peer_->expose(window_written_, fabric::Access::kWrite).key);
  const Begun old = must(server_->begin_session(applicant("b")));
  old_token_ = old.token;
  RawPeer gone(folder_ / "sock", wire::Hello{.pid = ::getpid(), .session = old.token});
  EXPECT_EQ(gone.ask({.op = Op::kEnd}), 0);
}

void AttackWorld::make_hostile() {
  hostile_peer_.reset();
  hostile_.forget();
  asked_.clear();
  ++sessions_;
  Applicant who = applicant("a");
  outlives_ = hostile_.random().chance(1, 2);
  if (outlives_) fill_random(who.client);
  const Begun begun = must(server_->begin_session(who));
  hostile_token_ = begun.token;
  {
    const AsHostile as;
    hostile_peer_ = std::make_unique<RawPeer>(folder_ / "sock", wire::Hello{.pid = ::getpid(), .session = begun.token});
  }
  RawPeer& peer = *hostile_peer_;
  ROSS_CHECK(peer.welcome_error() == 0, "a is refused");
  peer.looks = [this](std::span<const std::byte> head, std::span<const std::byte> payload) {
    look(head);
    look(payload);
  };
  wire::ReplyHeader reply{};
  EXPECT_EQ(peer.ask({.op = Op::kContainerOpen, .name = a_}, &reply), 0);
  container_ = static_cast<std::uint32_t>(reply.value);
  wire::Request create{.op = Op::kCreate, .container = container_, .node = 1, .a = wire::kOpenRead | wire::kOpenWrite};
  create.mode = 0666;
  create.uid = hostile_uid();
  create.gid = hostile_gid();
  create.name = "own";
  file_ = peer.ask(create, &reply) == 0 ? reply.value : 0;
  own_keys_ = {peer.expose(own_window_, fabric::Access::kWrite).key,
               peer.expose(own_source_, fabric::Access::kRead).key};
}

void AttackWorld::look(std::span<const std::byte> bytes) {
  // Anything of b's that is longer than its pattern has it at some turn of it.
  std::array<std::byte, 16> twice;
  for (std::size_t i = 0; i < twice.size(); ++i) twice[i] = secret_[i % 8];
  for (std::size_t turn = 0; turn < 8; ++turn) {
    const auto found = std::search(bytes.begin(), bytes.end(), twice.begin() + static_cast<std::ptrdiff_t>(turn),
                                   twice.begin() + static_cast<std::ptrdiff_t>(turn) + 8);
    ASSERT_EQ(found, bytes.end()) << "a was sent what is b's";
  }
}

// ---- attempts ----

bool AttackWorld::joins(const wire::Hello& hello) {
  const AsHostile as;
  const RawPeer peer(folder_ / "sock", hello);
  return peer.welcome_error() == 0;
}

void AttackWorld::join_somehow() {
  Random& random = hostile_.random();
  wire::Hello hello{.pid = static_cast<std::int32_t>(random.below(100'000)), .session = old_token_};
  switch (random.below(4)) {
    case 0:
      hello.session = victim_token_;
      if (is_root()) break;
      [[fallthrough]];
    case 1:
      hello.session = victim_token_;
      hello.session[random.below(16)] ^= static_cast<std::uint8_t>(1U << random.below(8));
      break;
    case 2:
      hello.session = hostile_token_;
      hello.session[random.below(16)] ^= static_cast<std::uint8_t>(1U << random.below(8));
      break;
    default:
      break;
  }
  if (random.chance(1, 4)) hello.kind = wire::Kind::kTransfers;
  if (random.chance(1, 4)) hello.generation = static_cast<std::uint32_t>(random());
  EXPECT_FALSE(joins(hello));
  ++refused_;
}

void AttackWorld::have_a_session_somehow() {
  Random& random = hostile_.random();
  Applicant who = applicant("a");
  who.client = victim_client_;
  who.returning = random.chance(1, 2);
  switch (random.below(3)) {
    case 0:
      EXPECT_FALSE(server_->begin_session(who).has_value());
      break;
    case 1:
      EXPECT_FALSE(server_->renew_session(victim_token_, who).ok());
      break;
    default:
      EXPECT_FALSE(server_->close_session(random.chance(1, 2) ? victim_token_ : old_token_, who).ok());
      break;
  }
  ++refused_;
}

// A ping goes behind it: whatever the answer is, and whether there is one, the server has done with it or is at it.
void AttackWorld::say(const Hostile::Message& message) {
  RawPeer& peer = *hostile_peer_;
  const std::uint64_t ping = (std::uint64_t{1} << 40) + ++said_;
  asked_[message.id] = message;
  peer.send(message.head, message.payload_bytes);
  peer.send(RawPeer::encoded({.id = ping, .op = Op::kPing}));
  while (const auto head = peer.next()) {
    const auto reply = wire::decode_reply(*head);
    ASSERT_TRUE(reply.has_value());
    if (reply->id == ping) return;
    // Some are answered behind later ones: those that a worker has.
    const auto asked = asked_.find(reply->id);
    if (asked == asked_.end()) continue;
    ++(reply->error == 0 ? granted_ : denied_);
    if (reply->error == 0) hostile_.learn(asked->second, reply->value);
    asked_.erase(asked);
  }
  make_hostile();
}

void AttackWorld::step() {
  const std::uint64_t kind = hostile_.random().below(20);
  if (kind == 0) {
    join_somehow();
  } else if (kind == 1) {
    have_a_session_somehow();
  } else {
    say(hostile_.next(container_, file_, own_keys_, outlives_));
  }
  look(own_window_);
}

void AttackWorld::attempt_each() {
  std::size_t lines = audited();
  const auto expect_line = [&](std::string_view reason) {
    const auto text = read_file(folder_ / "audit").value_or("");
    EXPECT_EQ(audited(), ++lines) << reason;
    const std::size_t last = text.rfind('\n', text.size() - 2);
    const std::string said = "\"reason\":\"" + std::string(reason) + "\"";
    EXPECT_NE(text.find(said, last == std::string::npos ? 0 : last), std::string::npos) << text.substr(last + 1);
  };
  RawPeer& peer = *hostile_peer_;
  EXPECT_EQ(peer.ask({.op = Op::kContainerOpen, .name = b_}), ENOENT);
  expect_line("not-yours");
  EXPECT_EQ(peer.ask({.op = Op::kContainerDestroy, .name = b_}), ENOENT);
  expect_line("not-yours");
  EXPECT_EQ(peer.ask({.op = Op::kContainerCreate, .name = b_}), EACCES);
  expect_line("missing-right");
  EXPECT_EQ(peer.ask({.op = Op::kRead, .container = container_, .file = files_[1].file.value + 1000, .b = 64}), EBADF);
  expect_line("handle");
  EXPECT_EQ(peer.ask({.op = Op::kGetattr, .container = container_ + 7, .node = 1}), EBADF);
  expect_line("handle");
  EXPECT_FALSE(joins({.session = old_token_}));
  expect_line("session");
  EXPECT_FALSE(joins({.kind = wire::Kind::kTransfers, .session = victim_token_}));
  expect_line("session");
  Applicant who = applicant("a");
  who.client = victim_client_;
  EXPECT_FALSE(server_->begin_session(who).has_value());
  expect_line("replayed");
  EXPECT_FALSE(server_->close_session(victim_token_, who).ok());
  expect_line("replayed");
  if (is_root()) {
    EXPECT_FALSE(joins({.session = victim_token_}));
    expect_line("replayed");
  }
  refused_ += lines;
}

// ---- what has to be as it was ----

void AttackWorld::check_victim(bool all) {
  victim_peer_->turn();
  const auto has = [this](std::span<const std::byte> memory) {
    for (std::size_t i = 0; i < memory.size(); ++i) {
      if (memory[i] != secret_[i % 8]) return false;
    }
    return true;
  };
  ASSERT_TRUE(has(window_read_)) << "b's memory was written";
  ASSERT_TRUE(std::ranges::all_of(window_written_, [](std::byte byte) { return byte == std::byte{0x5a}; }))
      << "b's window was written";
  std::vector<std::byte> data(kFileBytes + 100);
  const std::size_t first = all ? 0 : hostile_.random().below(kFiles);
  for (std::size_t i = first; i < (all ? kFiles : first + 1); ++i) {
    ASSERT_EQ(run(victim_->read(files_[i].file, 0, memory::Memory(data))), kFileBytes);
    ASSERT_TRUE(has(std::span(data).first(kFileBytes))) << "file " << i;
    const fs::Attr now = run(victim_->getattr(files_[i].attr.node));
    const fs::Attr& was = attrs_[i];
    ASSERT_EQ(now.ctime_ns, was.ctime_ns) << "file " << i;
    ASSERT_EQ(now.mtime_ns, was.mtime_ns);
    ASSERT_EQ(now.size_bytes, was.size_bytes);
    ASSERT_EQ(now.mode, was.mode);
    ASSERT_EQ(now.links, was.links);
    ASSERT_EQ(now.uid, was.uid);
  }
  if (!all) return;
  const auto entries = run(victim_->readdir({}, fs::kRootNode, {}));
  std::size_t names = 0;
  for (const fs::DirEntry& entry : entries) names += entry.name != "." && entry.name != ".." ? 1 : 0;
  ASSERT_EQ(names, static_cast<std::size_t>(kFiles));
  ASSERT_EQ(run(victim_->getxattr({}, files_[0].attr.node, "user.x")).size(), 64U);
  ASSERT_EQ(server_->sessions_of("b"), 2U);
}

// Lines of the audit, and how many more say that they were left out.
std::size_t AttackWorld::audited(std::size_t* left_out) const {
  const std::string text = read_file(folder_ / "audit").value_or("");
  if (left_out != nullptr) {
    constexpr std::string_view kWord = "\"left_out\":";
    for (std::size_t at = text.find(kWord); at != std::string::npos; at = text.find(kWord, at + 1)) {
      *left_out += std::strtoull(text.c_str() + at + kWord.size(), nullptr, 10);
    }
  }
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

// Lines may be left out, but are counted: by the next one that there is room for.
void AttackWorld::check_audit() {
  const std::size_t before = audited();
  for (const std::int64_t until = system_clock().monotonic_ns() + 20'000'000'000; audited() == before;) {
    ASSERT_LT(system_clock().monotonic_ns(), until);
    EXPECT_FALSE(joins({.session = old_token_}));
    ++refused_;
  }
  std::size_t left_out = 0;
  const std::size_t lines = audited(&left_out);
  EXPECT_GE(lines + left_out, refused_);
}

}  // namespace ross::server
