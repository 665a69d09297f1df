// Mount and Object: what dfs_t* and dfs_obj_t* stand for.
//
// A mount is a container seen by the credential the process had when it mounted. An object is a node held open: a file
// with the file system's open file, a directory, or a link with its target.
//
//   Mount* mount = find_mount(dfs);               // null: EINVAL
//   auto at = directory_of(*mount, parent);       // the root for null
//
// Ownership: the library's tables own both; a mount knows its objects and closes them when it goes.
// Threading: any thread.
#pragma once

#include <daos_fs.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

#include "faces/dfs/container.h"
#include "faces/dfs/hints.h"
#include "faces/dfs/library.h"
#include "fs/file_system.h"

namespace ross::dfs {

struct Mount {
  std::uint64_t cookie = 0;
  std::uint64_t pool = 0;
  std::uint64_t container = 0;
  bool owns_handles = false;  // made by dfs_connect: pool and container close with it
  bool writable = false;
  std::string pool_name;
  std::string container_name;
  Uuid container_uuid{};
  fs::FileSystem* fs = nullptr;
  fs::Credential cred;
  Hints defaults;

  std::mutex mutex;
  std::string prefix;              // guarded by mutex
  Object* first_object = nullptr;  // guarded by mutex
};

struct Object {
  std::uint64_t cookie = 0;
  Mount* mount = nullptr;
  fs::NodeId node;
  mode_t mode = 0;                   // as when it was opened
  int flags = 0;                     // those of open
  std::optional<fs::FileId> file;    // regular files
  std::string target;                // links
  std::atomic<unsigned> running{0};  // reads and writes under way

  std::optional<Hints> hints;  // guarded by mount->mutex; loaded when first asked for
  Object* next = nullptr;      // guarded by mount->mutex
  Object* previous = nullptr;
};

Mount* find_mount(const dfs_t* dfs);
Object* find_object(const dfs_obj_t* obj);
// An object of this mount, or null.
Object* find_object(const Mount& mount, const dfs_obj_t* obj);

// The directory a parent argument means: the root for null. EINVAL, ENOTDIR.
Result<fs::NodeId> directory_of(const Mount& mount, const dfs_obj_t* parent);
// What (parent, name) means: the node of name in parent, or parent itself when name is null or "/".
Result<fs::Attr> attr_of(const Mount& mount, const dfs_obj_t* parent, const char* name, bool follow);
// A path from outside: absolute, with the mount's prefix taken off.
Result<std::string> path_of(Mount& mount, const char* path);
bool is_name(const char* name);  // one component, not empty

// Opens a node that was found. flags are those of dfs_open and dfs_lookup.
Result<dfs_obj_t*> open_node(Mount& mount, const fs::Attr& attr, int flags);
// Hands out an object that is complete; closes its file if that fails.
Result<dfs_obj_t*> hand_out(Mount& mount, std::unique_ptr<Object> object);
Status close_object(Library& library, Object& object);

Result<std::uint64_t> make_mount(Library& library, std::uint64_t pool, std::uint64_t container, int flags);
Status close_mount(Library& library, std::uint64_t cookie);

void fill_stat(const Mount& mount, const fs::Attr& attr, struct stat& to);
daos_obj_id_t object_id(fs::NodeId node, mode_t mode);

// The object's hints, its directory's or the container's taking the place of what was not given.
Hints hints_of(Object& object);
// What a new node in parent is to be, for (cid, chunk_size) as given.
Hints hints_for_new(const Mount& mount, const dfs_obj_t* parent, daos_oclass_id_t cid, daos_size_t chunk_size,
                    mode_t type);

}  // namespace ross::dfs
