// Goal: a channel ends once. Everything it held is told first, then on_closed(); the other side learns of it; and it may be
// asked to end from inside any of its calls.
// Method: each way to end, with messages and transfers in flight both ways. That each is told once, and before on_closed(),
// every test checks (harness.cc).
#include "conformance/fabric/harness.h"

namespace ross::fabric::conformance {
namespace {

class Ending : public FabricTest {
 protected:
  static constexpr std::size_t kBytes = 4 * kLargeBytes;

  void make_sides() {
    owner_ = &add_side(0);
    peer_ = &add_side(1);
    mine_ = &memory(kBytes, 1);
    target_ = &memory(kBytes, 2);
    source_ = &memory(kBytes, 3);
    writable_ = expose(*owner_, target_->span(), Access::kWrite);
    readable_ = expose(*owner_, source_->span(), Access::kRead);
  }
  // More of everything than fits anywhere; the letters, which live as long as the test, are the smaller part.
  void load(Pair pair) {
    for (int i = 0; i < 12; ++i) {
      const std::size_t size_bytes = i == 0 ? kLargeBytes : kLargeBytes / 8;
      pair.left->send(letter(bytes("load"), pattern(1, size_bytes)));
      pair.right->send(letter(bytes("load"), pattern(1, size_bytes)));
      pair.left->put(move(mine_->memory(0, kBytes / 2), writable_));
      pair.left->get(move(mine_->memory(kBytes / 2, kBytes / 2), readable_));
    }
  }
  void turns(int count) {
    for (int i = 0; i < count; ++i) {
      owner_->loop->poll();
      peer_->loop->poll();
    }
  }

