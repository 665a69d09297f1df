#include "fabric/ofi/provider.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <vector>

#include "fabric/ofi/leftovers.h"

namespace ross::fabric::ofi {
namespace {

constexpr std::uint32_t kVersion = FI_VERSION(1, 17);
constexpr int kEveryDemand = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
constexpr std::uint64_t kOrder = FI_ORDER_SAS | FI_ORDER_SAW;

const char* library_name(std::string_view provider) {
  if (provider == "ofi+tcp") return "tcp;ofi_rxm";
  if (provider == "ofi+verbs") return "verbs;ofi_rxm";
  if (provider == "ofi+shm") return "shm";
  return nullptr;
}

char* copy_of(const std::string& text) { return text.empty() ? nullptr : ::strdup(text.c_str()); }

std::string offered() {
  fi_info* all = nullptr;
  if (library().getinfo(kVersion, nullptr, nullptr, 0, nullptr, &all) != 0) return "none";
  const Info owner(all);
  std::set<std::string> names;
  for (const fi_info* each = all; each != nullptr; each = each->next) names.insert(each->fabric_attr->prov_name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// What is asked of libfabric. Optional things are tried with and then without.
struct Wish {
  int mr_mode = 0;
  std::uint64_t communication = 0;
  bool multi_receive = true;
  std::uint64_t order = kOrder;
};

Result<Info> ask(const Options& options, const Wish& wish) {
  const Info hints(library().dupinfo(nullptr));
  if (!hints) return fail(ENOMEM);
  hints->caps = FI_MSG | FI_RMA | (wish.multi_receive ? FI_MULTI_RECV : 0);
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->mr_mode = wish.mr_mode;
  hints->domain_attr->caps = wish.communication;
  hints->domain_attr->threading = FI_THREAD_SAFE;  // regions are made by any thread, each endpoint has its own
  hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->resource_mgmt = FI_RM_ENABLED;
  hints->domain_attr->name = copy_of(options.interface);
  hints->tx_attr->msg_order = wish.order;
  hints->rx_attr->msg_order = wish.order;
  hints->fabric_attr->prov_name = ::strdup(library_name(options.provider));
  const char* const node = options.node.empty() ? nullptr : options.node.c_str();
  fi_info* found = nullptr;
  const int result = library().getinfo(kVersion, node, nullptr, node != nullptr ? FI_SOURCE : 0, hints.get(), &found);
  if (result != 0) return failed("fi_getinfo", result);
  Info chosen(library().dupinfo(found));
  library().freeinfo(found);
  if (!chosen) return fail(ENOMEM);
  return chosen;
}

// Fewest demands first: a provider in software then checks keys and ranges itself and needs nothing registered, whereas
// with FI_MR_VIRT_ADDR offered one of them (shm) skips its checks.
Result<Provider> ask_modestly(const Options& options) {
  Status last;
  for (const std::uint64_t communication : {FI_LOCAL_COMM | FI_REMOTE_COMM, FI_LOCAL_COMM}) {
    for (const int mr_mode : {0, kEveryDemand}) {
      for (const bool multi_receive : {true, false}) {
        for (const std::uint64_t order : {kOrder, std::uint64_t{FI_ORDER_SAS}}) {
          auto info = ask(options, {mr_mode, communication, multi_receive, order});
          if (!info.has_value()) {
            last = std::move(info).error();
            continue;
          }
          Provider provider;
          provider.info = *std::move(info);
          provider.local_only = (communication & FI_REMOTE_COMM) == 0;
          provider.multi_receive = multi_receive;
          return provider;
        }
      }
    }
  }
  return fail(last);
}

}  // namespace

int errno_of(std::int64_t result) {
  const std::int64_t error = result < 0 ? -result : result;
  return error > 0 && error < FI_ERRNO_OFFSET ? static_cast<int>(error) : EIO;
}

Status status_of(std::string_view call, std::int64_t result) {
  return Status(errno_of(result),
                fmt::format("{}: {}", call, library().strerror(static_cast<int>(result < 0 ? -result : result))));
}

Result<Provider> Provider::find(const Options& options) {
  // libfabric reads these once, at its first call in this process. The queues of a verbs device are by default sized for more
  // peers than a small one has room for; and an address that is removed would keep its connection (peers.cc, cut).
  ::setenv("FI_UNIVERSE_SIZE", "32", 0);
  ::setenv("FI_AV_REMOVE_CLEANUP", "1", 1);
  // Over verbs, too, all connections of an endpoint receive into one queue. Without it libfabric 1.17 posts a buffer to a connection
  // that it has just freed, when it closes one with a message in its queue that nobody has read.
  ::setenv("FI_OFI_RXM_USE_SRX", "1", 1);
  // A queue of 16 MiB: libfabric would take 64 MiB of locked memory for each endpoint.
  ::setenv("FI_OFI_RXM_MSG_RX_SIZE", "1024", 0);
  // The cache of verbs registers all memory for every direction and keeps it so when it is told that it is over: a window would open
  // more than it says, for longer. Regions are our cache.
  ::setenv("FI_MR_CACHE_MAX_COUNT", "0", 1);
  ::setenv("FI_SHM_DISABLE_CMA", "0", 1);  // local_endpoint.h
  ROSS_OK(load_library());
  if (library_name(options.provider) == nullptr) {
    return fail(ENODEV, fmt::format("no fabric provider '{}': ofi+tcp, ofi+verbs and ofi+shm are known, and libfabric "
                                    "offers here: {}",
                                    options.provider, offered()));
  }
  auto found = ask_modestly(options);
  if (!found.has_value()) {
    return fail(ENODEV, fmt::format("libfabric has no provider {} here{}{} ({}); fi_info shows what it offers: {}",
                                    library_name(options.provider), options.node.empty() ? "" : " at " + options.node,
                                    options.interface.empty() ? "" : " on " + options.interface,
                                    found.error().message(), offered()));
  }
  Provider provider = *std::move(found);
  const fi_info& info = *provider.info;
  const int mr_mode = info.domain_attr->mr_mode | options.mr_mode_for_test;
  if ((mr_mode & FI_MR_RAW) != 0) {
    return fail(ENOTSUP,
                fmt::format("{} wants raw memory keys (FI_MR_RAW), which are longer than a window's key has room "
                            "for: use another provider",
                            options.provider));
  }
  if ((info.mode & ~(FI_CONTEXT | FI_CONTEXT2)) != 0) {
    return fail(ENOTSUP, fmt::format("{} wants a mode of operation that is not kept ({:#x}): use another provider",
                                     options.provider, info.mode));
  }
  if (provider.local_only && (mr_mode & FI_MR_ENDPOINT) != 0) {
    return fail(ENOTSUP, fmt::format("{} wants memory registered for each channel anew: use another provider",
                                     options.provider));
  }
  provider.name = options.provider;
  provider.local_registration = (mr_mode & FI_MR_LOCAL) != 0;
  provider.virtual_addresses = (mr_mode & FI_MR_VIRT_ADDR) != 0;
  provider.provider_keys = (mr_mode & FI_MR_PROV_KEY) != 0;
  provider.endpoint_bound = (mr_mode & FI_MR_ENDPOINT) != 0;
  // Whoever wants pages to be there or local memory to be registered hands them to a device, which pins and maps them.
  provider.cheap_registration = (mr_mode & (FI_MR_LOCAL | FI_MR_ALLOCATED)) == 0;
  const bool ordered = (info.tx_attr->msg_order & info.rx_attr->msg_order & FI_ORDER_SAW) != 0;
  provider.ordered_put_bytes_max = ordered ? info.ep_attr->max_order_waw_size : 0;
  provider.inject_bytes_max = info.tx_attr->inject_size;
  provider.spans_max = std::clamp<std::size_t>(std::min(info.tx_attr->iov_limit, info.tx_attr->rma_iov_limit), 1, 4);
  provider.transfer_bytes_max = info.ep_attr->max_msg_size;
  provider.key_bits =
      info.domain_attr->mr_key_size >= 8 ? 64 : static_cast<unsigned>(info.domain_attr->mr_key_size) * 8;
  return provider;
}

Result<Info> Provider::at(const std::string& address, fid_domain* domain) const {
  Info own(library().dupinfo(info.get()));
  if (!own) return fail(ENOMEM);
  own->domain_attr->domain = domain;
  std::string raw;
  if (info->addr_format == FI_ADDR_STR) {
    ROSS_TRY(raw, parse_address(FI_ADDR_STR, address.empty() ? endpoint_name() : address));
  } else if (!address.empty()) {
    ROSS_TRY(raw, parse_address(info->addr_format, address));
  } else {
    return own;
  }
  std::free(own->src_addr);
  own->src_addr = std::malloc(raw.size());
  if (own->src_addr == nullptr) return fail(ENOMEM);
  std::memcpy(own->src_addr, raw.data(), raw.size());
  own->src_addrlen = raw.size();
  return own;
}

Result<std::string> parse_address(std::uint32_t format, std::string_view address) {
  const auto bad = [&](const char* form) {
    return fail(EINVAL, fmt::format("'{}' is not an address: {} is expected", address, form));
  };
  if (format == FI_ADDR_STR) {
    if (!is_endpoint_name(address)) return bad("the name of an endpoint of ours");
    return std::string(address) + '\0';
  }
  const std::size_t colon = address.rfind(':');
  const char* const form = format == FI_SOCKADDR_IN6 ? "[ip6]:port" : "a.b.c.d:port";
  if (colon == std::string_view::npos) return bad(form);
  unsigned port = 0;
  const std::string_view digits = address.substr(colon + 1);
  if (digits.empty() || digits.size() > 5) return bad(form);
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return bad(form);
    port = port * 10 + static_cast<unsigned>(digit - '0');
  }
  if (port > 65535) return bad(form);
  const std::string host(address.substr(0, colon));
  if (format == FI_SOCKADDR_IN6) {
    if (host.size() < 2 || host.front() != '[' || host.back() != ']') return bad(form);
    sockaddr_in6 socket{};
    socket.sin6_family = AF_INET6;
    socket.sin6_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &socket.sin6_addr) != 1) return bad(form);
    return std::string(reinterpret_cast<const char*>(&socket), sizeof socket);
  }
  if (format != FI_SOCKADDR_IN) return fail(ENOTSUP, "this provider's form of addresses is not known");
  sockaddr_in socket{};
  socket.sin_family = AF_INET;
  socket.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &socket.sin_addr) != 1) return bad(form);
  return std::string(reinterpret_cast<const char*>(&socket), sizeof socket);
}

