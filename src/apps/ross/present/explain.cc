#include "apps/ross/present/explain.h"

#include <fmt/format.h>

#include "apps/ross/present/text.h"

namespace ross::cli {
namespace {

struct Advice {
  int error;
  std::string_view what;
  std::string_view to_do;
};

constexpr Advice kAdvice[] = {
    {ENOENT, "no such file or directory", "check the path"},
    {EEXIST, "exists already", "remove it first or choose another name"},
    {ENOTDIR, "a part of the path is no directory", "check the path"},
    {EISDIR, "is a directory", "name a file, or add -r where the command has it"},
    {ENOTEMPTY, "directory is not empty", "remove what is in it, or use 'ross rm -r'"},
    {EACCES, "permission denied", "run as the owner, or as root"},
    {EPERM, "not permitted", "run as the owner, or as root"},
    {ENOSPC, "no space left", "remove something, or make a larger pool"},
    {EDQUOT, "quota reached", "remove something, or raise it with 'ross container set'"},
    {EROFS, "read-only", "see 'ross pool info' for why the pool takes no changes"},
    {EIO, "the device or the data on it is bad", "look at it with 'ross fsck --data'"},
    {ELOOP, "too many symbolic links", "check where the links lead with 'ross stat'"},
    {ENAMETOOLONG, "name too long", "names have at most 255 bytes, paths 4096"},
    {EXDEV, "not in the same container", "use 'ross cp' and then 'ross rm'"},
    {EBUSY, "in use", "wait for the other program or end it"},
    {EMLINK, "too many hard links", "make a copy instead"},
    {EFBIG, "file too large", "a file has at most 16 TiB"},
    {ESTALE, "gone meanwhile", "try again"},
};

// One line, whatever a name in it holds.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      line += c == '\n' ? "\\n" : fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  return line;
}

// The message, with advice where it is a plain errno's: the system's words say what but never what to do.
std::string sentence(const Status& status) {
  std::string message = status.message();
  if (message != Status(status.error()).message()) return message;
  for (const Advice& advice : kAdvice) {
    if (advice.error == status.error()) return fmt::format("{}: {}", advice.what, advice.to_do);
  }
  return message;
}

}  // namespace

Status about(std::string_view subject, const Status& status) {
  if (status.ok()) return status;
  const std::string message = sentence(status);
  if (message.starts_with(subject)) return Status(status.error(), message, status.retry());
  return Status(status.error(), fmt::format("{}: {}", subject, message), status.retry());
}

std::string explain(std::string_view subject, const Status& status) {
  return one_line("ross: " + (subject.empty() ? sentence(status) : about(subject, status).message()));
}

}  // namespace ross::cli
