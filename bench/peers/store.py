"""What is compared: a store in memory that a server of its own serves, read by one of fio's engines."""

import contextlib
import os
import shutil

import programs
from fio_job import fio, p99_us, timed
from work import GIB, MIB, Sample

FILE_BYTES = GIB
FILE_BYTES_QUICK = 128 * MIB
DEPTH = 16


class Store(contextlib.ExitStack):
    """A subclass starts its servers, on the stack that it is, and says how fio comes to its data:

    engine   fio's options, that of the engine first
    name     of the file or the objects that fio reads
    daemons  the servers, whose processor time counts
    environment  what fio has in its beside ours
    KINDS    the ways in which it can keep its data, where there are several
    """

    KINDS = ()

    engine = []
    environment = None
    name = "data"
    daemons = ()

    def __init__(self, place, folder, kind=None):
        super().__init__()
        self.place, self.folder, self.kind = place, folder, kind
        self.size = self.size_of(place)

    @staticmethod
    def size_of(place):
        return FILE_BYTES_QUICK if place.quick else FILE_BYTES

    def __enter__(self):
        super().__enter__()
        try:
            self.folder.mkdir()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *why):
        try:
            return super().__exit__(*why)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        raise NotImplementedError

    def need_engine(self, name):
        """Missing, unless fio has it."""
        try:
            programs.run([self.place.fio(), f"--enghelp={name}"])
        except programs.Failure as failure:
            raise programs.Missing(f"{self.place.fio()} was built without fio's {name} engine") from failure

    def job(self, pattern, block, limit):
        return fio(self.place, self.engine, self.name, self.size, pattern, block, DEPTH, limit, self.environment)[0]

    def fill(self):
        """Random data everywhere, then all of it read once."""
        self.job("write", "1m", ["--refill_buffers=1"])
        self.job("read", "1m", [])

    def read(self, pattern, block):
        """One timed job. Its rate is in bytes a second for large blocks, and in calls for small ones."""
        before = self.cpu_seconds()
        figures = self.job(pattern, block, timed(self.place.seconds))
        client, server = (after - start for after, start in zip(self.cpu_seconds(), before))
        calls = max(figures["total_ios"], 1)
        return Sample(figures["bw_bytes"] if block == "1m" else figures["iops"],
                      {"kind": self.kind, "ops": calls, "client_cpu_us_per_op": client / calls * 1e6,
                       "server_cpu_us_per_op": server / calls * 1e6, "mean_us": figures["clat_ns"]["mean"] / 1000,
                       "p99_us": p99_us(figures)})

    def cpu_seconds(self):
        """(of the programs that ended, which between two calls is fio's; of the servers)."""
        ended = os.times()
        return (ended.children_user + ended.children_system, sum(daemon.cpu_seconds() for daemon in self.daemons))
