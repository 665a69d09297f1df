// Goal: the calls' corners that a well-behaved program does not meet. Method: on a model, through the C interface.
#include <daos.h>
#include <daos_fs.h>
#include <daos_fs_sys.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <string>

#include "faces/dfs/test/model_pool_for_test.h"

namespace ross::dfs {
namespace {

class Calls : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(daos_init(), 0);
    ASSERT_EQ(daos_pool_connect("calls", nullptr, DAOS_PC_RW, &pool_, nullptr, nullptr), 0);
    ASSERT_EQ(dfs_cont_create_with_label(pool_, "c", nullptr, nullptr, &container_, &dfs_), 0);
  }
  void TearDown() override {
    EXPECT_EQ(daos_fini(), 0);  // closes what a test left open
    forget_pools();
  }
  dfs_obj_t* make(const char* name, dfs_obj_t* parent = nullptr) {
    dfs_obj_t* file = nullptr;
    EXPECT_EQ(dfs_open(dfs_, parent, name, S_IFREG | 0644, O_CREAT | O_RDWR, 0, 0, nullptr, &file), 0);
    return file;
  }
  void put(dfs_obj_t* file, std::string text, daos_off_t offset = 0) {
    d_iov_t iov;
    d_iov_set(&iov, text.data(), text.size());
    d_sg_list_t list = {.sg_nr = 1, .sg_nr_out = 0, .sg_iovs = &iov};
    ASSERT_EQ(dfs_write(dfs_, file, &list, offset, nullptr), 0);
  }
  std::string get(dfs_obj_t* file) {
    std::string text(100, '?');
    d_iov_t iov;
    d_iov_set(&iov, text.data(), text.size());
    d_sg_list_t list = {.sg_nr = 1, .sg_nr_out = 0, .sg_iovs = &iov};
    daos_size_t got = 0;
    EXPECT_EQ(dfs_read(dfs_, file, &list, 0, &got, nullptr), 0);
    text.resize(got);
    return text;
  }
  daos_handle_t pool_{};
  daos_handle_t container_{};
  dfs_t* dfs_ = nullptr;
};

TEST_F(Calls, RefuseBadHandlesAndArguments) {
  auto* const bad_mount = reinterpret_cast<dfs_t*>(0x1234);
  auto* const bad_object = reinterpret_cast<dfs_obj_t*>(~0ULL);
  struct stat st {};
  dfs_obj_t* obj = nullptr;
  EXPECT_EQ(dfs_stat(nullptr, nullptr, "x", &st), EINVAL);
  EXPECT_EQ(dfs_stat(bad_mount, nullptr, "x", &st), EINVAL);
  EXPECT_EQ(dfs_stat(dfs_, bad_object, "x", &st), EINVAL);
  EXPECT_EQ(dfs_release(bad_object), EINVAL);
  EXPECT_EQ(dfs_release(nullptr), EINVAL);
  EXPECT_EQ(dfs_umount(bad_mount), EINVAL);
  EXPECT_EQ(dfs_disconnect(dfs_), EINVAL);  // mounted, not connected
  EXPECT_EQ(dfs_lookup(dfs_, "relative", O_RDONLY, &obj, nullptr, nullptr), EINVAL);
  for (const char* name : {"", "a/b", ".", ".."}) {
    EXPECT_EQ(dfs_mkdir(dfs_, nullptr, name, 0755, 0), EINVAL) << name;
    EXPECT_EQ(dfs_open(dfs_, nullptr, name, S_IFREG | 0600, O_CREAT | O_RDWR, 0, 0, nullptr, &obj), EINVAL) << name;
  }
  EXPECT_EQ(dfs_mkdir(dfs_, nullptr, std::string(256, 'n').c_str(), 0755, 0), ENAMETOOLONG);
  EXPECT_EQ(dfs_open(dfs_, nullptr, "x", 0600, O_CREAT | O_RDWR, 0, 0, nullptr, &obj), EINVAL);  // no type
  dfs_obj_t* file = make("file");
  EXPECT_EQ(dfs_mkdir(dfs_, file, "below-a-file", 0755, 0), ENOTDIR);
  EXPECT_EQ(dfs_open(dfs_, nullptr, "file", S_IFDIR, O_RDONLY, 0, 0, nullptr, &obj), ENOTDIR);
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  struct dirent entry {};
  uint32_t nr = 1;
  EXPECT_EQ(dfs_readdir(dfs_, file, &anchor, &nr, &entry), ENOTDIR);
  d_sg_list_t list = {.sg_nr = 1, .sg_nr_out = 0, .sg_iovs = nullptr};
  EXPECT_EQ(dfs_write(dfs_, file, &list, 0, nullptr), EINVAL);
  EXPECT_EQ(dfs_write(dfs_, file, nullptr, 0, nullptr), EINVAL);
  daos_handle_t handle{0xdeadbeef};
  EXPECT_EQ(daos_pool_disconnect(handle, nullptr), -DER_NO_HDL);
  EXPECT_EQ(daos_cont_close(handle, nullptr), -DER_NO_HDL);
  EXPECT_EQ(daos_cont_close(pool_, nullptr), -DER_NO_HDL);  // a handle of another type
  EXPECT_EQ(daos_cont_open(pool_, "a/b", DAOS_COO_RW, &handle, nullptr, nullptr), -DER_INVAL);
  EXPECT_EQ(daos_cont_open(pool_, "none", DAOS_COO_RW, &handle, nullptr, nullptr), -DER_NONEXIST);
  EXPECT_EQ(daos_pool_connect("calls", nullptr, 0, &handle, nullptr, nullptr), -DER_INVAL);
  EXPECT_EQ(daos_pool_disconnect(pool_, nullptr), -DER_BUSY);
  EXPECT_EQ(daos_obj_close(handle, nullptr), -DER_NOSYS);
}

