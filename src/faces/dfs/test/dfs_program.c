/* What a DFS program does from start to end: connect, make a container, mount, make files and directories, write and
 * read with and without events, list, rename, attributes, close everything, mount again and find it all. */
#include "faces/dfs/test/dfs_program.h"

#include <daos.h>
#include <daos_fs.h>
#include <daos_fs_sys.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      return __LINE__;                                                              \
    }                                                                               \
  } while (0)

enum { kBlock = 4096, kBlocks = 64, kDepth = 8 };

static void fill(unsigned char* block, unsigned seed) {
  for (unsigned i = 0; i < kBlock; ++i) block[i] = (unsigned char)(seed * 131 + i * 7);
}

static int write_and_read_blocking(dfs_t* dfs, dfs_obj_t* file) {
  unsigned char out[kBlock];
  unsigned char in[kBlock];
  d_iov_t iov;
  d_sg_list_t sgl = {.sg_nr = 1, .sg_nr_out = 0, .sg_iovs = &iov};
  daos_size_t got = 0;
  for (unsigned i = 0; i < kBlocks; ++i) {
    fill(out, i);
    d_iov_set(&iov, out, sizeof out);
    CHECK(dfs_write(dfs, file, &sgl, (daos_off_t)i * kBlock, NULL) == 0);
  }
  CHECK(dfs_get_size(dfs, file, &got) == 0 && got == (daos_size_t)kBlock * kBlocks);
  for (unsigned i = kBlocks; i-- > 0;) {
    fill(out, i);
    memset(in, 0, sizeof in);
    d_iov_set(&iov, in, sizeof in);
    CHECK(dfs_read(dfs, file, &sgl, (daos_off_t)i * kBlock, &got, NULL) == 0 && got == kBlock);
    CHECK(memcmp(in, out, sizeof in) == 0);
  }
  /* Across the end: only what is there. */
  d_iov_set(&iov, in, sizeof in);
  CHECK(dfs_read(dfs, file, &sgl, (daos_off_t)kBlocks * kBlock - 100, &got, NULL) == 0 && got == 100);
  CHECK(dfs_read(dfs, file, &sgl, (daos_off_t)kBlocks * kBlock, &got, NULL) == 0 && got == 0);
  return 0;
}

/* As fio's engine does it: up to kDepth events in flight, initialized and finished for each transfer. */
static int write_and_read_with_events(dfs_t* dfs, dfs_obj_t* file) {
  struct unit {
    daos_event_t ev;
    d_iov_t iov;
    d_sg_list_t sgl;
    daos_size_t got;
    unsigned index;
    int busy;
    unsigned char block[kBlock];
  };
  struct unit* units = calloc(kDepth, sizeof *units);
  daos_handle_t eq;
  CHECK(units != NULL);
  CHECK(daos_eq_create(&eq) == 0);
  for (int reading = 0; reading < 2; ++reading) {
    unsigned next = 0;
    unsigned done = 0;
    while (done < kBlocks) {
      for (int u = 0; u < kDepth && next < kBlocks; ++u) {
        struct unit* unit = &units[u];
        if (unit->busy) continue;
        unit->index = next++;
        unit->busy = 1;
        fill(unit->block, reading ? 999 : unit->index + 1000);
        d_iov_set(&unit->iov, unit->block, kBlock);
        unit->sgl.sg_nr = 1;
        unit->sgl.sg_iovs = &unit->iov;
        CHECK(daos_event_init(&unit->ev, eq, NULL) == 0);
        const daos_off_t offset = (daos_off_t)unit->index * kBlock;
        CHECK((reading ? dfs_read(dfs, file, &unit->sgl, offset, &unit->got, &unit->ev)
                       : dfs_write(dfs, file, &unit->sgl, offset, &unit->ev)) == 0);
      }
      daos_event_t* events[kDepth];
      const int count = daos_eq_poll(eq, 1, DAOS_EQ_WAIT, kDepth, events);
      CHECK(count > 0);
      for (int i = 0; i < count; ++i) {
        struct unit* unit = (struct unit*)events[i]; /* the event is its first member */
        CHECK(unit->busy && unit->ev.ev_error == 0);
        if (reading) {
          unsigned char expected[kBlock];
          fill(expected, unit->index + 1000);
          CHECK(unit->got == kBlock && memcmp(expected, unit->block, kBlock) == 0);
        }
        CHECK(daos_event_fini(&unit->ev) == 0);
        unit->busy = 0;
        ++done;
      }
    }
  }
  daos_event_t* none;
  CHECK(daos_eq_poll(eq, 1, DAOS_EQ_WAIT, 1, &none) == 0);
  CHECK(daos_eq_destroy(eq, 0) == 0);
  free(units);
  return 0;
}

