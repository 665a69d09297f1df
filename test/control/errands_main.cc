// errands: does checked work on a container, for tests that end servers meanwhile.
//
//   errands URL THREADS WORKERS ROUNDS        URL as ross has it, with a container; WORKERS on each thread
//
// Prints "working" once it has begun. Exit status 0 when every answer was right and everything is there in the end.
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "attach/attach.h"
#include "attach/pool_table.h"
#include "remote/errands.h"
#include "runtime/loop.h"

namespace {

int complain(const ross::Status& status) {
  std::fprintf(stderr, "errands: %s\n", status.message().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ross;
  if (argc != 5) return complain(Status(EINVAL, "URL THREADS WORKERS ROUNDS"));
  const int threads = std::atoi(argv[2]);
  const int workers = std::atoi(argv[3]);
  const int rounds = std::atoi(argv[4]);
  auto attached = attach::attach(argv[1], {});
  if (!attached.has_value()) return complain(attached.error());
  fs::FileSystem& file_system = (*attached)->file_system();
  std::printf("working\n");
  std::fflush(stdout);
  std::vector<int> failed(static_cast<std::size_t>(threads), 0);
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      auto loop = *runtime::Loop::create();
      int done = 0;
      for (int w = 0; w < workers; ++w) {
        loop->start(remote_test::errands(file_system, t * workers + w, rounds), [&, t](const Status& status) {
          if (!status.ok()) failed[static_cast<std::size_t>(t)] = complain(status);
          ++done;
        });
      }
      while (done < workers) loop->wait();
    });
  }
  for (std::thread& thread : running) thread.join();
  for (const int each : failed) {
    if (each != 0) return each;
  }
  auto loop = *runtime::Loop::create();
  const Status status = loop->block_on(remote_test::errands_are_done(file_system, threads * workers, rounds));
  return status.ok() ? 0 : complain(status);
}