TEST_F(Calls, SyncIsWhatAcknowledges) {
  const auto model = model_of("calls", "c");
  dfs_obj_t* file = make("file");
  put(file, "text");
  EXPECT_EQ(model->syncs(), 0U);
  EXPECT_EQ(dfs_release(file), 0);
  EXPECT_EQ(model->syncs(), 0U);
  EXPECT_EQ(dfs_sync(dfs_), 0);
  EXPECT_EQ(model->syncs(), 1U);
  model->fail_next_sync(EIO);
  EXPECT_EQ(dfs_sync(dfs_), EIO);
  model->fail_next_sync(ENOSPC);
  EXPECT_EQ(dfs_umount(dfs_), ENOSPC);  // unmounted, and told that something may be missing
  EXPECT_EQ(dfs_umount(dfs_), EINVAL);
  model->fail_next_sync(EIO);
  EXPECT_EQ(daos_cont_close(container_, nullptr), -DER_IO);
  EXPECT_EQ(daos_cont_close(container_, nullptr), -DER_NO_HDL);
}

TEST_F(Calls, OpenFilesOutliveTheirNamesAndAppendAppends) {
  dfs_obj_t* file = make("gone");
  put(file, "kept");
  EXPECT_EQ(dfs_remove(dfs_, nullptr, "gone", false, nullptr), 0);
  EXPECT_EQ(get(file), "kept");
  dfs_obj_t* log = nullptr;
  ASSERT_EQ(dfs_open(dfs_, nullptr, "log", S_IFREG | 0600, O_CREAT | O_RDWR | O_APPEND, 0, 0, nullptr, &log), 0);
  put(log, "one");
  put(log, "two");
  EXPECT_EQ(get(log), "onetwo");
}

TEST_F(Calls, MoveReplacesAndTellsWhat) {
  dfs_obj_t* old_file = make("old");
  dfs_obj_t* new_file = make("new");
  put(old_file, "old");
  put(new_file, "new");
  daos_obj_id_t replaced{};
  daos_obj_id_t expected{};
  ASSERT_EQ(dfs_obj2id(old_file, &expected), 0);
  EXPECT_EQ(dfs_move(dfs_, nullptr, "new", nullptr, "old", &replaced), 0);
  EXPECT_EQ(replaced.lo, expected.lo);
  EXPECT_EQ(get(old_file), "old");  // what is open stays
  dfs_obj_t* found = nullptr;
  ASSERT_EQ(dfs_lookup(dfs_, "/old", O_RDONLY, &found, nullptr, nullptr), 0);
  EXPECT_EQ(get(found), "new");
  EXPECT_EQ(dfs_move(dfs_, nullptr, "none", nullptr, "old", nullptr), ENOENT);
  daos_size_t size = 0;
  ASSERT_EQ(dfs_obj2id(found, &expected), 0);
  EXPECT_EQ(dfs_get_size_by_oid(dfs_, expected, 0, &size), 0);
  EXPECT_EQ(size, 3U);
}

