#include "fabric/tcp/lookup.h"

#include <fmt/format.h>
#include <netdb.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

namespace ross::fabric::tcp {
namespace {

std::atomic<int> under_way{0};
constexpr std::size_t kPlacesMax = 16;

Result<std::vector<Place>> look_up(const HostPort& address) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &wanted, &found);
  if (error != 0) {
    return fail(error == EAI_AGAIN ? EAGAIN : EHOSTUNREACH,
                fmt::format("cannot find the host {}: {}", address.host, ::gai_strerror(error)));
  }
  std::vector<Place> places;
  for (const addrinfo* one = found; one != nullptr && places.size() < kPlacesMax; one = one->ai_next) {
    if (one->ai_addrlen > sizeof(sockaddr_storage)) continue;
    Place place;
    std::memcpy(&place.storage, one->ai_addr, one->ai_addrlen);
    place.size = one->ai_addrlen;
    places.push_back(place);
  }
  ::freeaddrinfo(found);
  return places;
}

}  // namespace

struct Lookup::Shared {
  Socket event;
  std::mutex mutex;
  Result<std::vector<Place>> places;  // guarded by mutex
};

Result<std::unique_ptr<Lookup>> Lookup::start(const HostPort& address) {
  auto shared = std::make_shared<Shared>();
  shared->event = Socket(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!shared->event) return fail(errno, "cannot make an eventfd: raise the open file limit (ulimit -n)");
  if (under_way.fetch_add(1) >= kLookupsMax) {
    under_way.fetch_sub(1);
    return fail(EAGAIN, fmt::format("too many host names are being looked up to find {}", address.host), Retry::kNow);
  }
  // The program's signals are for its own threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([shared, address] {
    Result<std::vector<Place>> places = look_up(address);
    {
      const std::lock_guard lock(shared->mutex);
      shared->places = std::move(places);
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(shared->event.fd(), &one, sizeof one);
    under_way.fetch_sub(1);
  }).detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return std::unique_ptr<Lookup>(new Lookup(std::move(shared)));
}

int Lookup::fd() const { return shared_->event.fd(); }

Result<std::vector<Place>> Lookup::take() {
  const std::lock_guard lock(shared_->mutex);
  return std::move(shared_->places);
}

}  // namespace ross::fabric::tcp
