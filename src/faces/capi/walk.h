// Opening a path as open(2) does, and attributes in C's form.
#pragma once

#include "faces/capi/handles.h"

namespace ross::capi {

// O_CREAT through a dangling symbolic link makes the link's target; O_EXCL and O_NOFOLLOW refuse the link.
fs::Async<fs::Opened> open_path(fs::FileSystem& fs, const fs::Credential& cred, std::string_view path, int flags,
                                std::uint32_t mode);

ross_attr to_attr(const fs::Attr& attr);

}  // namespace ross::capi