TEST_F(Calls, RemoveWithForceTakesTheTree) {
  dfs_obj_t* dir = nullptr;
  dfs_obj_t* parent = nullptr;
  for (int depth = 0; depth < 50; ++depth) {  // deep, with a file at every level
    ASSERT_EQ(dfs_mkdir(dfs_, parent, "d", 0755, 0), 0);
    ASSERT_EQ(dfs_lookup_rel(dfs_, parent, "d", O_RDWR, &dir, nullptr, nullptr), 0);
    EXPECT_EQ(dfs_release(make("f", dir)), 0);
    parent = dir;
  }
  for (int i = 0; i < 2500; ++i) {  // and wide
    EXPECT_EQ(dfs_mkdir(dfs_, dir, std::to_string(i).c_str(), 0755, 0), 0);
  }
  EXPECT_EQ(dfs_remove(dfs_, nullptr, "d", false, nullptr), ENOTEMPTY);
  EXPECT_EQ(dfs_remove(dfs_, nullptr, "d", true, nullptr), 0);
  struct stat st {};
  EXPECT_EQ(dfs_stat(dfs_, nullptr, "d", &st), ENOENT);
}

TEST_F(Calls, ListingsGoOnWhereTheAnchorStands) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(dfs_release(make(std::to_string(i).c_str())), 0);
  dfs_obj_t* root = nullptr;
  ASSERT_EQ(dfs_lookup(dfs_, "/", O_RDWR, &root, nullptr, nullptr), 0);
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  std::array<struct dirent, 6> entries{};
  uint32_t nr = 6;
  ASSERT_EQ(dfs_readdir(dfs_, root, &anchor, &nr, entries.data()), 0);
  ASSERT_EQ(nr, 6U);
  daos_anchor_t behind = DAOS_ANCHOR_INIT;
  ASSERT_EQ(dfs_dir_anchor_set(root, entries[2].d_name, &behind), 0);
  std::array<struct dirent, 6> again{};
  nr = 6;
  ASSERT_EQ(dfs_readdir(dfs_, root, &behind, &nr, again.data()), 0);
  EXPECT_STREQ(again[0].d_name, entries[3].d_name);
  EXPECT_EQ(dfs_dir_anchor_set(root, "none", &behind), ENOENT);
  anchor.da_type = 99;
  EXPECT_EQ(dfs_readdir(dfs_, root, &anchor, &nr, again.data()), EINVAL);
  // Filtered: the pattern, and no more than asked for.
  dfs_predicate_t predicate{};
  std::strcpy(predicate.dp_name, "1%");  // NOLINT
  dfs_pipeline_t* pipeline = nullptr;
  ASSERT_EQ(dfs_pipeline_create(dfs_, predicate, DFS_FILTER_NAME, &pipeline), 0);
  std::set<std::string> found;
  std::uint64_t scanned_in_all = 0;
  anchor = DAOS_ANCHOR_INIT;
  while (!daos_anchor_is_eof(&anchor)) {
    std::uint64_t scanned = 0;
    nr = 3;
    ASSERT_EQ(dfs_readdir_with_filter(dfs_, root, pipeline, &anchor, &nr, entries.data(), nullptr, nullptr, &scanned),
              0);
    ASSERT_LE(nr, 3U);
    for (uint32_t i = 0; i < nr; ++i) EXPECT_TRUE(found.insert(entries[i].d_name).second);
    scanned_in_all += scanned;
  }
  EXPECT_EQ(found.size(), 11U);  // 1 and 10 to 19
  EXPECT_EQ(scanned_in_all, 20U);
  EXPECT_EQ(dfs_pipeline_destroy(pipeline), 0);
  EXPECT_EQ(dfs_pipeline_destroy(pipeline), EINVAL);
}

TEST_F(Calls, HintsAreKeptAndInherited) {
  dfs_obj_t* dir = nullptr;
  dfs_obj_t* file = nullptr;
  daos_size_t chunk = 0;
  dfs_obj_info_t info{};
  ASSERT_EQ(dfs_mkdir(dfs_, nullptr, "d", 0755, 0), 0);
  ASSERT_EQ(dfs_lookup(dfs_, "/d", O_RDWR, &dir, nullptr, nullptr), 0);
  EXPECT_EQ(dfs_obj_set_chunk_size(dfs_, dir, 0, 4096), 0);
  EXPECT_EQ(dfs_obj_set_oclass(dfs_, dir, 0, OC_S4), 0);
  file = make("f", dir);
  EXPECT_EQ(dfs_get_chunk_size(file, &chunk), 0);
  EXPECT_EQ(chunk, 4096U);
  EXPECT_EQ(dfs_obj_get_info(dfs_, file, &info), 0);
  EXPECT_EQ(info.doi_oclass_id, static_cast<daos_oclass_id_t>(OC_S4));
  EXPECT_EQ(dfs_obj_set_chunk_size(dfs_, file, 0, 1), ENOTSUP);
  ASSERT_EQ(dfs_open(dfs_, nullptr, "own", S_IFREG | 0600, O_CREAT | O_RDWR, OC_SX, 65536, nullptr, &file), 0);
  EXPECT_EQ(dfs_release(file), 0);
  ASSERT_EQ(dfs_lookup(dfs_, "/own", O_RDONLY, &file, nullptr, nullptr), 0);
  EXPECT_EQ(dfs_get_chunk_size(file, &chunk), 0);
  EXPECT_EQ(chunk, 65536U);
  daos_size_t size = 0;
  EXPECT_EQ(dfs_listxattr(dfs_, file, nullptr, &size), 0);
  EXPECT_EQ(size, 0U);  // how they are kept is not shown
  EXPECT_EQ(dfs_setxattr(dfs_, file, "trusted.dfs.hints", "x", 1, 0), EPERM);
}

