#include "server/fair_queue.h"

#include <algorithm>

#include "base/status.h"

namespace ross::server {

FairQueue::Share& FairQueue::join(std::string_view name, std::uint64_t weight) {
  auto found = shares_.find(name);
  if (found == shares_.end()) {
    found = shares_.emplace(std::string(name), std::make_unique<Share>()).first;
    found->second->name = name;
    found->second->weight = std::max<std::uint64_t>(weight, 1);
    found->second->tag = virtual_time_;
  }
  ++found->second->sessions;
  return *found->second;
}

void FairQueue::leave(Share& share) {
  ROSS_CHECK(share.sessions > 0, "a session left its share twice");
  if (--share.sessions > 0) return;
  ROSS_CHECK(share.turn == nullptr, "a share was left with requests waiting");
  if (share.awake) --awake_;
  if (share.busy) set_busy(share, false);
  shares_.erase(shares_.find(share.name));
}

// Whoever wakes starts now in virtual time, however long ago it had its last share.
bool FairQueue::wake(Share& share) {
  if (!share.awake) {
    share.awake = true;
    ++awake_;
  }
  return awake_ == 1 && waiting_ == 0;
}

void FairQueue::add(Line& line, Item& item, std::uint64_t cost) {
  Share& share = *line.share;
  item.cost = cost;
  item.next = nullptr;
  ++waiting_;
  if (line.first != nullptr) {
    line.last = line.last->next = &item;
    return;
  }
  line.first = line.last = &item;
  if (share.turn != nullptr) {  // at the end of the ring
    line.next = share.turn;
    line.previous = share.turn->previous;
    line.previous->next = share.turn->previous = &line;
    return;
  }
  share.turn = line.next = line.previous = &line;
  share.taken = 0;
  if (before(share.tag, virtual_time_)) share.tag = virtual_time_;
  waiting_shares_.push_back(&share);
  if (!share.busy) set_busy(share, true);
}

bool FairQueue::may_begin(const Share& share) const {
  const bool full = work_[0].ops + work_[1].ops >= kWorkOpsMax || work_[0].cost + work_[1].cost >= kWorkCostMax;
  const std::uint64_t ops = share.work[0].ops + share.work[1].ops;
  if (ops == 0) return !full || stuck_periods_ > 0 || work_[(period_ + 1) % 2].ops > 0;
  const std::uint64_t cost = share.work[0].cost + share.work[1].cost;
  // 1 + 1/n times its part: what n - 1 of the same weight can have leaves something for the last one.
  const std::uint64_t part = share.weight * (busy_ + 1);
  const std::uint64_t of = busy_weight_ * busy_;
  return !full && ops * of < kWorkOpsMax * part && cost * of < kWorkCostMax * part;
}

// As many steps as there are principals with something waiting: few, and kSessionsMax at most.
FairQueue::Share* FairQueue::choose() const {
  Share* first = nullptr;
  for (Share* const share : waiting_shares_) {
    if ((first == nullptr || before(share->tag, first->tag)) && may_begin(*share)) first = share;
  }
  return first;
}

FairQueue::Item* FairQueue::next() {
  if (waiting_ == 0) return nullptr;
  Share* const share = choose();
  if (share == nullptr) return nullptr;
  Line& line = *share->turn;
  Item& item = *line.first;
  line.first = item.next;
  item.next = nullptr;
  --waiting_;
  // One that had to wait for its work to end does not set time back, and catches up with no more than what may be at work.
  const std::uint64_t credit = kWorkCostMax * kScale / share->weight;
  if (before(share->tag + credit, virtual_time_)) share->tag = virtual_time_ - credit;
  if (before(virtual_time_, share->tag)) virtual_time_ = share->tag;
  share->tag += item.cost * kScale / share->weight;
  share->taken += item.cost;
  if (line.first == nullptr) {
    take_turn_from(*share, line);
  } else if (share->taken >= kTurnCost) {
    share->turn = line.next;
    share->taken = 0;
  }
  item.at_work = share;
  item.period = period_;
  for (Work* const work : {&share->work[period_ % 2], &work_[period_ % 2]}) {
    ++work->ops;
    work->cost += item.cost;
  }
  return &item;
}

// Of a line with nothing left.
void FairQueue::take_turn_from(Share& share, Line& line) {
  if (line.next == &line) {
    share.turn = nullptr;
    std::erase(waiting_shares_, &share);
  } else {
    line.previous->next = line.next;
    line.next->previous = line.previous;
    if (share.turn == &line) {
      share.turn = line.next;
      share.taken = 0;
    }
  }
  line.next = line.previous = nullptr;
  line.last = nullptr;
}

void FairQueue::look_whether_busy(Share& share) {
  if (!share.busy || share.turn != nullptr || share.work[0].ops + share.work[1].ops > 0) return;
  set_busy(share, false);
}

void FairQueue::set_busy(Share& share, bool busy) {
  share.busy = busy;
  busy_ += busy ? 1 : std::uint64_t{0} - 1;
  busy_weight_ += busy ? share.weight : std::uint64_t{0} - share.weight;
}

void FairQueue::end_work(Item& item) {
  Share& share = *item.at_work;
  item.at_work = nullptr;
  if (period_ - item.period > 1) return;  // not counted any more
  for (Work* const work : {&share.work[item.period % 2], &work_[item.period % 2]}) {
    --work->ops;
    work->cost -= item.cost;
  }
  look_whether_busy(share);
}

FairQueue::Item* FairQueue::drop(Line& line) {
  Item* const first = line.first;
  if (first == nullptr) return nullptr;
  for (const Item* item = first; item != nullptr; item = item->next) --waiting_;
  line.first = nullptr;
  Share& share = *line.share;
  take_turn_from(share, line);
  look_whether_busy(share);
  return first;
}

void FairQueue::pass_time(std::int64_t now_ns) {
  if (now_ns < period_ends_ns_) return;
  // After a pause nothing of before counts.
  if (period_ends_ns_ != 0 && now_ns - period_ends_ns_ >= kPeriodNs) begin_period();
  begin_period();
  period_ends_ns_ = now_ns + kPeriodNs;
}

void FairQueue::begin_period() {
  ++period_;
  if (work_[period_ % 2].ops > 0) {
    stuck_periods_ = kQuietPeriodsMax;
  } else if (stuck_periods_ > 0) {
    --stuck_periods_;
  }
  work_[period_ % 2] = {};
  for (const auto& [name, share] : shares_) {
    share->work[period_ % 2] = {};
    look_whether_busy(*share);
    if (share->turn != nullptr) continue;
    // Tags that stay behind for too long would seem to be ahead one day.
    if (before(share->tag, virtual_time_)) share->tag = virtual_time_;
    if (share->awake && ++share->quiet_periods > kQuietPeriodsMax) {
      share->awake = false;
      --awake_;
    }
  }
}

}  // namespace ross::server
