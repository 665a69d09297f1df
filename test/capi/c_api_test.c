/* Goal: every blocking call of ross.h does from plain C what the POSIX call of its name does, and bad arguments are
 * errors with a sentence.
 * Method: one store over the model file system; each check names the expression that failed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model_store.h"

static int failures = 0;

static void expect(long long got, long long want, const char* what, int line) {
  if (got == want) return;
  ++failures;
  fprintf(stderr, "line %d: %s: got %lld, want %lld (%s)\n", line, what, got, want, ross_last_error());
}
#define EXPECT(want, expression) expect((long long)(expression), (long long)(want), #expression, __LINE__)

static struct ross_attr attr_of(ross_store* store, const char* path) {
  struct ross_attr attr = {.size = sizeof attr};
  EXPECT(0, ross_stat(store, path, &attr));
  return attr;
}

static void test_files(ross_store* store) {
  ross_file* file = NULL;
  EXPECT(-ENOENT, ross_open(store, "none", O_RDONLY, 0, &file));
  EXPECT(1, strlen(ross_last_error()) > 0);
  EXPECT(0, ross_create(store, "a", 0640, &file));
  EXPECT(5, ross_write(file, "hello", 5));
  EXPECT(6, ross_write(file, " world", 6));
  char text[32] = {0};
  EXPECT(0, ross_read(file, text, sizeof text));
  EXPECT(0, ross_seek(file, 0, SEEK_SET));
  EXPECT(11, ross_read(file, text, sizeof text));
  EXPECT(0, memcmp(text, "hello world", 11));
  EXPECT(5, ross_pread(file, text, 5, 6));
  EXPECT(0, memcmp(text, "world", 5));
  EXPECT(1, ross_pwrite(file, "W", 1, 6));
  EXPECT(11, ross_seek(file, 0, SEEK_END));
  EXPECT(-EINVAL, ross_seek(file, -1, SEEK_SET));
  EXPECT(-EOVERFLOW, ross_seek(file, INT64_MAX, SEEK_CUR));
  EXPECT(-ENXIO, ross_seek(file, 11, SEEK_DATA));
  EXPECT(11, ross_seek(file, 0, SEEK_HOLE));
  EXPECT(-EINVAL, ross_append(file, "x", 1));
  EXPECT(0, ross_fsync(file));
  EXPECT(0, ross_fdatasync(file));
  EXPECT(0, ross_ftruncate(file, 3));
  struct ross_attr attr = {.size = sizeof attr};
  EXPECT(0, ross_fstat(file, &attr));
  EXPECT(3, attr.size_bytes);
  EXPECT(0640 | S_IFREG, attr.mode);
  EXPECT(0, ross_close(file));

  EXPECT(-EEXIST, ross_open(store, "a", O_RDWR | O_CREAT | O_EXCL, 0600, &file));
  EXPECT(0, ross_open(store, "a", O_WRONLY | O_APPEND, 0, &file));
  EXPECT(2, ross_append(file, "+1", 2));
  EXPECT(2, ross_write(file, "+2", 2));
  EXPECT(7, ross_seek(file, 0, SEEK_CUR));
  EXPECT(-EBADF, ross_pread(file, text, 1, 0));
  EXPECT(0, ross_close(file));
  EXPECT(7, attr_of(store, "a").size_bytes);
  EXPECT(0, ross_truncate(store, "a", 100));
  EXPECT(100, attr_of(store, "a").size_bytes);
  EXPECT(0, ross_chmod(store, "a", 0600));
  EXPECT(0600 | S_IFREG, attr_of(store, "a").mode);
  EXPECT(0, ross_set_times(store, "a", 1000000001, 2000000002));
  EXPECT(1000000001, attr_of(store, "a").atime_ns);
  EXPECT(2000000002, attr_of(store, "a").mtime_ns);
  EXPECT(0, ross_chown(store, "a", UINT32_MAX, UINT32_MAX));
  EXPECT(0, ross_unlink(store, "a"));
  EXPECT(-ENOENT, ross_unlink(store, "a"));
}

static void test_names(ross_store* store) {
  ross_file* file = NULL;
  struct ross_attr attr = {.size = sizeof attr};
  EXPECT(0, ross_mkdir(store, "d", 0755));
  EXPECT(-EEXIST, ross_mkdir(store, "d", 0755));
  EXPECT(-EEXIST, ross_mkdir(store, "/", 0755));
  EXPECT(0, ross_mkdir(store, "/d/e/", 0755));
  EXPECT(-EISDIR, ross_open(store, "d", O_RDWR, 0, &file));
  EXPECT(-EISDIR, ross_open(store, "d/", O_RDWR | O_CREAT, 0600, &file));
  EXPECT(0, ross_open(store, "d", O_RDONLY | O_DIRECTORY, 0, &file));
  EXPECT(0, ross_fsync(file));
  EXPECT(0, ross_close(file));
  EXPECT(0, ross_put(store, "d/e/f", "data", 4, 0644));
  EXPECT(-ENOTDIR, ross_open(store, "d/e/f", O_RDONLY | O_DIRECTORY, 0, &file));
  EXPECT(0, ross_symlink(store, "e/f", "d/link"));
  EXPECT(0, ross_symlink(store, "/d/new", "d/dangling"));
  char target[8] = {0};
  EXPECT(3, ross_readlink(store, "d/link", target, sizeof target));
  EXPECT(0, strcmp(target, "e/f"));
  EXPECT(6, ross_readlink(store, "d/dangling", NULL, 0));
  EXPECT(-EINVAL, ross_readlink(store, "d", target, sizeof target));
  EXPECT(4, attr_of(store, "d/link").size_bytes);
  EXPECT(0, ross_lstat(store, "d/link", &attr));
  EXPECT(1, S_ISLNK(attr.mode) != 0);
  EXPECT(-ELOOP, ross_open(store, "d/link", O_RDONLY | O_NOFOLLOW, 0, &file));
  EXPECT(-EEXIST, ross_open(store, "d/dangling", O_RDWR | O_CREAT | O_EXCL, 0600, &file));
  EXPECT(0, ross_open(store, "d/dangling", O_RDWR | O_CREAT, 0600, &file));
  EXPECT(0, ross_close(file));
  EXPECT(0, attr_of(store, "d/new").size_bytes);
  EXPECT(0, ross_symlink(store, "loop", "loop"));
  EXPECT(-ELOOP, ross_open(store, "loop", O_RDWR | O_CREAT, 0600, &file));
  EXPECT(0, ross_unlink(store, "loop"));
  EXPECT(0, ross_link(store, "d/e/f", "d/hard"));
  EXPECT(2, attr_of(store, "d/hard").links);
  EXPECT(-EEXIST, ross_rename(store, "d/new", "d/hard", ROSS_RENAME_NOREPLACE));
  EXPECT(0, ross_rename(store, "d/new", "d/hard", ROSS_RENAME_EXCHANGE));
  EXPECT(4, attr_of(store, "d/new").size_bytes);
  EXPECT(0, ross_rename(store, "d/hard", "d/new", 0));
  EXPECT(0, attr_of(store, "d/new").size_bytes);
  EXPECT(-EINVAL, ross_rename(store, "d/new", "d/x", 7));
  EXPECT(-ENOTDIR, ross_rename(store, "d/new/", "d/x", 0));
  EXPECT(0, ross_setxattr(store, "d/new", "user.k", "v\0w", 3, 0));
  EXPECT(-EINVAL, ross_setxattr(store, "d/new", "user.k", "v", 1, 99));
  char value[3];
  EXPECT(3, ross_getxattr(store, "d/new", "user.k", value, sizeof value));
  EXPECT(0, memcmp(value, "v\0w", 3));
  EXPECT(0, ross_removexattr(store, "d/new", "user.k"));
  EXPECT(-ENODATA, ross_getxattr(store, "d/new", "user.k", value, sizeof value));

  ross_dir* dir = NULL;
  EXPECT(-ENOTDIR, ross_opendir(store, "d/new", &dir));
  EXPECT(0, ross_opendir(store, "d", &dir));
  EXPECT(-EBUSY, ross_detach(store));
  int seen = 0, result = 0;
  struct ross_dirent entry = {.size = sizeof entry};
  while ((result = ross_readdir(dir, &entry)) == 1) {
    if (strcmp(entry.name, "e") == 0) EXPECT(S_IFDIR, entry.type);
    ++seen;
  }
  EXPECT(0, result);
  EXPECT(0, ross_readdir(dir, &entry));
  EXPECT(4, seen); /* e, link, dangling, new */
  EXPECT(0, ross_closedir(dir));
  EXPECT(-ENOTEMPTY, ross_rmdir(store, "d"));
  EXPECT(-EISDIR, ross_unlink(store, "d/e/"));
  EXPECT(-ENOTDIR, ross_unlink(store, "d/new/"));
}