static int use_ranges(dfs_t* dfs, dfs_obj_t* file) {
  char a[] = "abcdef";
  char b[] = "ghijkl";
  d_iov_t iovs[2];
  d_iov_set(&iovs[0], a, 6);
  d_iov_set(&iovs[1], b, 6);
  d_sg_list_t sgl = {.sg_nr = 2, .sg_nr_out = 0, .sg_iovs = iovs};
  daos_range_t ranges[3] = {{100, 4}, {0, 5}, {50, 3}};
  dfs_iod_t iod = {.iod_nr = 3, .iod_rgs = ranges};
  CHECK(dfs_writex(dfs, file, &iod, &sgl, NULL) == 0);
  char back[12];
  d_iov_t whole;
  d_iov_set(&whole, back, sizeof back);
  d_sg_list_t one = {.sg_nr = 1, .sg_nr_out = 0, .sg_iovs = &whole};
  daos_size_t got = 0;
  CHECK(dfs_readx(dfs, file, &iod, &one, &got, NULL) == 0 && got == 12);
  CHECK(memcmp(back, "abcdefghijkl", 12) == 0);
  d_iov_set(&whole, back, 5);
  CHECK(dfs_read(dfs, file, &one, 0, &got, NULL) == 0 && got == 5 && memcmp(back, "efghi", 5) == 0);
  ranges[0].rg_len = 5; /* more than the list has */
  d_iov_set(&whole, back, sizeof back);
  CHECK(dfs_readx(dfs, file, &iod, &one, &got, NULL) == EINVAL);
  return 0;
}

static int count_name(dfs_t* dfs, dfs_obj_t* obj, const char name[], void* arg) {
  (void)dfs;
  (void)obj;
  if (strncmp(name, "entry-", 6) == 0) ++*(int*)arg;
  return 0;
}

static int use_directories(dfs_t* dfs) {
  dfs_obj_t* dir;
  CHECK(dfs_mkdir(dfs, NULL, "dir", 0755, 0) == 0);
  CHECK(dfs_mkdir(dfs, NULL, "dir", 0755, 0) == EEXIST);
  CHECK(dfs_lookup(dfs, "/dir", O_RDWR, &dir, NULL, NULL) == 0);
  for (int i = 0; i < 100; ++i) {
    char name[32];
    dfs_obj_t* file;
    snprintf(name, sizeof name, "entry-%d", i);
    CHECK(dfs_open(dfs, dir, name, S_IFREG | 0644, O_CREAT | O_EXCL | O_RDWR, 0, 0, NULL, &file) == 0);
    CHECK(dfs_release(file) == 0);
  }
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  int seen = 0;
  while (!daos_anchor_is_eof(&anchor)) {
    struct dirent entries[7];
    struct stat stats[7];
    uint32_t nr = 7;
    CHECK(dfs_readdirplus(dfs, dir, &anchor, &nr, entries, stats) == 0 && nr <= 7);
    for (uint32_t i = 0; i < nr; ++i) {
      CHECK(strncmp(entries[i].d_name, "entry-", 6) == 0 && entries[i].d_type == DT_REG);
      CHECK(S_ISREG(stats[i].st_mode) && (ino_t)stats[i].st_ino == entries[i].d_ino);
    }
    seen += (int)nr;
  }
  CHECK(seen == 100);
  CHECK(daos_anchor_init(&anchor, 0) == 0);
  seen = 0;
  while (!daos_anchor_is_eof(&anchor)) {
    uint32_t nr = 33;
    CHECK(dfs_iterate(dfs, dir, &anchor, &nr, 4096, count_name, &seen) == 0);
  }
  CHECK(seen == 100);
  CHECK(dfs_release(dir) == 0);
  CHECK(dfs_remove(dfs, NULL, "dir", false, NULL) == ENOTEMPTY);
  return 0;
}

