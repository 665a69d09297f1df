"""The rows: what a client gets from a pool that another process serves, against what the bare transport gives."""

import json

import programs
from served import Served
from work import MIB, Row, Sample

LARGE, SMALL = MIB, 4096
FILE_MIB, FILE_MIB_SMALL = 1024, 256
DEVICE_MIB = 3072


class RemoteRow(Row):
    """Ours is a load on a served pool; a subclass says what stands against it."""

    backend = "tcp"
    load = {}

    def ours(self, place):
        served = place.once(f"served {self.backend}",
                            lambda: place.keep.enter_context(Served(self.backend, 1024 if place.quick else DEVICE_MIB)))
        load = dict(self.load)
        if "file_mib" in load and place.quick:
            load["file_mib"] = 128
        told = served.load(seconds=place.seconds, **load)
        return Sample(self.rate_of(told), told)

    def rate_of(self, told):
        return told["bytes_per_second"] if self.unit == "B/s" else told["ops_per_second"]


def bare(name, *arguments):
    """A line of one of the programs of bench/limits."""
    output, _ = programs.run([programs.bench_program(name), *arguments])
    return json.loads(output[output.index("{"):])


class SocketRow(RemoteRow):
    mode = "get1m"

    def reference(self, place):
        told = bare("socket_get", "--mode", self.mode, "--seconds", place.seconds)
        if self.unit == "B/s":
            return Sample(told["ops_per_second"] * told["size_bytes"], told)
        return Sample(told["ops_per_second"], told)


class TcpLargeRead(SocketRow):
    name = "tcp-1m-read-16"
    what = "1 MiB read, 16 in flight, over tcp"
    against = "bare sockets, 1 MiB"
    unit = "B/s"
    bar = 0.90
    load = {"work": "read", "size": LARGE, "inflight": 16, "file_mib": FILE_MIB}


class TcpLargeWrite(TcpLargeRead):
    name = "tcp-1m-write-16"
    what = "1 MiB write, 16 in flight, over tcp"
    bar = 0.85
    load = {"work": "write", "size": LARGE, "inflight": 16, "file_mib": FILE_MIB}


class TcpSmallRead(SocketRow):
    name = "tcp-4k-read-32"
    what = "4 KiB random read, 32 in flight, one session, over tcp"
    against = "bare sockets, batched, 4 KiB"
    mode = "get4k"
    bar = 0.40
    load = {"work": "random-read", "size": SMALL, "inflight": 32, "file_mib": FILE_MIB_SMALL}


class TcpLatency(SocketRow):
    """Compared as rates: 1.5 times the latency is 0.67 of the rate."""

    name = "tcp-4k-read-1"
    what = "4 KiB random read, one in flight, over tcp: calls in a median latency"
    against = "bare sockets, a round trip of 64 B"
    mode = "echo"
    bar = 1 / 1.5
    load = {"work": "random-read", "size": SMALL, "inflight": 1, "file_mib": FILE_MIB_SMALL}

    def rate_of(self, told):
        return 1e6 / told["latency_us"]["p50"]

    def reference(self, place):
        told = bare("socket_get", "--mode", self.mode, "--seconds", place.seconds)
        return Sample(1e6 / told["latency_us"]["p50"], told)


class OfiLarge(RemoteRow):
    name = "ofi-tcp-1m-read-16"
    what = "1 MiB read, 16 in flight, over libfabric's tcp"
    against = "libfabric's bare 1 MiB writes"
    unit = "B/s"
    backend = "ofi+tcp"
    bar = 0.90
    load = {"work": "read", "size": LARGE, "inflight": 16, "file_mib": FILE_MIB}
    bare_load, bare_key = "put", "put_1MiB_per_s"

    def reference(self, place):
        told = bare("ofi_get", "--provider", self.backend, "--pairs", 1, "--seconds", place.seconds, "--only", "bare", "--load",
                    self.bare_load)
        return Sample(told[self.bare_key]["bare"] * (MIB if self.unit == "B/s" else 1), told)


