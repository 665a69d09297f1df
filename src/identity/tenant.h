// Tenant: a party whose programs use pools through a server: what it may reach, how much, and who is taken for it.
//
//   Tenant tenant{.name = "training", .read = {"pool0/*"}, .write = {"pool0/train-*"}};
//   tenant.access("pool0", "train-1");        // Access::kWrite
//   tenant.access("pool0", "web");            // Access::kRead
//   tenant.access("pool1", "web");            // Access::kNone
//
// Threading: immutable.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ross::identity {

// Each has those before it.
enum class Access : std::uint8_t {
  kNone,
  kRead,
  kWrite,
  kAdmin,  // makes and destroys the container, too
};
// "none", "read", "write", "admin", and back.
std::string_view to_word(Access access);
std::optional<Access> access_of(std::string_view word);

// Whether a name is one that a pattern means: '*' stands for any bytes but '/', '?' for one of them.
bool matches(std::string_view pattern, std::string_view name);

// 0: none. A burst is what may come at once after a pause.
struct Limits {
  std::uint64_t bytes_per_second = 0;
  std::uint64_t bytes_burst = 0;
  std::uint64_t ops_per_second = 0;
  std::uint64_t ops_burst = 0;
};

struct Tenant {
  static constexpr std::size_t kNameBytesMax = 64;
  static constexpr std::uint64_t kWeightDefault = 100;
  static constexpr std::uint64_t kWeightMax = 10'000;

  std::string name;
  // Patterns of POOL/CONTAINER.
  std::vector<std::string> read;
  std::vector<std::string> write;
  std::vector<std::string> admin;
  std::vector<std::string> on_behalf;  // patterns of the tenants for which it may speak: an agent's
  std::vector<uid_t> uids;             // users of the server's own machine who are taken for it
  Limits limits;
  std::uint64_t weight = kWeightDefault;  // of its part of what a server can do while others want more than theirs

  [[nodiscard]] Access access(std::string_view pool, std::string_view container) const;
  // Whether it may reach any container of a pool.
  [[nodiscard]] bool uses(std::string_view pool) const;
  // Whether it administers everything, other tenants included: admin has "*/*".
  [[nodiscard]] bool administers() const;
  [[nodiscard]] bool may_speak_for(std::string_view tenant) const;
};

// Whether a tenant can have this name: letters, digits, '.', '_' and '-', at most kNameBytesMax.
bool is_tenant_name(std::string_view name);
// What is wrong with a tenant, in a sentence that names it; empty: nothing.
std::string complaint_about(const Tenant& tenant);

}  // namespace ross::identity