static int use_names(dfs_t* dfs) {
  dfs_obj_t* obj;
  struct stat before;
  struct stat after;
  CHECK(dfs_open(dfs, NULL, "link", S_IFLNK | 0777, O_CREAT | O_EXCL, 0, 0, "dir/entry-5", &obj) == 0);
  char target[64];
  daos_size_t size = sizeof target;
  CHECK(dfs_get_symlink_value(obj, target, &size) == 0 && strcmp(target, "dir/entry-5") == 0 && size == 12);
  CHECK(dfs_release(obj) == 0);
  mode_t mode;
  CHECK(dfs_lookup(dfs, "/link", O_RDONLY, &obj, &mode, &before) == 0 && S_ISREG(mode));
  CHECK(dfs_release(obj) == 0);
  CHECK(dfs_lookup(dfs, "/dir/entry-5", O_RDONLY, &obj, NULL, &after) == 0 && before.st_ino == after.st_ino);
  CHECK(dfs_release(obj) == 0);
  CHECK(dfs_stat(dfs, NULL, "link", &after) == 0 && S_ISLNK(after.st_mode));

  CHECK(dfs_move(dfs, NULL, "link", NULL, "moved", NULL) == 0);
  CHECK(dfs_stat(dfs, NULL, "link", &after) == ENOENT);
  CHECK(dfs_mkdir(dfs, NULL, "other", 0700, 0) == 0);
  CHECK(dfs_exchange(dfs, NULL, "moved", NULL, "other") == 0);
  CHECK(dfs_stat(dfs, NULL, "moved", &after) == 0 && S_ISDIR(after.st_mode));

  CHECK(dfs_chmod(dfs, NULL, "moved", 0711) == 0);
  CHECK(dfs_stat(dfs, NULL, "moved", &after) == 0 && (after.st_mode & 07777) == 0711);
  CHECK(dfs_access(dfs, NULL, "moved", R_OK | X_OK) == 0);
  CHECK(dfs_remove(dfs, NULL, "dir", true, NULL) == 0);
  CHECK(dfs_stat(dfs, NULL, "dir", &after) == ENOENT);
  return 0;
}

static int use_xattrs(dfs_t* dfs, dfs_obj_t* file) {
  char value[16];
  char list[64];
  daos_size_t size = 0;
  CHECK(dfs_setxattr(dfs, file, "plain", "one", 3, XATTR_CREATE) == 0);
  CHECK(dfs_setxattr(dfs, file, "plain", "two", 3, XATTR_CREATE) == EEXIST);
  CHECK(dfs_setxattr(dfs, file, "user.spaced", "three", 5, 0) == 0);
  CHECK(dfs_getxattr(dfs, file, "plain", NULL, &size) == 0 && size == 3);
  size = sizeof value;
  CHECK(dfs_getxattr(dfs, file, "user.spaced", value, &size) == 0 && size == 5 && memcmp(value, "three", 5) == 0);
  size = 2;
  CHECK(dfs_getxattr(dfs, file, "plain", value, &size) == ERANGE && size == 3);
  size = sizeof list;
  CHECK(dfs_listxattr(dfs, file, list, &size) == 0);
  CHECK(size == sizeof "plain" + sizeof "user.spaced"); /* both with their ends, and nothing else */
  CHECK(dfs_removexattr(dfs, file, "plain") == 0);
  size = sizeof value;
  CHECK(dfs_getxattr(dfs, file, "plain", value, &size) == ENODATA);
  return 0;
}

