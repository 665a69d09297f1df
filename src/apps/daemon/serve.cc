#include "apps/daemon/serve.h"

#include <pthread.h>
#include <signal.h>

#include <cstdio>

#include "apps/daemon/notify.h"
#include "base/log.h"

namespace ross::daemon {

int complain(const char* program, const Status& status, int exit_code) {
  std::fprintf(stderr, "%s: %s\n", program, status.message().c_str());
  return exit_code;
}

int serve(const char* program, const Config& config, const std::function<Result<Running>()>& start) {
  // Before the first thread, so that every thread has them blocked and this one waits for them.
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) ::sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  configure_log(config.log_level, config.log_form);

  const Result<Running> running = start();
  if (!running.has_value()) return complain(program, running.error(), 1);
  log().info("serving{} by {}", running->urls, running->fabrics);
  notify_systemd("READY=1\nSTATUS=serving" + running->urls);
  int signal = 0;
  while (::sigwait(&signals, &signal) != 0) {
  }
  log().info("stopping: signal {}", signal);
  notify_systemd("STOPPING=1");
  const Status status = running->stop();
  if (!status.ok()) return complain(program, status, 1);
  log().info("stopped; {}", running->stopped);
  return 0;
}

}  // namespace ross::daemon
