// Between the words of the file system seam and those of the wire; used by both ends. Threading: immutable.
#pragma once

#include "fs/types.h"
#include "wire/message.h"

namespace ross::client {

wire::Attr to_wire(const fs::Attr& attr);
fs::Attr from_wire(const wire::Attr& attr);
std::uint32_t to_wire(const fs::OpenFlags& flags);
// EBADMSG for bits that mean nothing.
Result<fs::OpenFlags> open_flags_from_wire(std::uint64_t bits);
wire::SetAttr to_wire(const fs::SetAttr& change);
Result<fs::SetAttr> from_wire(const wire::SetAttr& change);
wire::Lock to_wire(const fs::LockRange& range);
Result<fs::LockRange> from_wire(const wire::Lock& lock);

}  // namespace ross::client