static int use_paths(daos_handle_t poh, daos_handle_t coh) {
  dfs_sys_t* fs;
  struct stat st;
  dfs_obj_t* file;
  DIR* dir;
  struct dirent* entry;
  CHECK(dfs_sys_mount(poh, coh, O_RDWR, 0, &fs) == 0);
  CHECK(dfs_sys_mkdir(fs, "/paths", 0755, 0) == 0);
  CHECK(dfs_sys_mkdir(fs, "/paths/below", 0755, 0) == 0);
  CHECK(dfs_sys_open(fs, "/paths/below/file", S_IFREG | 0600, O_CREAT | O_RDWR, 0, 0, NULL, &file) == 0);
  char text[] = "by path";
  daos_size_t size = sizeof text;
  CHECK(dfs_sys_write(fs, file, text, 3, &size, NULL) == 0 && size == sizeof text);
  char back[sizeof text];
  CHECK(dfs_sys_read(fs, file, back, 3, &size, NULL) == 0 && size == sizeof text && memcmp(back, text, size) == 0);
  CHECK(dfs_sys_close(file) == 0);
  CHECK(dfs_sys_stat(fs, "/paths/below/file", 0, &st) == 0 && st.st_size == 3 + (off_t)sizeof text);
  CHECK(dfs_sys_symlink(fs, "below/file", "/paths/link") == 0);
  CHECK(dfs_sys_stat(fs, "/paths/link", O_NOFOLLOW, &st) == 0 && S_ISLNK(st.st_mode));
  CHECK(dfs_sys_punch(fs, "/paths/link", 2, DFS_MAX_FSIZE) == 0);
  CHECK(dfs_sys_stat(fs, "/paths/link", 0, &st) == 0 && st.st_size == 2);
  CHECK(dfs_sys_opendir(fs, "/paths", 0, &dir) == 0);
  int count = 0;
  for (;;) {
    CHECK(dfs_sys_readdir(fs, dir, &entry) == 0);
    if (entry == NULL) break;
    ++count;
  }
  CHECK(count == 2);
  CHECK(dfs_sys_closedir(dir) == 0);
  CHECK(dfs_sys_remove_type(fs, "/paths", true, S_IFREG, NULL) == EINVAL);
  CHECK(dfs_sys_remove(fs, "/paths", true, NULL) == 0);
  CHECK(dfs_sys_stat(fs, "/paths", 0, &st) == ENOENT);
  CHECK(dfs_sys_umount(fs) == 0);
  return 0;
}

