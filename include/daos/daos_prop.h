// Properties: typed values given at creation and asked for in queries. ROSS reads the label and answers label, layout,
// checksum and redundancy; others are accepted and have no effect.
#ifndef ROSS_DAOS_PROP_H
#define ROSS_DAOS_PROP_H

#include <ctype.h>
#include <daos_types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum daos_pool_props {
  DAOS_PROP_PO_MIN = 0,
  DAOS_PROP_PO_LABEL,
  DAOS_PROP_PO_ACL,
  DAOS_PROP_PO_SPACE_RB,
  DAOS_PROP_PO_SELF_HEAL,
  DAOS_PROP_PO_RECLAIM,
  DAOS_PROP_PO_OWNER,
  DAOS_PROP_PO_OWNER_GROUP,
  DAOS_PROP_PO_SVC_LIST,
  DAOS_PROP_PO_EC_CELL_SZ,
  DAOS_PROP_PO_DATA_THRESH,
  DAOS_PROP_PO_REDUN_FAC,
  DAOS_PROP_PO_EC_PDA,
  DAOS_PROP_PO_RP_PDA,
  DAOS_PROP_PO_GLOBAL_VERSION,
  DAOS_PROP_PO_UPGRADE_STATUS,
  DAOS_PROP_PO_SCRUB_MODE,
  DAOS_PROP_PO_SCRUB_FREQ,
  DAOS_PROP_PO_SCRUB_THRESH,
  DAOS_PROP_PO_SVC_REDUN_FAC,
  DAOS_PROP_PO_OBJ_VERSION,
  DAOS_PROP_PO_PERF_DOMAIN,
  DAOS_PROP_PO_CHECKPOINT_MODE,
  DAOS_PROP_PO_CHECKPOINT_FREQ,
  DAOS_PROP_PO_CHECKPOINT_THRESH,
  DAOS_PROP_PO_REINT_MODE,
  DAOS_PROP_PO_SVC_OPS_ENABLED,
  DAOS_PROP_PO_SVC_OPS_ENTRY_AGE,
  DAOS_PROP_PO_MAX
};
#define DAOS_PROP_PO_NUM (DAOS_PROP_PO_MAX - DAOS_PROP_PO_MIN - 1)

enum daos_cont_props {
  DAOS_PROP_CO_MIN = 0x1000,
  DAOS_PROP_CO_LABEL,
  DAOS_PROP_CO_LAYOUT_TYPE,
  DAOS_PROP_CO_LAYOUT_VER,
  DAOS_PROP_CO_CSUM,
  DAOS_PROP_CO_CSUM_CHUNK_SIZE,
  DAOS_PROP_CO_CSUM_SERVER_VERIFY,
  DAOS_PROP_CO_REDUN_FAC,
  DAOS_PROP_CO_REDUN_LVL,
  DAOS_PROP_CO_SNAPSHOT_MAX,
  DAOS_PROP_CO_ACL,
  DAOS_PROP_CO_COMPRESS,
  DAOS_PROP_CO_ENCRYPT,
  DAOS_PROP_CO_OWNER,
  DAOS_PROP_CO_OWNER_GROUP,
  DAOS_PROP_CO_DEDUP,
  DAOS_PROP_CO_DEDUP_THRESHOLD,
  DAOS_PROP_CO_ROOTS,
  DAOS_PROP_CO_STATUS,
  DAOS_PROP_CO_ALLOCED_OID,
  DAOS_PROP_CO_EC_CELL_SZ,
  DAOS_PROP_CO_EC_PDA,
  DAOS_PROP_CO_RP_PDA,
  DAOS_PROP_CO_GLOBAL_VERSION,
  DAOS_PROP_CO_SCRUBBER_DISABLED,
  DAOS_PROP_CO_OBJ_VERSION,
  DAOS_PROP_CO_PERF_DOMAIN,
  DAOS_PROP_CO_MAX
};
#define DAOS_PROP_CO_NUM (DAOS_PROP_CO_MAX - DAOS_PROP_CO_MIN - 1)

typedef uint16_t daos_cont_layout_t;
enum {
  DAOS_PROP_CO_LAYOUT_UNKNOWN,
  DAOS_PROP_CO_LAYOUT_POSIX,
  DAOS_PROP_CO_LAYOUT_HDF5,
  DAOS_PROP_CO_LAYOUT_PYTHON,
  DAOS_PROP_CO_LAYOUT_SPARK,
  DAOS_PROP_CO_LAYOUT_DATABASE,
  DAOS_PROP_CO_LAYOUT_ROOT,
  DAOS_PROP_CO_LAYOUT_SEISMIC,
  DAOS_PROP_CO_LAYOUT_METEO,
  DAOS_PROP_CO_LAYOUT_MAX
};

