// reaching: how a session of this process gets past an agent to the engine, by the backends that this process has (client/reaching.h).
//
// Threading: any thread.
#pragma once

#include <string>

#include "client/reaching.h"

namespace ross::attach {

// preferred: a fabric to try first, as a person asked for it; empty: none. Then those that are taken without being asked for, best first.
client::Reaching reaching(std::string preferred);

// Whether the backend can be used to that address, before anything is tried; why not.
Status usable(std::string_view backend, const std::string& address, bool same_machine);

}  // namespace ross::attach