class OfiSmall(OfiLarge):
    name = "ofi-tcp-4k-read-32"
    what = "4 KiB random read, 32 in flight, over libfabric's tcp"
    against = "libfabric's bare 4 KiB calls"
    unit = "op/s"
    bar = 0.80
    load = {"work": "random-read", "size": SMALL, "inflight": 32, "file_mib": FILE_MIB_SMALL}
    bare_load, bare_key = "rpc", "rpc_4KiB_per_s"


class OfiShmLarge(OfiLarge):
    name = "ofi-shm-1m-read-16"
    what = "1 MiB read, 16 in flight, over libfabric's shm"
    backend = "ofi+shm"


class UcxLarge(RemoteRow):
    name = "ucx-shm-1m-read-16"
    what = "1 MiB read, 16 in flight, over UCX's shared memory"
    against = "UCX's bare 1 MiB puts or rendezvous, the faster"
    unit = "B/s"
    backend = "ucx+shm"
    bar = 0.90
    load = {"work": "read", "size": LARGE, "inflight": 16, "file_mib": FILE_MIB}
    bare_forms = ["bare_put_1m", "bare_rendezvous_1m"]

    def reference(self, place):
        told = {form: bare("ucx_get", "--transport", self.backend.removeprefix("ucx+"), "--pairs", 1, "--seconds",
                           place.seconds, "--only", form)[form] for form in self.bare_forms}
        rate = max(form["per_second"] for form in told.values())
        return Sample(rate * (MIB if self.unit == "B/s" else 1), told)


class UcxSmall(UcxLarge):
    name = "ucx-shm-4k-read-32"
    what = "4 KiB random read, 32 in flight, over UCX's shared memory"
    against = "UCX's bare 4 KiB calls"
    unit = "op/s"
    bar = 0.80
    load = {"work": "random-read", "size": SMALL, "inflight": 32, "file_mib": FILE_MIB_SMALL}
    bare_forms = ["bare_rpc_4k"]


class ShmLarge(RemoteRow):
    name = "shm-1m-read-16"
    what = "1 MiB read, 16 in flight, over shm"
    against = "memcpy of what is not cached, one core"
    unit = "B/s"
    backend = "shm"
    bar = 0.60
    load = {"work": "read", "size": LARGE, "inflight": 16, "file_mib": FILE_MIB}

    def reference(self, place):
        told = programs.run_json([programs.bench_program("memcpy_cold"), "--seconds", min(place.seconds, 1)])[0]
        return Sample(told["bytes"] / told["seconds"], told)


class ShmSmall(RemoteRow):
    name = "shm-4k-read-32"
    what = "4 KiB random read, 32 in flight, over shm"
    against = "600 k/s"
    backend = "shm"
    bar = 1.0
    load = {"work": "random-read", "size": SMALL, "inflight": 32, "file_mib": FILE_MIB_SMALL}

    def reference(self, place):
        return Sample(600_000.0)


class Names(RemoteRow):
    name = "tcp-names-32"
    what = "create, stat and unlink by messages, 32 in flight, over tcp"
    against = "the same calls in one process"
    bar = 0.35
    load = {"work": "names", "inflight": 32}

    def reference(self, place):
        files = 20_000 if place.quick else 200_000
        with programs.Pool(place.disk / "names-pool", "--device", "ram:1G") as pool:
            told = programs.run_json([programs.bench_program("metadata_rate"), "--files", files, "--directories", files // 1000,
                                      "ross", pool.url])[0]
        seconds = sum(told[part]["seconds"] for part in ("create", "stat", "unlink"))
        return Sample(3 * told["files"] / seconds, told)


def rows():
    return [TcpLargeRead(), TcpLargeWrite(), OfiLarge(), OfiShmLarge(), UcxLarge(), ShmLarge(), TcpSmallRead(), OfiSmall(),
            UcxSmall(), ShmSmall(), TcpLatency(), Names()]
