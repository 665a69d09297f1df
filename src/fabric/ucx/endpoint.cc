#include "fabric/ucx/endpoint.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/random.h"

namespace ross::fabric::ucx {
namespace {

// Sockets bring only beginnings and ends of links: a busy endpoint looks at them this often.
constexpr std::int64_t kSocketsEveryNs = 100'000;
constexpr int kSocketsMax = 64;  // in one look
// UCX does not say on its descriptor that it goes on closing; until it is done it is looked at this often.
constexpr std::int64_t kCutEveryNs = 1'000'000;
// How long the destructor lets UCX close what is left.
constexpr std::int64_t kDestroyNs = 5'000'000'000;

Result<Socket> make_epoll() {
  Socket made(::epoll_create1(EPOLL_CLOEXEC));
  if (!made) return fail(errno, "cannot make an epoll: raise the open file limit (ulimit -n)");
  return made;
}

Status add_to(const Socket& epoll, int fd, void* who) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = who}};
  if (::epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return Status(errno, "cannot watch a descriptor");
}

Status failure(ucs_status_t status) {
  if (status == UCS_ERR_CONNECTION_RESET) return Status(ESHUTDOWN, "the process at the other end has gone");
  return to_status(status, "the connection failed");
}

}  // namespace

UcxEndpoint::UcxEndpoint(ucp_context_h context, const Transport& transport, runtime::Loop& loop,
                         const EndpointOptions& options)
    : context_(context), loop_(loop), acceptor_(options.acceptor), hub_(transport, options.limits, loop.clock()) {}

Result<std::unique_ptr<Endpoint>> UcxEndpoint::open(ucp_context_h context, const Transport& transport,
                                                    runtime::Loop& loop, const EndpointOptions& options) {
  std::unique_ptr<UcxEndpoint> endpoint(new UcxEndpoint(context, transport, loop, options));
  ROSS_OK(endpoint->begin(options));
  return endpoint;
}

Status UcxEndpoint::begin(const EndpointOptions& options) {
  for (Socket* const epoll : {&watch_, &sockets_}) {
    Result<Socket> made = make_epoll();
    if (!made.has_value()) return made.error();
    *epoll = *std::move(made);
  }
  ROSS_STATUS(add_to(watch_, sockets_.fd(), nullptr));
  Result<std::unique_ptr<Meeting>> meeting =
      hub_.transport.by_socket_address ? meet_by_socket_address(*this) : meet_locally(*this);
  if (!meeting.has_value()) return meeting.error();
  meeting_ = *std::move(meeting);
  if (!options.listen.empty()) {
    Result<std::string> address = meeting_->listen(options.listen);
    if (!address.has_value()) return address.error();
    address_ = *std::move(address);
  }
  ROSS_STATUS(loop_.add(*this));
  polled_ = true;
  return {};
}

UcxEndpoint::~UcxEndpoint() {
  if (std::exchange(polled_, false)) loop_.remove(*this);
  for (const auto& link : links_) {
    ROSS_CHECK(!link->has_channel(), "an endpoint was destroyed before its channels");
    link->cut(Status(ESHUTDOWN, "the endpoint is being destroyed"));
  }
  const std::int64_t until_ns = system_clock().monotonic_ns() + kDestroyNs;
  const auto all_drained = [this] {
    return std::ranges::all_of(
        links_, [](const auto& link) { return link->state() == Link::State::kEnded || link->drained(); });
  };
  while (!all_drained() && system_clock().monotonic_ns() < until_ns) {
    for (const auto& worker : workers_) {
      worker->progress();
      handle_events(*worker);
    }
  }
  meeting_.reset();
  links_.clear();
}

Result<Worker*> UcxEndpoint::add_worker() {
  ROSS_TRY(std::unique_ptr<Worker> worker, Worker::create(context_, watch_.fd()));
  return workers_.emplace_back(std::move(worker)).get();
}

Result<Link*> UcxEndpoint::add_link(Worker& worker) {
  std::uint64_t id = 0;
  while (id == 0) id = random_seed();
  Link* const link = links_.emplace_back(std::make_unique<Link>(hub_, worker, id)).get();
  link->tended = true;
  tended_.push_back(link);
  return link;
}

Status UcxEndpoint::watch(int fd, Watched& watched) { return add_to(sockets_, fd, &watched); }

