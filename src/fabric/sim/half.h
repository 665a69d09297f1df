// Half: one end of a simulated channel.
//
// What it sends is numbered. Packets arrive in any order and are shown in the order of their numbers, each behind the puts
// that were begun before it. The two halves of a connection look into each other only when something has been carried over.
//
// Threading: owner thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "fabric/sim/state.h"
#include "fabric/sim/station.h"

namespace ross::fabric::sim {

struct Packet {
  std::uint64_t behind = 0;  // the puts begun before this one
  std::vector<std::byte> head;
  std::vector<std::byte> payload;
};

// A transfer under way.
struct Moving {
  Transfer* transfer = nullptr;  // null once it was told
  std::uint64_t number = 0;
  std::string key;
  std::uint64_t offset_bytes = 0;
  std::size_t size_bytes = 0;
  std::size_t pieces_left = 0;
};

// What both halves look into.
struct Connection {
  std::uint64_t id = 0;
  bool cut = false;
  std::set<std::uint64_t> puts_landing[2];  // numbers of each side's puts that have not landed whole
};

// A part of a transfer that travels by itself.
struct Piece {
  std::size_t offset_bytes = 0;
  std::size_t size_bytes = 0;
};

// Shared with what is on its way to it; the Channel that its user holds is a handle.
class Half : public std::enable_shared_from_this<Half> {
 public:
  // A connection and its two halves; nothing is told to anybody.
  static std::pair<std::shared_ptr<Half>, std::shared_ptr<Half>> join(const std::shared_ptr<Station>& one,
                                                                      const std::shared_ptr<Station>& other);
  static std::unique_ptr<Channel> handle(const std::shared_ptr<Half>& half);
  // Of a handle.
  static std::uint64_t connection_of(const Channel& channel);
  Half(std::shared_ptr<Station> station, std::shared_ptr<Connection> connection, int side);
  ~Half();

  [[nodiscard]] Station& station() { return *station_; }
  [[nodiscard]] const std::shared_ptr<Station>& station_ref() const { return station_; }
  [[nodiscard]] State& net() { return station_->net(); }
  [[nodiscard]] const std::string& host() const { return station_->host(); }
  [[nodiscard]] Connection& connection() { return *connection_; }
  [[nodiscard]] std::shared_ptr<Half> peer() const { return peer_.lock(); }
  [[nodiscard]] bool ending() const { return ending_; }
  [[nodiscard]] bool has_handle() const { return has_handle_; }

  void start(Receiver& receiver);
  void send(Outgoing& message);
  void put(Transfer& transfer);
  void get(Transfer& transfer);
  void close();
  void destroyed();  // the handle

  // Ends it; the peer is told what for_peer says, unless it is what told us.
  void end(const Status& why, const Status& for_peer = {});
  void end_later(const Status& why);
  // It is cut, and learns so when it begins something.
  void learn_on_use() { learns_on_use_ = true; }

 private:
  // half.cc
  void begins_something();
  void depart_later();
  void depart();
  void arrived(std::uint64_t number, const std::shared_ptr<Packet>& packet);
  void show();
  void land(const std::shared_ptr<Packet>& packet);
  void consumed(std::size_t size_bytes);
  void tell_closed_later();
  void tell_closed();
  // transfers.cc
  std::shared_ptr<Moving> begin(Transfer& transfer);
  std::vector<Piece> cut_up(std::size_t size_bytes);
  void land_put(const std::shared_ptr<Moving>& moving, const Piece& piece,
                const std::shared_ptr<std::vector<std::byte>>& early);
  void read_get(const std::shared_ptr<Moving>& moving, const Piece& piece);
  void land_get(const std::shared_ptr<Moving>& moving, const Piece& piece, const std::vector<std::byte>& data);
  void finish(const std::shared_ptr<Moving>& moving);

  const std::shared_ptr<Station> station_;
  const std::shared_ptr<Connection> connection_;
  const int side_;  // of the connection, 0 or 1
  std::weak_ptr<Half> peer_;
  Receiver* receiver_ = nullptr;
  bool has_handle_ = false;

  // sending
  std::deque<Outgoing*> queue_;
  bool departing_ = false;
  std::size_t in_flight_bytes_ = 0;
  std::uint64_t packets_sent_ = 0;
  // transfers
  std::uint64_t transfers_begun_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Moving>> moving_;
  // receiving
  std::map<std::uint64_t, std::shared_ptr<Packet>> arrived_;
  std::uint64_t packets_shown_ = 0;
  bool landing_ = false;  // a head was shown, its payload comes
  memory::Memory landing_at_;
  // ending
  bool ending_ = false;
  bool closed_told_ = false;
  bool learns_on_use_ = false;
  Status why_;
};

}  // namespace ross::fabric::sim
