// Goal: the control plane gives what proto/ross/v1 promises, to whom it may, and errors with their errno.
// Method: the services over a model pool on a free port of loopback, called by gRPC's client and by ours.
#include "server/control/control_server.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <ross/v1/namespace.grpc.pb.h>
#include <ross/v1/pool.grpc.pb.h>
#include <ross/v1/session.grpc.pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "base/clock.h"
#include "base/units.h"
#include "client/control.h"
#include "client/remote_file_system.h"
#include "client/session.h"
#include "fabric/tcp/tcp.h"
#include "model_pool.h"
#include "server/control/exports.h"
#include "server/control/process_use.h"

namespace ross::server::control {
namespace {

std::int64_t in_20_s() { return system_clock().monotonic_ns() + 20'000'000'000; }

class ControlTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pool.create_container("c", {}).ok());
    const auto listen = [](std::size_t) -> Result<std::vector<Listener>> {
      std::vector<Listener> listeners(1);
      listeners[0] = {.domain = *fabric::tcp::make_domain({}), .address = "127.0.0.1:0"};
      return listeners;
    };
    servers = *ServerGroup::start(pool, 2, listen, {});
    exports = std::make_unique<Exports>(std::vector<Export>{{.name = "p", .pool = &pool, .servers = servers.get()}},
                                        std::vector<FabricOffer>{{.backend = "tcp"}});
    auto started = ControlServer::start(
        *exports, {.listen = "127.0.0.1:0", .server = "test 1", .missing = {{"ofi+verbs", "no card"}}});
    ASSERT_TRUE(started.has_value()) << started.error().message();
    control = *std::move(started);
    channel = grpc::CreateChannel(control->address(), grpc::InsecureChannelCredentials());
    names = v1::NamespaceService::NewStub(channel);
    where.set_pool("p");
    where.set_container("c");
    where.set_uid(::geteuid());
    where.set_gid(::getegid());
  }
  void TearDown() override {
    control.reset();
    servers.reset();
  }

  static int errno_of(const grpc::ClientContext& context) {
    const auto& trailing = context.GetServerTrailingMetadata();
    const auto found = trailing.find("ross-errno");
    return found == trailing.end() ? 0 : std::stoi(std::string(found->second.data(), found->second.size()));
  }
  // Calls a method of the namespace service; the errno, or 0.
  template <class Request, class Reply>
  int call(grpc::Status (v1::NamespaceService::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
           const Request& request, Reply* reply) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    const grpc::Status status = (names.get()->*method)(&context, request, reply);
    return status.ok() ? 0 : errno_of(context);
  }
  template <class Request>
  Request request(std::uint64_t parent, const std::string& name) {
    Request made;
    *made.mutable_where() = where;
    made.set_parent(parent);
    made.set_name(name);
    return made;
  }

  remote_test::ModelPool pool;
  std::unique_ptr<ServerGroup> servers;
  std::unique_ptr<Exports> exports;
  std::unique_ptr<ControlServer> control;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::NamespaceService::Stub> names;
  v1::Where where;
  using Stub = v1::NamespaceService::Stub;
};

TEST_F(ControlTest, ASessionLeadsToTheDataPlane) {
  const auto grant = client::begin_session(control->address(), "p", {}, in_20_s());
  ASSERT_TRUE(grant.has_value()) << grant.error().message();
  EXPECT_TRUE(grant->same_machine);
  EXPECT_EQ(grant->server, "test 1");
  ASSERT_EQ(grant->fabrics.size(), 1U);
  EXPECT_EQ(grant->fabrics[0].backend, "tcp");
  auto session =
      client::Session::connect(*fabric::tcp::make_domain({}), grant->fabrics[0].address, grant->token, in_20_s());
  ASSERT_TRUE(session.has_value()) << session.error().message();
  auto files = client::open_container(*std::move(session), "c");
  EXPECT_TRUE(files.has_value());
}

