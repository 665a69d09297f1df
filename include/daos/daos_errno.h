// Error numbers: daos_* calls answer 0 or the negative of one of these; dfs_* calls answer a positive errno instead.
#ifndef ROSS_DAOS_ERRNO_H
#define ROSS_DAOS_ERRNO_H

#ifdef __cplusplus
extern "C" {
#endif

// EACH(name, number, words) for every error, in two ranges: 1000s are general, 2000s are of the store.
#define ROSS_DAOS_FOREACH_ERROR(EACH)                                  \
  EACH(DER_NO_PERM, 1001, "not permitted")                             \
  EACH(DER_NO_HDL, 1002, "not a valid handle")                         \
  EACH(DER_INVAL, 1003, "invalid argument")                            \
  EACH(DER_EXIST, 1004, "already exists")                              \
  EACH(DER_NONEXIST, 1005, "does not exist")                           \
  EACH(DER_UNREACH, 1006, "node cannot be reached")                    \
  EACH(DER_NOSPACE, 1007, "no space left")                             \
  EACH(DER_ALREADY, 1008, "already done")                              \
  EACH(DER_NOMEM, 1009, "out of memory")                               \
  EACH(DER_NOSYS, 1010, "not implemented")                             \
  EACH(DER_TIMEDOUT, 1011, "timed out")                                \
  EACH(DER_BUSY, 1012, "in use")                                       \
  EACH(DER_AGAIN, 1013, "try again")                                   \
  EACH(DER_PROTO, 1014, "protocols do not match")                      \
  EACH(DER_UNINIT, 1015, "not initialized")                            \
  EACH(DER_TRUNC, 1016, "buffer too small")                            \
  EACH(DER_OVERFLOW, 1017, "value too long for its place")             \
  EACH(DER_CANCELED, 1018, "canceled")                                 \
  EACH(DER_OOG, 1019, "not in the group")                              \
  EACH(DER_HG, 1020, "transport failed")                               \
  EACH(DER_UNREG, 1021, "protocol not registered")                     \
  EACH(DER_ADDRSTR_GEN, 1022, "cannot form an address")                \
  EACH(DER_PMIX, 1023, "PMIx failed")                                  \
  EACH(DER_IVCB_FORWARD, 1024, "value lives elsewhere")                \
  EACH(DER_MISC, 1025, "other failure")                                \
  EACH(DER_BADPATH, 1026, "bad path")                                  \
  EACH(DER_NOTDIR, 1027, "not a directory")                            \
  EACH(DER_CORPC_INCOMPLETE, 1028, "collective call incomplete")       \
  EACH(DER_NO_RAS_RANK, 1029, "no listener for events")                \
  EACH(DER_NOTATTACH, 1030, "group not attached")                      \
  EACH(DER_MISMATCH, 1031, "versions do not match")                    \
  EACH(DER_EXCLUDED, 1032, "rank is excluded")                         \
  EACH(DER_NOREPLY, 1033, "no reply was sent")                         \
  EACH(DER_DOS, 1034, "service refused")                               \
  EACH(DER_BAD_TARGET, 1035, "wrong target")                           \
  EACH(DER_GRPVER, 1036, "group versions do not match")                \
  EACH(DER_HLC_SYNC, 1037, "clocks too far apart")                     \
  EACH(DER_NO_SHMEM, 1038, "shared memory is full")                    \
  EACH(DER_ADD_METRIC_FAILED, 1039, "cannot add a metric")             \
  EACH(DER_DURATION_MISMATCH, 1040, "end without a start")             \
  EACH(DER_OP_NOT_PERMITTED, 1041, "metric does not take this")        \
  EACH(DER_EXCEEDS_PATH_LEN, 1042, "path too long")                    \
  EACH(DER_METRIC_NOT_FOUND, 1043, "no such metric")                   \
  EACH(DER_SHMEM_PERMS, 1044, "shared memory of another user")         \
  EACH(DER_HG_FATAL, 1045, "transport failed for good")                \
  EACH(DER_QUOTA_LIMIT, 1046, "quota reached")                         \
  EACH(DER_IO, 2001, "input or output failed")                         \
  EACH(DER_FREE_MEM, 2002, "cannot free memory")                       \
  EACH(DER_ENOENT, 2003, "no such entry")                              \
  EACH(DER_NOTYPE, 2004, "unknown object type")                        \
  EACH(DER_NOSCHEMA, 2005, "unknown object schema")                    \
  EACH(DER_NOLOCAL, 2006, "object is not local")                       \
  EACH(DER_STALE, 2007, "stale pool map")                              \
  EACH(DER_NOTLEADER, 2008, "not the leader")                          \
  EACH(DER_TGT_CREATE, 2009, "cannot make a target")                   \
  EACH(DER_EP_RO, 2010, "epoch is read only")                          \
  EACH(DER_EP_OLD, 2011, "epoch is gone")                              \
  EACH(DER_KEY2BIG, 2012, "key too large")                             \
  EACH(DER_REC2BIG, 2013, "record too large")                          \
  EACH(DER_IO_INVAL, 2014, "memory does not match the extents")        \
  EACH(DER_EQ_BUSY, 2015, "event queue in use")                        \
  EACH(DER_DOMAIN, 2016, "domains do not match")                       \
  EACH(DER_SHUTDOWN, 2017, "service shuts down")                       \
  EACH(DER_INPROGRESS, 2018, "in progress")                            \
  EACH(DER_NOTAPPLICABLE, 2019, "does not apply")                      \
  EACH(DER_NOTREPLICA, 2020, "not a replica")                          \
  EACH(DER_CSUM, 2021, "checksum does not match")                      \
  EACH(DER_DF_INVAL, 2022, "format not supported")                     \
  EACH(DER_DF_INCOMPT, 2023, "format version not supported")           \
  EACH(DER_REC_SIZE, 2024, "wrong record size")                        \
  EACH(DER_TX_RESTART, 2025, "restart the transaction")                \
  EACH(DER_DATA_LOSS, 2026, "data lost")                               \
  EACH(DER_OP_CANCELED, 2027, "operation canceled")                    \
  EACH(DER_TX_BUSY, 2028, "transaction not committed")                 \
  EACH(DER_AGENT_INCOMPAT, 2029, "agent does not fit the library")     \
  EACH(DER_NEED_TX, 2030, "needs a transaction")                       \
  EACH(DER_RF, 2031, "too many failures")                              \
  EACH(DER_FETCH_AGAIN, 2032, "fetch again")                           \
  EACH(DER_TX_UNCERTAIN, 2033, "transaction state unknown")            \
  EACH(DER_AGENT_COMM, 2034, "cannot talk to the agent")               \
  EACH(DER_ID_MISMATCH, 2035, "identifiers do not match")              \
  EACH(DER_TGT_RETRY, 2036, "try another target")                      \
  EACH(DER_NOTSUPPORTED, 2037, "not supported")                        \
  EACH(DER_CONTROL_INCOMPAT, 2038, "control plane does not fit")       \
  EACH(DER_NO_SERVICE, 2039, "no service")                             \
  EACH(DER_TX_ID_REUSED, 2040, "transaction identifier in use")        \
  EACH(DER_UPDATE_AGAIN, 2041, "update again")                         \
  EACH(DER_NVME_IO, 2042, "device failed")                             \
  EACH(DER_NO_CERT, 2043, "certificate not readable")                  \
  EACH(DER_BAD_CERT, 2044, "certificate not valid")                    \
  EACH(DER_VOS_PARTIAL_UPDATE, 2045, "partial overwrite in one epoch") \
  EACH(DER_CHKPT_BUSY, 2046, "page is being written back")             \
  EACH(DER_DIV_BY_ZERO, 2047, "division by zero")                      \
  EACH(DER_OVERLOAD_RETRY, 2048, "overloaded, try later")              \
  EACH(DER_NOT_RESUME, 2049, "cannot resume the check")                \
  EACH(DER_CONT_NONEXIST, 2050, "no such container")

enum daos_errno {
  DER_SUCCESS = 0,
  DER_ERR_GURT_BASE = 1000,
  DER_ERR_DAOS_BASE = 2000,
#define ROSS_DAOS_ENUMERATE(name, number, words) name = number,
  ROSS_DAOS_FOREACH_ERROR(ROSS_DAOS_ENUMERATE)
#undef ROSS_DAOS_ENUMERATE
      DER_UNKNOWN = 501000
};

// The older name of a rank that was put out of service.
#define DER_EVICTED DER_EXCLUDED

// The name of an error ("DER_NOSPACE") and what it means, for either sign; "DER_UNKNOWN" for other numbers. Static
// text, never null.
const char* d_errstr(int error);
const char* d_errdesc(int error);

// printf("cannot open: " DF_RC "\n", DP_RC(rc));
#ifndef DF_RC
#define DF_RC "%s(%d): '%s'"
#define DP_RC(rc) d_errstr(rc), rc, d_errdesc(rc)
#endif

#ifdef __cplusplus
}
#endif
#endif
