#include "apps/ross/device.h"

#include <sys/stat.h>

#include <string>

#include "apps/ross/present/size.h"

namespace ross::cli {

Result<engine::DeviceSpec> parse_device(std::string_view text) {
  engine::DeviceSpec device;
  if (text.starts_with("ram:")) {
    device.kind = engine::DeviceKind::kRam;
    ROSS_TRY(device.size_bytes, parse_size(text.substr(4)));
    if (device.size_bytes == 0) return fail(EINVAL, "a device of no size holds nothing: write ram:8G");
    return device;
  }
  if (text.starts_with("file:")) {
    const std::string_view rest = text.substr(5);
    const std::size_t colon = rest.rfind(':');
    if (colon == std::string_view::npos || colon == 0)
      return fail(EINVAL, "write file:PATH:SIZE, as in file:/data/device:64G");
    device.path = rest.substr(0, colon);
    ROSS_TRY(device.size_bytes, parse_size(rest.substr(colon + 1)));
    if (device.size_bytes == 0) return fail(EINVAL, "a device of no size holds nothing: write file:PATH:64G");
    return device;
  }
  device.path = text;
  struct stat found {};
  if (::stat(device.path.c_str(), &found) != 0) {
    if (errno != ENOENT) return fail(errno);
    return fail(ENOENT, "there is no such device: to make a file of that name write file:PATH:SIZE");
  }
  if (S_ISBLK(found.st_mode)) {
    device.kind = engine::DeviceKind::kBlock;
  } else if (!S_ISREG(found.st_mode)) {
    return fail(ENOTBLK, "is neither a block device nor a file: name one, or write ram:SIZE");
  }
  return device;
}

}  // namespace ross::cli
