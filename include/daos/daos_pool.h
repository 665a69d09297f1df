// Pools: connect, ask, list containers.
//
// A pool is named by the configuration (`[pool.NAME] url = "local:/srv/ross/pool0"`), by the environment
// (ROSS_POOL_<NAME>), or by a URL itself. Every call answers 0 or -DER_*; ev null means it blocks.
// Threading: any thread.
#ifndef ROSS_DAOS_POOL_H
#define ROSS_DAOS_POOL_H

#include <daos_prop.h>
#include <inttypes.h>
#include <uuid/uuid.h>

#define daos_pool_connect daos_pool_connect2

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { DAOS_TP_UNKNOWN, DAOS_TP_HDD, DAOS_TP_SSD, DAOS_TP_PM, DAOS_TP_VM } daos_target_type_t;

typedef enum {
  DAOS_TS_UNKNOWN,
  DAOS_TS_DOWN_OUT,
  DAOS_TS_DOWN,
  DAOS_TS_UP,
  DAOS_TS_UP_IN,
  DAOS_TS_NEW,
  DAOS_TS_DRAIN
} daos_target_state_t;

typedef struct {
  int foo;  // the interface has no figures here
} daos_target_perf_t;

enum daos_media_type_t { DAOS_MEDIA_SCM = 0, DAOS_MEDIA_NVME, DAOS_MEDIA_MAX };

// Bytes by medium. All of a ROSS pool counts as NVMe.
struct daos_space {
  uint64_t s_total[DAOS_MEDIA_MAX];
  uint64_t s_free[DAOS_MEDIA_MAX];
};

typedef struct {
  daos_target_type_t ta_type;
  daos_target_state_t ta_state;
  daos_target_perf_t ta_perf;
  struct daos_space ta_space;
} daos_target_info_t;

struct daos_pool_space {
  struct daos_space ps_space;
  uint64_t ps_free_min[DAOS_MEDIA_MAX];
  uint64_t ps_free_max[DAOS_MEDIA_MAX];
  uint64_t ps_free_mean[DAOS_MEDIA_MAX];
  uint32_t ps_ntargets;
  uint32_t ps_padding;
};

enum daos_rebuild_state_t { DRS_IN_PROGRESS = 0, DRS_NOT_STARTED = 1, DRS_COMPLETED = 2 };

struct daos_rebuild_status {
  uint32_t rs_version;
  uint32_t rs_seconds;
  int32_t rs_errno;
  union {
    int32_t rs_state;
    int32_t rs_done;
  };
  uint16_t rs_max_supported_layout_ver;
  int16_t rs_padding16;
  int32_t rs_fail_rank;
  uint64_t rs_toberb_obj_nr;
  uint64_t rs_obj_nr;
  uint64_t rs_rec_nr;
  uint64_t rs_size;
};

#define DPI_SPACE (1ULL << 0)
#define DPI_REBUILD_STATUS (1ULL << 1)
#define DPI_ENGINES_ENABLED (1ULL << 2)
#define DPI_ENGINES_DISABLED (1ULL << 3)
#define DPI_ENGINES_DEAD (1ULL << 4)
#define DPI_REBUILD_MAX_LAYOUT_VER (1ULL << 5)
#define DPI_ALL (~0ULL)

typedef struct {
  uuid_t pi_uuid;
  uint32_t pi_ntargets;  // devices
  uint32_t pi_nnodes;
  uint32_t pi_ndisabled;
  uint32_t pi_map_ver;
  uint32_t pi_leader;
  uint64_t pi_bits;
  struct daos_pool_space pi_space;
  struct daos_rebuild_status pi_rebuild_st;
} daos_pool_info_t;

struct daos_pool_cont_info {
  uuid_t pci_uuid;
  char pci_label[DAOS_PROP_LABEL_MAX_LEN + 1];
};

// flags is DAOS_PC_RO, DAOS_PC_RW or DAOS_PC_EX; sys is not used. info, when not null, is filled whole.
// -DER_NONEXIST: no such name in the configuration, or no pool there; -DER_BUSY: another process has it open.
int daos_pool_connect(const char* pool, const char* sys, unsigned int flags, daos_handle_t* poh, daos_pool_info_t* info,
                      daos_event_t* ev);
// -DER_BUSY while containers opened through it are open.
int daos_pool_disconnect(daos_handle_t poh, daos_event_t* ev);

// A handle as bytes for another process, which opens the same pool by it. With a null iov_buf the size needed goes to
// iov_buf_len; -DER_TRUNC when the buffer is too small.
int daos_pool_local2global(daos_handle_t poh, d_iov_t* glob);
int daos_pool_global2local(d_iov_t glob, daos_handle_t* poh);

// ranks, when not null, becomes a list of the one rank 0, to be freed with d_rank_list_free.
int daos_pool_query(daos_handle_t poh, d_rank_list_t** ranks, daos_pool_info_t* info, daos_prop_t* pool_prop,
                    daos_event_t* ev);
int daos_pool_query_target(daos_handle_t poh, uint32_t tgt, d_rank_t rank, daos_target_info_t* info, daos_event_t* ev);

// Containers: *ncont is the room in cbuf, then how many there are; -DER_TRUNC when the room is too small. A null cbuf
// only counts.
int daos_pool_list_cont(daos_handle_t poh, daos_size_t* ncont, struct daos_pool_cont_info* cbuf, daos_event_t* ev);

// Pools of ROSS hold no attributes: these answer -DER_NOSYS. Containers do (daos_cont.h).
int daos_pool_list_attr(daos_handle_t poh, char* buffer, size_t* size, daos_event_t* ev);
int daos_pool_get_attr(daos_handle_t poh, int n, char const* const names[], void* const buffers[], size_t sizes[],
                       daos_event_t* ev);
int daos_pool_set_attr(daos_handle_t poh, int n, char const* const names[], void const* const values[],
                       size_t const sizes[], daos_event_t* ev);
int daos_pool_del_attr(daos_handle_t poh, int n, char const* const names[], daos_event_t* ev);

#ifdef __cplusplus
}
#endif
#endif
