// Goal: any history of calls leaves what the model says, and every call succeeds or fails as the model's does.
// Method: seeded random calls by several people go to both; at the end every name, attribute and byte is compared. Which
// of several errors a call answers is not compared: POSIX leaves that open, and tests by topic pin what is promised.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "conformance/file_system/harness.h"
#include "effort.h"
#include "model/compare.h"
#include "model/model_file_system.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(ModelAgreement);

// The same calls on two file systems whose node numbers differ.
class Pair {
 public:
  Pair(Driver& driver, model::ModelFileSystem& model, std::uint64_t seed)
      : driver_(driver), model_(model), random_(seed), nodes_{{kTop, kTop}} {}

  // One random call; a sentence if the two disagreed.
  std::string step() {
    const fs::Credential& cred = any_cred();
    const Both one = any_node();
    const Both two = any_node();
    const std::string name = any_name();
    const std::string other = any_name();
    const std::string xattr = "user." + name;  // outlives the calls that take a view of it
    const auto mode = static_cast<std::uint32_t>(random_.below(8) == 0 ? random_.below(010000) : 0777);
    switch (random_.below(16)) {
      case 0:
      case 1:
        return made("mkdir", [&](auto& fs, auto at) { return fs.mkdir(cred, at(one), name, mode & 01777); });
      case 2:
        return made("mknod", [&](auto& fs, auto at) { return fs.mknod(cred, at(one), name, S_IFREG | mode, 0); });
      case 3:
        return made("symlink", [&](auto& fs, auto at) { return fs.symlink(cred, at(one), name, other); });
      case 4:
        return made("link", [&](auto& fs, auto at) { return fs.link(cred, at(two), at(one), name); });
      case 5:
        return done("unlink", [&](auto& fs, auto at) { return fs.unlink(cred, at(one), name); });
      case 6:
        return done("rmdir", [&](auto& fs, auto at) { return fs.rmdir(cred, at(one), name); });
      case 7:
      case 8:
      case 9: {
        const auto flags = static_cast<fs::RenameFlags>(random_.below(3));
        return done("rename", [&](auto& fs, auto at) { return fs.rename(cred, at(one), name, at(two), other, flags); });
      }
      case 10: {
        const fs::SetAttr change = any_change();
        return done("setattr", [&](auto& fs, auto at) { return fs.setattr(cred, at(one), change); });
      }
      case 11: {
        const std::string value = pattern(random_(), random_.below(100));
        const auto flags = static_cast<fs::XattrFlags>(random_.below(3));
        return done("setxattr", [&](auto& fs, auto at) { return fs.setxattr(cred, at(one), xattr, value, flags); });
      }
      case 12:
        return done("removexattr", [&](auto& fs, auto at) { return fs.removexattr(cred, at(one), xattr); });
      case 13:
        return made("lookup", [&](auto& fs, auto at) { return fs.lookup(cred, at(one), name); });
      default:
        return write_something(cred, one, name);
    }
  }

 private:
  struct Both {
    fs::NodeId theirs;
    fs::NodeId ours;
  };