static int run_in(daos_handle_t poh) {
  daos_handle_t coh;
  dfs_t* dfs;
  dfs_obj_t* file;
  daos_cont_info_t info;
  dfs_attr_t attr;
  struct stat st;
  int line;
  memset(&attr, 0, sizeof attr);
  attr.da_chunk_size = 65536;
  CHECK(dfs_cont_create_with_label(poh, "dfs-program", &attr, NULL, &coh, &dfs) == 0);
  CHECK(dfs_cont_create_with_label(poh, "dfs-program", NULL, NULL, NULL, NULL) == EEXIST);
  CHECK(dfs_query(dfs, &attr) == 0 && attr.da_chunk_size == 65536);
  CHECK(dfs_stat(dfs, NULL, "file", &st) == ENOENT);
  CHECK(dfs_open(dfs, NULL, "file", S_IFREG | S_IRUSR | S_IWUSR, O_CREAT | O_RDWR, 0, 0, NULL, &file) == 0);
  if ((line = write_and_read_blocking(dfs, file)) != 0) return line;
  if ((line = write_and_read_with_events(dfs, file)) != 0) return line;
  if ((line = use_xattrs(dfs, file)) != 0) return line;
  if ((line = use_ranges(dfs, file)) != 0) return line;
  CHECK(dfs_punch(dfs, file, kBlock, kBlock) == 0);
  CHECK(dfs_punch(dfs, file, 5 * kBlock, DFS_MAX_FSIZE) == 0);
  CHECK(dfs_release(file) == 0);
  CHECK(dfs_release(file) == EINVAL);
  if ((line = use_directories(dfs)) != 0) return line;
  if ((line = use_names(dfs)) != 0) return line;
  CHECK(dfs_sync(dfs) == 0);
  CHECK(daos_cont_close(coh, NULL) == -DER_BUSY);
  CHECK(dfs_umount(dfs) == 0);
  CHECK(daos_cont_close(coh, NULL) == 0);

  CHECK(daos_cont_open(poh, "dfs-program", DAOS_COO_RW, &coh, &info, NULL) == 0);
  if ((line = use_paths(poh, coh)) != 0) return line;
  CHECK(dfs_mount(poh, coh, O_RDONLY, &dfs) == 0);
  CHECK(dfs_open(dfs, NULL, "file", S_IFREG, O_RDWR, 0, 0, NULL, &file) == EPERM);
  CHECK(dfs_open(dfs, NULL, "file", S_IFREG, O_RDONLY, 0, 0, NULL, &file) == 0);
  CHECK(dfs_ostat(dfs, file, &st) == 0 && st.st_size == 5 * kBlock);
  unsigned char block[kBlock];
  unsigned char expected[kBlock];
  d_iov_t iov;
  d_iov_set(&iov, block, sizeof block);
  d_sg_list_t sgl = {.sg_nr = 1, .sg_nr_out = 0, .sg_iovs = &iov};
  daos_size_t got;
  CHECK(dfs_read(dfs, file, &sgl, kBlock, &got, NULL) == 0 && got == kBlock);
  memset(expected, 0, sizeof expected);
  CHECK(memcmp(block, expected, sizeof block) == 0);
  CHECK(dfs_read(dfs, file, &sgl, 2 * kBlock, &got, NULL) == 0 && got == kBlock);
  fill(expected, 2 + 1000);
  CHECK(memcmp(block, expected, sizeof block) == 0);
  CHECK(dfs_write(dfs, file, &sgl, 0, NULL) == EPERM);
  CHECK(dfs_release(file) == 0);
  CHECK(dfs_umount(dfs) == 0);
  CHECK(daos_cont_destroy(poh, "dfs-program", 0, NULL) == -DER_BUSY);
  CHECK(daos_cont_close(coh, NULL) == 0);
  CHECK(daos_cont_destroy(poh, "dfs-program", 0, NULL) == 0);
  CHECK(daos_cont_open(poh, "dfs-program", DAOS_COO_RW, &coh, NULL, NULL) == -DER_NONEXIST);
  return 0;
}

int run_dfs_program(const char* pool) {
  daos_handle_t poh;
  daos_pool_info_t info; /* left as it is, as fio's engine leaves it */
  CHECK(daos_init() == 0);
  CHECK(daos_pool_connect(pool, NULL, DAOS_PC_RW, &poh, &info, NULL) == 0);
  CHECK(info.pi_ntargets > 0 && info.pi_space.ps_space.s_total[DAOS_MEDIA_NVME] > 0);
  const int line = run_in(poh);
  if (line != 0) return line;
  CHECK(daos_pool_disconnect(poh, NULL) == 0);
  CHECK(daos_pool_disconnect(poh, NULL) == -DER_NO_HDL);
  CHECK(daos_fini() == 0);
  CHECK(daos_fini() == -DER_UNINIT);
  return 0;
}
