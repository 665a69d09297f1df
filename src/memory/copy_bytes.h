// copy_bytes: memcpy for blocks of data that also runs at full speed when source and target are aligned differently.
//
// A plain copy loop whose target lies a few bytes behind its source modulo the page size loads from addresses whose low
// twelve bits equal those of a store still under way; the processor takes the two for the same memory and waits. A
// block on a device is page-aligned and an application's buffer seldom is (malloc gives 16 bytes behind a page), so
// that is the common case for a read: memcpy then loses a third to two thirds of its speed. Here a kilobyte is loaded into
// registers before the first of it is stored.
//
// Threading: any thread.
#pragma once

#include <cstddef>

namespace ross::memory {

// to and from do not overlap.
void copy_bytes(std::byte* to, const std::byte* from, std::size_t size_bytes);

}  // namespace ross::memory
