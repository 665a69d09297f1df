// UCX by hand, in the library's place: what arrives at a worker is what a test delivers, what it sends is kept for the test to read.
//
// fabric/ucx calls UCX through its table of functions, so functions made here run all of it, without a device and without the library.
//
//   take_ucxs_place();                           // before anything of fabric/ucx is used
//   auto endpoint = *domain->open(loop, options);
//   WorkerByHand& worker = *WorkerByHand::newest();
//   worker.deliver({.header = ..., .data = ...});  loop.poll();  worker.take_sent();
//
// What UCX would not bear is a bug of its caller and aborts: data that is released twice, or landed where it has no room, or never
// released; a message to an endpoint that was closed. Ownership: a worker lives until it is destroyed through the table.
// Threading: one thread.
#pragma once

#include <ucp/api/ucp.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ross::fabric::ucx {

void take_ucxs_place();

struct WorkerByHand;

struct PointByHand {  // an endpoint of UCX's
  WorkerByHand* worker = nullptr;
  ucp_err_handler_t failing{};
  bool closed = false;
};

struct WorkerByHand {
  struct Arrival {
    std::vector<std::byte> header;
    std::vector<std::byte> data;
    bool bulk = false;  // instead of data
    std::size_t bulk_bytes = 0;
    bool kept = false;             // who receives the data may keep it
    PointByHand* reply = nullptr;  // how to answer; null: UCX does not tell
  };
  struct Sent {
    std::vector<std::byte> header;
    std::vector<std::byte> data;
  };

  // The one that was made last and is still there; null: none.
  static WorkerByHand* newest();
  // Somebody connects to the listener that was made last, if there is one.
  static void ask();

  void deliver(Arrival arrival) { arrivals.push_back(std::move(arrival)); }
  std::vector<Sent> take_sent() { return std::exchange(sent, {}); }
  // The connection of the endpoint that was made last and is still open has failed.
  void fail_newest(ucs_status_t status);
  // What is under way ends with its next progress: as it should, or not.
  void release(ucs_status_t status);
  // How to answer who has asked last; null: nobody has, or the connection is closed.
  PointByHand* newest_point();

  // Sends and landings that begin from now on are under way until release(). Else they are complete at once.
  bool holds = false;
  // Or they fail as they begin.
  bool refuses = false;

  // The stand-in's own.
  struct Request {
    const PointByHand* point = nullptr;
    bool lands = false;
    ucp_request_param_t then{};
    ucs_status_t status = UCS_INPROGRESS;
    std::size_t size_bytes = 0;
    std::vector<std::span<std::byte>> fills;
  };
  struct Held {  // data that is kept, or a bulk
    std::unique_ptr<std::byte[]> bytes;
    std::size_t bulk_bytes = 0;
    const PointByHand* point = nullptr;  // where it came from
  };
  ucp_am_handler_param_t handler{};
  int fd = -1;
  std::vector<std::unique_ptr<PointByHand>> points;
  std::deque<Arrival> arrivals;
  std::deque<std::pair<PointByHand*, ucs_status_t>> failures;
  std::vector<Sent> sent;
  std::vector<Request*> requests;
  std::unordered_map<void*, Held> held;
};

}  // namespace ross::fabric::ucx
