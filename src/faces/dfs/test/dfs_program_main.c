/* The DFS program on a real pool: dfs_program POOL */
#include <stdio.h>

#include "faces/dfs/test/dfs_program.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s POOL\n", argv[0]);
    return 2;
  }
  return run_dfs_program(argv[1]) == 0 ? 0 : 1;
}
