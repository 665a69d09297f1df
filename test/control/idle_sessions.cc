// Sessions that do nothing, for idle_test.py: connects to each URL so many times, says "ready", and stays until its input ends.
//
//   idle_sessions COUNT URL...
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "attach/connect.h"

int main(int argc, char** argv) {
  const int count = argc > 2 ? std::atoi(argv[1]) : 0;
  std::vector<std::unique_ptr<ross::engine::Pool>> pools;
  for (int i = 2; i < argc; ++i) {
    const auto url = ross::attach::parse_url(argv[i], false);
    for (int session = 0; session < count && url.has_value(); ++session) {
      auto pool = ross::attach::connect(*url, {});
      if (!pool.has_value()) {
        std::fprintf(stderr, "idle_sessions: %s, session %d: %s\n", argv[i], session, pool.error().message().c_str());
        return 1;
      }
      pools.push_back(*std::move(pool));
    }
  }
  if (pools.empty()) {
    std::fprintf(stderr, "usage: %s COUNT URL...\n", argc > 0 ? argv[0] : "idle_sessions");
    return 2;
  }
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) continue;
  return 0;
}
