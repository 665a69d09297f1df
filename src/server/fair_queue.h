// FairQueue: which of the requests that have come begins next, so that no principal pushes out another.
//
// Start-time fair queueing (Goyal, Vin and Cheng, 1996). Each principal has a queue and a tag, the virtual time at which its first request
// may start; the one with the smallest tag begins, and its principal's tag moves on by what the request costs, divided by the principal's
// weight. Virtual time is the tag of what began last, and who comes with an empty queue starts there: it has saved up nothing and
// owes nothing. While two principals have requests waiting, what was begun of the one and of the other, each divided by its weight,
// differs by no more than the dearest request of each, divided by its weight; and who asks for less than its share begins at once.
//
//   if (!queue.at_once(line)) queue.add(line, item, cost);        // when it has come
//   while (Item* item = queue.next()) begin(*item);               // in each pass of the loop, for as long as it should take
//   queue.done(*item);                                            // when it has been worked on
//
// Order alone does not help who comes behind requests that have begun: only kWorkOpsMax and kWorkCostMax are at work at a time. What is at
// work may be stuck (data to be had from a peer, a server upstream). So each of n principals has no more than 1 + 1/n times its part of
// that by weight, what takes longer than kPeriodNs or two is not counted any more, and for a second after that happened, who
// has nothing at work may have one request there.
//
// Connections are lines of their principal's queue, which take turns of kTurnCost: a request comes behind those before it on its own.
// While one principal alone has asked for anything in the last second, requests begin at once, and it costs a load and a branch.
//
// Ownership: borrows lines and items from add() to next() or drop(), and what next() gave until done(). Limits: as many lines as there are
// connections, in each what its peer may have in flight. Threading: owner thread (the server's).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ross::server {

class FairQueue {
 public:
  static constexpr std::uint64_t kWorkOpsMax = 64;
  static constexpr std::uint64_t kWorkCostMax = 2 << 20;
  static constexpr std::uint64_t kTurnCost =
      64 << 10;  // some small requests: what one connection is answered travels together
  static constexpr std::int64_t kPeriodNs = 100'000'000;
  static constexpr unsigned kQuietPeriodsMax = 10;  // then a principal is one that asks for nothing

  struct Share;
  struct Work {
    std::uint64_t ops = 0;
    std::uint64_t cost = 0;
  };
  // A request that may have to wait.
  struct Item {
    Item* next = nullptr;
    std::uint64_t cost = 0;
    Share* at_work = nullptr;  // whose work it is; null: it is not counted
    std::uint32_t period = 0;  // in which it began
  };
  // The requests of a connection that wait.
  struct Line {
    Share* share = nullptr;  // from its greeting on
    Item* first = nullptr;
    Item* last = nullptr;
    Line* next = nullptr;  // of the share's, in a ring; null: nothing waits here
    Line* previous = nullptr;
  };
  // A principal: what its sessions share.
  struct Share {
    std::string name;
    std::uint64_t weight = 1;
    std::uint32_t sessions = 0;
    std::uint64_t tag = 0;    // virtual time
    Line* turn = nullptr;     // whose requests begin; null: nothing waits
    std::uint64_t taken = 0;  // in its turn, in cost
    Work work[2];             // that began in this period and in the one before
    bool busy = false;        // something waits or is at work
    bool awake = false;
    unsigned quiet_periods = 0;
  };

  FairQueue() = default;
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  // One more session of this name, and one less.
  Share& join(std::string_view name, std::uint64_t weight);
  void leave(Share& share);

  // Whether a request that has come on this line may begin without add(): nobody is there whom it could push out.
  bool at_once(const Line& line) {
    Share& share = *line.share;
    share.quiet_periods = 0;
    return share.awake && awake_ == 1 && waiting_ == 0 ? true : wake(share);
  }
  void add(Line& line, Item& item, std::uint64_t cost);
  // What begins now and is at work until done(); null: nothing does.
  Item* next();
  // Also of what began without next().
  void done(Item& item) {
    if (item.at_work != nullptr) end_work(item);
  }
  // Of what it was charged so much was not used. Not after done().
  static void give_back(const Item& item, std::uint64_t cost) {
    if (item.at_work != nullptr) item.at_work->tag -= cost * kScale / item.at_work->weight;
  }
  // Takes a line's requests out, its first one first: its connection has ended.
  Item* drop(Line& line);
  // To be called now and then while several() or anything waits.
  void pass_time(std::int64_t now_ns);

  [[nodiscard]] bool several() const { return awake_ > 1; }
  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  // Whether next() would give something.
  [[nodiscard]] bool has_next() const { return waiting_ > 0 && choose() != nullptr; }

 private:
  // Tags count in 1/kScale of a cost at weight 1, so that rounding does not matter. They wrap around: differences count.
  static constexpr std::uint64_t kScale = 1 << 12;
  static bool before(std::uint64_t one, std::uint64_t other) { return static_cast<std::int64_t>(one - other) < 0; }
  bool wake(Share& share);
  [[nodiscard]] bool may_begin(const Share& share) const;
  [[nodiscard]] Share* choose() const;
  void take_turn_from(Share& share, Line& line);
  void look_whether_busy(Share& share);
  void set_busy(Share& share, bool busy);
  void end_work(Item& item);
  void begin_period();

  std::map<std::string, std::unique_ptr<Share>, std::less<>> shares_;
  std::vector<Share*> waiting_shares_;  // those with something in a line
  std::size_t waiting_ = 0;             // requests
  std::uint64_t virtual_time_ = 0;
  unsigned stuck_periods_ = 0;  // for so many more something counts as stuck
  std::uint64_t busy_ = 0;      // principals with something to do
  std::uint64_t busy_weight_ = 0;
  Work work_[2];  // of all, as theirs
  std::size_t awake_ = 0;
  std::uint32_t period_ = 0;
  std::int64_t period_ends_ns_ = 0;
};

}  // namespace ross::server
