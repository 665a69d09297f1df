/* A program written for DFS, in C, as one function, so that it runs on models and on real pools alike. */
#ifndef ROSS_FACES_DFS_TEST_DFS_PROGRAM_H
#define ROSS_FACES_DFS_TEST_DFS_PROGRAM_H

#ifdef __cplusplus
extern "C" {
#endif

/* Works in a new container of the pool and removes it again. 0, or the line that found something wrong. */
int run_dfs_program(const char* pool);

#ifdef __cplusplus
}
#endif
#endif
