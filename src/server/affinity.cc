#include "server/affinity.h"

#include <algorithm>

namespace ross::server {

std::shared_ptr<const Affinity::Binding> Affinity::bind(const wire::ClientId& client) {
  const std::lock_guard lock(mutex_);
  const bool named = client != wire::ClientId{};
  if (named) {
    if (const auto found = bound_.find(client); found != bound_.end()) {
      if (std::shared_ptr<const Binding> binding = found->second.lock()) return binding;
    }
  }
  const auto least = std::ranges::min_element(counts_);
  ++*least;
  auto binding = std::make_shared<const Binding>(*this, client, static_cast<std::size_t>(least - counts_.begin()));
  if (named) bound_[client] = binding;
  return binding;
}

void Affinity::release(const Binding& binding) {
  const std::lock_guard lock(mutex_);
  --counts_[binding.server];
  // Meanwhile the client may have been bound anew.
  const auto found = bound_.find(binding.client_);
  if (found != bound_.end() && found->second.expired()) bound_.erase(found);
}

}  // namespace ross::server
