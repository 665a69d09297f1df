// What a failure is called and what to do about it, in one line: "PATH: what: what to do".
// Threading: any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace ross::cli {

// The status with "subject: what: what to do" as its message; a success as it is.
Status about(std::string_view subject, const Status& status);
// "ross: subject: message", with advice where the status carries no sentence of its own. No line feed, and nothing in
// it can disturb a terminal. An empty subject is left out.
std::string explain(std::string_view subject, const Status& status);

}  // namespace ross::cli
