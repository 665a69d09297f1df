#include "cluster_control.h"

#include "cluster.h"

namespace ross::sim {

void ControlPlane::open(server::Server& server) {
  server_ = &server;
  ++life_;
}

runtime::Task<Result<server::Begun>> ControlPlane::ask(std::string from, server::Applicant applicant,
                                                       std::int64_t deadline_ns) {
  const bool arrives = co_await cluster_.travels(from, host_, deadline_ns);
  if (!arrives) co_return fail(ETIMEDOUT, "nobody answers");
  if (server_ == nullptr) co_return fail(ECONNREFUSED, "nobody is there");
  const std::uint64_t life = life_;
  auto begun = co_await server_->begin(applicant);
  const bool lost = cluster_.random().chance(1, 20);
  const bool returns = co_await cluster_.travels(host_, from, deadline_ns);
  if (!returns || lost || life != life_ || server_ == nullptr) co_return fail(ETIMEDOUT, "no answer came");
  co_return begun;
}

}  // namespace ross::sim
