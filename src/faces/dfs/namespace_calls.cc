// The duns_ calls: paths that stand for containers.
#include <daos_uns.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view kScheme = "daos://";
constexpr std::string_view kAttributeScheme = "DAOS.";
constexpr std::size_t kPathBytesMax = 4096;

// Takes the next component off text, and the '/' behind it.
std::string_view component(std::string_view& text) {
  const std::size_t end = std::min(text.find('/'), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

bool keep(std::string_view from, char (&to)[DAOS_PROP_LABEL_MAX_LEN + 1], uuid_t uuid) {
  if (from.empty() || from.size() >= sizeof to) return false;
  to[from.copy(to, sizeof to - 1)] = '\0';
  if (uuid_parse(to, uuid) != 0) uuid_clear(uuid);
  return true;
}

int parse(std::string_view value, duns_attr_t& attr) {
  if (!value.starts_with(kAttributeScheme)) return EINVAL;
  value.remove_prefix(kAttributeScheme.size());
  const std::size_t colon = value.find("://");
  if (colon == value.npos) return EINVAL;
  const std::string_view type = value.substr(0, colon);
  attr.da_type = type == "POSIX"  ? DAOS_PROP_CO_LAYOUT_POSIX
                 : type == "HDF5" ? DAOS_PROP_CO_LAYOUT_HDF5
                                  : DAOS_PROP_CO_LAYOUT_UNKNOWN;
  value.remove_prefix(colon + 3);
  while (!value.empty() && value.back() == '\0') value.remove_suffix(1);
  const std::string_view pool = component(value);
  const std::string_view container = component(value);
  return value.empty() && keep(pool, attr.da_pool, attr.da_puuid) && keep(container, attr.da_cont, attr.da_cuuid)
             ? 0
             : EINVAL;
}

int keep_relative(std::string_view below, duns_attr_t& attr) {
  while (below.starts_with('/')) below.remove_prefix(1);
  if (below.empty()) return 0;
  attr.da_rel_path = strdup(std::string("/").append(below).c_str());
  return attr.da_rel_path == nullptr ? ENOMEM : 0;
}

int resolve_url(std::string_view url, duns_attr_t& attr) {
  url.remove_prefix(kScheme.size());
  const std::string_view pool = component(url);
  const std::string_view container = component(url);
  if (!keep(pool, attr.da_pool, attr.da_puuid)) return EINVAL;
  if (!container.empty() && !keep(container, attr.da_cont, attr.da_cuuid)) return EINVAL;
  attr.da_type = DAOS_PROP_CO_LAYOUT_POSIX;
  return keep_relative(url, attr);
}

// The nearest directory at or above path that stands for a container.
int resolve_file(const std::string& path, duns_attr_t& attr) {
  std::string at = path;
  for (;;) {
    char value[DUNS_MAX_XATTR_LEN];
    const ssize_t size = lgetxattr(at.c_str(), DUNS_XATTR_NAME, value, sizeof value);
    if (size > 0) {
      const int error = parse({value, static_cast<std::size_t>(size)}, attr);
      return error != 0 ? error : keep_relative(std::string_view(path).substr(at.size()), attr);
    }
    const bool may_be_above = errno == ENODATA || errno == ENOTSUP || errno == ENOENT || errno == ENOTDIR;
    const std::size_t slash = at.find_last_of('/');
    if (!may_be_above || (attr.da_flags & DUNS_NO_REVERSE_LOOKUP) != 0) return errno;
    if (at == "/" || slash == at.npos) return ENODATA;
    at.resize(slash == 0 ? 1 : slash);
  }
}

}  // namespace

extern "C" {

int duns_resolve_path(const char* path, struct duns_attr_t* attr) {
  if (path == nullptr || attr == nullptr || strnlen(path, kPathBytesMax) == kPathBytesMax) return EINVAL;
  attr->da_rel_path = nullptr;
  const bool no_prefix = attr->da_no_prefix || (attr->da_flags & DUNS_NO_PREFIX) != 0;
  const std::string_view text(path);
  if (text.starts_with(kScheme) && !no_prefix) return resolve_url(text, *attr);
  if ((attr->da_flags & DUNS_NO_CHECK_PATH) != 0) return ENODATA;
  return resolve_file(std::string(text), *attr);
}

int duns_parse_attr(char* str, daos_size_t len, struct duns_attr_t* attr) {
  if (str == nullptr || attr == nullptr || len > DUNS_MAX_XATTR_LEN) return EINVAL;
  return parse({str, len}, *attr);
}

int duns_set_sys_name(struct duns_attr_t* attrp, const char* sys) {
  if (attrp == nullptr || sys == nullptr) return EINVAL;
  char* copy = strdup(sys);
  if (copy == nullptr) return ENOMEM;
  std::free(attrp->da_sys);
  attrp->da_sys = copy;
  return 0;
}

void duns_destroy_attr(struct duns_attr_t* attrp) {
  if (attrp == nullptr) return;
  std::free(attrp->da_rel_path);
  std::free(attrp->da_sys);
  attrp->da_rel_path = nullptr;
  attrp->da_sys = nullptr;
}

}  // extern "C"