TEST_F(ControlTest, TwoSessionsHaveTokensThatTellNothingOfEachOther) {
  const auto one = client::begin_session(control->address(), "p", {}, in_20_s());
  const auto two = client::begin_session(control->address(), "p", {}, in_20_s());
  ASSERT_TRUE(one.has_value() && two.has_value());
  int same = 0;
  for (std::size_t i = 0; i < one->token.size(); ++i) same += one->token[i] == two->token[i] ? 1 : 0;
  EXPECT_LT(same, 5);
}

TEST_F(ControlTest, RefusesSessionsWithASentence) {
  const auto no_pool = client::begin_session(control->address(), "q", {}, in_20_s());
  ASSERT_FALSE(no_pool.has_value());
  EXPECT_EQ(no_pool.error().error(), ENOENT);
  EXPECT_EQ(no_pool.error().message(), "no pool 'q' is served here: there is p");

  const std::string address = control->address();
  control.reset();
  const auto nobody = client::begin_session(address, "p", {}, in_20_s());
  ASSERT_FALSE(nobody.has_value());
  EXPECT_EQ(nobody.error().error(), ECONNREFUSED);

  const auto wrong_version = [&] {
    v1::ConnectRequest request;
    request.set_pool("p");
    request.set_wire_version(wire::kVersion + 1);
    return request;
  }();
  control = *ControlServer::start(*exports, {.listen = "127.0.0.1:0"});
  const auto stub =
      v1::SessionService::NewStub(grpc::CreateChannel(control->address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::ConnectReply reply;
  EXPECT_EQ(stub->Connect(&context, wrong_version, &reply).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(errno_of(context), EPROTO);
  EXPECT_EQ(reply.token(), "");
}

TEST_F(ControlTest, DescribesItself) {
  const auto stub = v1::SessionService::NewStub(channel);
  grpc::ClientContext context;
  v1::DescribeReply reply;
  ASSERT_TRUE(stub->Describe(&context, {}, &reply).ok());
  EXPECT_EQ(reply.wire_version(), wire::kVersion);
  ASSERT_EQ(reply.pools_size(), 1);
  EXPECT_EQ(reply.pools(0), "p");
  ASSERT_EQ(reply.missing_size(), 1);
  EXPECT_EQ(reply.missing(0).reason(), "no card");
}

TEST_F(ControlTest, NamesAndAttributesFromBeginningToEnd) {
  v1::Attr directory;
  auto make = request<v1::MakeRequest>(1, "d");
  make.set_mode(0755);
  ASSERT_EQ(call(&Stub::MakeDirectory, make, &directory), 0);
  EXPECT_TRUE(S_ISDIR(directory.mode()));
  EXPECT_EQ(call(&Stub::MakeDirectory, make, &directory), EEXIST);

  v1::Attr file;
  auto node = request<v1::MakeRequest>(directory.node(), std::string("a\xff\n", 3));
  node.set_mode(S_IFREG | 0644);
  ASSERT_EQ(call(&Stub::MakeNode, node, &file), 0);
  v1::SetAttrRequest change;
  *change.mutable_where() = where;
  change.set_node(file.node());
  change.set_size_bytes(12345);
  change.set_mode(0600);
  v1::Attr changed;
  ASSERT_EQ(call(&Stub::SetAttr, change, &changed), 0);
  EXPECT_EQ(changed.size_bytes(), 12345U);
  EXPECT_EQ(changed.mode(), S_IFREG | 0600U);

  v1::MakeSymlinkRequest symlink;
  *symlink.mutable_where() = where;
  symlink.set_parent(directory.node());
  symlink.set_name("s");
  symlink.set_target("../x");
  v1::Attr link;
  ASSERT_EQ(call(&Stub::MakeSymlink, symlink, &link), 0);
  v1::NodeRequest of_link;
  *of_link.mutable_where() = where;
  of_link.set_node(link.node());
  v1::Text text;
  ASSERT_EQ(call(&Stub::ReadLink, of_link, &text), 0);
  EXPECT_EQ(text.text(), "../x");

  v1::LinkRequest hard;
  *hard.mutable_where() = where;
  hard.set_node(file.node());
  hard.set_parent(1);
  hard.set_name("second");
  v1::Attr linked;
  ASSERT_EQ(call(&Stub::Link, hard, &linked), 0);
  EXPECT_EQ(linked.links(), 2U);

  v1::SetXattrRequest set;
  *set.mutable_where() = where;
  set.set_node(file.node());
  set.set_name("user.k");
  set.set_value("v");
  v1::Done done;
  ASSERT_EQ(call(&Stub::SetXattr, set, &done), 0);
  set.set_kind(v1::SetXattrRequest::CREATE);
  EXPECT_EQ(call(&Stub::SetXattr, set, &done), EEXIST);
  v1::NodeRequest of_file;
  *of_file.mutable_where() = where;
  of_file.set_node(file.node());
  v1::Names xattrs;
  ASSERT_EQ(call(&Stub::ListXattrs, of_file, &xattrs), 0);
  ASSERT_EQ(xattrs.names_size(), 1);
  v1::XattrRequest xattr;
  *xattr.mutable_where() = where;
  xattr.set_node(file.node());
  xattr.set_name("user.k");
  ASSERT_EQ(call(&Stub::GetXattr, xattr, &text), 0);
  EXPECT_EQ(text.text(), "v");
  ASSERT_EQ(call(&Stub::RemoveXattr, xattr, &done), 0);
  EXPECT_EQ(call(&Stub::GetXattr, xattr, &text), ENODATA);

  v1::RenameRequest rename;
  *rename.mutable_where() = where;
  rename.set_parent(1);
  rename.set_name("second");
  rename.set_new_parent(directory.node());
  rename.set_new_name("s");
  rename.set_kind(v1::RenameRequest::NO_REPLACE);
  EXPECT_EQ(call(&Stub::Rename, rename, &done), EEXIST);
  rename.set_kind(v1::RenameRequest::REPLACE);
  ASSERT_EQ(call(&Stub::Rename, rename, &done), 0);

  v1::ReadDirectoryRequest list;
  *list.mutable_where() = where;
  list.set_node(directory.node());
  list.set_entries_max(1);
  list.set_with_attr(true);
  std::vector<std::string> found;
  for (v1::Entries entries;; list.set_cursor(entries.entries(0).cursor())) {
    entries.Clear();
    ASSERT_EQ(call(&Stub::ReadDirectory, list, &entries), 0);
    if (entries.entries_size() == 0) break;
    ASSERT_EQ(entries.entries_size(), 1);
    EXPECT_EQ(entries.entries(0).attr().node(), file.node());
    found.push_back(entries.entries(0).name());
    ASSERT_LT(found.size(), 10U);
  }
  EXPECT_EQ(found.size(), 2U);

  ASSERT_EQ(call(&Stub::Unlink, request<v1::NameRequest>(directory.node(), "s"), &done), 0);
  EXPECT_EQ(call(&Stub::RemoveDirectory, request<v1::NameRequest>(1, "d"), &done), ENOTEMPTY);
  ASSERT_EQ(call(&Stub::Unlink, request<v1::NameRequest>(directory.node(), std::string("a\xff\n", 3)), &done), 0);
  ASSERT_EQ(call(&Stub::RemoveDirectory, request<v1::NameRequest>(1, "d"), &done), 0);
  EXPECT_EQ(call(&Stub::Lookup, request<v1::NameRequest>(1, "d"), &directory), ENOENT);

  v1::StatFsRequest stat;
  *stat.mutable_where() = where;
  v1::StatFsReply space;
  ASSERT_EQ(call(&Stub::StatFs, stat, &space), 0);
  EXPECT_GT(space.block_bytes(), 0U);
}

TEST_F(ControlTest, BadInputIsAnErrorAndNoMore) {
  v1::Attr attr;
  EXPECT_EQ(call(&Stub::Lookup, request<v1::NameRequest>(1, ""), &attr), EINVAL);
  EXPECT_EQ(call(&Stub::Lookup, request<v1::NameRequest>(1, std::string(300, 'n')), &attr), ENAMETOOLONG);
  EXPECT_EQ(call(&Stub::Lookup, request<v1::NameRequest>(~0ULL, "x"), &attr), ESTALE);
  v1::Done done;
  v1::RenameRequest rename;
  *rename.mutable_where() = where;
  rename.set_kind(static_cast<v1::RenameRequest::Kind>(77));
  EXPECT_EQ(call(&Stub::Rename, rename, &done), EINVAL);
  where.set_container("none");
  EXPECT_EQ(call(&Stub::Lookup, request<v1::NameRequest>(1, "x"), &attr), ENOENT);
  where.set_container("c");
  for (int i = 0; i < 1025; ++i) where.add_groups(1);
  EXPECT_EQ(call(&Stub::Lookup, request<v1::NameRequest>(1, "x"), &attr), EINVAL);
}

TEST_F(ControlTest, ContainersAreMadeShownAndDestroyed) {
  const auto stub = v1::PoolService::NewStub(channel);
  v1::CreateContainerRequest create;
  create.set_pool("p");
  create.set_container("new");
  v1::Container made;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub->CreateContainer(&context, create, &made).ok());
    EXPECT_EQ(made.name(), "new");
  }
  {
    grpc::ClientContext context;
    EXPECT_EQ(stub->CreateContainer(&context, create, &made).error_code(), grpc::StatusCode::ALREADY_EXISTS);
    EXPECT_EQ(errno_of(context), EEXIST);
  }
  v1::ListContainersRequest list;
  list.set_pool("p");
  v1::ListContainersReply listed;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub->ListContainers(&context, list, &listed).ok());
    EXPECT_EQ(listed.containers_size(), 2);
  }
  v1::DestroyContainerRequest destroy;
  destroy.set_pool("p");
  destroy.set_container("new");
  v1::DestroyContainerReply destroyed;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub->DestroyContainer(&context, destroy, &destroyed).ok());
  }
  v1::GetPoolRequest get;
  get.set_pool("p");
  v1::Pool told;
  grpc::ClientContext context;
  ASSERT_TRUE(stub->GetPool(&context, get, &told).ok());
  EXPECT_EQ(told.uuid(), "model");
  ASSERT_EQ(told.devices_size(), 1);
  EXPECT_EQ(told.devices(0).kind(), v1::Device::RAM);
}