  const fs::Credential& any_cred() {
    static const std::array<const fs::Credential*, 6> all{&kRoot, &kRoot, &kRoot, &kAlice, &kBob, &kCarol};
    return *all[random_.below(all.size())];
  }
  Both any_node() {
    const auto found = std::next(nodes_.begin(), static_cast<long>(random_.below(nodes_.size())));
    return {found->first, found->second};
  }
  std::string any_name() { return std::string(1, static_cast<char>('a' + random_.below(6))); }
  fs::SetAttr any_change() {
    fs::SetAttr change;
    if (random_.chance(1, 2)) change.mode = static_cast<std::uint32_t>(0700 | random_.below(010000));
    if (random_.chance(1, 4)) change.uid = 1000 + static_cast<uid_t>(random_.below(3));
    if (random_.chance(1, 4)) change.gid = 1000 + static_cast<gid_t>(random_.below(3));
    if (random_.chance(1, 4)) change.size_bytes = random_.below(50'000);
    if (random_.chance(1, 4)) change.mtime_ns = static_cast<std::int64_t>(random_.below(1'000'000));
    return change;
  }

  template <class T>
  std::string disagreement(std::string_view call, const T& theirs, const T& ours) {
    if ((errno_of(theirs) == 0) == (errno_of(ours) == 0)) return {};
    return fmt::format("{} answers {}, the model {}", call, errno_of(theirs), errno_of(ours));
  }
  template <class Call>
  std::string done(std::string_view name, Call&& call) {
    const auto theirs = driver_.run(call(driver_.fs(), [](Both both) { return both.theirs; }));
    const auto ours = driver_.run(call(model_, [](Both both) { return both.ours; }));
    return disagreement(name, theirs, ours);
  }
  // A call that tells of a node, which later calls may use.
  template <class Call>
  std::string made(std::string_view name, Call&& call) {
    const auto theirs = driver_.run(call(driver_.fs(), [](Both both) { return both.theirs; }));
    const auto ours = driver_.run(call(model_, [](Both both) { return both.ours; }));
    const std::string wrong = disagreement(name, theirs, ours);
    if (!wrong.empty() || !theirs) return wrong;
    const auto known = nodes_.emplace(theirs->node, ours->node);
    if (known.first->second != ours->node) return fmt::format("{} tells of another node than the model", name);
    if (theirs->mode != ours->mode) return fmt::format("{}: mode {:o}, the model {:o}", name, theirs->mode, ours->mode);
    return {};
  }
  std::string write_something(const fs::Credential& cred, Both at, const std::string& name) {
    const fs::OpenFlags flags{
        .read = true, .write = true, .append = random_.chance(1, 4), .truncate = random_.chance(1, 8)};
    const auto theirs = driver_.run(driver_.fs().create(cred, at.theirs, name, 0666, flags));
    const auto ours = driver_.run(model_.create(cred, at.ours, name, 0666, flags));
    std::string wrong = disagreement("create", theirs, ours);
    if (!wrong.empty() || !theirs) return wrong;
    const std::string text = pattern(random_(), 1 + random_.below(10'000));
    const std::uint64_t offset = random_.below(50'000);
    const memory::Memory from = memory::Memory::for_write(text.data(), text.size());
    wrong = disagreement("write", driver_.run(driver_.fs().write(theirs->file, offset, from)),
                         driver_.run(model_.write(ours->file, offset, from)));
    const auto kind = static_cast<fs::Fallocate>(random_.below(4));
    const std::uint64_t begin = random_.below(50'000);
    const std::uint64_t size = 1 + random_.below(20'000);
    if (wrong.empty() && random_.chance(1, 3)) {
      wrong = disagreement("fallocate", driver_.run(driver_.fs().fallocate(theirs->file, kind, begin, size)),
                           driver_.run(model_.fallocate(ours->file, kind, begin, size)));
    }
    if (driver_.error(driver_.fs().close(theirs->file)) != 0) return "close failed";
    if (driver_.error(model_.close(ours->file)) != 0) return "the model's close failed";
    nodes_.emplace(theirs->attr.node, ours->attr.node);
    return wrong;
  }

  Driver& driver_;
  model::ModelFileSystem& model_;
  Random random_;
  std::map<fs::NodeId, fs::NodeId> nodes_;  // theirs to ours; may be gone by now
};

TEST_P(ModelAgreement, RandomHistories) {
  for (std::uint64_t seed = 1; seed <= repeats(12); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    remake({.clock = &clock});
    model::ModelFileSystem oracle(clock);
    ASSERT_EQ(error(oracle.setattr(kRoot, kTop, {.mode = 0777})), 0);
    {
      Pair pair(driver(), oracle, seed);
      for (int i = 0; i < 600; ++i) {
        const std::string wrong = pair.step();
        ASSERT_EQ(wrong, "") << "step " << i;
      }
    }
    const model::CompareOptions options{.times = false};  // two calls, two moments
    const model::ModelState state = oracle.state();
    ASSERT_EQ(run(model::difference(fs(), state, options)).value(), "");
    if (!can().restarts) continue;
    restart();
    ASSERT_EQ(run(model::difference(fs(), state, options)).value(), "") << "after a restart";
  }
}

}  // namespace
}  // namespace ross::conformance
