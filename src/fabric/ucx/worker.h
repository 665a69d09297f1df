// Worker: UCX's worker, and what it has reported since the last look, in order.
//
// UCX calls back while it makes progress and may not be asked to make progress in there. What users of the fabric do in
// their callbacks is theirs, and Endpoint::revoke() must make progress; so UCX's callbacks only write down an Event, and
// the endpoint handles it when UCX has returned. The price is a copy of small data that UCX does not let us keep (tcp).
//
// UCX closes a connection over shared memory when the other process has made room in its queue, which a dead or stuck one
// never does. What such a connection holds comes back by ending UCX's worker, which waits for nobody; the Worker stays, and
// has no more to do than to hand out the events it has.
//
// Ownership: an operation is its Link's from start to the Event kDone. Threading: owner thread.
#pragma once

#include <ucp/api/ucp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "fabric/channel.h"
#include "fabric/ucx/library.h"
#include "fabric/ucx/windows.h"
#include "fabric/ucx/wire.h"

namespace ross::fabric::ucx {

class Link;
class Worker;

// A frame of items being filled or sent.
struct Batch {
  FrameHeader header;
  std::size_t size_bytes = 0;
  std::uint32_t answers = 0;  // items kGot in it
  std::unique_ptr<std::byte[]> bytes;
  Batch* next = nullptr;  // in the pool
};

// Something that UCX does for a link. Kept in a pool; what it has allocated is kept, too.
struct Operation {
  enum class Kind : std::uint8_t {
    kSendBatch,
    kSendHello,
    kSendMessage,
    kSendPut,
    kSendAnswer,   // out of a window
    kLandMessage,  // this and those behind take in data
    kLandPut,      // into a window
    kLandAnswer,
  };
  Kind kind = Kind::kSendBatch;
  ucs_status_t status = UCS_OK;  // UCS_INPROGRESS: it is UCX's
  Link* link = nullptr;
  Batch* batch = nullptr;
  Outgoing* message = nullptr;
  Transfer* transfer = nullptr;
  Exposed* window = nullptr;
  std::uint32_t number = 0;  // of the put that lands, or the get's slot
  bool copies = false;       // lands in one span, which may be by a copy that this process makes of the other's memory
  std::size_t size_bytes = 0;
  std::vector<std::byte> header;  // of the active message
  std::vector<ucp_dt_iov_t> pieces;
  Operation* next = nullptr;  // in the pool
  [[nodiscard]] bool lands() const { return kind >= Kind::kLandMessage; }
};

struct Event {
  enum class Kind : std::uint8_t { kHello, kItems, kBulk, kDone, kFailed, kAsked };
  Kind kind;
  ucs_status_t status = UCS_OK;    // kFailed
  Link* link = nullptr;            // all but kAsked and a kHello to nobody
  ucp_ep_h reply = nullptr;        // kHello: where it came from
  Operation* operation = nullptr;  // kDone
  void* asked = nullptr;           // kAsked: a connection request
  FrameHeader header;
  // Of the header behind FrameHeader (kBulk) and of the data (kHello, kItems): in Events::bytes, or held.
  std::size_t begin = 0;
  std::size_t size_bytes = 0;
  void* held = nullptr;  // UCX's: data to be released, or a bulk to be landed or released
  std::size_t bulk_bytes = 0;
};

struct Events {
  std::vector<Event> list;
  std::vector<std::byte> bytes;
  bool peer_seen = false;  // the endpoint's: the other process was there after all of these had happened
  [[nodiscard]] const std::byte* data(const Event& event) const {
    if (event.held != nullptr && event.kind != Event::Kind::kBulk) return static_cast<const std::byte*>(event.held);
    return bytes.data() + event.begin;
  }
};

class Worker {
 public:
  // Its descriptor is watched in epoll, which outlives it.
  static Result<std::unique_ptr<Worker>> create(ucp_context_h context, int epoll_fd);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] ucp_worker_h handle() const { return worker_; }
  [[nodiscard]] std::size_t bulk_header_bytes_max() const { return header_bytes_max_; }

  // Lets UCX work. Adds to the events; calls nobody.
  std::size_t progress();
  // True: the descriptor will be readable when there is something to do. False: there is already.
  bool arm() { return events_.list.empty() && (ended() || library().worker_arm(worker_) == UCS_OK); }

  // Closes one of its endpoints, or none. What UCX holds of it comes back while it makes progress.
  static void close(ucp_ep_h endpoint);
  // Ends UCX's worker, and its only endpoint if there is one: UCX holds nothing of anybody's any more. What was the data of
  // an event is gone; operations that UCX does not report are the owner's to finish. False where UCX is in the middle of
  // copying out of another process's memory and does not come to an end (it would abort the program): then it is left as it
  // is, and never works again.
  bool end(ucp_ep_h endpoint);
  [[nodiscard]] bool ended() const { return worker_ == nullptr; }

  // The events so far, until they are given back; more may come meanwhile. Each is released when it was handled.
  Events& take();
  void release(Event& event) { release(std::exchange(event.held, nullptr)); }
  void release(void* held);
  void give_back();
  [[nodiscard]] bool has_events() const { return !events_.list.empty(); }
  void report(const Event& event) { events_.list.push_back(event); }

  // Frames to id come to link. Zero is nobody's.
  void add_link(std::uint64_t id, Link& link) { links_.emplace(id, &link); }
  void remove_link(std::uint64_t id) { links_.erase(id); }

  // Where the result of a call that UCX began for operation goes: an Event, now or later.
  void started(Operation& operation, ucs_status_ptr_t request);
  // The parameters of such a call that sends.
  static ucp_request_param_t send_parameters(Operation& operation);
  // Has UCX put a bulk into memory, or into operation.pieces where there are some.
  void land(Operation& operation, void* held, std::byte* into, std::size_t size_bytes);
  // UCX needs nothing of the operation any more.
  static void finished(Operation& operation, ucs_status_t status);

 private:
  Worker(ucp_worker_h worker, int epoll_fd) : worker_(worker), epoll_fd_(epoll_fd) {}
  ucs_status_t arrived(const void* header, std::size_t header_bytes, void* data, std::size_t size_bytes,
                       const ucp_am_recv_param_t& param);
  bool finish_copies();

  ucp_worker_h worker_;
  const int epoll_fd_;
  int fd_ = -1;
  std::size_t header_bytes_max_ = 0;
  std::size_t copies_ = 0;  // operations that are
  Events events_;           // not yet handled
  Events taken_;            // being handled
  std::unordered_map<std::uint64_t, Link*> links_;
};

}  // namespace ross::fabric::ucx
