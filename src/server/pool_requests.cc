// Requests for the pool and its containers. They may block, so the worker does them.
#include <algorithm>
#include <functional>

#include "server/connection.h"
#include "server/credentials.h"
#include "server/server.h"

namespace ross::server {

using wire::Op;

Connection::Work Connection::open_container(Job& job) {
  const std::string name(job.request.name);
  if (!sees(name)) co_return absent(name);
  // A client that comes back has a number already.
  const std::uint32_t wanted = job.request.container;
  if (wanted != 0 && ((!session_->reclaiming && !session_->relayed) || wanted > INT32_MAX)) {
    co_return Status(EPERM, "nothing is to be reclaimed");
  }
  if (wanted != 0 && session_->containers.contains(wanted)) {
    job.reply.value = wanted;
    co_return Status();
  }
  if (session_->containers.size() >= wire::kContainersMax)
    co_return Status(EMFILE, "this process has too many containers open");
  if (session_->upstream() != nullptr) {
    Status status = co_await open_container_upstream(job);
    if (status.ok()) session_->has_place(static_cast<std::uint32_t>(job.reply.value), name);
    co_return status;
  }
  Server* const server = &server_;
  const auto open_it = [server, &name] { return server->open_container(name); };
  Result<std::shared_ptr<fs::FileSystem>> opened =
      co_await server_.worker().run<Result<std::shared_ptr<fs::FileSystem>>>(open_it);
  if (!opened.has_value()) co_return std::move(opened).error();
  const std::uint32_t number = wanted != 0 ? wanted : session_->next_container;
  session_->containers.emplace(number, *std::move(opened));
  session_->next_container = std::max(session_->next_container, number + 1);
  session_->has_place(number, name);
  job.reply.value = number;
  co_return Status();
}

// With the files that are still open in it. From its begin on nobody finds them; requests that are still at work on them, which an
// earlier connection of the client may have left, are waited for. Such as wait for a lock end when their owner is dropped, as in
// Session::clean_up().
Connection::Work Connection::close_container(Job& job) {
  constexpr std::int64_t kAgainNs = 5'000'000;
  const std::uint32_t container = job.request.container;
  auto closed = session_->containers.find(container);
  if (closed == session_->containers.end()) co_return Status(EBADF, "no such container is open in this session");
  std::shared_ptr<fs::FileSystem> held = std::move(closed->second);
  session_->containers.erase(closed);
  session_->places.erase(container);
  const bool upstream = session_->upstream() != nullptr;
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, file] : session_->files) {
    if (file->container == container) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  // Those that another request closes already are its own to end.
  std::erase_if(numbers,
                [this](std::uint64_t number) { return std::exchange(session_->files.at(number)->closing, true); });
  // There it is waited for as well, so that nothing of the files is left at work here.
  Status status;
  if (upstream) status = co_await pass_on(job);
  if (!status.ok()) co_return status;
  runtime::Loop& loop = server_.loop();
  for (const std::uint64_t number : numbers) {
    File& file = *session_->files.at(number);
    for (;;) {
      const std::set<std::uint64_t> owners = file.owners;
      for (const std::uint64_t owner : owners) {
        if (!upstream) static_cast<void>(co_await held->unlock_owner(file.id, owner));
      }
      if (file.users == 0) break;
      co_await loop.sleep_until(loop.clock().monotonic_ns() + kAgainNs);
    }
    if (!upstream) static_cast<void>(co_await held->close(file.id));
    session_->files.erase(number);
  }
  const auto drop = [&held] { return held.reset(), true; };
  static_cast<void>(co_await server_.worker().run<bool>(drop));
  co_return Status();
}

Connection::Work Connection::pool_request(Job& job) {
  const wire::Request& request = job.request;
  const bool bounded = session_->who().bounded();
  if (bounded && request.op != Op::kPoolSync) {
    if (request.op != Op::kContainerCreate && !sees(request.name)) co_return absent(request.name);
    if (Status may = may_administer(request.name); !may.ok()) co_return may;
  }
  if (session_->upstream() != nullptr) co_return co_await pass_on(job);
  if (!bounded && request.op != Op::kPoolSync) {
    if (Status may = may_change_pool(session_->peer()); !may.ok()) co_return may;
  }
  engine::Pool& pool = server_.pool();
  const auto work = [&pool, &request] {
    const engine::ContainerOptions options{.quota_bytes = request.a, .quota_nodes = request.b};
    switch (request.op) {
      case Op::kContainerCreate:
        return pool.create_container(request.name, options);
      case Op::kContainerSet:
        return pool.set_container(request.name, options);
      case Op::kContainerDestroy:
        return pool.destroy_container(request.name);
      default:
        return pool.sync();
    }
  };
  co_return co_await server_.worker().run<Status>(work);
}

namespace {

wire::Container item_of(const engine::ContainerInfo& info) {
  return {.name = info.name,
          .quota_bytes = info.options.quota_bytes,
          .quota_nodes = info.options.quota_nodes,
          .used_bytes = info.used_bytes,
          .used_nodes = info.used_nodes,
          .created_ns = info.created_ns};
}

using Sees = std::function<bool(std::string_view container)>;

Result<std::string> text_for(engine::Pool& pool, const wire::Request& request, const Sees& sees) {
  std::string text;
  if (request.op == Op::kContainerInfo) {
    ROSS_TRY(const engine::ContainerInfo info, pool.container(request.name));
    if (!wire::append(item_of(info), text)) return fail(EIO, "a container's name is too long");
    return text;
  }
  if (request.op == Op::kContainerList) {
    std::vector<engine::ContainerInfo> all = pool.containers();
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    for (const engine::ContainerInfo& info : all) {
      if (info.name > request.name && sees(info.name) && !wire::append(item_of(info), text)) break;
    }
    return text;
  }
  const engine::PoolInfo info = pool.info();
  wire::PoolInfo told{.uuid = info.uuid,
                      .format_version = info.format_version,
                      .total_bytes = info.total_bytes,
                      .free_bytes = info.free_bytes,
                      .containers = info.containers,
                      .failed = info.failed,
                      .devices = {}};
  for (const engine::DeviceInfo& device : info.devices) {
    told.devices.push_back({.kind = static_cast<std::uint8_t>(device.kind),
                            .path = device.path,
                            .size_bytes = device.size_bytes,
                            .free_bytes = device.free_bytes});
  }
  return wire::encode(told);
}

}  // namespace

Connection::Work Connection::pool_text(Job& job) {
  if (job.request.op == Op::kContainerInfo && !sees(job.request.name)) co_return absent(job.request.name);
  if (session_->upstream() != nullptr) {
    // Not one co_await of a conditional: GCC 12 ends the chosen call's frame twice.
    if (job.request.op == Op::kContainerList && session_->who().bounded()) co_return co_await list_upstream(job);
    co_return co_await pass_on(job);
  }
  engine::Pool& pool = server_.pool();
  const wire::Request& request = job.request;
  // The worker does not look into a session.
  const Sees sees_it = [who = session_->who(), place = server_.export_name()](std::string_view container) {
    return who.access(place, container) != identity::Access::kNone;
  };
  const auto work = [&pool, &request, &sees_it] { return text_for(pool, request, sees_it); };
  Result<std::string> text = co_await server_.worker().run<Result<std::string>>(work);
  if (!text.has_value()) co_return std::move(text).error();
  job.text = *std::move(text);
  co_return Status();
}

// What the session holds goes when its last connection does; this one the peer closes when it has the answer.
Connection::Work Connection::end_session() {
  session_->end(*this);
  return Work::ready(Status());
}

}  // namespace ross::server