enum {
  DAOS_PROP_CO_CSUM_OFF,
  DAOS_PROP_CO_CSUM_CRC16,
  DAOS_PROP_CO_CSUM_CRC32,
  DAOS_PROP_CO_CSUM_CRC64,
  DAOS_PROP_CO_CSUM_SHA1,
  DAOS_PROP_CO_CSUM_SHA256,
  DAOS_PROP_CO_CSUM_SHA512,
  DAOS_PROP_CO_CSUM_ADLER32
};

enum { DAOS_PROP_CO_CSUM_SV_OFF, DAOS_PROP_CO_CSUM_SV_ON };
enum { DAOS_PROP_CO_DEDUP_OFF, DAOS_PROP_CO_DEDUP_MEMCMP, DAOS_PROP_CO_DEDUP_HASH };
enum {
  DAOS_PROP_CO_REDUN_RF0,
  DAOS_PROP_CO_REDUN_RF1,
  DAOS_PROP_CO_REDUN_RF2,
  DAOS_PROP_CO_REDUN_RF3,
  DAOS_PROP_CO_REDUN_RF4,
  DAOS_RF_MAX = 4
};
enum {
  DAOS_PROP_CO_REDUN_MIN = 1,
  DAOS_PROP_CO_REDUN_RANK = 1,
  DAOS_PROP_CO_REDUN_NODE = 2,
  DAOS_PROP_CO_REDUN_MAX = 254
};
#define DAOS_PROP_CO_REDUN_DEFAULT DAOS_PROP_CO_REDUN_NODE
enum { DAOS_PROP_CO_HEALTHY, DAOS_PROP_CO_UNCLEAN };

struct daos_prop_co_roots {
  daos_obj_id_t cr_oids[4];
};

enum { DAOS_PROP_ENTRY_NOT_SET = 1 << 0 };

struct daos_prop_entry {
  uint32_t dpe_type;
  uint16_t dpe_flags;
  uint16_t dpe_reserv;
  union {
    uint64_t dpe_val;
    d_string_t dpe_str;
    void* dpe_val_ptr;
  };
};

typedef struct {
  uint32_t dpp_nr;
  uint32_t dpp_reserv;
  struct daos_prop_entry* dpp_entries;
} daos_prop_t;

#define DAOS_PROP_ENTRIES_MAX_NR 128
#define DAOS_PROP_LABEL_MAX_LEN 127
#define DAOS_PROP_MAX_LABEL_BUF_LEN (DAOS_PROP_LABEL_MAX_LEN + 1)
#define DAOS_PROP_CO_LABEL_DEFAULT "container_label_not_set"
#define DAOS_PROP_PO_LABEL_DEFAULT "pool_label_not_set"
#define DAOS_PROP_NO_PO_LABEL DAOS_PROP_PO_LABEL_DEFAULT
#define DAOS_PROP_NO_CO_LABEL DAOS_PROP_CO_LABEL_DEFAULT

// A label is 1 to 127 letters, digits and ". _ : -", and no uuid.
static inline bool daos_label_is_valid(const char* label) {
  size_t length = 0;
  if (label == NULL) return false;
  for (; label[length] != '\0'; ++length) {
    const unsigned char c = (unsigned char)label[length];
    if (length == DAOS_PROP_LABEL_MAX_LEN) return false;
    if (!isalnum(c) && c != '.' && c != '_' && c != ':' && c != '-') return false;
  }
  return length > 0 && !(length == DAOS_UUID_STR_SIZE - 1 && daos_is_valid_uuid_string(label));
}

// A property list of entries_nr empty entries; null for 0, for more than the maximum, or without memory.
daos_prop_t* daos_prop_alloc(uint32_t entries_nr);
// Frees the entries and the strings in them, or the list as well. Null is fine.
void daos_prop_fini(daos_prop_t* prop);
void daos_prop_free(daos_prop_t* prop);
// The first entry of a type, or null.
struct daos_prop_entry* daos_prop_entry_get(daos_prop_t* prop, uint32_t type);
// Copies len bytes of str into the entry, freeing what it held. -DER_NONEXIST without an entry of the type.
int daos_prop_set_str(daos_prop_t* prop, uint32_t type, const char* str, daos_size_t len);
int daos_prop_entry_set_str(struct daos_prop_entry* entry, const char* str, daos_size_t len);
// Whether the entry's type holds a string, or a pointer to a struct.
bool daos_prop_has_str(struct daos_prop_entry* entry);
bool daos_prop_has_ptr(struct daos_prop_entry* entry);

static inline bool daos_prop_is_set(struct daos_prop_entry* entry) {
  return (entry->dpe_flags & DAOS_PROP_ENTRY_NOT_SET) == 0;
}

#ifdef __cplusplus
}
#endif
#endif
