// Unified namespace: a path that stands for a container.
//
// "daos://pool/container/below" names one directly; a directory of the machine's own file system can stand for one by
// its extended attribute user.daos. Every call answers 0 or a positive errno. Threading: any thread.
#ifndef ROSS_DAOS_UNS_H
#define ROSS_DAOS_UNS_H

#include <daos_cont.h>
#include <daos_obj_class.h>
#include <daos_prop.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DUNS_NO_PREFIX = 1 << 0, DUNS_NO_REVERSE_LOOKUP = 1 << 1, DUNS_NO_CHECK_PATH = 1 << 2 };

struct duns_attr_t {
  daos_cont_layout_t da_type;
  daos_oclass_id_t da_oclass_id;
  daos_size_t da_chunk_size;
  daos_prop_t* da_props;
  uint32_t da_flags;
  char da_pool[DAOS_PROP_LABEL_MAX_LEN + 1];
  char da_cont[DAOS_PROP_LABEL_MAX_LEN + 1];
  char* da_sys;
  char* da_rel_path;
  bool da_on_lustre;
  bool da_no_prefix;
  uuid_t da_puuid;
  uuid_t da_cuuid;
  daos_oclass_id_t da_dir_oclass_id;
  daos_oclass_id_t da_file_oclass_id;
  char da_hints[DAOS_CONT_HINT_MAX_LEN];
};

#define DUNS_XATTR_NAME "user.daos"
#define DUNS_MAX_XATTR_LEN 300

// Fills pool, container, type and da_rel_path (below the container, null at its root). Free with duns_destroy_attr.
// ENODATA for a path that stands for no container.
int duns_resolve_path(const char* path, struct duns_attr_t* attr);
// The value of user.daos, "DAOS.POSIX://pool/container", taken apart.
int duns_parse_attr(char* str, daos_size_t len, struct duns_attr_t* attr);
int duns_set_sys_name(struct duns_attr_t* attrp, const char* sys);
void duns_destroy_attr(struct duns_attr_t* attrp);

#ifdef __cplusplus
}
#endif
#endif
