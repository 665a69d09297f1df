// Extended attributes. DFS knows no name spaces, POSIX does: a name without one is kept in "user.dfs." and told without
// it, so that both kinds of programs see what they set; the face's own attributes are never told.
#include <daos_fs.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstring>

#include "faces/dfs/hints.h"
#include "faces/dfs/mount.h"
#include "faces/dfs/thread_loop.h"

namespace {

using ross::fail;
using ross::Result;
using ross::dfs::find_mount;
using ross::dfs::find_object;
using ross::dfs::Mount;
using ross::dfs::Object;
using ross::dfs::wait_for;

constexpr std::string_view kPlain = "user.dfs.";
constexpr std::string_view kSpaces[] = {"user.", "trusted.", "security.", "system."};

Result<std::string> kept_name(const char* name) {
  if (name == nullptr || *name == '\0') return fail(EINVAL);
  if (strnlen(name, DFS_MAX_XATTR_NAME + 1) > DFS_MAX_XATTR_NAME) return fail(ERANGE);
  const std::string_view text(name);
  if (ross::dfs::is_own_xattr(text)) return fail(EPERM);
  const bool has_space = std::any_of(std::begin(kSpaces), std::end(kSpaces),
                                     [&](std::string_view space) { return text.starts_with(space); });
  return has_space ? std::string(text) : std::string(kPlain).append(text);
}

// The name a program knows an attribute by; empty for those it is not to see.
std::string_view told_name(std::string_view name) {
  if (ross::dfs::is_own_xattr(name)) return {};
  if (name.starts_with(kPlain) && name.size() > kPlain.size()) name.remove_prefix(kPlain.size());
  return name;
}

struct Call {
  const Mount* mount;
  const Object* object;
  std::string name;
};

Result<Call> check(dfs_t* dfs, dfs_obj_t* obj, const char* name, bool changes) {
  const Mount* mount = find_mount(dfs);
  const Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr) return fail(EINVAL);
  if (changes && !mount->writable) return fail(EPERM);
  ROSS_TRY(std::string kept, kept_name(name));
  return Call{mount, object, std::move(kept)};
}

}  // namespace

extern "C" {

int dfs_setxattr(dfs_t* dfs, dfs_obj_t* obj, const char* name, const void* value, daos_size_t size, int flags) {
  const auto call = check(dfs, obj, name, true);
  if (!call) return call.error().error();
  if ((value == nullptr && size > 0) || (flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0 ||
      flags == (XATTR_CREATE | XATTR_REPLACE)) {
    return EINVAL;
  }
  if (size > DFS_MAX_XATTR_LEN) return E2BIG;
  const auto how = flags == XATTR_CREATE    ? ross::fs::XattrFlags::kCreate
                   : flags == XATTR_REPLACE ? ross::fs::XattrFlags::kReplace
                                            : ross::fs::XattrFlags::kSet;
  const std::string_view bytes(static_cast<const char*>(value), size);
  return wait_for(call->mount->fs->setxattr(call->mount->cred, call->object->node, call->name, bytes, how)).error();
}

int dfs_getxattr(dfs_t* dfs, dfs_obj_t* obj, const char* name, void* value, daos_size_t* size) {
  const auto call = check(dfs, obj, name, false);
  if (!call) return call.error().error();
  if (size == nullptr) return EINVAL;
  const auto found = wait_for(call->mount->fs->getxattr(call->mount->cred, call->object->node, call->name));
  if (!found) return found.error().error();
  const daos_size_t room = std::exchange(*size, found->size());
  if (value == nullptr || room == 0) return 0;
  if (room < found->size()) return ERANGE;
  std::memcpy(value, found->data(), found->size());
  return 0;
}

int dfs_removexattr(dfs_t* dfs, dfs_obj_t* obj, const char* name) {
  const auto call = check(dfs, obj, name, true);
  if (!call) return call.error().error();
  return wait_for(call->mount->fs->removexattr(call->mount->cred, call->object->node, call->name)).error();
}

int dfs_listxattr(dfs_t* dfs, dfs_obj_t* obj, char* list, daos_size_t* size) {
  const Mount* mount = find_mount(dfs);
  const Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr || size == nullptr) return EINVAL;
  const auto names = wait_for(mount->fs->listxattr(mount->cred, object->node));
  if (!names) return names.error().error();
  std::string all;
  for (const std::string& name : *names) {
    if (const std::string_view told = told_name(name); !told.empty()) all.append(told).push_back('\0');
  }
  const daos_size_t room = std::exchange(*size, all.size());
  if (list == nullptr || room == 0) return 0;
  if (room < all.size()) return ERANGE;
  std::memcpy(list, all.data(), all.size());
  return 0;
}

}  // extern "C"