TEST_F(Calls, PrefixesAreTakenOff) {
  ASSERT_EQ(dfs_mkdir(dfs_, nullptr, "d", 0755, 0), 0);
  dfs_obj_t* dir = nullptr;
  ASSERT_EQ(dfs_set_prefix(dfs_, "/mnt/here/"), 0);
  EXPECT_EQ(dfs_lookup(dfs_, "/mnt/here/d", O_RDONLY, &dir, nullptr, nullptr), 0);
  EXPECT_EQ(dfs_lookup(dfs_, "/mnt/here", O_RDONLY, &dir, nullptr, nullptr), 0);
  EXPECT_EQ(dfs_lookup(dfs_, "/mnt/hereafter", O_RDONLY, &dir, nullptr, nullptr), EINVAL);
  EXPECT_EQ(dfs_lookup(dfs_, "/d", O_RDONLY, &dir, nullptr, nullptr), EINVAL);
  EXPECT_EQ(dfs_set_prefix(dfs_, "relative"), EINVAL);
  EXPECT_EQ(dfs_set_prefix(dfs_, nullptr), 0);
  EXPECT_EQ(dfs_lookup(dfs_, "/d", O_RDONLY, &dir, nullptr, nullptr), 0);
}

TEST_F(Calls, ContainersHaveAttributesPropertiesAndUuids) {
  const char* names[] = {"a", "b"};
  const void* values[] = {"one", "two2"};
  const size_t sizes[] = {3, 4};
  EXPECT_EQ(daos_cont_set_attr(container_, 2, names, values, sizes, nullptr), 0);
  char a[8];
  char b[8];
  void* buffers[] = {a, b};
  size_t rooms[] = {8, 2};
  EXPECT_EQ(daos_cont_get_attr(container_, 2, names, buffers, rooms, nullptr), 0);
  EXPECT_EQ(rooms[0], 3U);
  EXPECT_EQ(rooms[1], 4U);
  EXPECT_EQ(std::memcmp(a, "one", 3), 0);
  EXPECT_EQ(std::memcmp(b, "tw", 2), 0);
  size_t listed = 0;
  EXPECT_EQ(daos_cont_list_attr(container_, nullptr, &listed, nullptr), 0);
  EXPECT_EQ(listed, 4U);
  EXPECT_EQ(daos_cont_del_attr(container_, 1, names, nullptr), 0);
  EXPECT_EQ(daos_cont_get_attr(container_, 1, names, buffers, rooms, nullptr), -DER_NONEXIST);

  daos_prop_t* prop = daos_prop_alloc(3);
  prop->dpp_entries[0].dpe_type = DAOS_PROP_CO_LABEL;
  prop->dpp_entries[1].dpe_type = DAOS_PROP_CO_LAYOUT_TYPE;
  prop->dpp_entries[2].dpe_type = DAOS_PROP_CO_DEDUP;
  daos_cont_info_t info{};
  EXPECT_EQ(daos_cont_query(container_, &info, prop, nullptr), 0);
  EXPECT_STREQ(prop->dpp_entries[0].dpe_str, "c");
  EXPECT_EQ(prop->dpp_entries[1].dpe_val, static_cast<std::uint64_t>(DAOS_PROP_CO_LAYOUT_POSIX));
  EXPECT_FALSE(daos_prop_is_set(&prop->dpp_entries[2]));
  daos_prop_free(prop);

  char text[DAOS_UUID_STR_SIZE];
  uuid_unparse(info.ci_uuid, text);
  daos_handle_t by_uuid{};
  EXPECT_EQ(daos_cont_open(pool_, text, DAOS_COO_RO, &by_uuid, nullptr, nullptr), 0);
  EXPECT_EQ(daos_cont_close(by_uuid, nullptr), 0);
  uuid_t nameless;
  EXPECT_EQ(daos_cont_create(pool_, &nameless, nullptr, nullptr), 0);
  uuid_unparse(nameless, text);
  EXPECT_EQ(daos_cont_open(pool_, text, DAOS_COO_RW, &by_uuid, nullptr, nullptr), 0);
  daos_size_t count = 1;
  std::array<daos_pool_cont_info, 4> containers{};
  EXPECT_EQ(daos_pool_list_cont(pool_, &count, containers.data(), nullptr), -DER_TRUNC);
  EXPECT_EQ(count, 2U);
  count = containers.size();
  EXPECT_EQ(daos_pool_list_cont(pool_, &count, containers.data(), nullptr), 0);
  EXPECT_EQ(count, 2U);
}

