// Link: one end of a channel: what a Channel asks for becomes frames, and the other way round.
//
// Sending: what is asked for is queued, and goes out when the endpoint comes round to flush(): small messages, puts and
// requests are copied together into frames of items, so that a batch of them costs UCX one active message; a large payload
// is a frame of its own, which UCX carries from memory to memory by its rendezvous.
// Receiving: a put lands as soon as its frame is there. A message waits for those before it, and for the puts that were
// begun before it, in a slot of a bounded window. No more can be on the way: the sender counts (wire.h, kWindow).
// A put is done when the other end says that it has landed.
//
// Ending: who closes says so behind its last message (kBye) or at once with a reason (kAbort), and waits a bounded time for
// the other end to go; then UCX's endpoint is closed by force, or its worker is ended where it is this link's alone, and when
// UCX has let go of all memory the users are told.
//
// Ownership: the endpoint owns a link until it has ended and its channel is gone. Threading: owner thread.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "fabric/channel.h"
#include "fabric/endpoint.h"
#include "fabric/ucx/hub.h"
#include "fabric/ucx/wire.h"
#include "fabric/ucx/worker.h"

namespace ross::fabric::ucx {

// The users' view.
class LinkChannel final : public Channel {
 public:
  explicit LinkChannel(Link& link) : link_(link) {}
  ~LinkChannel() override;
  [[nodiscard]] const Peer& peer() const override;
  void start(Receiver& receiver) override;
  void send(Outgoing& message) override;
  void put(Transfer& transfer) override;
  void get(Transfer& transfer) override;
  void close() override;
  [[nodiscard]] Link& link() const { return link_; }

 private:
  Link& link_;
};

class Link {
 public:
  enum class State : std::uint8_t {
    kMeeting,  // the ends do not know each other yet
    kOpen,
    kLeaving,  // has said so; waits for the other end to go, or a deadline
    kCut,      // UCX is to give back what it holds
    kEnded,    // everybody was told
  };

