// Steps on names, attributes and xattrs.
#include <sys/stat.h>

#include <algorithm>

#include "twin_call.h"

namespace ross::sim {

using fs::NodeId;

Twin::Work Twin::names(Call& call) {
  const NodeId directory = pick_directory(call.die(0));
  const std::string name = pick_name(directory, call.die(1));
  const std::uint32_t mode = call.below(2, 4) == 0 ? call.die(3) % 010000 : 0777;
  call.say("{} '{}'", directory.value, name);
  switch (call.step.verb) {
    case Verb::kCreate: {
      const bool write = call.below(4, 8) != 0;
      const fs::OpenFlags flags{.read = !write || call.below(4, 3) == 0,
                                .write = write,
                                .append = call.below(4, 16) == 1,
                                .truncate = call.below(4, 5) == 0 && write,
                                .exclusive = call.below(4, 7) == 0};
      call.say("mode {:o}{}", mode, flags.truncate ? " truncate" : "");
      co_await note_opened(call, co_await both([&](const Side& side) {
                             return side.fs.create(call.cred, side.node(directory), name, mode, flags);
                           }),
                           false);
      break;
    }
    case Verb::kMkdir:
      compare_attr(call, co_await both([&](const Side& side) {
                     return side.fs.mkdir(call.cred, side.node(directory), name, mode);
                   }));
      break;
    case Verb::kMknod: {
      constexpr std::uint32_t kTypes[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFREG};
      const std::uint32_t type = kTypes[call.below(4, std::size(kTypes))];
      compare_attr(call, co_await both([&](const Side& side) {
                     return side.fs.mknod(call.cred, side.node(directory), name, type | mode, call.below(5, 1000));
                   }));
      break;
    }
    case Verb::kSymlink: {
      const std::uint32_t size = call.below(4, 20) == 0 ? call.below(5, 4200) : call.below(5, 60);
      const std::string target(size, 't');
      compare_attr(call, co_await both([&](const Side& side) {
                     return side.fs.symlink(call.cred, side.node(directory), name, target);
                   }));
      break;
    }
    case Verb::kReadlink: {
      const NodeId node = pick_node(call.die(4));
      compare_value<std::string>(call,
                                 co_await both([&](const Side& side) { return side.fs.readlink(side.node(node)); }));
      break;
    }
    case Verb::kLink: {
      const NodeId node = pick_node(call.die(4));
      call.say("to {}", node.value);
      compare_attr(call, co_await both([&](const Side& side) {
                     return side.fs.link(call.cred, side.node(node), side.node(directory), name);
                   }));
      break;
    }
    case Verb::kUnlink: {
      const auto answers =
          co_await both([&](const Side& side) { return side.fs.unlink(call.cred, side.node(directory), name); });
      compare(call, answers.first, answers.second);
      break;
    }
    case Verb::kRmdir: {
      const auto answers =
          co_await both([&](const Side& side) { return side.fs.rmdir(call.cred, side.node(directory), name); });
      compare(call, answers.first, answers.second);
      break;
    }
    case Verb::kRename:
      co_await rename(call);
      break;
    case Verb::kLookup:
      compare_attr(
          call, co_await both([&](const Side& side) { return side.fs.lookup(call.cred, side.node(directory), name); }));
      break;
    default:
      co_await readdir(call);
  }
  co_return true;
}

Twin::Work Twin::rename(Call& call) {
  const NodeId directory = pick_directory(call.die(0));
  const std::string name = pick_name(directory, call.die(1));
  const NodeId target = call.below(2, 3) == 0 ? directory : pick_directory(call.die(3));
  const std::string new_name = pick_name(target, call.die(4));
  const std::uint32_t kind = call.below(5, 8);
  const fs::RenameFlags flags = kind == 0   ? fs::RenameFlags::kNoReplace
                                : kind <= 2 ? fs::RenameFlags::kExchange
                                            : fs::RenameFlags::kReplace;
  call.say("to {} '{}'{}", target.value, new_name, kind == 0 ? " noreplace" : kind <= 2 ? " exchange" : "");
  const auto answers = co_await both([&](const Side& side) {
    return side.fs.rename(call.cred, side.node(directory), name, side.node(target), new_name, flags);
  });
  compare(call, answers.first, answers.second);
  co_return true;
}

Twin::Work Twin::readdir(Call& call) {
  const NodeId directory = pick_directory(call.die(0));
  std::vector<fs::DirEntry> ours;
  std::vector<fs::DirEntry> theirs;
  fs::ReaddirOptions our_options{.entries_max = 1 + call.below(2, 5), .with_attr = true};
  fs::ReaddirOptions their_options = our_options;
  constexpr int kPagesMax = 200;
  for (int page = 0; page < kPagesMax; ++page) {
    const auto answers = co_await both([&](const Side& side) {
      return side.fs.readdir(call.cred, side.node(directory), side.tested ? their_options : our_options);
    });
    if (page > 0) call.outcome.what.resize(call.outcome.what.rfind(" ->"));
    if (!compare(call, answers.first, answers.second)) co_return true;
    if (answers.first->empty() && answers.second->empty()) break;
    for (const fs::DirEntry& entry : *answers.first) ours.push_back(entry), our_options.cursor = entry.cursor;
    for (const fs::DirEntry& entry : *answers.second) theirs.push_back(entry), their_options.cursor = entry.cursor;
  }
  const auto name = [](const fs::DirEntry& entry) -> const std::string& { return entry.name; };
  std::ranges::sort(ours, {}, name);
  std::ranges::sort(theirs, {}, name);
  if (!std::ranges::equal(ours, theirs, {}, name, name)) {
    call.differs(fmt::format("lists {} entries, the model {}, or other names", theirs.size(), ours.size()));
    co_return true;
  }
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (ours[i].type != theirs[i].type) call.differs(fmt::format("'{}' is listed with another type", ours[i].name));
    if (!theirs[i].attr || theirs[i].attr->node != theirs[i].node) {
      call.differs(fmt::format("'{}' is listed without its attributes", ours[i].name));
      co_return true;
    }
    compare_attr(call, *ours[i].attr, *theirs[i].attr);
  }
  co_return true;
}