TEST_F(Calls, HandlesTravel) {
  dfs_obj_t* file = make("file");
  put(file, "travels");
  d_iov_t glob{};
  ASSERT_EQ(dfs_local2global_all(dfs_, &glob), 0);
  std::string bytes(glob.iov_buf_len, '\0');
  d_iov_set(&glob, bytes.data(), bytes.size());
  ASSERT_EQ(dfs_local2global_all(dfs_, &glob), 0);
  d_iov_t object{};
  ASSERT_EQ(dfs_obj_local2global(dfs_, file, &object), 0);
  std::string object_bytes(object.iov_buf_len, '\0');
  d_iov_set(&object, object_bytes.data(), object_bytes.size());
  ASSERT_EQ(dfs_obj_local2global(dfs_, file, &object), 0);
  dfs_t* other = nullptr;
  dfs_obj_t* arrived = nullptr;
  ASSERT_EQ(dfs_global2local_all(O_RDONLY, glob, &other), 0);
  ASSERT_EQ(dfs_obj_global2local(other, O_RDONLY, object, &arrived), 0);
  EXPECT_EQ(dfs_stat(dfs_, arrived, nullptr, nullptr), EINVAL);
  daos_size_t size = 0;
  EXPECT_EQ(dfs_get_size(other, arrived, &size), 0);
  EXPECT_EQ(size, 7U);
  EXPECT_EQ(dfs_get_size(dfs_, arrived, &size), EINVAL);  // an object of another mount
  object_bytes[20] = static_cast<char>(object_bytes[20] ^ 1);
  EXPECT_EQ(dfs_obj_global2local(other, O_RDONLY, object, &arrived), EINVAL);
  EXPECT_EQ(dfs_disconnect(other), 0);
  EXPECT_EQ(dfs_release(arrived), EINVAL);  // went with its mount
}

// A forked child begins with nothing, can begin anew, and leaves the parent's handles alone.
TEST_F(Calls, AForkedChildBeginsAnew) {
  dfs_obj_t* file = make("file");
  put(file, "parent");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    struct stat st {};
    daos_handle_t eq;
    if (dfs_stat(dfs_, nullptr, "file", &st) != EINVAL) _exit(1);
    if (daos_eq_create(&eq) != -DER_UNINIT) _exit(2);
    if (daos_init() != 0) _exit(3);
    if (dfs_stat(dfs_, nullptr, "file", &st) != EINVAL || dfs_release(file) != EINVAL) _exit(4);
    dfs_t* own = nullptr;
    if (dfs_connect("calls", nullptr, "c", O_RDWR, nullptr, &own) != 0) _exit(5);
    if (dfs_stat(own, nullptr, "file", &st) != 0 || st.st_size != 6) _exit(6);
    if (daos_eq_create(&eq) != 0 || daos_eq_destroy(eq, 0) != 0) _exit(7);
    if (dfs_disconnect(own) != 0 || daos_fini() != 0) _exit(8);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(get(file), "parent");
}

TEST(WithoutInit, CallsAnswerThatItIsMissing) {
  daos_handle_t handle{};
  dfs_t* dfs = nullptr;
  EXPECT_EQ(daos_pool_connect("p", nullptr, DAOS_PC_RW, &handle, nullptr, nullptr), -DER_UNINIT);
  EXPECT_EQ(daos_eq_create(&handle), -DER_UNINIT);
  EXPECT_NE(dfs_connect("p", nullptr, "c", O_RDWR, nullptr, &dfs), 0);
  EXPECT_EQ(dfs_umount(nullptr), EINVAL);
}

}  // namespace
}  // namespace ross::dfs
