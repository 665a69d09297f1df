// Hosting: a pool of this process, served to other processes. Made by server/, held by whoever opened the pool.
//
// It stands here, below attach/ and server/, because those two do not know each other: a face hands the one's function
// to the other. Threading: any thread.
#pragma once

namespace ross::client {

class Hosting {
 public:
  // Ends it at once: peers are cut off.
  virtual ~Hosting() = default;
  // Waits until the last peer has left, says on stderr for whom it waits when that takes long, and cuts off who stays
  // beyond the bound. Afterwards nobody uses the pool from outside.
  virtual void finish() = 0;
};

}  // namespace ross::client
