// Goal: a Status keeps its error, hint and message, and the macros pass exactly that on, each from its kind of function.
// Method: plain functions and coroutines that fail at a chosen step.
#include "base/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <coroutine>
#include <cstdlib>
#include <memory>
#include <optional>

namespace ross {
namespace {

using testing::HasSubstr;

TEST(Status, SuccessIsTheDefault) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(0, status.error());
  EXPECT_EQ("ok", status.message());
  EXPECT_TRUE(status.with_context("ignored").ok());
}

TEST(Status, CarriesErrnoHintAndMessage) {
  const Status status(ESTALE, "log in again", Retry::kSession);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(ESTALE, status.error());
  EXPECT_EQ(Retry::kSession, status.retry());
  EXPECT_EQ("log in again", status.message());
  EXPECT_EQ("No such file or directory", Status(ENOENT).message());
}

TEST(Status, ContextComesFirstAndKeepsTheRest) {
  const Status status = Status(EAGAIN, "the ring is full", Retry::kNow).with_context("device 'a'");
  EXPECT_EQ("device 'a': the ring is full", status.message());
  EXPECT_EQ(EAGAIN, status.error());
  EXPECT_EQ(Retry::kNow, status.retry());
  EXPECT_EQ("pool: Input/output error", Status(EIO).with_context("pool").message());
}

TEST(Status, CopiesAreDeepAndSurviveTheOriginal) {
  std::optional<Status> original(std::in_place, EIO, "first");
  Status copy = *original;
  Status assigned;
  assigned = *original;
  Status& alias = assigned;
  assigned = alias;  // to itself
  original.reset();
  EXPECT_EQ("first", copy.message());
  EXPECT_EQ("first", assigned.message());
  assigned = Status();
  EXPECT_TRUE(assigned.ok());
  EXPECT_EQ("ok", assigned.message());
}

Result<std::unique_ptr<int>> boxed(int error) {
  if (error != 0) return fail(error, "no box", Retry::kNow);
  return std::make_unique<int>(7);
}
Result<int> number(int error) {
  if (error != 0) return fail(Status(error, "no number"));
  return 7;
}
Status plain(int error) { return error == 0 ? Status() : Status(error, "plain"); }

Result<int> tries(int first, int second, int third) {
  ROSS_TRY(const auto box, boxed(first));  // move-only values pass
  ROSS_TRY(const int other, number(second));
  ROSS_OK(plain(third));
  ROSS_OK(boxed(0));
  return *box + other;
}

TEST(StatusMacros, TryAndOkPassErrorsOnWhole) {
  EXPECT_EQ(14, tries(0, 0, 0).value());
  const auto first = tries(ENOENT, 0, 0);
  ASSERT_FALSE(first.has_value());
  EXPECT_EQ(ENOENT, first.error().error());
  EXPECT_EQ("no box", first.error().message());
  EXPECT_EQ(Retry::kNow, first.error().retry());
  EXPECT_EQ(EIO, tries(0, EIO, 0).error().error());
  EXPECT_EQ("plain", tries(0, 0, EPERM).error().message());
}

Status statuses(int first, bool& reached) {
  ROSS_STATUS(plain(first));
  reached = true;
  return {};
}

TEST(StatusMacros, StatusReturnsAtTheFirstError) {
  bool reached = false;
  EXPECT_EQ(EROFS, statuses(EROFS, reached).error());
  EXPECT_FALSE(reached);
  EXPECT_TRUE(statuses(0, reached).ok());
  EXPECT_TRUE(reached);
}

// The least coroutine: runs at once and keeps its result.
struct Now {
  struct promise_type {
    std::optional<Result<int>> value;
    Now get_return_object() { return Now{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    template <class U>
    void return_value(U&& result) {
      value.emplace(std::forward<U>(result));
    }
    void unhandled_exception() { std::abort(); }
  };
  std::coroutine_handle<promise_type> handle;
  Result<int> take() {
    Result<int> result = *std::move(handle.promise().value);
    handle.destroy();
    return result;
  }
};

Now co_tries(int first, int second, int third) {
  ROSS_CO_TRY(const auto box, boxed(first));
  ROSS_CO_OK(plain(second));
  ROSS_CO_OK(boxed(third));
  co_return *box;
}

TEST(StatusMacros, CoroutinesPassErrorsOnToo) {
  EXPECT_EQ(7, co_tries(0, 0, 0).take().value());
  EXPECT_EQ("no box", co_tries(ENOENT, 0, 0).take().error().message());
  EXPECT_EQ("plain", co_tries(0, EPERM, 0).take().error().message());
  const auto third = co_tries(0, 0, EIO).take();
  EXPECT_EQ(EIO, third.error().error());
  EXPECT_EQ(Retry::kNow, third.error().retry());
}

TEST(StatusDeathTest, ACheckThatFailsNamesPlaceConditionAndDetail) {
  if (std::getenv("ROSS_EMULATED") != nullptr) GTEST_SKIP() << "a program in emulation cannot start itself anew";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const int apples = 1;
  ROSS_CHECK(apples == 1);
  EXPECT_DEATH(ROSS_CHECK(apples == 2, "count again"), "status_test.cc:[0-9]+: apples == 2 count again");
}

}  // namespace
}  // namespace ross
