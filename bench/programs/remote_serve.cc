// remote_serve: a pool on a RAM device, served over one backend of the fabric until standard input ends.
//
//   remote_serve --backend tcp --device-mib 4096
//
// Prints a line of JSON: its process, the address, the container's name. For each line it then reads it begins a session, of the tenant
// that the line names or without one, and prints the token, in hexadecimal: remote_load takes both. Threading: the server has its own
// thread.
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "apps/options/options.h"
#include "base/random_bytes.h"
#include "base/units.h"
#include "engine/pool.h"
#include "measure.h"
#include "runtime/loop.h"
#include "server/server.h"
#include "transports.h"

namespace ross::bench {
namespace {

template <class T>
T must(Result<T> result, std::string_view doing) {
  if (!result.has_value()) give_up(doing, result.error().message());
  return *std::move(result);
}
void must(const Status& status, std::string_view doing) {
  if (!status.ok()) give_up(doing, status.message());
}

// Uses all of the device once, so that what is measured is not how the kernel finds pages for it.
void touch_device(engine::Pool& pool, std::uint64_t device_bytes) {
  const auto loop = must(runtime::Loop::create(), "making a loop");
  const auto fs = must(pool.open_container("bench"), "opening the container");
  const auto opened =
      must(loop->block_on(fs->create({}, fs::kRootNode, "everywhere", 0600, {.write = true})), "making a file");
  const std::vector<char> part(4 * kMiB, 't');
  for (std::uint64_t at = 0; at + part.size() < device_bytes; at += part.size()) {
    const auto wrote = loop->block_on(fs->write(opened.file, at, memory::Memory::for_write(part.data(), part.size())));
    if (!wrote.has_value()) break;  // it is full
  }
  must(loop->block_on(fs->close(opened.file)), "closing a file");
  must(loop->block_on(fs->unlink({}, fs::kRootNode, "everywhere")), "removing a file");
  must(pool.sync(), "syncing");
}

// NAME:WEIGHT:BYTES_PER_SECOND:OPS_PER_SECOND, or the first of these.
identity::Tenant tenant_of(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  parts.resize(4);
  const auto number = [&parts](std::size_t i) { return std::strtoull(parts[i].c_str(), nullptr, 10); };
  identity::Tenant tenant{.name = parts[0], .write = {"bench/*"}};
  if (!parts[1].empty()) tenant.weight = number(1);
  tenant.limits = {.bytes_per_second = number(2), .ops_per_second = number(3)};
  return tenant;
}

int run(int argc, char** argv) {
  ross::apps::Options line("Serves a pool on a RAM device", "remote_serve");
  std::string backend = "tcp";
  std::uint64_t device_mib = 4096;
  line.option("--backend", backend, "tcp, unix, shm, ofi+tcp, ofi+shm, ucx+tcp or ucx+shm");
  line.option("--device-mib", device_mib, "Size of the RAM device").between(64UL, 1UL << 20);
  std::vector<std::string> tenants;
  line.option("--tenant", tenants, "NAME:WEIGHT:BYTES_PER_SECOND:OPS_PER_SECOND, or less of it; repeat it").one_each();
  if (const auto ended = line.parse(argc, argv)) return *ended;

  std::string directory = (std::filesystem::temp_directory_path() / "ross-serve-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) give_up("making a directory", std::strerror(errno));
  engine::PoolSpec spec;
  spec.devices.push_back({.kind = engine::DeviceKind::kRam, .path = {}, .size_bytes = device_mib * kMiB});
  const std::filesystem::path place = std::filesystem::path(directory) / "pool";
  must(engine::Pool::create(place, spec), "making the pool");
  // As ross-engine serves it: what is answered is kept.
  engine::PoolOptions options;
  options.serves_clients = true;
  auto pool = must(engine::Pool::open(place, options), "opening the pool");
  must(pool->create_container("bench", {}), "making the container");
  touch_device(*pool, device_mib * kMiB);
  std::vector<server::Listener> listeners(1);
  listeners[0] = {.domain = must(make_domain(backend), backend), .address = listen_address(backend, directory)};
  server::ServerOptions serving{.remembers = true};
  if (!tenants.empty()) {
    identity::Directory::Options known;
    for (const std::string& tenant : tenants) known.tenants.push_back(tenant_of(tenant));
    serving.tenants = must(identity::Directory::open(std::move(known)), "--tenant");
    serving.export_name = "bench";
  }
  auto server = must(server::Server::start(*pool, std::move(listeners), serving), "serving");
  fmt::print("{{\"pid\": {}, \"address\": \"{}\", \"container\": \"bench\"}}\n", ::getpid(), server->addresses().at(0));
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    // Known to be us, as a control plane would have made sure: the same user on the same machine.
    server::Applicant applicant{.peer = {.pid = 0, .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}};
    fill_random(applicant.client);
    if (!line.empty()) applicant.who = must(serving.tenants->of_credential(line, {}, {}), line);
    const auto begun = must(server->begin_session(applicant), "beginning a session");
    std::string text;
    for (const std::uint8_t byte : begun.token) text += fmt::format("{:02x}", byte);
    fmt::print("{}\n", text);
    std::fflush(stdout);
  }
  server.reset();
  must(pool->close(), "closing the pool");
  pool.reset();
  must(engine::Pool::destroy(place), "removing the pool");
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace ross::bench

int main(int argc, char** argv) { return ross::bench::run(argc, argv); }
