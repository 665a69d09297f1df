// Access control's words. ROSS checks POSIX permissions, not lists: a list given is not used, and a query gives none.
#ifndef ROSS_DAOS_SECURITY_H
#define ROSS_DAOS_SECURITY_H

#include <daos_prop.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DAOS_ACL_VERSION 1
#define DAOS_ACL_MAX_PRINCIPAL_LEN 255
#define DAOS_ACL_MAX_PRINCIPAL_BUF_LEN (DAOS_ACL_MAX_PRINCIPAL_LEN + 1)
#define DAOS_ACL_PRINCIPAL_OWNER "OWNER@"
#define DAOS_ACL_PRINCIPAL_OWNER_GRP "GROUP@"
#define DAOS_ACL_PRINCIPAL_EVERYONE "EVERYONE@"

#ifdef __cplusplus
struct daos_acl;
#else
struct daos_acl {
  uint16_t dal_ver;
  uint16_t dal_reserv;
  uint32_t dal_len;
  uint8_t dal_ace[];
};
#endif

enum daos_acl_principal_type {
  DAOS_ACL_OWNER,
  DAOS_ACL_USER,
  DAOS_ACL_OWNER_GROUP,
  DAOS_ACL_GROUP,
  DAOS_ACL_EVERYONE,
  NUM_DAOS_ACL_TYPES
};

enum daos_acl_perm {
  DAOS_ACL_PERM_READ = 1 << 0,
  DAOS_ACL_PERM_WRITE = 1 << 1,
  DAOS_ACL_PERM_CREATE_CONT = 1 << 2,
  DAOS_ACL_PERM_DEL_CONT = 1 << 3,
  DAOS_ACL_PERM_GET_PROP = 1 << 4,
  DAOS_ACL_PERM_SET_PROP = 1 << 5,
  DAOS_ACL_PERM_GET_ACL = 1 << 6,
  DAOS_ACL_PERM_SET_ACL = 1 << 7,
  DAOS_ACL_PERM_SET_OWNER = 1 << 8
};

#ifdef __cplusplus
}
#endif
#endif
