// Job: one request of a peer, from when its head is decoded until its reply is sent and what it puts into windows is out.
//
// Ownership: its connection's, which uses it again. Threading: owner thread (the server's).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fabric/channel.h"
#include "fabric/endpoint.h"
#include "fs/file_system.h"
#include "server/buffers.h"
#include "server/fair_queue.h"
#include "server/session.h"
#include "wire/message.h"

namespace ross::server {

class Connection;
struct Job;

// The transfer between a job's buffer and one window.
struct Move : fabric::Transfer {
  Job* job = nullptr;
  Connection* carrier = nullptr;  // whose channel it is on
  fabric::Window remote;
  std::vector<memory::Span> spans;  // of local, where it is lent memory
};

// The word behind a read's puts on a channel for transfers.
struct LandedWord : fabric::Outgoing {
  Job* job = nullptr;
  std::uint64_t bytes = 0;  // that it is about
  Connection* carrier = nullptr;
};

struct Job : fabric::Outgoing, FairQueue::Item {
  Connection* connection = nullptr;
  std::vector<std::byte> bytes;  // the request's, which request points into
  wire::Request request;
  fs::Credential cred;
  Buffers::Buffer buffer;  // the data of a write, or of a read that was copied
  fs::Loan loan;           // the data of a read that was not
  std::size_t buffer_bytes = 0;
  std::vector<Move> moves;  // one for each window; of earlier requests, too
  LandedWord landed;
  std::size_t uses = 0;  // of channels: moves under way, the word behind them, and the reply
  bool failed = false;   // a move
  std::uint64_t counted_bytes = 0;
  bool counted = false;  // in the connection's requests in flight
  bool lock_wait = false;
  bool limited = false;  // it has taken its bytes and itself from its tenant's limits
  bool settles = false;  // its slot: others may wait for its outcome
  std::string text;      // the reply's, when it is made here
  wire::Reply reply;
  std::size_t reply_payload_bytes = 0;
  fs::FileSystem* fs = nullptr;  // of the request's container or file
  std::shared_ptr<fs::FileSystem> fs_owner;
  Session::File* file = nullptr;
};

void answer(wire::Reply& reply, const fs::Attr& attr);

}  // namespace ross::server
