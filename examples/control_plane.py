#!/usr/bin/env python3
"""Drives a ROSS server's control plane with nothing but its protos: pools, containers, names, sessions, tenants, health.

    ross-engine /srv/ross/pool0 &
    examples/control_plane.py 127.0.0.1:7470 pool0

The protos become Python by protoc and its plugin (apt-get install python3-grpcio python3-protobuf protobuf-compiler-grpc). With tenants,
ROSS_TOKEN is shown (ross auth token NAME). Exit code 77: a part of that is missing.
"""
import contextlib
import importlib
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile

PROTOS = pathlib.Path(__file__).resolve().parent.parent / "proto"
SECONDS = 20


def missing(what):
    print(f"control_plane.py: skipped: {what} is missing (apt-get install python3-grpcio python3-protobuf protobuf-compiler-grpc)")
    sys.exit(77)


try:
    import google.protobuf  # noqa: F401
    import grpc
except ImportError as error:
    missing(error.name)


def compiled(folder):
    """The modules of ross.v1, by name: namespace_pb2, namespace_pb2_grpc, ..."""
    plugin = shutil.which("grpc_python_plugin")
    if shutil.which("protoc") is None or plugin is None:
        missing("protoc or its plugin grpc_python_plugin")
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("ross/v1/*.proto"))
    subprocess.run(["protoc", f"--proto_path={PROTOS}", f"--python_out={folder}", f"--grpc_out={folder}",
                    f"--plugin=protoc-gen-grpc={plugin}", *files], check=True, timeout=SECONDS)
    sys.path.insert(0, folder)
    stems = [pathlib.Path(name).stem for name in files]
    return {stem + end: importlib.import_module(f"ross.v1.{stem}{end}") for stem in stems for end in ("_pb2", "_pb2_grpc")}


class Server:
    """Stubs of a server's services that have a deadline, and show the token there is."""

    def __init__(self, address, modules):
        self.channel = grpc.insecure_channel(address)  # over a network: grpc.secure_channel, with the certificates of ross auth
        self.modules = modules
        token = os.environ.get("ROSS_TOKEN")
        self.metadata = [("authorization", f"Bearer {token}")] if token else None

    def call(self, service, method, request):
        stub = getattr(self.modules[f"{service}_pb2_grpc"], f"{service.capitalize()}ServiceStub")(self.channel)
        return getattr(stub, method)(request, timeout=SECONDS, metadata=self.metadata)

    def raw(self, path, request):
        """The bytes of a reply of one of gRPC's own services."""
        return self.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)(request, timeout=SECONDS)


def errno_of(error):
    return int(dict(error.trailing_metadata()).get("ross-errno", 0))


def main():
    address, pool = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as undo:
        modules = compiled(folder)
        sessions, pools, names, tenants = (modules[f"{stem}_pb2"] for stem in ("session", "pool", "namespace", "tenant"))
        server = Server(address, modules)

        # gRPC's own: health, and which services there are.
        serving = server.raw("/grpc.health.v1.Health/Check", b"") == b"\x08\x01"
        reflect = server.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                               request_serializer=bytes, response_deserializer=bytes)
        listed = next(reflect(iter([b"\x3a\x00"]), timeout=SECONDS))  # list_services
        assert serving and b"ross.v1.SessionService" in listed

        described = server.call("session", "Describe", sessions.DescribeRequest())
        print(f"{described.server} serves {', '.join(described.pools)} by {', '.join(f.backend for f in described.fabrics)}")

        container = f"example-{os.getpid()}"
        server.call("pool", "CreateContainer", pools.CreateContainerRequest(pool=pool, container=container, quota_bytes=1 << 30))
        undo.callback(server.call, "pool", "DestroyContainer", pools.DestroyContainerRequest(pool=pool, container=container))
        for found in server.call("pool", "ListContainers", pools.ListContainersRequest(pool=pool)).containers:
            print(f"container {found.name}: {found.used_bytes} bytes in {found.used_nodes} nodes")

        where = names.Where(pool=pool, container=container, uid=os.geteuid(), gid=os.getegid())
        made = server.call("namespace", "MakeDirectory", names.MakeRequest(where=where, parent=1, name=b"train", mode=0o755))
        assert stat.S_ISDIR(made.mode)
        server.call("namespace", "SetXattr", names.SetXattrRequest(where=where, node=made.node, name=b"user.epoch", value=b"7"))
        entries = server.call("namespace", "ReadDirectory", names.ReadDirectoryRequest(where=where, node=1, entries_max=100)).entries
        print("names:", ", ".join(entry.name.decode() for entry in entries))
        try:
            server.call("namespace", "Lookup", names.NameRequest(where=where, parent=1, name=b"absent"))
        except grpc.RpcError as error:
            print(f"an error: {error.code().name}, errno {errno_of(error)}")

        session = server.call("session", "Connect", sessions.ConnectRequest(pool=pool, wire_version=described.wire_version,
                                                                            pid=os.getpid(), uid=os.geteuid(), gid=os.getegid()))
        server.call("session", "Renew", sessions.RenewRequest(pool=pool, token=session.token))
        server.call("session", "Close", sessions.CloseRequest(pool=pool, token=session.token))
        try:
            for tenant in server.call("tenant", "ListTenants", tenants.ListTenantsRequest()).tenants:
                print(f"tenant {tenant.name}: {tenant.sessions} sessions, {tenant.usage.operations} operations so far")
        except grpc.RpcError as error:
            print(f"tenants: {error.details()}")


if __name__ == "__main__":
    main()
