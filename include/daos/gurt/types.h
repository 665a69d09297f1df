// Memory descriptors and small types shared by every DAOS-compatible header.
//
//   char data[4096]; d_iov_t iov; d_iov_set(&iov, data, sizeof data);
//   d_sg_list_t sgl = {.sg_nr = 1, .sg_iovs = &iov};
//
// Ownership: an iov and a list borrow; the memory is the caller's until the call, or its event, completes.
#ifndef ROSS_DAOS_GURT_TYPES_H
#define ROSS_DAOS_GURT_TYPES_H

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

#ifdef __cplusplus
extern "C" {
#endif

struct d_uuid {
  uuid_t uuid;
};

// iov_buf_len is the room at iov_buf, iov_len how much of it is meant.
typedef struct {
  void* iov_buf;
  size_t iov_buf_len;
  size_t iov_len;
} d_iov_t;

typedef struct {
  uint32_t sg_nr;
  uint32_t sg_nr_out;
  d_iov_t* sg_iovs;
} d_sg_list_t;

typedef uint32_t d_rank_t;

typedef struct {
  d_rank_t* rl_ranks;
  uint32_t rl_nr;
} d_rank_list_t;
typedef d_rank_list_t* d_rank_list_ptr_t;

typedef struct {
  d_rank_t lo;
  d_rank_t hi;
} d_rank_range_t;

typedef struct {
  d_rank_range_t* rrl_ranges;
  uint32_t rrl_nr;
} d_rank_range_list_t;

typedef char* d_string_t;
typedef const char* d_const_string_t;

// Describes size bytes at buf, all of them meant.
static inline void d_iov_set(d_iov_t* iov, void* buf, size_t size) {
  iov->iov_buf = buf;
  iov->iov_buf_len = size;
  iov->iov_len = size;
}

// Frees what daos_rank_list_parse or daos_pool_query gave; null is fine.
void d_rank_list_free(d_rank_list_t* ranks);

#ifdef __cplusplus
}
#endif
#endif
