// NamespaceService of proto/ross/v1/namespace.proto: names and attributes for who has no data plane.
//
// Ownership: borrows exports. Threading: any thread.
#pragma once

#include <ross/v1/namespace.grpc.pb.h>

#include "server/control/exports.h"

namespace ross::server::control {

class NamespaceService final : public v1::NamespaceService::Service {
 public:
  explicit NamespaceService(Exports& exports) : exports_(exports) {}

  using Context = grpc::ServerContext;
  grpc::Status Lookup(Context* context, const v1::NameRequest* request, v1::Attr* reply) override;
  grpc::Status GetAttr(Context* context, const v1::NodeRequest* request, v1::Attr* reply) override;
  grpc::Status SetAttr(Context* context, const v1::SetAttrRequest* request, v1::Attr* reply) override;
  grpc::Status MakeDirectory(Context* context, const v1::MakeRequest* request, v1::Attr* reply) override;
  grpc::Status MakeNode(Context* context, const v1::MakeRequest* request, v1::Attr* reply) override;
  grpc::Status MakeSymlink(Context* context, const v1::MakeSymlinkRequest* request, v1::Attr* reply) override;
  grpc::Status ReadLink(Context* context, const v1::NodeRequest* request, v1::Text* reply) override;
  grpc::Status Link(Context* context, const v1::LinkRequest* request, v1::Attr* reply) override;
  grpc::Status Unlink(Context* context, const v1::NameRequest* request, v1::Done* reply) override;
  grpc::Status RemoveDirectory(Context* context, const v1::NameRequest* request, v1::Done* reply) override;
  grpc::Status Rename(Context* context, const v1::RenameRequest* request, v1::Done* reply) override;
  grpc::Status ReadDirectory(Context* context, const v1::ReadDirectoryRequest* request, v1::Entries* reply) override;
  grpc::Status GetXattr(Context* context, const v1::XattrRequest* request, v1::Text* reply) override;
  grpc::Status SetXattr(Context* context, const v1::SetXattrRequest* request, v1::Done* reply) override;
  grpc::Status ListXattrs(Context* context, const v1::NodeRequest* request, v1::Names* reply) override;
  grpc::Status RemoveXattr(Context* context, const v1::XattrRequest* request, v1::Done* reply) override;
  grpc::Status StatFs(Context* context, const v1::StatFsRequest* request, v1::StatFsReply* reply) override;

 private:
  Exports& exports_;
};

}  // namespace ross::server::control
