// The DAOS-compatible interface of ROSS: library, pools, containers, events. Files are in daos_fs.h.
//
//   daos_init();
//   daos_pool_connect("pool0", NULL, DAOS_PC_RW, &poh, NULL, NULL);
//   daos_cont_open(poh, "datasets", DAOS_COO_RW, &coh, NULL, NULL);
//   dfs_mount(poh, coh, O_RDWR, &dfs);
//
// Errors: 0 or -DER_* (daos_errno.h); the reason, in one sentence, goes to stderr. Threading: any thread. A process
// that forked calls daos_init again in the child: nothing opened before is usable there.
#ifndef ROSS_DAOS_H
#define ROSS_DAOS_H

#include <daos_api.h>
#include <daos_array.h>
#include <daos_cont.h>
#include <daos_event.h>
#include <daos_kv.h>
#include <daos_obj.h>
#include <daos_pool.h>
#include <daos_prop.h>
#include <daos_security.h>
#include <daos_types.h>
#include <daos_version.h>

#ifdef __cplusplus
extern "C" {
#endif

// May be called more than once; as many calls of daos_fini undo it. The last one closes what is still open.
// -DER_UNINIT from daos_fini without daos_init.
int daos_init(void);
int daos_fini(void);
// After fork(), in the child: forgets everything the parent had open and starts anew.
int daos_reinit(void);

#ifdef __cplusplus
}
#endif
#endif
