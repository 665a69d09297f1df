#include "libfabric_by_hand.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace ross::fabric::ofi {
namespace {

constexpr std::size_t kReceivesMax = 4096;
constexpr std::size_t kInjectBytesMax = 64;
constexpr std::size_t kMessageBytesMax = 1 << 20;
constexpr int kEveryDemand = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;

std::vector<NetworkByHand*> open_networks;

// ---- what a provider says of itself ----

template <class T>
T* copy_of(const T* from) {
  auto* const made = static_cast<T*>(std::calloc(1, sizeof(T)));
  if (from != nullptr) *made = *from;
  return made;
}
char* copy_of_text(const char* text) { return text != nullptr ? ::strdup(text) : nullptr; }

void free_info(fi_info* info) {
  while (info != nullptr) {
    fi_info* const next = info->next;
    std::free(info->src_addr);
    std::free(info->tx_attr);
    std::free(info->rx_attr);
    std::free(info->ep_attr);
    std::free(info->domain_attr->name);
    std::free(info->domain_attr);
    std::free(info->fabric_attr->name);
    std::free(info->fabric_attr->prov_name);
    std::free(info->fabric_attr);
    std::free(std::exchange(info, next));
  }
}

fi_info* copy_info(const fi_info* from) {
  fi_info* const made = copy_of(from);
  made->next = nullptr;
  made->tx_attr = copy_of(from != nullptr ? from->tx_attr : nullptr);
  made->rx_attr = copy_of(from != nullptr ? from->rx_attr : nullptr);
  made->ep_attr = copy_of(from != nullptr ? from->ep_attr : nullptr);
  made->domain_attr = copy_of(from != nullptr ? from->domain_attr : nullptr);
  made->fabric_attr = copy_of(from != nullptr ? from->fabric_attr : nullptr);
  if (from == nullptr) return made;
  made->domain_attr->name = copy_of_text(from->domain_attr->name);
  made->fabric_attr->name = copy_of_text(from->fabric_attr->name);
  made->fabric_attr->prov_name = copy_of_text(from->fabric_attr->prov_name);
  if (from->src_addr != nullptr) {
    made->src_addr = std::malloc(from->src_addrlen);
    std::memcpy(made->src_addr, from->src_addr, from->src_addrlen);
  }
  return made;
}

int get_info(std::uint32_t /*version*/, const char* /*node*/, const char* /*service*/, std::uint64_t /*flags*/,
             const fi_info* hints, fi_info** found) {
  if (hints == nullptr) return -FI_ENODATA;
  const std::string_view name = hints->fabric_attr->prov_name;
  const bool here_only = name == "shm";
  const bool demands = name == "verbs;ofi_rxm";
  if (here_only && (hints->domain_attr->caps & FI_REMOTE_COMM) != 0) return -FI_ENODATA;
  if (demands && (hints->domain_attr->mr_mode != kEveryDemand || (hints->caps & FI_MULTI_RECV) != 0)) {
    return -FI_ENODATA;
  }
  fi_info* const info = copy_info(hints);
  info->mode = FI_CONTEXT;
  info->addr_format = here_only ? FI_ADDR_STR : FI_SOCKADDR_IN;
  info->rx_attr->size = kReceivesMax;
  info->tx_attr->inject_size = kInjectBytesMax;
  info->tx_attr->iov_limit = info->tx_attr->rma_iov_limit = 4;
  info->ep_attr->max_msg_size = kMessageBytesMax;
  info->ep_attr->max_order_waw_size = demands ? 0 : SIZE_MAX;
  info->domain_attr->mr_key_size = demands ? 4 : 8;
  *found = info;
  return 0;
}

const char* say_error(int /*error*/) { return "an error by hand"; }

// ---- objects ----

int no_bind(fid_t /*self*/, fid_t /*other*/, std::uint64_t /*flags*/) { return 0; }
int no_control(fid_t /*self*/, int command, void* /*argument*/) { return command == FI_ENABLE ? 0 : -FI_ENOSYS; }

// One of libfabric's objects, which closes by its destructor.
template <class Made, class Base>
struct Object : Base {
  fi_ops operations{};
  Object() : Base{} {
    operations.size = sizeof operations;
    operations.close = [](fid_t self) {
      delete static_cast<Made*>(reinterpret_cast<Base*>(self));
      return 0;
    };
    operations.bind = no_bind;
    operations.control = no_control;
    this->fid.ops = &operations;
  }
};

struct MemoryByHand final : Object<MemoryByHand, fid_mr> {};

}  // namespace

