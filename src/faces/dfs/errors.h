// Errors of the DAOS-compatible interface: errno values and DER numbers, one table for both directions.
//
// daos_* calls answer -DER_*, dfs_* calls a positive errno; everything below speaks errno (Status).
// Threading: immutable.
#pragma once

#include "base/status.h"

namespace ross::dfs {

// The positive DER number of a positive errno; DER_MISC for one that has none. 0 stays 0.
int der_from_errno(int error);
// The errno of a DER number of either sign; EIO for one that has none. 0 stays 0.
int errno_from_der(int der);

// What a daos_* call returns for a status: 0 or a negative DER number.
inline int to_der(const Status& status) { return -der_from_errno(status.error()); }

}  // namespace ross::dfs
