// Names of shared-memory endpoints, and the files that those of dead processes left behind.
//
// libfabric's shm provider keeps each endpoint's queues in a file of 16 MiB in /dev/shm, named like the endpoint, and removes it
// only when the endpoint is closed. So names say whose they are: ross-ofi-<pid>-<start>-<number>, where start is the process's
// start time (a pid is used again, the pair is not). No name is used twice: the provider remembers those of its process for
// ever, and would take a second endpoint of the name for the first.
//
// Threading: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace ross::fabric::ofi {

std::string endpoint_name();
bool is_endpoint_name(std::string_view name);

// Removes files of this user whose process has ended. Returns how many. Young ones stay: somebody may be about to map what a
// process left that has just gone, and libfabric 1.17 does not bear not finding it.
std::size_t remove_leftovers(const std::filesystem::path& directory = "/dev/shm", std::int64_t older_than_s = 10);
// Removes the file of that endpoint if its process has ended.
void remove_leftover(std::string_view name);

}  // namespace ross::fabric::ofi
