// A libfabric by hand, in the library's place: what arrives at an endpoint is what a test delivers, what it sends is kept for the
// test to read.
//
// fabric/ofi calls libfabric through its objects alone, so objects made here run all of it, without a device and without the
// library. There are three providers, each of the demands of the one of its name: "tcp;ofi_rxm" (none, buffers for many messages),
// "verbs;ofi_rxm" (everything registered, a buffer a message), "shm" (names for addresses, this machine only).
//
//   take_libfabrics_place();                    // before anything of fabric/ofi is used
//   auto endpoint = *domain->open(loop, options);
//   NetworkByHand& network = *NetworkByHand::newest();
//   network.deliver(bytes);  loop.poll();  network.take_sent();
//
// What libfabric would not bear is a bug of its caller and aborts: a message to an address that was removed, an object that is
// closed while others use it. Ownership: a network lives as long as its endpoint (fid_ep). Threading: one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fabric/ofi/library.h"

namespace ross::fabric::ofi {

void take_libfabrics_place();

class NetworkByHand {
 public:
  // Of the endpoint that was opened last and is still open; null: none is.
  static NetworkByHand* newest();

  // A message arrives in the buffer that is next, cut where that has no room for all of it. False: no buffer is posted.
  bool deliver(std::span<const std::byte> message);
  // All that was sent since the last call, whoever it was for.
  std::vector<std::vector<std::byte>> take_sent();

  // Sends and transfers that begin from now on are under way until release(). Else they are complete at once.
  bool holds = false;
  // Nothing can be sent or begun now.
  bool full = false;
  // Whether transfers that end with their connection are told of.
  bool tells_of_cut = true;
  // Those under way end: as they should, or with one of libfabric's errors.
  void release(int error = 0);

 private:
  friend struct EndpointByHand;
  friend struct QueueByHand;
  friend struct TableByHand;

  struct Posted {
    std::span<std::byte> left;
    void* context = nullptr;
    bool many = false;
  };
  struct Operation {
    void* context = nullptr;
    std::uint64_t flags = 0;
    fi_addr_t to = 0;
    std::vector<std::span<std::byte>> fills;  // what a get lands in
  };
  struct Completion {
    fi_cq_data_entry entry{};
    int error = 0;
  };

  ssize_t begin(Operation operation);
  void end(const Operation& operation, int error);
  void end_all_to(fi_addr_t address);

  std::deque<Posted> posted_;
  std::vector<Operation> under_way_;
  std::deque<Completion> completions_;
  std::vector<std::vector<std::byte>> sent_;
  std::size_t many_least_bytes_ = 1;       // of a buffer for many messages that stays posted
  std::vector<std::string> addresses_;     // by number
  std::vector<fi_addr_t> free_addresses_;  // of these, removed
};

}  // namespace ross::fabric::ofi