  // id: how the peer names this link.
  Link(Hub& hub, Worker& worker, std::uint64_t id);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] Worker& worker() const { return worker_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool has_channel() const { return channel_ != nullptr; }
  [[nodiscard]] ucp_ep_h endpoint() const { return endpoint_; }
  [[nodiscard]] std::int64_t deadline_ns() const { return deadline_ns_; }
  [[nodiscard]] const Status& why() const { return why_; }
  [[nodiscard]] bool busy() const { return requests_ > 0; }
  [[nodiscard]] bool marked() const { return marked_; }
  [[nodiscard]] bool started() const { return receiver_ != nullptr; }
  Peer peer;
  bool tended = false;  // the endpoint's

  // ---- meeting ----
  void set_deadline(std::int64_t monotonic_ns) { deadline_ns_ = monotonic_ns; }
  void set_endpoint(ucp_ep_h endpoint) { endpoint_ = endpoint; }
  [[nodiscard]] Hello hello() const;
  // Sends it to the peer, who knows us by no name yet.
  void send_hello(Frame frame, std::uint64_t to);
  // What the peer says of itself; EPROTO where that is not as it should be.
  Status meet(const Hello& hello);
  [[nodiscard]] std::unique_ptr<Channel> make_channel();

  // ---- from the users ----
  void start(Receiver& receiver);
  void send(Outgoing& message);
  void put(Transfer& transfer);
  void get(Transfer& transfer);
  void close();
  void detach();  // the channel is gone

  // ---- from the endpoint ----
  void take_items(const FrameHeader& header, std::span<const std::byte> items);
  // What it takes of the event it does not leave to be released.
  void take_bulk(const FrameHeader& header, std::span<const std::byte> item, Event& event);
  void take_done(Operation& operation);
  // The link is of no more use: the connection is gone, or the other end breaks the rules.
  void take_failure(const Status& why);
  // The other end has ended.
  void take_farewell(const Status& why);
  void flush();
  // At its deadline.
  void take_deadline();
  // Nothing goes either way any more. UCX has let go of what it holds where the link has a worker of its own, and else does
  // so while it makes progress.
  void cut(const Status& why);
  // True once everything was handed to the hub to be told; on_closed is what is left, by finish().
  bool drained();
  void finish();

 private:
  struct Job {
    enum class Kind : std::uint8_t { kMessage, kPut, kGet } kind;
    union {
      Outgoing* message;
      Transfer* transfer;
    };
  };
  struct Slot {
    enum class Kind : std::uint8_t { kEmpty, kItem, kBulk } kind = Kind::kEmpty;
    ItemHeader header;
    std::uint32_t puts_before = 0;
    std::vector<std::byte> bytes;  // extra, then a payload that came with it
    void* held = nullptr;          // a bulk
  };
  struct Get {
    Transfer* transfer = nullptr;  // null: free
    std::uint64_t local_offset = 0;
    std::uint64_t size_bytes = 0;
    std::uint32_t generation = 0;
    bool landing = false;
  };
  // The piece of a transfer that goes next: of one span if that is too large to be copied into an item.
  struct Piece {
    std::uint64_t offset_bytes = 0;  // in local
    std::uint64_t size_bytes = 0;
    std::byte* bulk = nullptr;  // null: to be copied
  };

  // link_send.cc
  void mark();
  void queue(Job job);
  void send_jobs();
  bool send_job(const Job& job);
  bool send_message(Outgoing& message);
  bool send_put(Transfer& transfer);
  bool send_get(Transfer& transfer);
  Piece next_piece(const Transfer& transfer) const;
  bool key_of(const Transfer& transfer, Key& key);
  std::byte* append(Item item, std::size_t extra_bytes, std::size_t payload_bytes, bool payload_follows = false);
  void begin_bulk(Operation& operation, Item item, std::span<const std::byte> extra, std::uint64_t payload_bytes);
  void send_bulk(Operation& operation, const memory::Memory& payload);
  void send_batch();
  [[nodiscard]] bool owes_receipt() const;
  void write_receipts(FrameHeader& header);
  void take_receipts(const FrameHeader& header);
  void piece_done(Transfer& transfer, int error);
  void say_abort(int error);
  void tell_all();
  void leave(const Status& why);
  void take_back();

  // link_receive.cc
  void take_message(const ItemHeader& header, std::uint32_t number, std::uint32_t puts_before,
                    std::span<const std::byte> bytes, Event* bulk);
  bool deliver(const ItemHeader& header, std::span<const std::byte> bytes, void* bulk);
  void land_message(const memory::Memory& into, void* bulk, std::size_t size_bytes);
  void advance();
  void finish_message();
  void take_put(const ItemHeader& header, std::uint32_t number, std::span<const std::byte> bytes, Event* bulk);
  void finish_put(std::uint32_t number);
  void take_get(const ItemHeader& header, std::span<const std::byte> bytes);
  void take_answer(const ItemHeader& header, std::span<const std::byte> bytes, Event* bulk);
  void refuse(const Status& why);
  void drop_slots();

  Hub& hub_;
  Worker& worker_;
  const std::uint64_t id_;
  std::uint64_t peer_id_ = 0;
  ChannelLimits peer_limits_{};
  ucp_ep_h endpoint_ = nullptr;
  State state_ = State::kMeeting;
  LinkChannel* channel_ = nullptr;
  Receiver* receiver_ = nullptr;
  std::int64_t deadline_ns_ = INT64_MAX;
  Status why_;
  bool marked_ = false;
  std::size_t requests_ = 0;  // operations UCX has not finished

  // sending
  std::vector<Job> jobs_;
  std::size_t jobs_begun_ = 0;
  Batch* open_ = nullptr;
  std::uint32_t messages_sent_ = 0;
  std::uint32_t messages_known_ = 0;  // that the peer has received
  std::uint32_t puts_sent_ = 0;
  std::uint32_t puts_known_ = 0;
  std::array<Transfer*, kWindow> puts_{};  // by number, until known
  std::vector<Get> gets_;
  std::vector<std::uint32_t> gets_free_;
  std::size_t answers_ = 0;  // to gets of the peer, that UCX is sending

  // receiving
  std::array<Slot, kWindow> slots_;
  std::uint32_t messages_received_ = 0;
  std::uint32_t messages_receipt_ = 0;  // of which the peer was told
  std::bitset<kWindow> puts_landed_;
  std::uint32_t puts_received_ = 0;
  std::uint32_t puts_receipt_ = 0;
  bool landing_ = false;       // a message's payload
  bool body_follows_ = false;  // the next message must be its body
  bool in_callback_ = false;   // of the receiver: nobody advances below it
  memory::Memory body_;
  std::vector<std::byte> head_;        // that the receiver is shown: UCX may take its own back meanwhile
  std::vector<std::byte> delivering_;  // a message that has waited
};

}  // namespace ross::fabric::ucx
