// Names of shared-memory endpoints, and the files that those of dead processes left behind.
//
// libfabric's shm provider keeps each endpoint's queues in a file of 16 MiB in /dev/shm, named like the endpoint, and removes it
// only when the endpoint is closed or on some signals. So our names say whose they are: ross-ofi-<pid>-<start>-<number> for
// endpoints nobody listens at, where start is the process's start time (a pid is used again, the pair is not), and
// ross-ofi-at-<name> for listeners, whose file the next listener of that name replaces.
//
// Threading: any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace ross::fabric::ofi {

// listen may be empty, a plain name, or what this function gave before.
std::string endpoint_name(std::string_view listen);

// Removes files of this user whose process has ended. Returns how many.
std::size_t remove_leftovers(const std::filesystem::path& directory = "/dev/shm");

}  // namespace ross::fabric::ofi
