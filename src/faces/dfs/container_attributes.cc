// Container attributes: named bytes, kept as extended attributes of the root directory where only uid 0 sees them.
#include <daos_cont.h>
#include <fmt/format.h>

#include <cstring>
#include <functional>

#include "faces/dfs/container.h"
#include "faces/dfs/errors.h"
#include "faces/dfs/library.h"
#include "faces/dfs/thread_loop.h"

namespace {

using ross::dfs::Container;
using ross::dfs::container_of;
using ross::dfs::finish;
using ross::dfs::Library;
using ross::dfs::to_der;
using ross::dfs::wait_for;
using ross::fs::kRootNode;

constexpr std::string_view kPrefix = "trusted.dfs.container.";
constexpr std::size_t kNameBytesMax = 200;
constexpr int kNamesMax = 1 << 16;

const ross::fs::Credential kAdministrator;

int for_each(int n, char const* const names[], const std::function<int(int, const std::string&)>& call) {
  if (n <= 0 || n > kNamesMax || names == nullptr) return -DER_INVAL;
  for (int i = 0; i < n; ++i) {
    if (names[i] == nullptr || *names[i] == '\0' || strnlen(names[i], kNameBytesMax + 1) > kNameBytesMax) {
      return -DER_INVAL;
    }
    if (const int rc = call(i, fmt::format("{}{}", kPrefix, names[i])); rc != 0) return rc;
  }
  return 0;
}

int list(const Container& container, char* buffer, size_t* size) {
  const auto names = wait_for(container.file_system().listxattr(kAdministrator, kRootNode));
  if (!names) return to_der(names.error());
  const std::size_t room = buffer == nullptr ? 0 : *size;
  std::size_t used = 0;
  for (const std::string& name : *names) {
    if (!name.starts_with(kPrefix)) continue;
    const std::size_t bytes = name.size() - kPrefix.size() + 1;
    if (used + bytes <= room) std::memcpy(buffer + used, name.c_str() + kPrefix.size(), bytes);
    used += bytes;
  }
  *size = used;
  return 0;
}

int get_one(const Container& container, const std::string& name, void* buffer, size_t& size) {
  const auto value = wait_for(container.file_system().getxattr(kAdministrator, kRootNode, name));
  if (!value) return to_der(value.error());
  if (buffer != nullptr) std::memcpy(buffer, value->data(), std::min(size, value->size()));
  size = value->size();
  return 0;
}

}  // namespace

extern "C" {

int daos_cont_list_attr(daos_handle_t coh, char* buffer, size_t* size, daos_event_t* ev) {
  const Container* container = container_of(coh);
  if (container == nullptr) return -DER_NO_HDL;
  if (size == nullptr) return -DER_INVAL;
  return finish(ev, list(*container, buffer, size));
}

int daos_cont_get_attr(daos_handle_t coh, int n, char const* const names[], void* const buffers[], size_t sizes[],
                       daos_event_t* ev) {
  const Container* container = container_of(coh);
  if (container == nullptr) return -DER_NO_HDL;
  if (sizes == nullptr) return -DER_INVAL;
  return finish(ev, for_each(n, names, [&](int i, const std::string& name) {
                  return get_one(*container, name, buffers == nullptr ? nullptr : buffers[i], sizes[i]);
                }));
}

int daos_cont_set_attr(daos_handle_t coh, int n, char const* const names[], void const* const values[],
                       size_t const sizes[], daos_event_t* ev) {
  const Container* container = container_of(coh);
  if (container == nullptr) return -DER_NO_HDL;
  if (!container->writable) return -DER_NO_PERM;
  if (values == nullptr || sizes == nullptr) return -DER_INVAL;
  return finish(ev, for_each(n, names, [&](int i, const std::string& name) {
                  if (values[i] == nullptr || sizes[i] == 0) return -DER_INVAL;
                  const std::string_view value(static_cast<const char*>(values[i]), sizes[i]);
                  return to_der(wait_for(container->file_system().setxattr(kAdministrator, kRootNode, name, value,
                                                                           ross::fs::XattrFlags::kSet)));
                }));
}

int daos_cont_del_attr(daos_handle_t coh, int n, char const* const names[], daos_event_t* ev) {
  const Container* container = container_of(coh);
  if (container == nullptr) return -DER_NO_HDL;
  if (!container->writable) return -DER_NO_PERM;
  return finish(ev, for_each(n, names, [&](int, const std::string& name) {
                  // Removing what is not there is no error in this interface.
                  const ross::Status status =
                      wait_for(container->file_system().removexattr(kAdministrator, kRootNode, name));
                  return status.error() == ENODATA ? 0 : to_der(status);
                }));
}

}  // extern "C"
