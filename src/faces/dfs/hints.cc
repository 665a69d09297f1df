#include "faces/dfs/hints.h"

#include <daos_cont.h>
#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "faces/dfs/thread_loop.h"

namespace ross::dfs {
namespace {

constexpr std::string_view kOwnXattrs = "trusted.dfs.";
constexpr std::string_view kXattr = "trusted.dfs.hints";
constexpr std::string_view kHintsVersion = "1";

const fs::Credential kAdministrator;

// Takes the next word off text.
std::string_view word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

template <class Number>
Number number(std::string_view& text) {
  const std::string_view digits = word(text);
  Number value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

}  // namespace

std::string encode(const Hints& hints) {
  return fmt::format("{} {} {} {} {} {} {}", kHintsVersion, hints.chunk_bytes, hints.oclass, hints.dir_oclass,
                     hints.file_oclass, hints.mode, hints.text);
}

Hints decode(std::string_view text) {
  Hints hints;
  if (word(text) != kHintsVersion) return hints;
  hints.chunk_bytes = number<std::uint64_t>(text);
  hints.oclass = number<daos_oclass_id_t>(text);
  hints.dir_oclass = number<daos_oclass_id_t>(text);
  hints.file_oclass = number<daos_oclass_id_t>(text);
  hints.mode = number<std::uint32_t>(text);
  hints.text = text.substr(0, DAOS_CONT_HINT_MAX_LEN - 1);
  return hints;
}

Hints load_hints(fs::FileSystem& fs, fs::NodeId node) {
  const auto value = wait_for(fs.getxattr(kAdministrator, node, kXattr));
  return value ? decode(*value) : Hints{};
}

Status store_hints(fs::FileSystem& fs, fs::NodeId node, const Hints& hints) {
  const std::string value = encode(hints);
  return wait_for(fs.setxattr(kAdministrator, node, kXattr, value, fs::XattrFlags::kSet));
}

bool is_own_xattr(std::string_view name) { return name.starts_with(kOwnXattrs); }

Result<daos_oclass_id_t> class_from_text(std::string_view text, bool directory) {
  daos_oclass_id_t found = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t colon = part.find(':');
    if (colon == part.npos) return fail(EINVAL);
    const std::string_view kind = part.substr(0, colon);
    const std::string_view amount = part.substr(colon + 1);
    const bool meant = kind == (directory ? "dir" : "file") || kind == (directory ? "directory" : "file");
    if (!meant && kind != "dir" && kind != "directory" && kind != "file") return fail(EINVAL);
    if (amount != "single" && amount != "max") return fail(EINVAL);
    if (meant) found = amount == "single" ? OC_S1 : OC_SX;
  }
  return found;
}

}  // namespace ross::dfs
