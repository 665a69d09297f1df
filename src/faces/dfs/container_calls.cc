// The daos_cont_ calls: open, close, make, remove, ask.
#include <daos_cont.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <cstring>

#include "faces/dfs/container.h"
#include "faces/dfs/errors.h"
#include "faces/dfs/global_handle.h"
#include "faces/dfs/library.h"
#include "faces/dfs/thread_loop.h"

namespace {

using ross::Status;
using ross::dfs::Container;
using ross::dfs::container_of;
using ross::dfs::der_told;
using ross::dfs::finish;
using ross::dfs::Library;
using ross::dfs::Pool;
using ross::dfs::to_der;

int create(daos_handle_t poh, const char* label, daos_prop_t* prop, uuid_t* uuid) {
  Library* library = Library::current();
  if (library == nullptr) return -DER_UNINIT;
  Pool* pool = library->pools.find(poh.cookie);
  if (pool == nullptr) return -DER_NO_HDL;
  std::string name;
  if (label != nullptr) {
    name = label;
  } else if (daos_prop_entry* entry = daos_prop_entry_get(prop, DAOS_PROP_CO_LABEL);
             entry != nullptr && entry->dpe_str != nullptr) {
    name = entry->dpe_str;
  } else {
    uuid_t fresh;
    char text[DAOS_UUID_STR_SIZE];
    uuid_generate(fresh);
    uuid_unparse_lower(fresh, text);
    name = text;
  }
  if (const Status status = ross::dfs::create_container(*pool, name); !status.ok()) {
    return der_told(status, fmt::format("cannot create container {}", name));
  }
  if (uuid != nullptr) std::memcpy(*uuid, ross::dfs::uuid_of(name).data(), sizeof(uuid_t));
  return 0;
}

void fill(const Container& container, daos_cont_info_t& info) {
  info = {};
  std::memcpy(info.ci_uuid, container.uuid.data(), sizeof info.ci_uuid);
  info.ci_nhandles = 1;
}

int open(daos_handle_t poh, const char* cont, unsigned flags, daos_handle_t* coh, daos_cont_info_t* info) {
  Library* library = Library::current();
  if (library == nullptr) return -DER_UNINIT;
  if (cont == nullptr || coh == nullptr) return -DER_INVAL;
  const auto cookie = ross::dfs::open_container(*library, poh.cookie, cont, flags);
  if (!cookie) return der_told(cookie.error(), fmt::format("cannot open container {}", cont));
  if (info != nullptr) fill(*library->containers.find(*cookie), *info);
  coh->cookie = *cookie;
  return 0;
}

// What a query answers of a container's properties; the rest is "not set".
int answer(const Container& container, daos_prop_entry& entry) {
  entry.dpe_flags &= static_cast<std::uint16_t>(~DAOS_PROP_ENTRY_NOT_SET);
  switch (entry.dpe_type) {
    case DAOS_PROP_CO_LABEL:
      return daos_prop_entry_set_str(&entry, container.name.data(), container.name.size());
    case DAOS_PROP_CO_LAYOUT_TYPE:
      entry.dpe_val = DAOS_PROP_CO_LAYOUT_POSIX;
      return 0;
    case DAOS_PROP_CO_LAYOUT_VER:
      entry.dpe_val = 1;
      return 0;
    case DAOS_PROP_CO_CSUM:
      entry.dpe_val = DAOS_PROP_CO_CSUM_CRC32;
      return 0;
    case DAOS_PROP_CO_REDUN_FAC:
      entry.dpe_val = DAOS_PROP_CO_REDUN_RF0;
      return 0;
    case DAOS_PROP_CO_REDUN_LVL:
      entry.dpe_val = DAOS_PROP_CO_REDUN_DEFAULT;
      return 0;
    default:
      entry.dpe_flags |= DAOS_PROP_ENTRY_NOT_SET;
      return 0;
  }
}

int query(daos_handle_t coh, daos_cont_info_t* info, daos_prop_t* prop) {
  const Container* container = container_of(coh);
  if (container == nullptr) return -DER_NO_HDL;
  if (info != nullptr) fill(*container, *info);
  for (std::uint32_t i = 0; prop != nullptr && i < prop->dpp_nr; ++i) {
    if (const int rc = answer(*container, prop->dpp_entries[i]); rc != 0) return rc;
  }
  return 0;
}

// "name@" is how owners are written; the '@' and what follows are not part of the name.
std::string principal(const char* text) { return std::string(text, std::strcspn(text, "@")); }

int set_owner(daos_handle_t coh, const char* user, const char* group) {
  const Container* container = container_of(coh);
  if (container == nullptr) return -DER_NO_HDL;
  if (!container->writable) return -DER_NO_PERM;
  ross::fs::SetAttr change;
  if (user != nullptr) {
    const passwd* found = getpwnam(principal(user).c_str());
    if (found == nullptr) return -DER_NONEXIST;
    change.uid = found->pw_uid;
  }
  if (group != nullptr) {
    const ::group* found = getgrnam(principal(group).c_str());
    if (found == nullptr) return -DER_NONEXIST;
    change.gid = found->gr_gid;
  }
  const ross::fs::Credential administrator;
  const auto attr = ross::dfs::wait_for(container->file_system().setattr(administrator, ross::fs::kRootNode, change));
  return attr ? 0 : der_told(attr.error(), "cannot set the container's owner");
}

}  // namespace

