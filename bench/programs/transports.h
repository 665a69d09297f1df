// The fabric's backends by name, for the two programs of bench/remote. Threading: any thread.
#pragma once

#include <memory>
#include <string>

#include "fabric/endpoint.h"
#include "fabric/local/unix_domain.h"
#include "fabric/shm/domain.h"
#include "fabric/tcp/tcp.h"
#include "measure.h"
#ifdef ROSS_HAS_OFI
#include "fabric/ofi/ofi.h"
#endif
#ifdef ROSS_HAS_UCX
#include "fabric/ucx/domain.h"
#endif

namespace ross::bench {

inline Result<std::unique_ptr<fabric::Domain>> make_domain(const std::string& backend) {
  if (backend == "tcp") return fabric::tcp::make_domain({});
  if (backend == "unix") return fabric::local::make_domain({});
  if (backend == "shm") return fabric::shm::make_domain({});
#ifdef ROSS_HAS_OFI
  if (backend == "ofi+tcp") return fabric::ofi::make_domain({.provider = backend, .node = "127.0.0.1"});
  if (backend == "ofi+shm") return fabric::ofi::make_domain({.provider = backend});
#endif
#ifdef ROSS_HAS_UCX
  if (backend.starts_with("ucx+")) return fabric::ucx::make_domain({.transport = backend});
#endif
  give_up(backend, "there is no such backend in this build");
}

// Where a server listens that has directory to itself.
inline std::string listen_address(const std::string& backend, const std::string& directory) {
  if (backend == "ofi+shm") return "ross-bench-" + directory.substr(directory.rfind('/') + 1);
  if (backend == "unix" || backend == "shm" || backend == "ucx+shm") return directory + "/sock";
  return "127.0.0.1:0";
}

// A domain with another crossover between messages and windows than its own.
class CrossingAt final : public fabric::Domain {
 public:
  CrossingAt(std::unique_ptr<fabric::Domain> domain, std::size_t inline_bytes_max)
      : domain_(std::move(domain)), traits_(domain_->traits()) {
    traits_.inline_bytes_max = inline_bytes_max;
  }
  const fabric::Traits& traits() const override { return traits_; }
  Result<std::unique_ptr<fabric::Endpoint>> open(runtime::Loop& loop, const fabric::EndpointOptions& options) override {
    return domain_->open(loop, options);
  }
  Result<std::unique_ptr<fabric::Region>> add_region(std::span<std::byte> memory) override {
    return domain_->add_region(memory);
  }

 private:
  const std::unique_ptr<fabric::Domain> domain_;
  fabric::Traits traits_;
};

}  // namespace ross::bench