  Side* owner_ = nullptr;
  Side* peer_ = nullptr;
  Guarded* mine_ = nullptr;
  Guarded* target_ = nullptr;
  Guarded* source_ = nullptr;
  Window writable_;
  Window readable_;
};
INSTANTIATE_TEST_SUITE_P(All, Ending, testing::ValuesIn(backends()), backend_name);

TEST_P(Ending, CloseTellsEverythingOnce) {
  make_sides();
  for (const bool loaded : {false, true}) {
    for (const bool by_left : {true, false}) {
      for (const int after : {0, 1, 3, 10, 30}) {
        Pair pair = connect_pair(*peer_, *owner_);
        if (loaded) load(pair);
        turns(after);
        End& closes = by_left ? *pair.left : *pair.right;
        closes.close();
        EXPECT_EQ(closes.closed, 0) << "on_closed() inside close()";
        expect_ended(pair);
        EXPECT_EQ(pair.left->outstanding + pair.right->outstanding, 0);
      }
    }
  }
}

TEST_P(Ending, AfterOnClosedNothingIsTouched) {
  make_sides();
  for (const int after : {0, 2, 5, 20, 60}) {
    Pair pair = connect_pair(*peer_, *owner_);
    load(pair);
    turns(after);
    pair.left->close();
    drive([&] { return pair.left->closed == 1; });
    // The transfers' memory is ours again: what lands in it now would show.
    mine_->span()[0] = std::byte{0x11};
    const Bytes then(mine_->span().begin(), mine_->span().end());
    drive([&] { return pair.right->closed == 1; });
    settle();
    EXPECT_TRUE(same(then, mine_->span()));
  }
}

TEST_P(Ending, ClosedTwiceAndByBothIsClosedOnce) {
  make_sides();
  Pair pair = connect_pair(*peer_, *owner_);
  load(pair);
  pair.left->close();
  pair.right->close();
  pair.left->close();
  expect_ended(pair);
  settle();
}

TEST_P(Ending, WhatIsGivenToAClosingChannelIsTold) {
  make_sides();
  Pair pair = connect_pair(*peer_, *owner_);
  pair.left->close();
  Letter& late = letter(bytes("late"), pattern(1, 1000));
  Move& put = move(mine_->memory(0, 1000), writable_);
  Move& get = move(mine_->memory(0, 1000), readable_);
  pair.left->send(late);
  pair.left->put(put);
  pair.left->get(get);
  expect_ended(pair);
  EXPECT_EQ(late.told + put.told + get.told, 3);
  EXPECT_FALSE(late.ok);
  EXPECT_GT(put.error, 0);
  EXPECT_GT(get.error, 0);
  EXPECT_EQ(pair.right->messages, 0U);
  EXPECT_TRUE(target_->untouched());
}

TEST_P(Ending, InsideEachCall) {
  make_sides();
  enum Where { kHead, kMessage, kSent, kPutDone, kGetDone, kEnd };
  for (int where = kHead; where < kEnd; ++where) {
    for (const bool destroys : {false, true}) {
      SCOPED_TRACE(where);
      Pair pair = connect_pair(*peer_, *owner_);
      pair.left->destroy_when_closed = destroys;
      pair.right->destroy_when_closed = destroys;
      const auto closes = [end = pair.left] {
        if (end->closed == 0) end->close();
      };
      if (where == kHead) pair.left->on_each_head = [=](const Bytes&, std::size_t) { closes(); };
      if (where == kMessage) pair.left->on_each = [=](End::Received&) { closes(); };
      Letter& sent = letter(bytes("x"), pattern(2, 5000));
      Move& put = move(mine_->memory(0, 9000), writable_);
      Move& get = move(mine_->memory(0, 9000), readable_);
      if (where == kSent) sent.then = closes;
      if (where == kPutDone) put.then = closes;
      if (where == kGetDone) get.then = closes;
      pair.left->send(sent);
      pair.left->put(put);
      pair.left->get(get);
      for (int i = 0; i < 5; ++i) pair.right->send(letter(bytes("y"), pattern(2, 5000)));
      load(pair);
      expect_ended(pair);
      // Nothing more is shown once it was asked to end.
      if (where == kHead) {
        EXPECT_EQ(pair.left->messages, 0U);
      }
      if (where == kMessage) {
        EXPECT_EQ(pair.left->messages, 1U);
      }
    }
  }
}

TEST_P(Ending, ARefusalByTheReceiverEndsBothSides) {
  make_sides();
  for (const bool at_head : {true, false}) {
    for (const bool loaded : {false, true}) {
      Pair pair = connect_pair(*peer_, *owner_);
      send_and_wait(*pair.left, *pair.right, letter(bytes("fine")));
      (at_head ? pair.right->refuse_head_with : pair.right->refuse_message_with) = EBADMSG;
      pair.left->send(letter(bytes("not fine"), pattern(1, 10'000)));
      if (loaded) load(pair);
      expect_ended(pair);
      EXPECT_EQ(pair.right->why.error(), EBADMSG) << pair.right->why.message();
      EXPECT_EQ(pair.right->received.size(), 1U);
      EXPECT_LE(pair.right->messages, 2U);
    }
  }
}

TEST_P(Ending, APeersEndpointGoesAway) {
  Side& stays = add_side(0);
  Side& goes = add_side(1);
  Pair one = connect_pair(stays, goes);
  Pair two = connect_pair(goes, stays);
  send_and_wait(*one.left, *one.right, letter(bytes("hello")));
  one.right->close();
  two.left->close();
  drive([&] { return one.right->closed == 1 && two.left->closed == 1; });
  remove_side(goes);
  drive([&] { return one.left->closed == 1 && two.right->closed == 1; });
}

TEST_P(Ending, OthersOfTheEndpointGoOn) {
  make_sides();
  Pair good = connect_pair(*peer_, *owner_);
  for (int i = 0; i < 21; ++i) {  // each way to end, after each number of turns
    Pair bad = connect_pair(*peer_, *owner_);
    load(bad);
    turns(i % 7);
    if (i % 3 == 0) {
      bad.right->refuse_head_with = EBADMSG;
      bad.left->send(letter(bytes("refused")));
    }
    if (i % 3 == 1) bad.left->close();
    if (i % 3 == 2) bad.right->close();
    send_and_wait(*good.left, *good.right, letter(bytes("on"), pattern(3, 3000)));
    send_and_wait(*good.right, *good.left, letter(bytes("on"), pattern(3, 3000)));
    expect_ended(bad);
  }
}

}  // namespace
}  // namespace ross::fabric::conformance
