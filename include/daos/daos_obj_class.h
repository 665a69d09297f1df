// Object classes: how DAOS spreads an object. ROSS places data its own way; a class given at creation is kept and told
// when asked, and changes nothing else.
#ifndef ROSS_DAOS_OBJ_CLASS_H
#define ROSS_DAOS_OBJ_CLASS_H

#include <daos_types.h>
#include <inttypes.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MAX_OBJ_CLASS_NAME_LEN 24
#define MAX_NUM_GROUPS ((1 << 16UL) - 1)

// A class is a redundancy in the upper eight bits and a number of groups below.
#define OC_REDUN_SHIFT 24
#define OBJ_CLASS_DEF(redun, grp_nr) (((redun) << OC_REDUN_SHIFT) | (grp_nr))

// Each redundancy comes with these numbers of groups; X means as many as there are.
#define ROSS_OC_GROUPS(name, redun)                                                                          \
  name##1 = OBJ_CLASS_DEF(redun, 1), name##2 = OBJ_CLASS_DEF(redun, 2), name##4 = OBJ_CLASS_DEF(redun, 4),   \
  name##6 = OBJ_CLASS_DEF(redun, 6), name##8 = OBJ_CLASS_DEF(redun, 8), name##12 = OBJ_CLASS_DEF(redun, 12), \
  name##16 = OBJ_CLASS_DEF(redun, 16), name##32 = OBJ_CLASS_DEF(redun, 32),                                  \
  name##X = OBJ_CLASS_DEF(redun, MAX_NUM_GROUPS)

enum daos_obj_redun {
  OC_UNKNOWN = 0,
  OR_RP_1 = 1,
  OR_RP_2 = 8,
  OR_RP_3 = 9,
  OR_RP_4 = 10,
  OR_RP_5 = 11,
  OR_RP_6 = 12,
  OR_RP_8 = 13,
  OR_RP_12 = 14,
  OR_RP_16 = 15,
  OR_RP_24 = 16,
  OR_RP_32 = 17,
  OR_RP_48 = 18,
  OR_RP_64 = 19,
  OR_RP_128 = 20,
  OR_RS_2P1 = 32,
  OR_RS_2P2 = 33,
  OR_RS_4P1 = 34,
  OR_RS_4P2 = 35,
  OR_RS_8P1 = 36,
  OR_RS_8P2 = 37,
  OR_RS_16P1 = 38,
  OR_RS_16P2 = 39,
  OR_RS_4P3 = 40,
  OR_RS_8P3 = 41,
  OR_RS_16P3 = 42,

  OC_BACK_COMPAT = 50,
  OC_TINY = 51,
  OC_SMALL = 52,
  OC_LARGE = 53,
  OC_MAX = 54,
  OC_RP_TINY = 60,
  OC_RP_SMALL = 61,
  OC_RP_LARGE = 62,
  OC_RP_MAX = 63,
  OC_RP_SF_TINY = 70,
  OC_RP_SF_SMALL = 71,
  OC_RP_SF_LARGE = 72,
  OC_RP_SF_MAX = 73,
  OC_RP_XSF = 80,
  OC_EC_TINY = 100,
  OC_EC_SMALL = 101,
  OC_EC_LARGE = 102,
  OC_EC_MAX = 103,

  ROSS_OC_GROUPS(OC_S, OR_RP_1),
  ROSS_OC_GROUPS(OC_RP_2G, OR_RP_2),
  ROSS_OC_GROUPS(OC_RP_3G, OR_RP_3),
  ROSS_OC_GROUPS(OC_RP_4G, OR_RP_4),
  ROSS_OC_GROUPS(OC_RP_5G, OR_RP_5),
  ROSS_OC_GROUPS(OC_RP_6G, OR_RP_6),
  OC_RP_12G1 = OBJ_CLASS_DEF(OR_RP_12, 1),
  OC_RP_16G1 = OBJ_CLASS_DEF(OR_RP_16, 1),
  OC_RP_24G1 = OBJ_CLASS_DEF(OR_RP_24, 1),
  OC_RP_32G1 = OBJ_CLASS_DEF(OR_RP_32, 1),
  OC_RP_48G1 = OBJ_CLASS_DEF(OR_RP_48, 1),
  OC_RP_64G1 = OBJ_CLASS_DEF(OR_RP_64, 1),
  OC_RP_128G1 = OBJ_CLASS_DEF(OR_RP_128, 1),
  ROSS_OC_GROUPS(OC_EC_2P1G, OR_RS_2P1),
  ROSS_OC_GROUPS(OC_EC_2P2G, OR_RS_2P2),
  ROSS_OC_GROUPS(OC_EC_4P1G, OR_RS_4P1),
  ROSS_OC_GROUPS(OC_EC_4P2G, OR_RS_4P2),
  ROSS_OC_GROUPS(OC_EC_4P3G, OR_RS_4P3),
  ROSS_OC_GROUPS(OC_EC_8P1G, OR_RS_8P1),
  ROSS_OC_GROUPS(OC_EC_8P2G, OR_RS_8P2),
  ROSS_OC_GROUPS(OC_EC_8P3G, OR_RS_8P3),
  ROSS_OC_GROUPS(OC_EC_16P1G, OR_RS_16P1),
  ROSS_OC_GROUPS(OC_EC_16P2G, OR_RS_16P2),
  ROSS_OC_GROUPS(OC_EC_16P3G, OR_RS_16P3),
  OC_RESERVED = 1 << 30
};

typedef uint32_t daos_oclass_id_t;
typedef uint16_t daos_oclass_hints_t;

// The class of a name ("S1", "SX", "RP_2G1", "EC_4P2GX"), or OC_UNKNOWN.
int daos_oclass_name2id(const char* name);
// The name into name, MAX_OBJ_CLASS_NAME_LEN bytes; 0, or -1 for a number that is no class.
int daos_oclass_id2name(daos_oclass_id_t oc_id, char* name);
// Every name, with ", " between them, into str; the bytes the whole list takes without its end, or -DER_INVAL.
ssize_t daos_oclass_names_list(size_t size, char* str);

#ifdef __cplusplus
}
#endif
#endif