struct QueueByHand final : Object<QueueByHand, fid_cq> {
  NetworkByHand* network = nullptr;  // null: no endpoint is bound to it
  fi_ops_cq calls{};
  QueueByHand() {
    calls.size = sizeof calls;
    calls.read = [](fid_cq* self, void* into, std::size_t count) {
      return static_cast<QueueByHand*>(self)->read(static_cast<fi_cq_data_entry*>(into), count);
    };
    calls.readerr = [](fid_cq* self, fi_cq_err_entry* into, std::uint64_t) {
      return static_cast<QueueByHand*>(self)->read_error(*into);
    };
    ops = &calls;
  }
  ssize_t read(fi_cq_data_entry* into, std::size_t count) const {
    if (network == nullptr || network->completions_.empty()) return -FI_EAGAIN;
    auto& completions = network->completions_;
    if (completions.front().error != 0) return -FI_EAVAIL;
    ssize_t got = 0;
    for (; static_cast<std::size_t>(got) < count && !completions.empty() && completions.front().error == 0; ++got) {
      into[got] = completions.front().entry;
      completions.pop_front();
    }
    return got;
  }
  ssize_t read_error(fi_cq_err_entry& into) const {
    if (network == nullptr || network->completions_.empty()) return -FI_EAGAIN;
    const auto& first = network->completions_.front();
    into.op_context = first.entry.op_context;
    into.flags = first.entry.flags;
    into.err = first.error;
    network->completions_.pop_front();
    return 1;
  }
};

struct TableByHand final : Object<TableByHand, fid_av> {
  NetworkByHand* network = nullptr;
  fi_ops_av calls{};
  TableByHand() {
    calls.size = sizeof calls;
    calls.insert = [](fid_av* self, const void* raw, std::size_t count, fi_addr_t* number, std::uint64_t, void*) {
      ROSS_CHECK(count == 1);
      *number = static_cast<TableByHand*>(self)->insert(raw);
      return 1;
    };
    calls.remove = [](fid_av* self, fi_addr_t* number, std::size_t, std::uint64_t) {
      static_cast<TableByHand*>(self)->remove(*number);
      return 0;
    };
    ops = &calls;
  }
  fi_addr_t insert(const void* raw) const {
    // Of each form as much as says which it is.
    std::string address(static_cast<const char*>(raw), sizeof(sa_family_t));
    if (network->free_addresses_.empty()) {
      network->addresses_.push_back(std::move(address));
      return network->addresses_.size() - 1;
    }
    const fi_addr_t number = network->free_addresses_.back();  // which names another one now
    network->free_addresses_.pop_back();
    network->addresses_[number] = std::move(address);
    return number;
  }
  void remove(fi_addr_t number) const {
    ROSS_CHECK(number < network->addresses_.size() && !network->addresses_[number].empty(), "an address removed twice");
    network->addresses_[number].clear();
    network->free_addresses_.push_back(number);
    network->end_all_to(number);
  }
};

struct EndpointByHand final : Object<EndpointByHand, fid_ep> {
  NetworkByHand network;
  std::string name;
  QueueByHand* queue = nullptr;
  fi_ops_ep options{};
  fi_ops_cm names{};
  fi_ops_msg messages{};
  fi_ops_rma transfers{};

