"""Ceph: one monitor and one OSD on tmpfs, no systemd, no cephx, no replicas; read by fio's rados engine."""

import uuid

import programs
from daemon import Daemon, free_port, listens
from store import Store
from work import MIB

POOL = "bench"
PLACEMENT_GROUPS = 32
OBJECT_BYTES = 4 * MIB  # as RBD and CephFS cut what they store
COMMAND_SECONDS_MAX = 60
QUIET = ("osd", "ms", "mon", "bluestore", "bluefs", "bdev", "rocksdb", "objecter", "monc", "auth", "filestore", "paxos", "tick",
         "timer", "rados", "crush", "optracker", "prioritycache", "memdb", "heartbeatmap", "perfcounter", "finisher")


def configuration(kind, folder, port, cluster, device_bytes):
    """Everything in one folder, on loopback, without what one machine cannot have; no debug logs, in Ceph's favour."""
    return f"""[global]
fsid = {cluster}
mon host = v2:127.0.0.1:{port}
public addr = 127.0.0.1
ms bind msgr1 = false
auth cluster required = none
auth service required = none
auth client required = none
mon data = {folder}/mon
osd data = {folder}/osd
run dir = {folder}
admin socket =
keyring = {folder}/keyring
log to stderr = true
err to stderr = true
log to file = false
mon cluster log to file = false
osd objectstore = {kind}
bluestore block size = {device_bytes}
memstore device bytes = {device_bytes}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
osd crush chooseleaf type = 0
""" + "".join(f"debug {part} = 0/0\n" for part in QUIET)


class CephStore(Store):
    KINDS = ("bluestore", "memstore")

    def start(self):
        programs.need("ceph-mon", "ceph-osd", "ceph", "rados", "monmaptool")
        self.need_engine("rados")
        self.start_servers()
        objects = self.size // OBJECT_BYTES
        self.name = ":".join(f"data.{number}" for number in range(objects))
        self.engine = ["--ioengine=rados", f"--pool={POOL}", "--clientname=admin", f"--conf={self.conf}",
                       f"--nrfiles={objects}"]
        self.environment = {"LD_PRELOAD": str(programs.bench_program("libkeep_objects.so"))}
        self.fill()

    def read(self, pattern, block):
        # fio takes a read of what is not there for a good one.
        told = programs.run(["rados", "-c", self.conf, "-p", POOL, "stat", "data.0"], COMMAND_SECONDS_MAX)[0]
        if not told.rstrip().endswith(f" {OBJECT_BYTES}"):
            raise programs.Failure(f"an object that should have {OBJECT_BYTES} bytes: {told.strip()}")
        return super().read(pattern, block)

    def start_servers(self):
        port, cluster, osd = free_port(), uuid.uuid4(), uuid.uuid4()
        for part in ("mon", "osd"):
            (self.folder / part).mkdir()
        self.conf = self.folder / "ceph.conf"
        self.conf.write_text(configuration(self.kind, self.folder, port, cluster, 2 * self.size + (4 << 30)))
        monitors = self.folder / "monmap"
        programs.run(["monmaptool", "--create", "--fsid", cluster, "--addv", "a", f"[v2:127.0.0.1:{port}]", monitors],
                     COMMAND_SECONDS_MAX)
        programs.run(["ceph-mon", "-c", self.conf, "-i", "a", "--mkfs", "--monmap", monitors], COMMAND_SECONDS_MAX)
        mon = self.enter_context(Daemon("ceph-mon", ["ceph-mon", "-c", self.conf, "-i", "a", "-f"], self.folder))
        mon.until(lambda: listens(port))
        self.ceph("osd", "new", osd)
        programs.run(["ceph-osd", "-c", self.conf, "-i", 0, "--mkfs", "--osd-uuid", osd], COMMAND_SECONDS_MAX)
        server = self.enter_context(Daemon("ceph-osd", ["ceph-osd", "-c", self.conf, "-i", 0, "-f"], self.folder))
        for flag in ("noscrub", "nodeep-scrub"):
            self.ceph("osd", "set", flag)
        self.ceph("osd", "pool", "create", POOL, PLACEMENT_GROUPS, PLACEMENT_GROUPS)
        server.until(lambda: "1 up" in self.ceph("osd", "stat"))
        self.daemons = [mon, server]

    def ceph(self, *words):
        return programs.run(["ceph", "-c", self.conf, "--connect-timeout", 30, *words], COMMAND_SECONDS_MAX)[0]
