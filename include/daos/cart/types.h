// The transport's types that file programs see: those of gurt/types.h, no more.
#ifndef ROSS_DAOS_CART_TYPES_H
#define ROSS_DAOS_CART_TYPES_H

#include <gurt/types.h>

#endif
