// Goal: a C program written for DFS does its work. Method: the program runs on a model pool.
#include "faces/dfs/test/dfs_program.h"

#include <gtest/gtest.h>

TEST(DfsProgram, RunsOnAModel) { EXPECT_EQ(run_dfs_program("pool"), 0); }
// A library that ended begins anew, and nothing of the first run is left.
TEST(DfsProgram, RunsTwiceInOneProcess) {
  EXPECT_EQ(run_dfs_program("twice"), 0);
  EXPECT_EQ(run_dfs_program("twice"), 0);
}