void UcxEndpoint::met(Link& link) {
  const auto found = connecting_.find(&link);
  answers_.push_back({found != connecting_.end() ? found->second : nullptr, &link, Status()});
  if (found != connecting_.end()) connecting_.erase(found);
}

void UcxEndpoint::not_met(Link& link, const Status& why) {
  const auto found = connecting_.find(&link);
  if (found != connecting_.end()) {
    answers_.push_back({found->second, nullptr, why});
    connecting_.erase(found);
  }
  link.cut(why);
}

void UcxEndpoint::connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) {
  const Result<Link*> link = meeting_->connect(address);
  if (!link.has_value()) {
    answers_.push_back({&connecting, nullptr, link.error()});
    return;
  }
  (*link)->set_deadline(deadline_ns);
  connecting_.emplace(*link, &connecting);
}

Result<Window> UcxEndpoint::expose(const Exposure& exposure) {
  std::uint64_t only_for = 0;
  if (exposure.only_for != nullptr) only_for = static_cast<const LinkChannel*>(exposure.only_for)->link().id();
  return hub_.windows.add(exposure.memory, exposure.access, only_for);
}

void UcxEndpoint::revoke(const Window& window) {
  std::unique_ptr<Exposed> exposed = hub_.windows.remove(window);
  if (exposed->transfers == 0) return;
  const std::vector<Link*> users = hub_.users_of(*exposed);
  for (Link* const link : users) {
    link->cut(Status(ECANCELED, "a window was revoked while a transfer used it"));
    meeting_->forget(*link);  // what the other end still copies out of the window does not count from here on
  }
  if (Hub::stop_using(*exposed, users)) return;
  // UCX still counts down in it.
  log().error("ucx: a connection could not be closed in time; the peer may still reach a revoked window");
  [[maybe_unused]] Exposed* const left_behind = exposed.release();
}

std::size_t UcxEndpoint::poll() {
  std::size_t count = 0;
  if (meeting_->has_sockets()) count += look_at_sockets();
  // By index: a link's worker may join.
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    count += workers_[i]->progress();
    count += handle_events(*workers_[i]);
  }
  count += run_answers();
  count += flush_marked();
  count += hub_.run_told();
  // What was asked for in there goes out now.
  if (hub_.has_marked()) count += flush_marked();
  count += tend_links();
  return count;
}

std::int64_t UcxEndpoint::arm() {
  if (!answers_.empty() || hub_.has_marked() || hub_.has_told()) return 0;
  for (const auto& worker : workers_) {
    if (!worker->arm()) return 0;
  }
  // A card's queue tells of what completes after it was armed, and UCX does not look at it again. What completed between the last
  // look and that would lie there until something else comes.
  for (const auto& worker : workers_) {
    if (worker->progress() > 0 || worker->has_events()) return 0;
  }
  std::int64_t sleep_ns = kUntilReadable;
  for (const Link* const link : tended_) {
    if (link->state() == Link::State::kCut && link->busy()) sleep_ns = std::min(sleep_ns, kCutEveryNs);
    if (link->deadline_ns() == INT64_MAX) continue;
    sleep_ns = std::min(sleep_ns, std::max<std::int64_t>(0, link->deadline_ns() - now_ns()));
  }
  return sleep_ns;
}

std::size_t UcxEndpoint::look_at_sockets() {
  const std::int64_t now = now_ns();
  if (!sockets_due_ && now - sockets_looked_ns_ < kSocketsEveryNs) return 0;
  sockets_due_ = false;
  sockets_looked_ns_ = now;
  std::size_t count = 0;
  // One by one: what is ready may make another one go.
  for (int i = 0; i < kSocketsMax; ++i) {
    epoll_event event{};
    if (::epoll_wait(sockets_.fd(), &event, 1, 0) != 1) break;
    static_cast<Watched*>(event.data.ptr)->ready();
    ++count;
  }
  return count;
}

std::size_t UcxEndpoint::handle_events(Worker& worker) {
  std::size_t count = 0;
  while (worker.has_events()) {
    Events& events = worker.take();
    for (Event& event : events.list) {
      handle(worker, events, event);
      worker.release(event);
    }
    count += events.list.size();
    worker.give_back();
  }
  return count;
}

