// Which interface this is: programs choose their code by these numbers. Release 2.6 of DAOS has interface 2.7.
#ifndef ROSS_DAOS_VERSION_H
#define ROSS_DAOS_VERSION_H

#define DAOS_API_VERSION_MAJOR 2
#define DAOS_API_VERSION_MINOR 7
#define DAOS_API_VERSION_FIX 0

#define DAOS_VERSION_MAJOR 2
#define DAOS_VERSION_MINOR 6
#define DAOS_VERSION_FIX 5

// Present only where ROSS stands behind the interface.
#define ROSS_DAOS_COMPATIBLE 1

#endif