static void test_objects(ross_store* store) {
  char data[100];
  memset(data, 'x', sizeof data);
  EXPECT(0, ross_put(store, "deep/er/key", data, sizeof data, 0600));
  EXPECT(0, ross_put(store, "deep/er/key", "short", 5, 0600));
  EXPECT(5, ross_get(store, "deep/er/key", data, sizeof data, 0));
  EXPECT(0, memcmp(data, "short", 5));
  EXPECT(2, ross_get(store, "deep/er/key", data, sizeof data, 3));
  EXPECT(-ENOENT, ross_get(store, "deep/none", data, sizeof data, 0));
  EXPECT(-EINVAL, ross_put(store, "", "x", 1, 0600));
  EXPECT(-EINVAL, ross_put(store, "a/../b", "x", 1, 0600));
  EXPECT(0, ross_sync(store));
  struct ross_space space = {.size = sizeof space};
  EXPECT(0, ross_statfs(store, &space));
  EXPECT(1, space.total_bytes >= space.free_bytes && space.free_bytes > 0);
}

static void test_bad_arguments(ross_store* store) {
  ross_file* file = NULL;
  char byte = 0;
  EXPECT(-EINVAL, ross_open(NULL, "a", O_RDONLY, 0, &file));
  EXPECT(-EINVAL, ross_open(store, NULL, O_RDONLY, 0, &file));
  EXPECT(-EINVAL, ross_open(store, "a", O_RDONLY, 0, NULL));
  EXPECT(-EINVAL, ross_open(store, "a", O_ACCMODE, 0, &file));
  EXPECT(-EINVAL, ross_open(store, "a", O_RDONLY | O_TMPFILE, 0, &file));
  EXPECT(-EINVAL, ross_pread(NULL, &byte, 1, 0));
  EXPECT(-EINVAL, ross_close(NULL));
  EXPECT(-EINVAL, ross_detach(NULL));
  EXPECT(-EINVAL, ross_stat(store, "/", NULL));
  EXPECT(-EINVAL, ross_buffer_free(NULL));
  EXPECT(-EINVAL, ross_queue_submit(NULL, NULL, 1));
  EXPECT(0, ross_create(store, "bad", 0600, &file));
  EXPECT(-EINVAL, ross_pread(file, NULL, 1, 0));
  EXPECT(-EINVAL, ross_pread(file, &byte, (size_t)ROSS_IO_BYTES_MAX + 1, 0));
  EXPECT(-EINVAL, ross_pwrite(file, &byte, 1, (uint64_t)INT64_MAX + 1));
  EXPECT(-EFBIG, ross_pwrite(file, &byte, 1, (uint64_t)INT64_MAX));
  EXPECT(0, ross_close(file));
  char* long_path = malloc(ROSS_PATH_BYTES_MAX + 2);
  memset(long_path, '/', ROSS_PATH_BYTES_MAX + 1);
  long_path[ROSS_PATH_BYTES_MAX + 1] = 0;
  struct ross_attr attr = {.size = sizeof attr};
  EXPECT(-ENAMETOOLONG, ross_stat(store, long_path, &attr));
  free(long_path);

  /* A struct of another age: a smaller one gets its part, a larger one zeros, none at all is an error. */
  attr.size = 0;
  EXPECT(-EINVAL, ross_stat(store, "/", &attr));
  attr.size = offsetof(struct ross_attr, size_bytes);
  attr.size_bytes = 4711;
  EXPECT(0, ross_stat(store, "/", &attr));
  EXPECT(4711, attr.size_bytes);
  EXPECT(1, S_ISDIR(attr.mode) != 0);
  struct {
    struct ross_attr attr;
    uint64_t newer;
  } grown = {.attr = {.size = sizeof grown}, .newer = 1};
  EXPECT(0, ross_stat(store, "/", &grown.attr));
  EXPECT(0, grown.newer);
  struct {
    struct ross_queue_options options;
    uint64_t newer;
  } asked = {.options = {.size = sizeof asked}, .newer = 1};
  ross_queue* queue = NULL;
  EXPECT(-E2BIG, ross_queue_create(store, &asked.options, &queue));
  asked.newer = 0;
  EXPECT(0, ross_queue_create(store, &asked.options, &queue));
  EXPECT(0, ross_queue_destroy(queue));
}

int main(void) {
  ross_store* store = model_store();
  EXPECT(1, strlen(ross_version()) > 0);
  test_files(store);
  test_names(store);
  test_objects(store);
  test_bad_arguments(store);
  EXPECT(0, ross_detach(store));
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