  explicit EndpointByHand(const fi_info& info) {
    name.assign(static_cast<const char*>(info.src_addr), info.src_addr != nullptr ? info.src_addrlen : 0);
    if (info.addr_format == FI_SOCKADDR_IN) name = numeric_name();
    operations.bind = [](fid_t self, fid_t other, std::uint64_t flags) {
      reinterpret_cast<EndpointByHand*>(self)->bind(other, flags);
      return 0;
    };
    options.size = sizeof options;
    options.setopt = [](fid_t self, int, int option, const void* value, std::size_t) {
      ROSS_CHECK(option == FI_OPT_MIN_MULTI_RECV);
      std::memcpy(&reinterpret_cast<EndpointByHand*>(self)->network.many_least_bytes_, value, sizeof(std::size_t));
      return 0;
    };
    names.size = sizeof names;
    names.getname = [](fid_t self, void* into, std::size_t* size) {
      const std::string& name = reinterpret_cast<EndpointByHand*>(self)->name;
      ROSS_CHECK(name.size() <= *size);
      std::memcpy(into, name.data(), name.size());
      *size = name.size();
      return 0;
    };
    set_calls();
    ops = &options;
    cm = &names;
    msg = &messages;
    rma = &transfers;
    open_networks.push_back(&network);
  }
  ~EndpointByHand() {
    std::erase(open_networks, &network);
    if (queue != nullptr) queue->network = nullptr;
  }
  EndpointByHand(const EndpointByHand&) = delete;
  EndpointByHand& operator=(const EndpointByHand&) = delete;

 private:
  static EndpointByHand& of(fid_ep* self) { return *static_cast<EndpointByHand*>(self); }
  static std::string numeric_name() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(7471);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return {reinterpret_cast<const char*>(&address), sizeof address};
  }

  // The table is bound first, then the queue, which is for both directions.
  void bind(fid_t other, std::uint64_t flags) {
    if (flags == 0) {
      reinterpret_cast<TableByHand*>(other)->network = &network;
    } else {
      queue = reinterpret_cast<QueueByHand*>(other);
      queue->network = &network;
    }
  }

  void set_calls() {
    messages.size = sizeof messages;
    messages.recvmsg = [](fid_ep* self, const fi_msg* posted, std::uint64_t flags) -> ssize_t {
      const iovec& room = posted->msg_iov[0];
      of(self).network.posted_.push_back({.left = {static_cast<std::byte*>(room.iov_base), room.iov_len},
                                          .context = posted->context,
                                          .many = (flags & FI_MULTI_RECV) != 0});
      return 0;
    };
    messages.send = [](fid_ep* self, const void* data, std::size_t size, void*, fi_addr_t to, void* context) {
      return of(self).send(data, size, {.context = context, .flags = FI_SEND | FI_MSG, .to = to, .fills = {}});
    };
    messages.inject = [](fid_ep* self, const void* data, std::size_t size, fi_addr_t to) {
      ROSS_CHECK(size <= kInjectBytesMax);
      return of(self).send(data, size, {.context = nullptr, .flags = 0, .to = to, .fills = {}});
    };
    transfers.size = sizeof transfers;
    transfers.writemsg = [](fid_ep* self, const fi_msg_rma* asked, std::uint64_t) -> ssize_t {
      std::vector<std::byte> out;  // which a sanitizer sees being read
      for (std::size_t i = 0; i < asked->iov_count; ++i) {
        const auto* const from = static_cast<const std::byte*>(asked->msg_iov[i].iov_base);
        out.insert(out.end(), from, from + asked->msg_iov[i].iov_len);
      }
      ROSS_CHECK(out.size() == asked->rma_iov[0].len);
      return of(self).network.begin(
          {.context = asked->context, .flags = FI_RMA | FI_WRITE, .to = asked->addr, .fills = {}});
    };
    transfers.readmsg = [](fid_ep* self, const fi_msg_rma* asked, std::uint64_t) -> ssize_t {
      NetworkByHand::Operation operation{
          .context = asked->context, .flags = FI_RMA | FI_READ, .to = asked->addr, .fills = {}};
      std::size_t size = 0;
      for (std::size_t i = 0; i < asked->iov_count; ++i) {
        const iovec& piece = asked->msg_iov[i];
        operation.fills.emplace_back(static_cast<std::byte*>(piece.iov_base), piece.iov_len);
        size += piece.iov_len;
      }
      ROSS_CHECK(size == asked->rma_iov[0].len);
      return of(self).network.begin(std::move(operation));
    };
  }

  ssize_t send(const void* data, std::size_t size, NetworkByHand::Operation operation) {
    if (network.full) return -FI_EAGAIN;
    const auto* const from = static_cast<const std::byte*>(data);
    network.sent_.emplace_back(from, from + size);
    if (operation.context != nullptr) return network.begin(std::move(operation));
    ROSS_CHECK(!network.addresses_.at(operation.to).empty(), "a message to an address that was removed");
    return 0;
  }
};