Result<std::string> print_address(std::uint32_t format, std::string_view raw) {
  if (format == FI_ADDR_STR) {
    if (raw.size() < 2 || raw.back() != '\0') return fail(EINVAL, "not an address");
    const std::string_view name = raw.substr(0, raw.size() - 1);
    if (!is_endpoint_name(name)) return fail(EINVAL, "not the name of an endpoint of ours");
    return std::string(name);
  }
  char text[INET6_ADDRSTRLEN] = {};
  if (format == FI_SOCKADDR_IN && raw.size() == sizeof(sockaddr_in)) {
    sockaddr_in socket{};
    std::memcpy(&socket, raw.data(), sizeof socket);
    if (socket.sin_family == AF_INET && socket.sin_port != 0 &&
        inet_ntop(AF_INET, &socket.sin_addr, text, sizeof text) != nullptr) {
      return fmt::format("{}:{}", text, ntohs(socket.sin_port));
    }
  }
  if (format == FI_SOCKADDR_IN6 && raw.size() == sizeof(sockaddr_in6)) {
    sockaddr_in6 socket{};
    std::memcpy(&socket, raw.data(), sizeof socket);
    if (socket.sin6_family == AF_INET6 && socket.sin6_port != 0 &&
        inet_ntop(AF_INET6, &socket.sin6_addr, text, sizeof text) != nullptr) {
      return fmt::format("[{}]:{}", text, ntohs(socket.sin6_port));
    }
  }
  return fail(EINVAL, "not an address of this provider");
}

}  // namespace ross::fabric::ofi
