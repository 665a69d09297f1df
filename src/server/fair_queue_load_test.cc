// Goal: a greedy principal, with many connections and deep queues, leaves another its share, and who asks for less than its share hardly waits.
// Method: the queue in simulated time, in a server that works on one request after the other, with principals whose connections ask again
// when they are answered, or at fixed times.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "server/fair_queue_party.h"

namespace ross::server {
namespace {

using Item = FairQueue::Item;
using Line = FairQueue::Line;
using fair_queue_test::kKi;
using fair_queue_test::kMi;
using fair_queue_test::Party;

// One thread that works on requests for as long as they cost, gives turns in passes as the server does, and answers at the end of each.
// Parties ask again when they are answered, or at fixed times.
class Server {
 public:
  static constexpr std::uint64_t kPassCost = 128 * kKi;
  struct Client {
    Party* party = nullptr;
    std::size_t inflight = 0;  // on each connection
    std::uint64_t cost = 0;
    std::int64_t every_ns = 0;  // 0: as soon as it is answered
    std::vector<std::int64_t> latencies_ns;
    std::int64_t next_ns = 0;
  };

  explicit Server(FairQueue& queue) : queue_(queue) {}
  void add(Client& client) {
    clients_.push_back(&client);
    if (client.every_ns != 0) return;
    for (Line& line : client.party->lines) {
      for (std::size_t i = 0; i < client.inflight; ++i) ask(client, line);
    }
  }
  // A cost of 5 takes a nanosecond.
  void run(std::int64_t for_ns) {
    const std::int64_t until_ns = now_ns_ + for_ns;
    while (now_ns_ < until_ns) {
      queue_.pass_time(now_ns_);
      for (Client* const client : clients_) {
        while (client->every_ns != 0 && client->next_ns <= now_ns_) {
          ask(*client, client->party->lines[0], client->next_ns);
          client->next_ns += client->every_ns;
        }
      }
      std::vector<Request*> answered;
      for (std::uint64_t cost = 0; cost < kPassCost;) {
        auto* const request = static_cast<Request*>(queue_.next());
        if (request == nullptr) break;
        cost += request->cost;
        now_ns_ += static_cast<std::int64_t>(request->cost / 5);
        answered.push_back(request);
      }
      if (answered.empty()) now_ns_ += 1000;
      for (Request* const request : answered) {
        queue_.done(*request);
        request->client->party->served += request->cost;
        request->client->latencies_ns.push_back(now_ns_ - request->asked_ns);
        if (request->client->every_ns == 0) ask(*request->client, *request->line);
        free_.push_back(request);
      }
    }
  }

 private:
  struct Request : Item {
    Client* client = nullptr;
    Line* line = nullptr;
    std::int64_t asked_ns = 0;
  };
  void ask(Client& client, Line& line, std::int64_t at_ns = -1) {
    if (free_.empty()) free_.push_back(&requests_.emplace_back());
    Request& request = *free_.back();
    free_.pop_back();
    request.client = &client;
    request.line = &line;
    request.asked_ns = at_ns < 0 ? now_ns_ : at_ns;
    queue_.add(line, request, client.cost);
  }

  FairQueue& queue_;
  std::vector<Client*> clients_;
  std::deque<Request> requests_;
  std::vector<Request*> free_;
  std::int64_t now_ns_ = 1'000'000;
};

std::int64_t percentile(std::vector<std::int64_t> values, std::size_t percent) {
  std::ranges::sort(values);
  return values[values.size() * percent / 100];
}

// Both want more than they can have: the one with 64 connections of 256 large requests, the other with one of 4.
TEST(FairQueue, AGreedyPrincipalLeavesTheOtherItsShare) {
  for (const std::uint64_t cost : {8 * kKi, kMi + 4 * kKi}) {
    SCOPED_TRACE(cost);
    FairQueue queue;
    Party greedy(queue, "greedy", 100, 64);
    Party modest(queue, "modest", 100, 1);
    Server server(queue);
    Server::Client theirs{.party = &greedy, .inflight = 256, .cost = kMi + 4 * kKi, .latencies_ns = {}};
    Server::Client mine{.party = &modest, .inflight = 128, .cost = cost, .latencies_ns = {}};
    server.add(theirs);
    server.add(mine);
    server.run(2'000'000'000);
    const double share = static_cast<double>(modest.served) / static_cast<double>(modest.served + greedy.served);
    EXPECT_GE(share, 0.9 * 0.5);
    EXPECT_LE(share, 1.1 * 0.5);
    for (Party* const party : {&greedy, &modest}) {
      for (Line& line : party->lines) queue.drop(line);
    }
  }
}

// One that asks for a tenth of its share waits for what has begun at most, a pass: with small requests of the other not much.
TEST(FairQueue, AModestPrincipalHardlyWaits) {
  for (const std::uint64_t theirs_cost : {8 * kKi, kMi + 4 * kKi}) {
    SCOPED_TRACE(theirs_cost);
    FairQueue queue;
    Party greedy(queue, "greedy", 100, 64);
    Party modest(queue, "modest", 100, 1);
    Server server(queue);
    Server::Client theirs{.party = &greedy, .inflight = 256, .cost = theirs_cost, .latencies_ns = {}};
    Server::Client mine{
        .party = &modest, .cost = 8 * kKi, .every_ns = 33'333, .latencies_ns = {}, .next_ns = 1'000'000};
    server.add(theirs);
    server.add(mine);
    server.run(1'000'000'000);
    const auto pass_ns = static_cast<std::int64_t>((Server::kPassCost + theirs_cost) / 5);
    EXPECT_LE(percentile(mine.latencies_ns, 99), 2 * pass_ns + 2000);
    EXPECT_GT(mine.latencies_ns.size(), 25'000U);
    for (Party* const party : {&greedy, &modest}) {
      for (Line& line : party->lines) queue.drop(line);
    }
  }
}

}  // namespace
}  // namespace ross::server
