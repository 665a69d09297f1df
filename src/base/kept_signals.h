// KeptSignals: gives the program back what handles its signals, where a library changed that meanwhile.
//
//   {
//     const KeptSignals kept;
//     load_a_library_that_takes_signals();
//   }
//
// Threading: one at a time in a process; a handler that another thread sets meanwhile may be undone.
#pragma once

#include <signal.h>

#include <array>

namespace ross {

class KeptSignals {
 public:
  KeptSignals() {
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, nullptr, &kept_[number]);
  }
  ~KeptSignals() {
    for (int number = 1; number < NSIG; ++number) {
      struct sigaction now {};
      if (::sigaction(number, nullptr, &now) != 0 || now.sa_handler == kept_[number].sa_handler) continue;
      ::sigaction(number, &kept_[number], nullptr);
    }
  }
  KeptSignals(const KeptSignals&) = delete;
  KeptSignals& operator=(const KeptSignals&) = delete;

 private:
  std::array<struct sigaction, NSIG> kept_{};
};

}  // namespace ross
