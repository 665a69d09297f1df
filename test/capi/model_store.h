/* A store over the model file system with a gate in front, for tests in C and C++. */
#pragma once

#include "ross/ross.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A fresh, empty store. */
ross_store* model_store(void);
/* Holds back reads, writes and syncs of the store made last, or lets them go. */
void model_gate(int closed);

#ifdef __cplusplus
}
#endif
