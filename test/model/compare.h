// difference: whether a FileSystem shows just what a ModelState says, told as one sentence about the first difference.
//
//   auto found = loop->block_on(model::difference(fs, oracle.state()));
//   EXPECT_EQ(*found, "");
//
// Walks every name as uid 0 and compares types, modes, owners, link counts, which names are one node, targets, xattrs,
// times (access times apart, which reading changes) and every byte. Space held is the file system's own business.
// Errors: those of the calls it makes. Threading: any thread that drives a loop.
#pragma once

#include <string>

#include "fs/file_system.h"
#include "model/model_state.h"

namespace ross::model {

struct CompareOptions {
  bool times = true;  // off where the two had different clocks
};

fs::Async<std::string> difference(fs::FileSystem& fs, const ModelState& state, CompareOptions options = {});

}  // namespace ross::model