extern "C" {

int daos_cont_create(daos_handle_t poh, uuid_t* uuid, daos_prop_t* cont_prop, daos_event_t* ev) {
  return finish(ev, create(poh, nullptr, cont_prop, uuid));
}

int daos_cont_create_with_label(daos_handle_t poh, const char* label, daos_prop_t* cont_prop, uuid_t* uuid,
                                daos_event_t* ev) {
  if (label == nullptr) return -DER_INVAL;
  return finish(ev, create(poh, label, cont_prop, uuid));
}

int daos_cont_open(daos_handle_t poh, const char* cont, unsigned int flags, daos_handle_t* coh, daos_cont_info_t* info,
                   daos_event_t* ev) {
  return finish(ev, open(poh, cont, flags, coh, info));
}

int daos_cont_close(daos_handle_t coh, daos_event_t* ev) {
  Library* library = Library::current();
  if (library == nullptr) return -DER_UNINIT;
  if (library->containers.find(coh.cookie) == nullptr) return -DER_NO_HDL;
  return finish(ev, der_told(ross::dfs::close_container(*library, coh.cookie), "cannot close the container"));
}

int daos_cont_destroy(daos_handle_t poh, const char* cont, int /*force*/, daos_event_t* ev) {
  Library* library = Library::current();
  if (library == nullptr) return -DER_UNINIT;
  Pool* pool = library->pools.find(poh.cookie);
  if (pool == nullptr) return -DER_NO_HDL;
  if (cont == nullptr) return -DER_INVAL;
  return finish(ev, der_told(ross::dfs::destroy_container(*library, *pool, cont),
                             fmt::format("cannot destroy container {}", cont)));
}

int daos_cont_query(daos_handle_t coh, daos_cont_info_t* info, daos_prop_t* cont_prop, daos_event_t* ev) {
  return finish(ev, query(coh, info, cont_prop));
}

int daos_cont_set_owner(daos_handle_t coh, d_string_t user, d_string_t group, daos_event_t* ev) {
  return finish(ev, set_owner(coh, user, group));
}

int daos_cont_local2global(daos_handle_t coh, d_iov_t* glob) {
  const Container* container = container_of(coh);
  if (container == nullptr) return -DER_NO_HDL;
  ross::dfs::GlobalWriter writer(ross::dfs::GlobalKind::kContainer);
  writer.add(container->name);
  writer.add(container->writable ? std::uint64_t{DAOS_COO_RW} : std::uint64_t{DAOS_COO_RO});
  return to_der(writer.store(glob));
}

int daos_cont_global2local(daos_handle_t poh, d_iov_t glob, daos_handle_t* coh) {
  auto reader = ross::dfs::GlobalReader::open(glob, ross::dfs::GlobalKind::kContainer);
  if (!reader) return to_der(reader.error());
  const auto name = reader->text();
  const auto flags = reader->number();
  if (!name || !flags || *flags > DAOS_COO_MASK) return -DER_INVAL;
  return open(poh, name->c_str(), static_cast<unsigned>(*flags), coh, nullptr);
}

}  // extern "C"