TEST(ControlServerTest, ListensOnLoopbackUnlessThereIsTls) {
  Exports none({}, {});
  for (const char* const address : {"0.0.0.0:0", "[::]:0", "192.0.2.1:0"}) {
    const auto started = ControlServer::start(none, {.listen = address});
    ASSERT_FALSE(started.has_value()) << address;
    EXPECT_EQ(started.error().error(), EINVAL);
    EXPECT_NE(started.error().message().find("TLS"), std::string::npos);
  }
  const auto first = ControlServer::start(none, {.listen = "127.0.0.1:0"});
  ASSERT_TRUE(first.has_value());
  const auto second = ControlServer::start(none, {.listen = (*first)->address()});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().error(), EADDRINUSE);
}

TEST(Process, TellsWhatItHasUsed) {
  const ProcessUse before = process_use();
  const std::vector<char> memory(32 * kMiB, 'x');
  for (const std::int64_t until = system_clock().monotonic_ns() + 50'000'000; system_clock().monotonic_ns() < until;) {
  }
  const ProcessUse after = process_use();
  EXPECT_GE(after.resident_bytes, before.resident_bytes + memory.size() / 2);
  EXPECT_GT(after.cpu_s, before.cpu_s);
  EXPECT_EQ(after.started_s, before.started_s);
  const double now_s = static_cast<double>(system_clock().realtime_ns()) / 1e9;
  EXPECT_LE(after.started_s, now_s);
  EXPECT_GT(after.started_s, now_s - 3600);
}

}  // namespace
}  // namespace ross::server::control
