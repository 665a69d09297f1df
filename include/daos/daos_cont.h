// Containers: make, open, ask, remove. In ROSS a container is a file system with a name; its uuid follows from the name.
//
// Every call answers 0 or -DER_*; ev null means it blocks. Threading: any thread.
#ifndef ROSS_DAOS_CONT_H
#define ROSS_DAOS_CONT_H

#include <daos_security.h>

#define daos_cont_open daos_cont_open2
#define daos_cont_destroy daos_cont_destroy2
#define daos_cont_create daos_cont_create2

#ifdef __cplusplus
extern "C" {
#endif

#define DAOS_COO_RO (1U << 0)
#define DAOS_COO_RW (1U << 1)
#define DAOS_COO_EX (1U << 2)
#define DAOS_COO_FORCE (1U << 3)
#define DAOS_COO_RO_MDSTATS (1U << 4)
#define DAOS_COO_EVICT (1U << 5)
#define DAOS_COO_EVICT_ALL (1U << 6)
#define DAOS_COO_NEW_LAYOUT (1U << 7)
#define DAOS_COO_NBITS 8
#define DAOS_COO_MASK ((1U << DAOS_COO_NBITS) - 1)
#define DAOS_COO_IO_BASE_MASK (DAOS_COO_RO | DAOS_COO_RW | DAOS_COO_EX)

#define DAOS_CONT_HINT_MAX_LEN 128
#define DAOS_SNAPSHOT_MAX_LEN 128

int daos_cont_local2global(daos_handle_t coh, d_iov_t* glob);
int daos_cont_global2local(daos_handle_t poh, d_iov_t glob, daos_handle_t* coh);

// A container named by the label in cont_prop, or by a fresh uuid as text. -DER_EXIST when the name is taken.
int daos_cont_create(daos_handle_t poh, uuid_t* uuid, daos_prop_t* cont_prop, daos_event_t* ev);
int daos_cont_create_with_label(daos_handle_t poh, const char* label, daos_prop_t* cont_prop, uuid_t* uuid,
                                daos_event_t* ev);
// cont is a label or a uuid as text. -DER_NONEXIST when it is not there.
int daos_cont_open(daos_handle_t poh, const char* cont, unsigned int flags, daos_handle_t* coh, daos_cont_info_t* info,
                   daos_event_t* ev);
// Makes everything written durable first, and tells if that failed. -DER_BUSY while mounted.
int daos_cont_close(daos_handle_t coh, daos_event_t* ev);
// -DER_BUSY while it is open in this process, forced or not.
int daos_cont_destroy(daos_handle_t poh, const char* cont, int force, daos_event_t* ev);
// Fills the entries of cont_prop that are there; those ROSS does not know become "not set".
int daos_cont_query(daos_handle_t coh, daos_cont_info_t* info, daos_prop_t* cont_prop, daos_event_t* ev);

// Attributes: named bytes on the container. Names up to 200 bytes, values up to 64 KiB.
// list: names, each with its NUL, into buffer; *size becomes the bytes they take. get: sizes[i] is the room, then the
// value's size; a null buffer only asks; -DER_NONEXIST for a name that is not there.
int daos_cont_list_attr(daos_handle_t coh, char* buffer, size_t* size, daos_event_t* ev);
int daos_cont_get_attr(daos_handle_t coh, int n, char const* const names[], void* const buffers[], size_t sizes[],
                       daos_event_t* ev);
int daos_cont_set_attr(daos_handle_t coh, int n, char const* const names[], void const* const values[],
                       size_t const sizes[], daos_event_t* ev);
int daos_cont_del_attr(daos_handle_t coh, int n, char const* const names[], daos_event_t* ev);

// Owner and group, by name, of the container's root directory.
int daos_cont_set_owner(daos_handle_t coh, d_string_t user, d_string_t group, daos_event_t* ev);

// ---- no meaning on ROSS: -DER_NOSYS ----
enum daos_snapshot_opts { DAOS_SNAP_OPT_CR = 1 << 0, DAOS_SNAP_OPT_OIT = 1 << 1 };
int daos_cont_get_acl(daos_handle_t coh, daos_prop_t** acl_prop, daos_event_t* ev);
int daos_cont_set_prop(daos_handle_t coh, daos_prop_t* prop, daos_event_t* ev);
int daos_cont_status_clear(daos_handle_t coh, daos_event_t* ev);
int daos_cont_overwrite_acl(daos_handle_t coh, struct daos_acl* acl, daos_event_t* ev);
int daos_cont_update_acl(daos_handle_t coh, struct daos_acl* acl, daos_event_t* ev);
int daos_cont_delete_acl(daos_handle_t coh, enum daos_acl_principal_type type, d_string_t name, daos_event_t* ev);
int daos_cont_alloc_oids(daos_handle_t coh, daos_size_t num_oids, uint64_t* oid, daos_event_t* ev);
int daos_cont_aggregate(daos_handle_t coh, daos_epoch_t epoch, daos_event_t* ev);
int daos_cont_rollback(daos_handle_t coh, daos_epoch_t epoch, daos_event_t* ev);
int daos_cont_subscribe(daos_handle_t coh, daos_epoch_t* epoch, daos_event_t* ev);
int daos_cont_create_snap(daos_handle_t coh, daos_epoch_t* epoch, char* name, daos_event_t* ev);
int daos_cont_create_snap_opt(daos_handle_t coh, daos_epoch_t* epoch, char* name, enum daos_snapshot_opts opts,
                              daos_event_t* ev);
int daos_cont_list_snap(daos_handle_t coh, int* nr, daos_epoch_t* epochs, char** names, daos_anchor_t* anchor,
                        daos_event_t* ev);
int daos_cont_destroy_snap(daos_handle_t coh, daos_epoch_range_t epr, daos_event_t* ev);

#ifdef __cplusplus
}
#endif
#endif
