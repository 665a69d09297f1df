// Property lists and rank lists: memory handed to C programs, made with malloc because they may free it themselves.
#include <daos_api.h>
#include <daos_errno.h>
#include <daos_prop.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

bool is_string(std::uint32_t type) {
  switch (type) {
    case DAOS_PROP_PO_LABEL:
    case DAOS_PROP_PO_OWNER:
    case DAOS_PROP_PO_OWNER_GROUP:
    case DAOS_PROP_CO_LABEL:
    case DAOS_PROP_CO_OWNER:
    case DAOS_PROP_CO_OWNER_GROUP:
      return true;
    default:
      return false;
  }
}

bool is_pointer(std::uint32_t type) {
  return type == DAOS_PROP_PO_ACL || type == DAOS_PROP_PO_SVC_LIST || type == DAOS_PROP_CO_ACL ||
         type == DAOS_PROP_CO_ROOTS;
}

}  // namespace

extern "C" {

daos_prop_t* daos_prop_alloc(uint32_t entries_nr) {
  if (entries_nr == 0 || entries_nr > DAOS_PROP_ENTRIES_MAX_NR) return nullptr;
  auto* prop = static_cast<daos_prop_t*>(std::calloc(1, sizeof(daos_prop_t)));
  if (prop == nullptr) return nullptr;
  prop->dpp_entries = static_cast<daos_prop_entry*>(std::calloc(entries_nr, sizeof(daos_prop_entry)));
  if (prop->dpp_entries == nullptr) {
    std::free(prop);
    return nullptr;
  }
  prop->dpp_nr = entries_nr;
  return prop;
}

void daos_prop_fini(daos_prop_t* prop) {
  if (prop == nullptr) return;
  for (std::uint32_t i = 0; prop->dpp_entries != nullptr && i < prop->dpp_nr; ++i) {
    daos_prop_entry& entry = prop->dpp_entries[i];
    if (is_string(entry.dpe_type)) std::free(entry.dpe_str);
    if (is_pointer(entry.dpe_type)) std::free(entry.dpe_val_ptr);
  }
  std::free(prop->dpp_entries);
  prop->dpp_entries = nullptr;
  prop->dpp_nr = 0;
}

void daos_prop_free(daos_prop_t* prop) {
  daos_prop_fini(prop);
  std::free(prop);
}

struct daos_prop_entry* daos_prop_entry_get(daos_prop_t* prop, uint32_t type) {
  for (std::uint32_t i = 0; prop != nullptr && prop->dpp_entries != nullptr && i < prop->dpp_nr; ++i) {
    if (prop->dpp_entries[i].dpe_type == type) return &prop->dpp_entries[i];
  }
  return nullptr;
}

int daos_prop_set_str(daos_prop_t* prop, uint32_t type, const char* str, daos_size_t len) {
  daos_prop_entry* entry = daos_prop_entry_get(prop, type);
  return entry == nullptr ? -DER_NONEXIST : daos_prop_entry_set_str(entry, str, len);
}

int daos_prop_entry_set_str(struct daos_prop_entry* entry, const char* str, daos_size_t len) {
  if (entry == nullptr || !is_string(entry->dpe_type)) return -DER_INVAL;
  char* copy = nullptr;
  if (str != nullptr) {
    copy = strndup(str, len);
    if (copy == nullptr) return -DER_NOMEM;
  }
  std::free(entry->dpe_str);
  entry->dpe_str = copy;
  return 0;
}

bool daos_prop_has_str(struct daos_prop_entry* entry) { return entry != nullptr && is_string(entry->dpe_type); }
bool daos_prop_has_ptr(struct daos_prop_entry* entry) { return entry != nullptr && is_pointer(entry->dpe_type); }

d_rank_list_t* daos_rank_list_parse(const char* str, const char* sep) {
  constexpr std::uint32_t kRanksMax = 1 << 16;
  if (str == nullptr || sep == nullptr || *sep == '\0' || std::strlen(str) > kRanksMax) return nullptr;
  auto* list = static_cast<d_rank_list_t*>(std::calloc(1, sizeof(d_rank_list_t)));
  if (list == nullptr) return nullptr;
  // No more ranks than bytes.
  list->rl_ranks = static_cast<d_rank_t*>(std::calloc(std::strlen(str) + 1, sizeof(d_rank_t)));
  const char* at = str;
  bool good = list->rl_ranks != nullptr && *at != '\0';
  while (good && *at != '\0') {
    char* end = nullptr;
    errno = 0;
    const unsigned long rank = std::strtoul(at, &end, 10);
    good = end != at && errno == 0 && rank <= UINT32_MAX && *at >= '0' && *at <= '9';
    if (!good) break;
    list->rl_ranks[list->rl_nr++] = static_cast<d_rank_t>(rank);
    const std::size_t separators = std::strspn(end, sep);
    good = *end == '\0' || separators == 1;
    at = end + separators;
  }
  if (good) return list;
  d_rank_list_free(list);
  return nullptr;
}

void d_rank_list_free(d_rank_list_t* ranks) {
  if (ranks == nullptr) return;
  std::free(ranks->rl_ranks);
  std::free(ranks);
}

}  // extern "C"
