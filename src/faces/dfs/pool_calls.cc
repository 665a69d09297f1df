// The daos_pool_ calls.
#include <daos_api.h>
#include <daos_pool.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "faces/dfs/container.h"
#include "faces/dfs/errors.h"
#include "faces/dfs/global_handle.h"
#include "faces/dfs/library.h"

namespace {

using ross::Result;
using ross::Status;
using ross::dfs::der_told;
using ross::dfs::finish;
using ross::dfs::Library;
using ross::dfs::Pool;

Pool* pool_of(daos_handle_t poh) {
  Library* library = Library::current();
  return library == nullptr ? nullptr : library->pools.find(poh.cookie);
}

Status fill(const Pool& pool, daos_pool_info_t& info) {
  auto space = pool.backend->space();
  if (!space) return std::move(space).error();
  const auto bits = info.pi_bits;
  info = {};
  std::memcpy(info.pi_uuid, pool.uuid.data(), sizeof info.pi_uuid);
  info.pi_ntargets = space->devices;
  info.pi_nnodes = 1;
  info.pi_map_ver = 1;
  info.pi_bits = bits;
  daos_pool_space& report = info.pi_space;
  report.ps_space.s_total[DAOS_MEDIA_NVME] = space->total_bytes;
  report.ps_space.s_free[DAOS_MEDIA_NVME] = space->free_bytes;
  const std::uint64_t each = space->free_bytes / std::max(1U, space->devices);
  report.ps_free_min[DAOS_MEDIA_NVME] = each;
  report.ps_free_max[DAOS_MEDIA_NVME] = each;
  report.ps_free_mean[DAOS_MEDIA_NVME] = each;
  report.ps_ntargets = space->devices;
  info.pi_rebuild_st.rs_state = DRS_COMPLETED;
  return {};
}

int connect(const char* pool, unsigned flags, daos_handle_t* poh, daos_pool_info_t* info) {
  Library* library = Library::current();
  if (library == nullptr) return -DER_UNINIT;
  if (poh == nullptr || pool == nullptr) return -DER_INVAL;
  const std::string what = fmt::format("cannot connect to pool {}", pool);
  const Result<std::uint64_t> cookie = ross::dfs::open_pool(*library, pool, flags);
  if (!cookie) return der_told(cookie.error(), what);
  if (info != nullptr) {
    info->pi_bits = DPI_ALL;
    if (const Status status = fill(*library->pools.find(*cookie), *info); !status.ok()) {
      static_cast<void>(ross::dfs::close_pool(*library, *cookie));
      return der_told(status, what);
    }
  }
  poh->cookie = *cookie;
  return 0;
}

int list(daos_handle_t poh, daos_size_t* ncont, daos_pool_cont_info* cbuf) {
  const Pool* pool = pool_of(poh);
  if (pool == nullptr) return -DER_NO_HDL;
  if (ncont == nullptr) return -DER_INVAL;
  const auto names = pool->backend->containers();
  if (!names) return der_told(names.error(), fmt::format("cannot list the containers of {}", pool->name));
  const daos_size_t room = std::exchange(*ncont, names->size());
  if (cbuf == nullptr) return 0;
  if (room < names->size()) return -DER_TRUNC;
  for (const std::string& name : *names) {
    std::memcpy(cbuf->pci_uuid, ross::dfs::uuid_of(name).data(), sizeof cbuf->pci_uuid);
    const std::size_t size = std::min(name.size(), sizeof cbuf->pci_label - 1);
    std::memcpy(cbuf->pci_label, name.data(), size);
    cbuf->pci_label[size] = '\0';
    ++cbuf;
  }
  return 0;
}

int query(daos_handle_t poh, d_rank_list_t** ranks, daos_pool_info_t* info, daos_prop_t* pool_prop) {
  const Pool* pool = pool_of(poh);
  if (pool == nullptr) return -DER_NO_HDL;
  if (info != nullptr) {
    if (const Status status = fill(*pool, *info); !status.ok()) {
      return der_told(status, fmt::format("cannot query pool {}", pool->name));
    }
  }
  for (std::uint32_t i = 0; pool_prop != nullptr && i < pool_prop->dpp_nr; ++i) {
    daos_prop_entry& entry = pool_prop->dpp_entries[i];
    if (entry.dpe_type == DAOS_PROP_PO_LABEL) {
      if (const int rc = daos_prop_entry_set_str(&entry, pool->name.data(), pool->name.size()); rc != 0) return rc;
    } else {
      entry.dpe_flags |= DAOS_PROP_ENTRY_NOT_SET;
    }
  }
  if (ranks != nullptr) {
    *ranks = daos_rank_list_parse("0", ":");
    if (*ranks == nullptr) return -DER_NOMEM;
  }
  return 0;
}

}  // namespace

extern "C" {

int daos_pool_connect(const char* pool, const char* /*sys*/, unsigned int flags, daos_handle_t* poh,
                      daos_pool_info_t* info, daos_event_t* ev) {
  return finish(ev, connect(pool, flags, poh, info));
}

int daos_pool_disconnect(daos_handle_t poh, daos_event_t* ev) {
  Library* library = Library::current();
  if (library == nullptr) return -DER_UNINIT;
  return finish(ev, ross::dfs::to_der(ross::dfs::close_pool(*library, poh.cookie)));
}

int daos_pool_local2global(daos_handle_t poh, d_iov_t* glob) {
  const Pool* pool = pool_of(poh);
  if (pool == nullptr) return -DER_NO_HDL;
  ross::dfs::GlobalWriter writer(ross::dfs::GlobalKind::kPool);
  writer.add(pool->name);
  writer.add(pool->writable ? std::uint64_t{DAOS_PC_RW} : std::uint64_t{DAOS_PC_RO});
  return ross::dfs::to_der(writer.store(glob));
}

int daos_pool_global2local(d_iov_t glob, daos_handle_t* poh) {
  auto reader = ross::dfs::GlobalReader::open(glob, ross::dfs::GlobalKind::kPool);
  if (!reader) return ross::dfs::to_der(reader.error());
  const auto name = reader->text();
  const auto flags = reader->number();
  if (!name || !flags || *flags > DAOS_PC_MASK) return -DER_INVAL;
  return connect(name->c_str(), static_cast<unsigned>(*flags), poh, nullptr);
}

int daos_pool_query(daos_handle_t poh, d_rank_list_t** ranks, daos_pool_info_t* info, daos_prop_t* pool_prop,
                    daos_event_t* ev) {
  return finish(ev, query(poh, ranks, info, pool_prop));
}

int daos_pool_query_target(daos_handle_t poh, uint32_t tgt, d_rank_t rank, daos_target_info_t* info, daos_event_t* ev) {
  const Pool* pool = pool_of(poh);
  if (pool == nullptr) return -DER_NO_HDL;
  const auto space = pool->backend->space();
  if (!space) return finish(ev, ross::dfs::to_der(space.error()));
  if (info == nullptr || rank != 0 || tgt >= space->devices) return -DER_INVAL;
  *info = {};
  info->ta_type = DAOS_TP_SSD;
  info->ta_state = DAOS_TS_UP_IN;
  info->ta_space.s_total[DAOS_MEDIA_NVME] = space->total_bytes / space->devices;
  info->ta_space.s_free[DAOS_MEDIA_NVME] = space->free_bytes / space->devices;
  return finish(ev, 0);
}

int daos_pool_list_cont(daos_handle_t poh, daos_size_t* ncont, struct daos_pool_cont_info* cbuf, daos_event_t* ev) {
  return finish(ev, list(poh, ncont, cbuf));
}

}  // extern "C"