namespace {

struct DomainByHand final : Object<DomainByHand, fid_domain> {
  fi_ops_domain calls{};
  fi_ops_mr registering{};
  DomainByHand() {
    calls.size = sizeof calls;
    calls.av_open = [](fid_domain*, fi_av_attr*, fid_av** made, void*) {
      *made = new TableByHand;
      return 0;
    };
    calls.cq_open = [](fid_domain*, fi_cq_attr* asked, fid_cq** made, void*) {
      if (asked->wait_obj == FI_WAIT_FD) return -FI_ENOSYS;  // loops are polled
      *made = new QueueByHand;
      return 0;
    };
    calls.endpoint = [](fid_domain*, fi_info* info, fid_ep** made, void*) {
      *made = new EndpointByHand(*info);
      return 0;
    };
    registering.size = sizeof registering;
    registering.reg = [](fid_t, const void*, std::size_t, std::uint64_t, std::uint64_t, std::uint64_t key,
                         std::uint64_t, fid_mr** made, void*) {
      *made = new MemoryByHand;
      (*made)->key = key;
      return 0;
    };
    ops = &calls;
    mr = &registering;
  }
};

struct FabricByHand final : Object<FabricByHand, fid_fabric> {
  fi_ops_fabric calls{};
  FabricByHand() {
    calls.size = sizeof calls;
    calls.domain = [](fid_fabric*, fi_info*, fid_domain** made, void*) {
      *made = new DomainByHand;
      return 0;
    };
    ops = &calls;
  }
};

int make_fabric(fi_fabric_attr* /*attributes*/, fid_fabric** made, void* /*context*/) {
  *made = new FabricByHand;
  return 0;
}

}  // namespace

void take_libfabrics_place() {
  stand_in_for_test(
      {.getinfo = get_info, .freeinfo = free_info, .dupinfo = copy_info, .fabric = make_fabric, .strerror = say_error});
}

// ---- the network ----

NetworkByHand* NetworkByHand::newest() { return open_networks.empty() ? nullptr : open_networks.back(); }

bool NetworkByHand::deliver(std::span<const std::byte> message) {
  if (posted_.empty()) return false;
  Posted& posted = posted_.front();
  Completion completion;
  completion.entry = {posted.context, FI_RECV | FI_MSG, message.size(), posted.left.data(), 0};
  if (message.size() > posted.left.size()) completion.error = FI_ETRUNC;
  const std::size_t landed = std::min(message.size(), posted.left.size());
  std::ranges::copy(message.first(landed), posted.left.begin());
  posted.left = posted.left.subspan(landed);
  if (!posted.many || posted.left.size() < many_least_bytes_) {
    if (posted.many) completion.entry.flags |= FI_MULTI_RECV;
    posted_.pop_front();
  }
  completions_.push_back(completion);
  return true;
}

std::vector<std::vector<std::byte>> NetworkByHand::take_sent() { return std::exchange(sent_, {}); }

ssize_t NetworkByHand::begin(Operation operation) {
  ROSS_CHECK(!addresses_.at(operation.to).empty(), "an operation to an address that was removed");
  if (full) return -FI_EAGAIN;
  if (holds) {
    under_way_.push_back(std::move(operation));
  } else {
    end(operation, 0);
  }
  return 0;
}

void NetworkByHand::end(const Operation& operation, int error) {
  if (error == 0) {
    for (const std::span<std::byte> piece : operation.fills) std::ranges::fill(piece, std::byte{0xd5});
  }
  completions_.push_back({.entry = {operation.context, operation.flags, 0, nullptr, 0}, .error = error});
}

void NetworkByHand::release(int error) {
  for (const Operation& operation : std::exchange(under_way_, {})) end(operation, error);
}

void NetworkByHand::end_all_to(fi_addr_t address) {
  for (const Operation& operation : under_way_) {
    const bool told = tells_of_cut || (operation.flags & FI_RMA) == 0;
    if (operation.to == address && told) end(operation, FI_ECANCELED);
  }
  std::erase_if(under_way_, [address](const Operation& each) { return each.to == address; });
}

}  // namespace ross::fabric::ofi
