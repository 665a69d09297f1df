/* Writes a file and reads it in batches, with 16 transfers in flight on registered memory: batch_read URL
 *
 * The memory is page aligned, so each block goes from the device to where it is used without a copy. */
#include <fcntl.h>
#include <ross/ross.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kBlockBytes = 64 * 1024, kBlocks = 256, kDepth = 16 };

static void check(int64_t result, const char* what) {
  if (result >= 0) return;
  fprintf(stderr, "%s: %s\n", what, ross_last_error());
  exit(1);
}

static void fill(unsigned char* block, int index) {
  for (int i = 0; i < kBlockBytes; ++i) block[i] = (unsigned char)(index * 31 + i % 251);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: batch_read URL\n");
    return 2;
  }
  ross_store* store = NULL;
  ross_file* file = NULL;
  ross_buffer* buffer = NULL;
  ross_queue* queue = NULL;
  const struct ross_queue_options options = {.size = sizeof options, .depth = kDepth};
  check(ross_attach(argv[1], NULL, &store), "attach");
  check(ross_create(store, "batch", 0644, &file), "create");
  check(ross_buffer_alloc(store, (size_t)kBlockBytes * kDepth, &buffer), "alloc");
  check(ross_queue_create(store, &options, &queue), "queue");
  unsigned char* memory = ross_buffer_data(buffer);
  unsigned char* expected = malloc(kBlockBytes);
  if (expected == NULL) return 1;

  for (int block = 0; block < kBlocks; ++block) {
    fill(expected, block);
    check(ross_pwrite(file, expected, kBlockBytes, (uint64_t)block * kBlockBytes), "write");
  }
  check(ross_fsync(file), "fsync");

  /* Each of the buffer's parts carries one transfer; user_data tells which part and which block. */
  struct ross_op ops[kDepth];
  int parts_free[kDepth], free_count = 0;
  for (int part = 0; part < kDepth; ++part) parts_free[free_count++] = part;
  int next = 0, finished = 0;
  while (finished < kBlocks) {
    size_t count = 0;
    while (free_count > 0 && next < kBlocks) {
      const int part = parts_free[--free_count];
      ops[count++] = (struct ross_op){.size = sizeof ops[0],
                                      .op = ROSS_OP_READ,
                                      .file = file,
                                      .buffer = buffer,
                                      .data = memory + (size_t)part * kBlockBytes,
                                      .length = kBlockBytes,
                                      .offset = (uint64_t)next * kBlockBytes,
                                      .user_data = (uint64_t)next << 32 | (uint64_t)part};
      ++next;
    }
    if (count > 0) {
      const int64_t accepted = ross_queue_submit(queue, ops, count);
      check(accepted, "submit");
      /* Never more in flight than the queue is deep, so all are accepted. */
      if (accepted != (int64_t)count) return 1;
    }
    struct ross_completion done[kDepth];
    const int64_t taken = ross_queue_poll(queue, done, kDepth, -1);
    check(taken, "poll");
    for (int64_t i = 0; i < taken; ++i) {
      const int part = (int)(done[i].user_data & 0xffffffff);
      fill(expected, (int)(done[i].user_data >> 32));
      if (done[i].result != kBlockBytes || memcmp(memory + (size_t)part * kBlockBytes, expected, kBlockBytes) != 0) {
        fprintf(stderr, "a read failed: %s\n", done[i].message == NULL ? "wrong bytes" : done[i].message);
        return 1;
      }
      parts_free[free_count++] = part;
      ++finished;
    }
  }
  printf("%d blocks of %d bytes read and compared\n", finished, kBlockBytes);
  free(expected);
  check(ross_queue_destroy(queue), "queue");
  check(ross_buffer_free(buffer), "buffer");
  check(ross_close(file), "close");
  check(ross_detach(store), "detach");
  return 0;
}
