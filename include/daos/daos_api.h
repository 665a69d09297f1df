// Anchors, rank lists and transactions. ROSS has no transactions across calls (each call is atomic by itself): the
// daos_tx_ calls answer -DER_NOSYS.
#ifndef ROSS_DAOS_API_H
#define ROSS_DAOS_API_H

#include <daos_types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DAOS_TF_RDONLY = 1 << 0, DAOS_TF_ZERO_COPY = 1 << 1 };

// "0:1:5" with sep ":" becomes a list, freed with d_rank_list_free; null for text that is none.
d_rank_list_t* daos_rank_list_parse(const char* str, const char* sep);

static inline int daos_anchor_init(daos_anchor_t* anchor, unsigned int opts) {
  (void)opts;
  memset(anchor, 0, sizeof *anchor);
  return 0;
}
static inline void daos_anchor_fini(daos_anchor_t* anchor) { (void)anchor; }
static inline bool daos_anchor_is_eof(daos_anchor_t* anchor) { return anchor->da_type == DAOS_ANCHOR_TYPE_EOF; }

int daos_tx_open(daos_handle_t coh, daos_handle_t* th, uint64_t flags, daos_event_t* ev);
int daos_tx_commit(daos_handle_t th, daos_event_t* ev);
int daos_tx_open_snap(daos_handle_t coh, daos_epoch_t epoch, daos_handle_t* th, daos_event_t* ev);
int daos_tx_abort(daos_handle_t th, daos_event_t* ev);
int daos_tx_close(daos_handle_t th, daos_event_t* ev);
int daos_tx_restart(daos_handle_t th, daos_event_t* ev);
int daos_tx_hdl2epoch(daos_handle_t th, daos_epoch_t* epoch);

#ifdef __cplusplus
}
#endif
#endif
