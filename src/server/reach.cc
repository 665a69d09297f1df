// Channels for transfers: how a host behind an agent gets one to this server, and what a session knows of them (decisions/0013).
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "base/machine.h"
#include "server/connection.h"
#include "server/server.h"

namespace ross::server {

// ---- tokens: each admits one channel, soon ----

Result<wire::Token> Server::token_for_transfers(Session& session) {
  const std::int64_t now_ns = loop_.clock().monotonic_ns();
  std::erase_if(transfer_tokens_, [now_ns](const auto& named) { return named.second.until_ns <= now_ns; });
  const auto given = std::ranges::count_if(transfer_tokens_,
                                           [&session](const auto& named) { return named.second.session == &session; });
  if (session.transfer_channels() + static_cast<std::size_t>(given) >= wire::kConnectionsMax) {
    return fail(EUSERS, "the session has too many channels for transfers: work from fewer threads");
  }
  wire::Token token{};
  options_.fill_random(token);
  transfer_tokens_[token] = {.session = &session, .until_ns = now_ns + kGreetingNs};
  return token;
}

Result<Session*> Server::session_for_transfers(const wire::Token& token, const fabric::Peer& peer) {
  const auto found = transfer_tokens_.find(token);
  if (found == transfer_tokens_.end() || found->second.until_ns <= loop_.clock().monotonic_ns() ||
      found->second.session->ends()) {
    refuse(identity::Reason::kSession, {}, peer, "a channel for transfers");
    return fail(ESTALE, "nobody is awaited by that token (any more)", Retry::kEndpoint);
  }
  Session* const session = found->second.session;
  if (peer.pid != 0 && peer.uid != session->peer().uid && peer.uid != 0) {
    refuse(identity::Reason::kReplayed, session->who(), peer, "a channel for transfers of another user's session");
    return fail(EACCES, "the session belongs to another user");
  }
  transfer_tokens_.erase(found);
  --greetings_;
  return session;
}

void Server::forget_transfer_tokens(const Session& session) {
  std::erase_if(transfer_tokens_, [&session](const auto& named) { return named.second.session == &session; });
}

// ---- what a session knows of them ----

std::uint64_t Session::join_for_transfers(Connection& connection) {
  std::uint64_t channel = 0;
  while (channel == 0 || transfer_channels_.contains(channel)) channel = server_.random_number();
  transfer_channels_.emplace(channel, &connection);
  return channel;
}

void Session::leave_for_transfers(Connection& connection) { transfer_channels_.erase(connection.channel_name()); }

Connection* Session::for_transfers(std::uint64_t channel) const {
  const auto found = transfer_channels_.find(channel);
  return found == transfer_channels_.end() ? nullptr : found->second;
}

void Session::end_transfers() {
  server_.forget_transfer_tokens(*this);
  std::vector<Connection*> ending;
  for (const auto& [channel, connection] : transfer_channels_) ending.push_back(connection);
  transfer_channels_.clear();
  std::ranges::sort(ending, {}, &Connection::id);
  for (Connection* const connection : ending) {
    connection->forget_session();
    connection->cut_off();
  }
}

// ---- the request ----

// Which way the host's data goes, and why, into the agent's log.
void Connection::tell_way(const Job& job) {
  const fabric::Peer& host = session_->peer();
  if (job.request.text.empty()) {
    log().info("host pid {} uid {} is told how it reaches the engine", host.pid, host.uid);
    return;
  }
  constexpr std::size_t kReasonBytesMax = 200;
  std::string reason(job.request.text.substr(0, kReasonBytesMax));
  std::ranges::replace_if(
      reason, [](char letter) { return letter < ' ' || letter > '~'; }, '?');
  const bool worse = server_.placement() == Placement::kDirect && !std::exchange(session_->told_staged, true);
  log().log(worse ? spdlog::level::warn : spdlog::level::info, "data of host pid {} uid {} was staged: {}", host.pid,
            host.uid, reason);
}

Connection::Work Connection::reach(Job& job) {
  if (session_->upstream() != nullptr) {
    if (!server_.places_directly()) {
      co_return Status(ENOTSUP, "the agent stages all data: its placement is \"staged\"");
    }
    tell_way(job);
    co_return co_await pass_on(job);
  }
  const Result<wire::Token> token = server_.token_for_transfers(*session_);
  if (!token.has_value()) co_return token.error();
  const std::string machine = machine_id();
  wire::Reach reach{.token = *token, .machine = machine, .ways = server_.ways()};
  job.text = wire::encode(reach);
  co_return Status();
}

std::vector<wire::Reach::Way> Server::ways() const {
  std::vector<wire::Reach::Way> ways;
  for (std::size_t i = 0; i < listeners_.size() && i < wire::kWaysMax; ++i) {
    const fabric::Traits& traits = listeners_[i].domain->traits();
    ways.push_back({.backend = traits.name, .address = addresses_[i], .same_machine_only = traits.same_machine_only});
  }
  return ways;
}

std::uint64_t Server::random_number() const {
  std::array<std::uint8_t, sizeof(std::uint64_t)> bytes{};
  options_.fill_random(bytes);
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

}  // namespace ross::server
