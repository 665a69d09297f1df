// Ctrl-C: the first SIGINT, SIGTERM or SIGHUP asks the command to stop, the second one ends the program at once.
//
// A command looks at interrupted() wherever it could stop with nothing half done. There is one set of signals in a
// process, so this is process-wide state by nature. Threading: any thread.
#pragma once

namespace ross::cli {

void install_interrupts();
bool interrupted();
// 128 + the signal: 130 after Ctrl-C.
int interrupt_exit_code();
// As if the signal had come.
void interrupt_for_test(int signal);

}  // namespace ross::cli
