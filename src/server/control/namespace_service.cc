#include "server/control/namespace_service.h"

#include <algorithm>

#include "server/control/identity.h"
#include "server/control/reply.h"

namespace ross::server::control {
namespace {

using fs::NodeId;
using identity::Access;

constexpr std::uint32_t kEntriesMax = 1024;  // about 300 KiB at most, of gRPC's 4 MiB

// What every call does: who calls and for whom, which container; then its own work.
template <class Work>
grpc::Status serve(grpc::ServerContext& context, Exports& exports, const v1::Where& where, Access needs,
                   const Work& work) {
  const auto caller = identify(context, exports.tenants(), "names");
  if (!caller.has_value()) return to_grpc(context, caller.error());
  const auto cred = credential_for(caller->peer, where.uid(), where.gid(),
                                   std::vector<std::uint32_t>(where.groups().begin(), where.groups().end()));
  if (!cred.has_value()) return to_grpc(context, cred.error());
  if (const auto exported = exports.find(where.pool(), caller->who); !exported.has_value()) {
    return to_grpc(context, exported.error());
  }
  if (caller->who.bounded()) {
    const Status may = exports.may(caller->who, where.pool(), where.container(), needs, context.peer());
    if (!may.ok()) return to_grpc(context, may);
  }
  const auto container = exports.container(where.pool(), where.container());
  if (!container.has_value()) return to_grpc(context, container.error());
  return to_grpc(context, work(**container, *cred));
}

void fill(v1::Attr& reply, const fs::Attr& attr) {
  reply.set_node(attr.node.value);
  reply.set_mode(attr.mode);
  reply.set_links(attr.links);
  reply.set_uid(attr.uid);
  reply.set_gid(attr.gid);
  reply.set_rdev(attr.rdev);
  reply.set_size_bytes(attr.size_bytes);
  reply.set_allocated_bytes(attr.allocated_bytes);
  reply.set_atime_ns(attr.atime_ns);
  reply.set_mtime_ns(attr.mtime_ns);
  reply.set_ctime_ns(attr.ctime_ns);
  reply.set_btime_ns(attr.btime_ns);
}

Status tell(const Result<fs::Attr>& attr, v1::Attr& reply) {
  if (!attr.has_value()) return attr.error();
  fill(reply, *attr);
  return {};
}

Status tell(Result<std::string> text, v1::Text& reply) {
  if (!text.has_value()) return std::move(text).error();
  reply.set_text(*std::move(text));
  return {};
}

}  // namespace

grpc::Status NamespaceService::Lookup(Context* context, const v1::NameRequest* request, v1::Attr* reply) {
  return serve(*context, exports_, request->where(), Access::kRead,
               [&](fs::FileSystem& files, const fs::Credential& cred) {
                 return tell(wait(files.lookup(cred, NodeId(request->parent()), request->name())), *reply);
               });
}

grpc::Status NamespaceService::GetAttr(Context* context, const v1::NodeRequest* request, v1::Attr* reply) {
  return serve(*context, exports_, request->where(), Access::kRead, [&](fs::FileSystem& files, const fs::Credential&) {
    return tell(wait(files.getattr(NodeId(request->node()))), *reply);
  });
}

grpc::Status NamespaceService::SetAttr(Context* context, const v1::SetAttrRequest* request, v1::Attr* reply) {
  return serve(*context, exports_, request->where(), Access::kWrite,
               [&](fs::FileSystem& files, const fs::Credential& cred) {
                 fs::SetAttr change;
                 if (request->has_mode()) change.mode = request->mode();
                 if (request->has_uid()) change.uid = request->uid();
                 if (request->has_gid()) change.gid = request->gid();
                 if (request->has_size_bytes()) change.size_bytes = request->size_bytes();
                 if (request->has_atime_ns()) change.atime_ns = request->atime_ns();
                 if (request->has_mtime_ns()) change.mtime_ns = request->mtime_ns();
                 return tell(wait(files.setattr(cred, NodeId(request->node()), change, std::nullopt)), *reply);
               });
}

grpc::Status NamespaceService::MakeDirectory(Context* context, const v1::MakeRequest* request, v1::Attr* reply) {
  return serve(
      *context, exports_, request->where(), Access::kWrite, [&](fs::FileSystem& files, const fs::Credential& cred) {
        return tell(wait(files.mkdir(cred, NodeId(request->parent()), request->name(), request->mode())), *reply);
      });
}

grpc::Status NamespaceService::MakeNode(Context* context, const v1::MakeRequest* request, v1::Attr* reply) {
  return serve(
      *context, exports_, request->where(), Access::kWrite, [&](fs::FileSystem& files, const fs::Credential& cred) {
        return tell(
            wait(files.mknod(cred, NodeId(request->parent()), request->name(), request->mode(), request->rdev())),
            *reply);
      });
}

grpc::Status NamespaceService::MakeSymlink(Context* context, const v1::MakeSymlinkRequest* request, v1::Attr* reply) {
  return serve(
      *context, exports_, request->where(), Access::kWrite, [&](fs::FileSystem& files, const fs::Credential& cred) {
        return tell(wait(files.symlink(cred, NodeId(request->parent()), request->name(), request->target())), *reply);
      });
}

grpc::Status NamespaceService::ReadLink(Context* context, const v1::NodeRequest* request, v1::Text* reply) {
  return serve(*context, exports_, request->where(), Access::kRead, [&](fs::FileSystem& files, const fs::Credential&) {
    return tell(wait(files.readlink(NodeId(request->node()))), *reply);
  });
}

grpc::Status NamespaceService::Link(Context* context, const v1::LinkRequest* request, v1::Attr* reply) {
  return serve(
      *context, exports_, request->where(), Access::kWrite, [&](fs::FileSystem& files, const fs::Credential& cred) {
        return tell(wait(files.link(cred, NodeId(request->node()), NodeId(request->parent()), request->name())),
                    *reply);
      });
}

grpc::Status NamespaceService::Unlink(Context* context, const v1::NameRequest* request, v1::Done* /*reply*/) {
  return serve(*context, exports_, request->where(), Access::kWrite,
               [&](fs::FileSystem& files, const fs::Credential& cred) {
                 return wait(files.unlink(cred, NodeId(request->parent()), request->name()));
               });
}

grpc::Status NamespaceService::RemoveDirectory(Context* context, const v1::NameRequest* request, v1::Done* /*reply*/) {
  return serve(*context, exports_, request->where(), Access::kWrite,
               [&](fs::FileSystem& files, const fs::Credential& cred) {
                 return wait(files.rmdir(cred, NodeId(request->parent()), request->name()));
               });
}

grpc::Status NamespaceService::Rename(Context* context, const v1::RenameRequest* request, v1::Done* /*reply*/) {
  return serve(
      *context, exports_, request->where(), Access::kWrite, [&](fs::FileSystem& files, const fs::Credential& cred) {
        if (!v1::RenameRequest::Kind_IsValid(request->kind())) return Status(EINVAL, "no such kind of rename");
        return wait(files.rename(cred, NodeId(request->parent()), request->name(), NodeId(request->new_parent()),
                                 request->new_name(), static_cast<fs::RenameFlags>(request->kind())));
      });
}

grpc::Status NamespaceService::ReadDirectory(Context* context, const v1::ReadDirectoryRequest* request,
                                             v1::Entries* reply) {
  return serve(*context, exports_, request->where(), Access::kRead,
               [&](fs::FileSystem& files, const fs::Credential& cred) {
                 const fs::ReaddirOptions options{
                     .cursor = request->cursor(),
                     .entries_max = std::clamp<std::uint32_t>(request->entries_max(), 1, kEntriesMax),
                     .with_attr = request->with_attr()};
                 const auto entries = wait(files.readdir(cred, NodeId(request->node()), options));
                 if (!entries.has_value()) return entries.error();
                 for (const fs::DirEntry& entry : *entries) {
                   v1::Entries::Entry& told = *reply->add_entries();
                   told.set_name(entry.name);
                   told.set_node(entry.node.value);
                   told.set_cursor(entry.cursor);
                   told.set_type(entry.type);
                   if (entry.attr.has_value()) fill(*told.mutable_attr(), *entry.attr);
                 }
                 return Status();
               });
}

grpc::Status NamespaceService::GetXattr(Context* context, const v1::XattrRequest* request, v1::Text* reply) {
  return serve(*context, exports_, request->where(), Access::kRead,
               [&](fs::FileSystem& files, const fs::Credential& cred) {
                 return tell(wait(files.getxattr(cred, NodeId(request->node()), request->name())), *reply);
               });
}

grpc::Status NamespaceService::SetXattr(Context* context, const v1::SetXattrRequest* request, v1::Done* /*reply*/) {
  return serve(*context, exports_, request->where(), Access::kWrite,
               [&](fs::FileSystem& files, const fs::Credential& cred) {
                 if (!v1::SetXattrRequest::Kind_IsValid(request->kind()))
                   return Status(EINVAL, "no such kind of attribute change");
                 return wait(files.setxattr(cred, NodeId(request->node()), request->name(), request->value(),
                                            static_cast<fs::XattrFlags>(request->kind())));
               });
}

grpc::Status NamespaceService::ListXattrs(Context* context, const v1::NodeRequest* request, v1::Names* reply) {
  return serve(*context, exports_, request->where(), Access::kRead,
               [&](fs::FileSystem& files, const fs::Credential& cred) {
                 const auto names = wait(files.listxattr(cred, NodeId(request->node())));
                 if (!names.has_value()) return names.error();
                 for (const std::string& name : *names) reply->add_names(name);
                 return Status();
               });
}

grpc::Status NamespaceService::RemoveXattr(Context* context, const v1::XattrRequest* request, v1::Done* /*reply*/) {
  return serve(*context, exports_, request->where(), Access::kWrite,
               [&](fs::FileSystem& files, const fs::Credential& cred) {
                 return wait(files.removexattr(cred, NodeId(request->node()), request->name()));
               });
}

grpc::Status NamespaceService::StatFs(Context* context, const v1::StatFsRequest* request, v1::StatFsReply* reply) {
  return serve(*context, exports_, request->where(), Access::kRead, [&](fs::FileSystem& files, const fs::Credential&) {
    const auto stat = wait(files.statfs());
    if (!stat.has_value()) return stat.error();
    reply->set_total_bytes(stat->total_bytes);
    reply->set_free_bytes(stat->free_bytes);
    reply->set_nodes_total(stat->nodes_total);
    reply->set_nodes_used(stat->nodes_used);
    reply->set_block_bytes(stat->block_bytes);
    reply->set_name_bytes_max(stat->name_bytes_max);
    return Status();
  });
}

}  // namespace ross::server::control