void UcxEndpoint::handle(const Worker& worker, Events& events, Event& event) {
  // Of a worker that has ended there are operations to be told of, and no more data.
  if (worker.ended() && event.kind != Event::Kind::kDone && event.kind != Event::Kind::kFailed) return;
  if (event.link != nullptr && event.link->state() == Link::State::kMeeting && meeting_->has_sockets() &&
      (event.kind == Event::Kind::kItems || event.kind == Event::Kind::kBulk)) {
    // Shared memory overtook the greeting on the socket, which was sent before.
    sockets_due_ = true;
    look_at_sockets();
    if (event.link->state() == Link::State::kMeeting) {
      not_met(*event.link, Status(EPROTO, "the other end speaks before it greets"));
    }
  }
  switch (event.kind) {
    case Event::Kind::kHello:
      return meeting_->take_hello(event, load<Hello>(events.data(event)));
    case Event::Kind::kItems:
      return event.link->take_items(event.header, {events.data(event), event.size_bytes});
    case Event::Kind::kBulk:
      return event.link->take_bulk(event.header, {events.data(event), event.size_bytes}, event);
    case Event::Kind::kDone:
      // Memory of the other process that was copied from was what it should be if that process is there now.
      if (event.operation->lands() && event.operation->status == UCS_OK && !events.peer_seen) {
        events.peer_seen = meeting_->is_there(*event.link);
        if (!events.peer_seen) event.operation->status = UCS_ERR_CONNECTION_RESET;
      }
      return event.link->take_done(*event.operation);
    case Event::Kind::kFailed:
      if (event.link->state() == Link::State::kMeeting) return not_met(*event.link, failure(event.status));
      return event.link->take_failure(failure(event.status));
    case Event::Kind::kAsked:
      return polled_ ? meeting_->take_asked(event.asked) : meeting_->refuse_asked(event.asked);
  }
}

std::size_t UcxEndpoint::run_answers() {
  if (answers_.empty()) return 0;
  std::vector<Answer> answers = std::exchange(answers_, {});
  for (Answer& answer : answers) {
    if (answer.link == nullptr) {
      answer.connecting->done(*answer.connecting, fail(answer.why));
    } else if (answer.connecting != nullptr) {
      answer.connecting->done(*answer.connecting, answer.link->make_channel());
    } else {
      acceptor_->on_channel(answer.link->make_channel());
    }
  }
  return answers.size();
}

std::size_t UcxEndpoint::flush_marked() {
  std::vector<Link*> links = hub_.take_marked();
  for (Link* const link : links) {
    link->flush();
    // Before the users are told: the other end learns that what it copies from here on does not count.
    if (link->state() == Link::State::kCut) meeting_->forget(*link);
    if (link->state() != Link::State::kOpen && !std::exchange(link->tended, true)) tended_.push_back(link);
  }
  return links.size();
}

// Links that begin or end.
std::size_t UcxEndpoint::tend_links() {
  if (tended_.empty()) return 0;
  std::size_t count = 0;
  const std::int64_t now = now_ns();
  std::vector<Link*> links = std::exchange(tended_, {});
  std::vector<Link*> finished;
  for (Link* const link : links) {
    if (now >= link->deadline_ns()) {
      ++count;
      if (link->state() == Link::State::kMeeting) {
        not_met(*link, Status(ETIMEDOUT, "the other end does not answer"));
      } else {
        link->take_deadline();
      }
    }
    if (link->state() == Link::State::kOpen) {
      link->tended = false;
      continue;
    }
    tended_.push_back(link);
    if (link->state() == Link::State::kCut) {
      meeting_->forget(*link);
      if (link->drained() && (link->started() || !link->has_channel())) finished.push_back(link);
    }
  }
  if (!finished.empty()) {
    hub_.run_told();
    for (Link* const link : finished) link->finish();
  }
  std::vector<Link*> dead;
  std::ranges::copy_if(tended_, std::back_inserter(dead), [](const Link* link) {
    return link->state() == Link::State::kEnded && !link->has_channel() && !link->marked() &&
           !link->worker().has_events();
  });
  for (Link* const link : dead) {
    std::erase(tended_, link);
    Worker* const worker = &link->worker();
    std::erase_if(links_, [link](const auto& owned) { return owned.get() == link; });
    if (meeting_->has_sockets()) {
      std::erase_if(workers_, [worker](const auto& owned) { return owned.get() == worker; });
    }
  }
  return count + finished.size() + dead.size();
}

}  // namespace ross::fabric::ucx
