// Handles, anchors, events and the other words of the DAOS-compatible interface.
//
// Struct layouts are part of the interface: programs touch members directly and size memory by them.
#ifndef ROSS_DAOS_TYPES_H
#define ROSS_DAOS_TYPES_H

#include <cart/types.h>
#include <ctype.h>
#include <daos_errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DAOS_SYS_NAME_MAX 15
#define DAOS_SYS_INFO_STRING_MAX 63
#define DAOS_ATTR_NAME_MAX 511
#define DAOS_HKEY_MAX 32

typedef uint64_t daos_size_t;
typedef uint64_t daos_off_t;
typedef uint64_t daos_epoch_t;
#define DAOS_EPOCH_MAX (~0ULL)

typedef struct {
  daos_epoch_t epr_lo;
  daos_epoch_t epr_hi;
} daos_epoch_range_t;

// ---- handles ----
// What an open gave: a number that the library checks at every use. 0 is no handle.
typedef struct {
  uint64_t cookie;
} daos_handle_t;

#define DAOS_HDL_INVAL ((daos_handle_t){0})
#define DAOS_TX_NONE DAOS_HDL_INVAL

static inline bool daos_handle_is_inval(daos_handle_t hdl) { return hdl.cookie == 0; }
static inline bool daos_handle_is_valid(daos_handle_t hdl) { return hdl.cookie != 0; }

enum {
  DAOS_HTYPE_EQ = 1,
  DAOS_HTYPE_POOL = 3,
  DAOS_HTYPE_CO = 5,
  DAOS_HTYPE_OBJ = 7,
  DAOS_HTYPE_ARRAY = 9,
  DAOS_HTYPE_TX = 11,
  DAOS_HTYPE_KV = 13
};

// ---- anchors: where a listing goes on ----
typedef enum {
  DAOS_ANCHOR_TYPE_ZERO = 0,  // at the beginning
  DAOS_ANCHOR_TYPE_HKEY = 1,  // behind some entry
  DAOS_ANCHOR_TYPE_KEY = 2,
  DAOS_ANCHOR_TYPE_EOF = 3  // at the end
} daos_anchor_type_t;

#define DAOS_ANCHOR_BUF_MAX 104
typedef struct {
  uint16_t da_type;
  uint16_t da_shard;
  uint32_t da_flags;
  uint64_t da_sub_anchors;
  uint8_t da_buf[DAOS_ANCHOR_BUF_MAX];
} daos_anchor_t;

#define DAOS_ANCHOR_INIT                  \
  {                                       \
    DAOS_ANCHOR_TYPE_ZERO, 0, 0, 0, { 0 } \
  }

// ---- pools and containers ----
#define DAOS_PC_RO (1U << 0)
#define DAOS_PC_RW (1U << 1)
#define DAOS_PC_EX (1U << 2)
#define DAOS_PC_NBITS 3
#define DAOS_PC_MASK ((1U << DAOS_PC_NBITS) - 1)

typedef struct {
  uuid_t ci_uuid;
  daos_epoch_t ci_lsnapshot;
  uint32_t ci_nhandles;
  uint32_t ci_nsnapshots;
  uint64_t ci_md_otime;
  uint64_t ci_md_mtime;
} daos_cont_info_t;

// ---- keys and objects ----
typedef d_iov_t daos_key_t;
static inline bool daos_key_is_null(daos_key_t key) { return key.iov_buf == NULL || key.iov_buf_len == 0; }

typedef struct {
  uint64_t lo;
  uint64_t hi;
} daos_obj_id_t;

// ---- events ----
// One asynchronous call. ev_error is its result once it completed; the rest belongs to the library.
typedef struct daos_event {
  int ev_error;
  struct {
    uint64_t space[20];
  } ev_private;
  uint64_t ev_debug;
} daos_event_t;

#define DAOS_EQ_WAIT -1
#define DAOS_EQ_NOWAIT 0

typedef enum {
  DAOS_EQR_COMPLETED = 1,
  DAOS_EQR_WAITING = 1 << 1,
  DAOS_EQR_ALL = DAOS_EQR_COMPLETED | DAOS_EQR_WAITING
} daos_eq_query_t;

typedef enum { DAOS_EVS_READY, DAOS_EVS_RUNNING, DAOS_EVS_COMPLETED, DAOS_EVS_ABORTED } daos_ev_status_t;

// ---- uuids as text ----
#define DAOS_UUID_STR_SIZE 37
static inline bool daos_is_valid_uuid_string(const char* uuid) {
  int i;
  if (strlen(uuid) < DAOS_UUID_STR_SIZE - 1) return false;
  for (i = 0; i < DAOS_UUID_STR_SIZE - 1; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? uuid[i] != '-' : !isxdigit((unsigned char)uuid[i])) return false;
  }
  return true;
}

#ifdef __cplusplus
}
#endif
#endif
