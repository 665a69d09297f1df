// Identity: who makes a call of the control plane.
//
// Over the loopback interface the kernel tells: the other end of the connection is a socket of this machine, and
// /proc/net/tcp has the user it belongs to. Over a network a client's certificate, signed by the authority of the server's
// configuration, stands for its machine, which is believed when it says for which of its users it acts.
//
// Where there are tenants, the kernel's user, the certificate or a signed token in the metadata ("authorization: Bearer TOKEN") says which
// tenant calls. A token goes over a user; besides a certificate it has to be of the same tenant, or of one for which that may speak.
//
// Threading: any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "fabric/channel.h"
#include "fs/types.h"
#include "identity/directory.h"

namespace grpc {
class ServerContext;
}

namespace ross::server::control {

struct Caller {
  fabric::Peer peer;  // pid is 0
  identity::Principal who;
};
// EACCES when nobody vouches for the caller, or nothing that it shows is believed (any more); the audit has it then. tenants may be null.
// what: it asks for; client: what names its session, for tokens that are for one.
Result<Caller> identify(const grpc::ServerContext& context, identity::Directory* tenants, std::string_view what,
                        std::string_view client = {});

// Whether the caller may see what all others do, and change what tenants may: root, this process's own user, and tenants that administer
// everything; ENOTSUP without tenants. EACCES; the audit has it then.
Status may_operate(const grpc::ServerContext& context, identity::Directory* tenants, std::string_view what);
// The same to look on: without tenants, whoever may call at all.
Status may_watch(const grpc::ServerContext& context, identity::Directory* tenants, std::string_view what);

// The credential that a call names, if its caller may act for it: EPERM; EINVAL for more than kGroupsMax groups.
inline constexpr std::size_t kGroupsMax = 1024;
Result<fs::Credential> credential_for(const fabric::Peer& caller, uid_t uid, gid_t gid,
                                      std::vector<std::uint32_t> groups);

}  // namespace ross::server::control
