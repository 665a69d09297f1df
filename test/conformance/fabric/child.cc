#include "conformance/fabric/child.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace ross::fabric::conformance {
namespace {

struct Request {
  pid_t wait_for = 0;  // 0: start
  std::size_t backend = 0;
  Child::Program program = nullptr;  // the same address in every process that was forked and did not exec
  std::size_t argument_bytes = 0;
  char argument[Child::kArgumentBytesMax] = {};
};
struct Reply {
  int value = -1;  // the pid, or the result
};

constexpr unsigned kSecondsMax = 120;  // a child lives no longer, whatever its test does

int run(const Request& request) {
  alarm(kSecondsMax);
  auto fixture = backends()[request.backend].make();
  if (!fixture.has_value()) {
    std::fprintf(stderr, "child: %s\n", fixture.error().message().c_str());
    return 100;
  }
  const int result = request.program(**fixture, std::string(request.argument, request.argument_bytes));
  fixture->reset();
  const bool failed = testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed();
  return result == 0 && failed ? 101 : result;
}

[[noreturn]] void nurse(int socket) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Request request;
  while (read(socket, &request, sizeof request) == static_cast<ssize_t>(sizeof request)) {
    Reply reply;
    if (request.wait_for != 0) {
      int status = 0;
      if (waitpid(request.wait_for, &status, 0) == request.wait_for) {
        reply.value = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      }
    } else if (reply.value = fork(); reply.value == 0) {
      close(socket);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int result = run(request);
      std::fflush(nullptr);
      _exit(result);
    }
    if (write(socket, &reply, sizeof reply) != static_cast<ssize_t>(sizeof reply)) break;
  }
  _exit(0);
}

class Nursery final : public testing::Environment {
 public:
  static int socket;

  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    std::fflush(nullptr);
    pid_ = fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
      close(ends[0]);
      nurse(ends[1]);
    }
    close(ends[1]);
    socket = ends[0];
  }
  void TearDown() override {
    close(socket);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};
int Nursery::socket = -1;

[[maybe_unused]] testing::Environment* const nursery = testing::AddGlobalTestEnvironment(new Nursery);

int ask(const Request& request) {
  Reply reply;
  if (write(Nursery::socket, &request, sizeof request) != static_cast<ssize_t>(sizeof request)) return -1;
  if (read(Nursery::socket, &reply, sizeof reply) != static_cast<ssize_t>(sizeof reply)) return -1;
  return reply.value;
}

}  // namespace

Child::Child(const Backend& backend, Program program, const std::string& argument) {
  Request request;
  while (backends()[request.backend].name != backend.name) ++request.backend;
  request.program = program;
  ROSS_CHECK(argument.size() <= kArgumentBytesMax);
  request.argument_bytes = argument.size();
  std::memcpy(request.argument, argument.data(), argument.size());
  pid_ = ask(request);
}

Child::~Child() { kill(); }

void Child::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

int Child::wait() {
  if (pid_ > 0) {
    Request request;
    request.wait_for = pid_;
    result_ = ask(request);
    pid_ = 0;
  }
  return result_;
}

}  // namespace ross::fabric::conformance
