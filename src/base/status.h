// Status and Result: how every failure of the outside world is reported.
//
// A Status is an errno value, a hint about what must be rebuilt before a retry can help, and a message
// for a person that says what to do next. Result<T> is a value or a Status. Exceptions are not used; a bug
// in our own code aborts through ROSS_CHECK, bad input never does.
//
//   Result<Attr> stat(...) {
//     ROSS_TRY(Inode* inode, find(...));        // returns the Status if find failed
//     return inode->attr;
//   }
//
// In a coroutine use ROSS_CO_TRY. Threading: immutable.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace ross {

// What the caller has to rebuild before the same call can succeed.
enum class Retry : std::uint8_t { kNever, kNow, kSession, kEndpoint };

class [[nodiscard]] Status {
 public:
  Status() = default;  // success
  // error is a positive errno value; message may be empty for plain errno results.
  explicit Status(int error, std::string_view message = {}, Retry retry = Retry::kNever)
      : error_(error), retry_(retry) {
    if (!message.empty()) message_ = std::make_unique<std::string>(message);
  }
  Status(const Status& other) { *this = other; }
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  Status& operator=(const Status& other) {
    if (this == &other) return *this;
    error_ = other.error_;
    retry_ = other.retry_;
    message_ = other.message_ ? std::make_unique<std::string>(*other.message_) : nullptr;
    return *this;
  }
  ~Status() = default;

  [[nodiscard]] bool ok() const { return error_ == 0; }
  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] Retry retry() const { return retry_; }
  // The message given, or the errno's own text.
  [[nodiscard]] std::string message() const;
  // This status with "context: " before its message.
  [[nodiscard]] Status with_context(std::string_view context) const;

  friend bool operator==(const Status& a, const Status& b) { return a.error_ == b.error_; }

 private:
  int error_ = 0;
  Retry retry_ = Retry::kNever;
  std::unique_ptr<std::string> message_;  // out of line: success and plain errors stay small
};
static_assert(sizeof(Status) == 16, "Status travels by value on the hot path");

template <class T>
using Result = std::expected<T, Status>;

// An error as the value of any Result: return fail(ENOENT, "no container 'x': make it with ...");
inline std::unexpected<Status> fail(int error, std::string_view message = {}, Retry retry = Retry::kNever) {
  return std::unexpected<Status>(Status(error, message, retry));
}
inline std::unexpected<Status> fail(Status status) { return std::unexpected<Status>(std::move(status)); }

namespace internal {
[[noreturn]] void check_failed(const char* file, int line, const char* what, std::string_view detail);
inline Status to_status(Status status) { return status; }
template <class T>
Status to_status(Result<T>&& result) {
  return std::move(result).error();
}
inline bool is_ok(const Status& status) { return status.ok(); }
template <class T>
bool is_ok(const Result<T>& result) {
  return result.has_value();
}
}  // namespace internal
}  // namespace ross

// A bug: prints where and what, and aborts. Always on.
#define ROSS_CHECK(condition, ...)                                                                   \
  do {                                                                                               \
    if (!(condition)) [[unlikely]]                                                                   \
      ::ross::internal::check_failed(__FILE__, __LINE__, #condition, std::string_view{__VA_ARGS__}); \
  } while (false)

#define ROSS_CONCAT_INNER(a, b) a##b
#define ROSS_CONCAT(a, b) ROSS_CONCAT_INNER(a, b)
#define ROSS_TRY_WITH(keyword, variable, expression, temporary) \
  auto temporary = (expression);                                \
  if (!temporary.has_value()) [[unlikely]]                      \
    keyword ::ross::fail(std::move(temporary).error());         \
  variable = *std::move(temporary)
#define ROSS_OK_WITH(keyword, expression)                                    \
  do {                                                                       \
    auto status_ = (expression);                                             \
    if (!::ross::internal::is_ok(status_)) [[unlikely]]                      \
      keyword ::ross::fail(::ross::internal::to_status(std::move(status_))); \
  } while (false)

// ROSS_TRY(auto x, call()) declares x from a Result or returns its Status from a function that returns a Result.
#define ROSS_TRY(variable, expression) ROSS_TRY_WITH(return, variable, expression, ROSS_CONCAT(try_, __LINE__))
#define ROSS_CO_TRY(variable, expression) ROSS_TRY_WITH(co_return, variable, expression, ROSS_CONCAT(try_, __LINE__))
// ROSS_OK(call()) passes the error of a Status or a Result<T> on to a function that returns a Result.
#define ROSS_OK(expression) ROSS_OK_WITH(return, expression)
#define ROSS_CO_OK(expression) ROSS_OK_WITH(co_return, expression)
// For functions that return a plain Status.
#define ROSS_STATUS(expression)            \
  do {                                     \
    ::ross::Status status_ = (expression); \
    if (!status_.ok()) [[unlikely]]        \
      return status_;                      \
  } while (false)
