// Hub: what the links of one endpoint share: windows, pools, and what users are to be told.
//
// Nobody is called in the middle of something: links put down whom to tell what, and the endpoint tells them at the end
// of its look. Threading: owner thread.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "fabric/channel.h"
#include "fabric/ucx/transport.h"
#include "fabric/ucx/windows.h"
#include "fabric/ucx/worker.h"

namespace ross::fabric::ucx {

class Hub {
 public:
  // clock: of the endpoint's loop.
  Hub(const Transport& transport, const ChannelLimits& limits, const Clock& clock);

  const Transport& transport;
  const ChannelLimits limits;
  const Clock& clock;
  WindowTable windows;

  // A frame of items has room for this: for the largest that is copied into one at least.
  [[nodiscard]] std::size_t items_bytes_max() const { return items_bytes_max_; }
  Batch* take_batch();
  void give(Batch* batch);
  Operation* take_operation(Operation::Kind kind, Link& link);
  void give(Operation* operation);
  // The links that have UCX use the window.
  [[nodiscard]] std::vector<Link*> users_of(const Exposed& window) const;
  // When these are cut: returns once UCX does not use the window any more; false if that takes too long.
  static bool stop_using(const Exposed& window, const std::vector<Link*>& users);
  // What UCX has of a link whose worker has ended.
  void finish_operations(const Link& link);

  void tell(Outgoing& message, bool ok) { told_.push_back({&message, nullptr, ok ? 0 : 1}); }
  void tell(Transfer& transfer, int error) { told_.push_back({nullptr, &transfer, error}); }
  // Tells what there is to tell now. Returns how many.
  std::size_t run_told();
  [[nodiscard]] bool has_told() const { return !told_.empty(); }

  // A link that has something to send.
  void mark(Link& link) { marked_.push_back(&link); }
  std::vector<Link*> take_marked() { return std::exchange(marked_, {}); }
  [[nodiscard]] bool has_marked() const { return !marked_.empty(); }

 private:
  struct Told {
    Outgoing* message;
    Transfer* transfer;
    int error;
  };
  const std::size_t items_bytes_max_;
  std::vector<Told> told_;
  std::vector<Told> telling_;
  std::vector<Link*> marked_;
  std::vector<std::unique_ptr<Batch>> batches_;  // not in use
  std::deque<Operation> operations_;             // all
  Operation* free_operations_ = nullptr;
};

}  // namespace ross::fabric::ucx
