// Calls of DAOS that have no meaning on ROSS. They are here so that programs that name them link, and answer what the
// interface says for "not there": daos_* -DER_NOSYS, dfs_* ENOTSUP. README.md lists them.
#include <daos.h>
#include <daos_fs.h>

#include <cerrno>

extern "C" {

// ---- daos_pool.h ----
int daos_pool_list_attr(daos_handle_t, char*, size_t*, daos_event_t*) { return -DER_NOSYS; }
int daos_pool_get_attr(daos_handle_t, int, char const* const[], void* const[], size_t[], daos_event_t*) {
  return -DER_NOSYS;
}
int daos_pool_set_attr(daos_handle_t, int, char const* const[], void const* const[], size_t const[], daos_event_t*) {
  return -DER_NOSYS;
}
int daos_pool_del_attr(daos_handle_t, int, char const* const[], daos_event_t*) { return -DER_NOSYS; }

// ---- daos_cont.h ----
int daos_cont_get_acl(daos_handle_t, daos_prop_t**, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_set_prop(daos_handle_t, daos_prop_t*, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_status_clear(daos_handle_t, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_overwrite_acl(daos_handle_t, struct daos_acl*, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_update_acl(daos_handle_t, struct daos_acl*, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_delete_acl(daos_handle_t, enum daos_acl_principal_type, d_string_t, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_alloc_oids(daos_handle_t, daos_size_t, uint64_t*, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_aggregate(daos_handle_t, daos_epoch_t, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_rollback(daos_handle_t, daos_epoch_t, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_subscribe(daos_handle_t, daos_epoch_t*, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_create_snap(daos_handle_t, daos_epoch_t*, char*, daos_event_t*) { return -DER_NOSYS; }
int daos_cont_create_snap_opt(daos_handle_t, daos_epoch_t*, char*, enum daos_snapshot_opts, daos_event_t*) {
  return -DER_NOSYS;
}
int daos_cont_list_snap(daos_handle_t, int*, daos_epoch_t*, char**, daos_anchor_t*, daos_event_t*) {
  return -DER_NOSYS;
}
int daos_cont_destroy_snap(daos_handle_t, daos_epoch_range_t, daos_event_t*) { return -DER_NOSYS; }

// ---- daos_obj.h ----
int daos_obj_generate_oid(daos_handle_t, daos_obj_id_t*, enum daos_otype_t, daos_oclass_id_t, daos_oclass_hints_t,
                          uint32_t) {
  return -DER_NOSYS;
}
int daos_obj_open(daos_handle_t, daos_obj_id_t, unsigned int, daos_handle_t*, daos_event_t*) { return -DER_NOSYS; }
int daos_obj_close(daos_handle_t, daos_event_t*) { return -DER_NOSYS; }
int daos_obj_punch(daos_handle_t, daos_handle_t, uint64_t, daos_event_t*) { return -DER_NOSYS; }
int daos_obj_punch_dkeys(daos_handle_t, daos_handle_t, uint64_t, unsigned int, daos_key_t*, daos_event_t*) {
  return -DER_NOSYS;
}
int daos_obj_punch_akeys(daos_handle_t, daos_handle_t, uint64_t, daos_key_t*, unsigned int, daos_key_t*,
                         daos_event_t*) {
  return -DER_NOSYS;
}
int daos_obj_fetch(daos_handle_t, daos_handle_t, uint64_t, daos_key_t*, unsigned int, daos_iod_t*, d_sg_list_t*,
                   daos_iom_t*, daos_event_t*) {
  return -DER_NOSYS;
}
int daos_obj_update(daos_handle_t, daos_handle_t, uint64_t, daos_key_t*, unsigned int, daos_iod_t*, d_sg_list_t*,
                    daos_event_t*) {
  return -DER_NOSYS;
}
int daos_obj_list_dkey(daos_handle_t, daos_handle_t, uint32_t*, daos_key_desc_t*, d_sg_list_t*, daos_anchor_t*,
                       daos_event_t*) {
  return -DER_NOSYS;
}
int daos_obj_list_akey(daos_handle_t, daos_handle_t, daos_key_t*, uint32_t*, daos_key_desc_t*, d_sg_list_t*,
                       daos_anchor_t*, daos_event_t*) {
  return -DER_NOSYS;
}

// ---- daos_array.h ----
int daos_array_create(daos_handle_t, daos_obj_id_t, daos_handle_t, daos_size_t, daos_size_t, daos_handle_t*,
                      daos_event_t*) {
  return -DER_NOSYS;
}
int daos_array_open(daos_handle_t, daos_obj_id_t, daos_handle_t, unsigned int, daos_size_t*, daos_size_t*,
                    daos_handle_t*, daos_event_t*) {
  return -DER_NOSYS;
}
int daos_array_open_with_attr(daos_handle_t, daos_obj_id_t, daos_handle_t, unsigned int, daos_size_t, daos_size_t,
                              daos_handle_t*, daos_event_t*) {
  return -DER_NOSYS;
}
int daos_array_close(daos_handle_t, daos_event_t*) { return -DER_NOSYS; }
int daos_array_read(daos_handle_t, daos_handle_t, daos_array_iod_t*, d_sg_list_t*, daos_event_t*) { return -DER_NOSYS; }
int daos_array_write(daos_handle_t, daos_handle_t, daos_array_iod_t*, d_sg_list_t*, daos_event_t*) {
  return -DER_NOSYS;
}
int daos_array_get_size(daos_handle_t, daos_handle_t, daos_size_t*, daos_event_t*) { return -DER_NOSYS; }
int daos_array_set_size(daos_handle_t, daos_handle_t, daos_size_t, daos_event_t*) { return -DER_NOSYS; }
int daos_array_destroy(daos_handle_t, daos_handle_t, daos_event_t*) { return -DER_NOSYS; }

// ---- daos_kv.h ----
int daos_kv_open(daos_handle_t, daos_obj_id_t, unsigned int, daos_handle_t*, daos_event_t*) { return -DER_NOSYS; }
int daos_kv_close(daos_handle_t, daos_event_t*) { return -DER_NOSYS; }
int daos_kv_destroy(daos_handle_t, daos_handle_t, daos_event_t*) { return -DER_NOSYS; }
int daos_kv_put(daos_handle_t, daos_handle_t, uint64_t, const char*, daos_size_t, const void*, daos_event_t*) {
  return -DER_NOSYS;
}
int daos_kv_get(daos_handle_t, daos_handle_t, uint64_t, const char*, daos_size_t*, void*, daos_event_t*) {
  return -DER_NOSYS;
}
int daos_kv_remove(daos_handle_t, daos_handle_t, uint64_t, const char*, daos_event_t*) { return -DER_NOSYS; }
int daos_kv_list(daos_handle_t, daos_handle_t, uint32_t*, daos_key_desc_t*, d_sg_list_t*, daos_anchor_t*,
                 daos_event_t*) {
  return -DER_NOSYS;
}

// ---- daos_api.h ----
int daos_tx_open(daos_handle_t, daos_handle_t*, uint64_t, daos_event_t*) { return -DER_NOSYS; }
int daos_tx_commit(daos_handle_t, daos_event_t*) { return -DER_NOSYS; }
int daos_tx_open_snap(daos_handle_t, daos_epoch_t, daos_handle_t*, daos_event_t*) { return -DER_NOSYS; }
int daos_tx_abort(daos_handle_t, daos_event_t*) { return -DER_NOSYS; }
int daos_tx_close(daos_handle_t, daos_event_t*) { return -DER_NOSYS; }
int daos_tx_restart(daos_handle_t, daos_event_t*) { return -DER_NOSYS; }
int daos_tx_hdl2epoch(daos_handle_t, daos_epoch_t*) { return -DER_NOSYS; }

// ---- daos_fs.h ----
int dfs_get_file_oh(dfs_obj_t*, daos_handle_t*) { return ENOTSUP; }
int dfs_cont_check(daos_handle_t, const char*, uint64_t, const char*) { return ENOTSUP; }
int dfs_cont_scan(daos_handle_t, const char*, uint64_t, const char*) { return ENOTSUP; }

}  // extern "C"
