#include "faces/dfs/errors.h"

#include <daos_errno.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

namespace ross::dfs {
namespace {

struct Pair {
  int error;
  int der;
};

// Searched from the top in both directions: where one number has several partners, the first is the one that returns.
constexpr Pair kPairs[] = {
    {EPERM, DER_NO_PERM},
    {EACCES, DER_NO_PERM},
    {EBADF, DER_NO_HDL},
    {EINVAL, DER_INVAL},
    {EEXIST, DER_EXIST},
    {ENOENT, DER_NONEXIST},
    {ENOENT, DER_ENOENT},
    {ENOENT, DER_CONT_NONEXIST},
    {EHOSTUNREACH, DER_UNREACH},
    {ENOSPC, DER_NOSPACE},
    {EALREADY, DER_ALREADY},
    {ENOMEM, DER_NOMEM},
    {ENOSYS, DER_NOSYS},
    {ETIMEDOUT, DER_TIMEDOUT},
    {EBUSY, DER_BUSY},
    {EBUSY, DER_EQ_BUSY},
    {EAGAIN, DER_AGAIN},
    {EPROTO, DER_PROTO},
    {ENODEV, DER_UNINIT},
    {ERANGE, DER_TRUNC},
    {EOVERFLOW, DER_OVERFLOW},
    {EFBIG, DER_REC2BIG},
    {ECANCELED, DER_CANCELED},
    {ECANCELED, DER_OP_CANCELED},
    {EREMOTEIO, DER_MISC},
    {ENAMETOOLONG, DER_EXCEEDS_PATH_LEN},
    {ENOTDIR, DER_NOTDIR},
    {ENOTDIR, DER_BADPATH},
    {ESTALE, DER_STALE},
    {EIO, DER_IO},
    {EIO, DER_CSUM},
    {EIO, DER_DATA_LOSS},
    {EIO, DER_NVME_IO},
    {EDQUOT, DER_QUOTA_LIMIT},
    {EINPROGRESS, DER_INPROGRESS},
    {EOPNOTSUPP, DER_NOTSUPPORTED},
    {ENODATA, DER_NONEXIST},
    {EROFS, DER_NO_PERM},
    {EILSEQ, DER_DF_INVAL},
    {EMEDIUMTYPE, DER_DF_INCOMPT},
    {EISDIR, DER_INVAL},
    {EMFILE, DER_NOMEM},
    {ENFILE, DER_NOMEM},
    {ENOBUFS, DER_NOMEM},
};

}  // namespace

int der_from_errno(int error) {
  if (error == 0) return 0;
  for (const Pair& pair : kPairs) {
    if (pair.error == error) return pair.der;
  }
  return DER_MISC;
}

int errno_from_der(int der) {
  if (der == 0) return 0;
  for (const Pair& pair : kPairs) {
    if (pair.der == std::abs(der)) return pair.error;
  }
  return EIO;
}

}  // namespace ross::dfs

extern "C" {

const char* d_errstr(int error) {
  switch (error < 0 && error != INT_MIN ? -error : error) {
    case DER_SUCCESS:
      return "DER_SUCCESS";
#define ROSS_NAME(name, number, words) \
  case name:                           \
    return #name;
      ROSS_DAOS_FOREACH_ERROR(ROSS_NAME)
#undef ROSS_NAME
    default:
      return "DER_UNKNOWN";
  }
}

const char* d_errdesc(int error) {
  switch (error < 0 && error != INT_MIN ? -error : error) {
    case DER_SUCCESS:
      return "success";
#define ROSS_WORDS(name, number, words) \
  case name:                            \
    return words;
      ROSS_DAOS_FOREACH_ERROR(ROSS_WORDS)
#undef ROSS_WORDS
    default:
      return "unknown error";
  }
}

}  // extern "C"
