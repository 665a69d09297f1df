// ross: the command line of ROSS. main() reads the line, runs one command and turns what came of it into an exit code:
// 0 all done, 1 something failed (told on standard error), 2 a bad command line, 128 + signal when interrupted.
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "apps/ross/command.h"
#include "apps/ross/interrupt.h"
#include "apps/ross/present/explain.h"

namespace {

using namespace ross;
using namespace ross::cli;

int finish(Context& context, Status status) {
  const Status closed = context.session.close();
  const Status printed = context.out.flush();
  if (printed.error() == EPIPE) return 128 + SIGPIPE;  // the reader has seen enough: nothing to tell
  if (!status.ok()) context.report({}, status);
  // A connection that broke was told by what it broke.
  if (!closed.ok() && (closed.retry() != Retry::kSession || context.errors() == 0)) context.report({}, closed);
  if (!printed.ok()) context.report("standard output", printed);
  if (interrupted()) return interrupt_exit_code();
  return context.errors() > 0 ? 1 : 0;
}

int run(int argc, char** argv) {
  Commands commands;
  add_commands(commands);
  const std::optional<int> ended = commands.parse(argc, argv);
  if (ended.has_value()) return *ended;
  install_interrupts();
  Context context(STDOUT_FILENO);
  context.out.set_json(commands.json());
  Status status = commands.run(context);
  return finish(context, std::move(status));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {  // out of memory: the libraries below throw it
    std::fprintf(stderr, "ross: %s\n", error.what());
    return 1;
  }
}
