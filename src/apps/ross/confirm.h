// Asking before something is gone for good. Threading: owner thread.
#pragma once

#include <string_view>

#include "base/status.h"

namespace ross::cli {

// Asks on the terminal; EINVAL with what to do where there is none, ECANCELED when the answer is not "yes".
Status confirm(std::string_view what);

}  // namespace ross::cli
