// Ranges, which the file calls use, and array objects, which ROSS does not have: those calls answer -DER_NOSYS.
#ifndef ROSS_DAOS_ARRAY_H
#define ROSS_DAOS_ARRAY_H

#include <daos_obj.h>
#include <daos_obj_class.h>
#include <daos_types.h>

#ifdef __cplusplus
extern "C" {
#endif

// rg_len bytes from byte rg_idx.
typedef struct {
  daos_off_t rg_idx;
  daos_size_t rg_len;
} daos_range_t;

typedef struct {
  daos_size_t arr_nr;
  daos_range_t* arr_rgs;
  daos_size_t arr_nr_short_read;
  daos_size_t arr_nr_read;
} daos_array_iod_t;

typedef struct {
  daos_size_t st_size;
  daos_epoch_t st_max_epoch;
} daos_array_stbuf_t;

int daos_array_create(daos_handle_t coh, daos_obj_id_t oid, daos_handle_t th, daos_size_t cell_size,
                      daos_size_t chunk_size, daos_handle_t* oh, daos_event_t* ev);
int daos_array_open(daos_handle_t coh, daos_obj_id_t oid, daos_handle_t th, unsigned int mode, daos_size_t* cell_size,
                    daos_size_t* chunk_size, daos_handle_t* oh, daos_event_t* ev);
int daos_array_open_with_attr(daos_handle_t coh, daos_obj_id_t oid, daos_handle_t th, unsigned int mode,
                              daos_size_t cell_size, daos_size_t chunk_size, daos_handle_t* oh, daos_event_t* ev);
int daos_array_close(daos_handle_t oh, daos_event_t* ev);
int daos_array_read(daos_handle_t oh, daos_handle_t th, daos_array_iod_t* iod, d_sg_list_t* sgl, daos_event_t* ev);
int daos_array_write(daos_handle_t oh, daos_handle_t th, daos_array_iod_t* iod, d_sg_list_t* sgl, daos_event_t* ev);
int daos_array_get_size(daos_handle_t oh, daos_handle_t th, daos_size_t* size, daos_event_t* ev);
int daos_array_set_size(daos_handle_t oh, daos_handle_t th, daos_size_t size, daos_event_t* ev);
int daos_array_destroy(daos_handle_t oh, daos_handle_t th, daos_event_t* ev);

#ifdef __cplusplus
}
#endif
#endif
