// Object class names and numbers. A name is a redundancy and a number of groups, so names are taken apart, not listed.
#include <daos_errno.h>
#include <daos_obj_class.h>

#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Redundancy {
  std::string_view prefix;  // what stands before the number of groups
  unsigned number;
};

constexpr Redundancy kRedundancies[] = {
    {"S", OR_RP_1},           {"RP_2G", OR_RP_2},     {"RP_3G", OR_RP_3},       {"RP_4G", OR_RP_4},
    {"RP_5G", OR_RP_5},       {"RP_6G", OR_RP_6},     {"RP_8G", OR_RP_8},       {"RP_12G", OR_RP_12},
    {"RP_16G", OR_RP_16},     {"RP_24G", OR_RP_24},   {"RP_32G", OR_RP_32},     {"RP_48G", OR_RP_48},
    {"RP_64G", OR_RP_64},     {"RP_128G", OR_RP_128}, {"EC_2P1G", OR_RS_2P1},   {"EC_2P2G", OR_RS_2P2},
    {"EC_4P1G", OR_RS_4P1},   {"EC_4P2G", OR_RS_4P2}, {"EC_4P3G", OR_RS_4P3},   {"EC_8P1G", OR_RS_8P1},
    {"EC_8P2G", OR_RS_8P2},   {"EC_8P3G", OR_RS_8P3}, {"EC_16P1G", OR_RS_16P1}, {"EC_16P2G", OR_RS_16P2},
    {"EC_16P3G", OR_RS_16P3},
};

// The numbers of groups that have a constant in the header, and so a place in the list of names.
constexpr unsigned kListedGroups[] = {1, 2, 4, 6, 8, 12, 16, 32, MAX_NUM_GROUPS};

std::string name_of(const Redundancy& redundancy, unsigned groups) {
  std::string name(redundancy.prefix);
  return groups == MAX_NUM_GROUPS ? name.append("X") : name.append(std::to_string(groups));
}

}  // namespace

extern "C" {

int daos_oclass_name2id(const char* name) {
  if (name == nullptr || strnlen(name, MAX_OBJ_CLASS_NAME_LEN) == MAX_OBJ_CLASS_NAME_LEN) return OC_UNKNOWN;
  const std::string_view text(name);
  for (const Redundancy& redundancy : kRedundancies) {
    if (!text.starts_with(redundancy.prefix)) continue;
    const std::string_view groups = text.substr(redundancy.prefix.size());
    if (groups == "X") return static_cast<int>(OBJ_CLASS_DEF(redundancy.number, MAX_NUM_GROUPS));
    unsigned count = 0;
    const auto [end, error] = std::from_chars(groups.data(), groups.data() + groups.size(), count);
    if (error == std::errc() && end == groups.data() + groups.size() && count > 0 && count < MAX_NUM_GROUPS) {
      return static_cast<int>(OBJ_CLASS_DEF(redundancy.number, count));
    }
  }
  return OC_UNKNOWN;
}

int daos_oclass_id2name(daos_oclass_id_t oc_id, char* name) {
  if (name == nullptr) return -1;
  const unsigned groups = oc_id & ((1U << OC_REDUN_SHIFT) - 1);
  for (const Redundancy& redundancy : kRedundancies) {
    if (redundancy.number != oc_id >> OC_REDUN_SHIFT || groups == 0 || groups > MAX_NUM_GROUPS) continue;
    const std::string found = name_of(redundancy, groups);
    std::memcpy(name, found.c_str(), found.size() + 1);
    return 0;
  }
  std::strcpy(name, "UNKNOWN");  // NOLINT: the room is part of the interface
  return -1;
}

ssize_t daos_oclass_names_list(size_t size, char* str) {
  std::string all;
  for (const Redundancy& redundancy : kRedundancies) {
    for (const unsigned groups : kListedGroups) {
      if (!all.empty()) all += ", ";
      all += name_of(redundancy, groups);
    }
  }
  if (str == nullptr && size > 0) return -DER_INVAL;
  if (size > 0) str[all.copy(str, size - 1)] = '\0';
  return static_cast<ssize_t>(all.size());
}

}  // extern "C"
