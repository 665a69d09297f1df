// Lookup: the places a host's name stands for, found on a thread of its own, because the resolver blocks for as long as
// it likes.
//
// Ownership: the thread shares its result with the lookup; who loses interest destroys the lookup, and the thread ends
// by itself. Limits: kLookupsMax threads in the process. Threading: owner thread.
#pragma once

#include <memory>
#include <vector>

#include "fabric/local/socket.h"
#include "fabric/tcp/address.h"

namespace ross::fabric::tcp {

class Lookup {
 public:
  // Errors: EAGAIN when too many are under way; too few descriptors.
  static Result<std::unique_ptr<Lookup>> start(const HostPort& address);
  // Readable once take() may be called.
  [[nodiscard]] int fd() const;
  Result<std::vector<Place>> take();

  static constexpr int kLookupsMax = 16;

 private:
  struct Shared;
  explicit Lookup(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  // By the thread and the lookup: whichever ends last.
  const std::shared_ptr<Shared> shared_;
};

}  // namespace ross::fabric::tcp