Twin::Work Twin::attributes(Call& call) {
  const NodeId node = pick_node(call.die(0));
  call.say("{}", node.value);
  switch (call.step.verb) {
    case Verb::kGetattr:
      compare_attr(call, co_await both([&](const Side& side) { return side.fs.getattr(side.node(node)); }));
      break;
    case Verb::kAccess: {
      const auto answers =
          co_await both([&](const Side& side) { return side.fs.access(call.cred, side.node(node), call.below(1, 8)); });
      compare(call, answers.first, answers.second);
      break;
    }
    default:
      co_await setattr(call);
  }
  co_return true;
}

Twin::Work Twin::setattr(Call& call) {
  NodeId node = pick_node(call.die(0));
  fs::SetAttr change;
  Handle* handle = nullptr;
  if (call.step.verb == Verb::kTruncate) {
    node = pick_file(call.die(0));
    if (call.below(1, 2) == 0) handle = pick_handle(call.step.client, call.die(1) / 2);
    if (handle != nullptr) node = handle->node;
    const std::uint64_t size = size_of(node);
    switch (call.below(2, 8)) {
      case 0:
        change.size_bytes = 0;
        break;
      case 1:
        change.size_bytes = size + call.below(3, 20'000);
        break;
      case 2:
        change.size_bytes = std::uint64_t{call.die(3)} * (call.below(4, 8) == 0 ? 5000 : 1);  // up to 21 TB: too large
        break;
      case 3:
        change.size_bytes = size / 4096 * 4096;
        break;
      default:
        change.size_bytes = size == 0 ? call.below(3, 10'000) : call.die(3) % size;
    }
    call.say("node {} to {}", node.value, *change.size_bytes);
  } else {
    const std::uint32_t which = call.below(1, 64);
    if ((which & 1) != 0) change.mode = call.die(2) % 010000;
    if ((which & 3) == 2) change.uid = 1000 + call.below(3, 2);
    if ((which & 5) == 4) change.gid = 1000 + call.below(3, 2);
    if ((which & 8) != 0) change.mtime_ns = std::int64_t{call.die(4)} * 1'000'000'007 - 1'000'000'000'000'000'000;
    if ((which & 24) == 16) change.mtime_now = true;
    if ((which & 32) != 0) change.atime_now = true;
    call.say("set {}", which);
  }
  compare_attr(call, co_await both([&](const Side& side) {
                 std::optional<fs::FileId> file;
                 if (handle != nullptr) file = side.file(*handle);
                 return side.fs.setattr(call.cred, side.node(node), change, file);
               }));
  co_return true;
}

Twin::Work Twin::xattrs(Call& call) {
  const NodeId node = pick_node(call.die(0));
  constexpr std::string_view kXattrs[] = {"user.one", "user.two", "user.three", "trusted.kept", "system.odd", "plain"};
  const std::string_view name = kXattrs[call.below(1, 16) < 13 ? call.below(1, 16) % 3 : 3 + call.below(1, 3)];
  call.say("{} {}", node.value, name);
  switch (call.step.verb) {
    case Verb::kSetxattr: {
      const bool large = call.below(2, 30) == 0;
      const std::uint32_t size = large ? call.below(3, options_.oddities ? 70'000 : 60'000) : call.below(3, 300);
      const std::string value(size, static_cast<char>(call.die(4)));
      const auto flags = static_cast<fs::XattrFlags>(call.below(5, 8) < 6 ? 0 : call.below(5, 8) - 5);
      const auto answers = co_await both(
          [&](const Side& side) { return side.fs.setxattr(call.cred, side.node(node), name, value, flags); });
      compare(call, answers.first, answers.second);
      break;
    }
    case Verb::kGetxattr:
      compare_value<std::string>(
          call, co_await both([&](const Side& side) { return side.fs.getxattr(call.cred, side.node(node), name); }));
      break;
    case Verb::kListxattr: {
      auto answers = co_await both([&](const Side& side) { return side.fs.listxattr(call.cred, side.node(node)); });
      if (!compare(call, answers.first, answers.second)) break;
      std::ranges::sort(*answers.first);
      std::ranges::sort(*answers.second);
      if (*answers.first != *answers.second) call.differs("lists other xattrs than the model");
      break;
    }
    default: {
      const auto answers =
          co_await both([&](const Side& side) { return side.fs.removexattr(call.cred, side.node(node), name); });
      compare(call, answers.first, answers.second);
    }
  }
  co_return true;
}

}  // namespace ross::sim
