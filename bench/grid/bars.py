"""The rows that are judged: an offload beside the same work without it, right after each other on chains that stand together."""

import measure
import programs
from ways import Chain, Way
from work import GIB, MIB, Row, Sample

REMOTE_TCP, REMOTE_OFI = Way("remote", "tcp"), Way("remote", "ofi+tcp")
DIRECT_TCP, DIRECT_SHM = (Way("offload-direct", fabric) for fabric in ("tcp", "shm"))
STAGED_TCP, STAGED_OFI, STAGED_SHM = (Way("offload-staged", fabric) for fabric in ("tcp", "ofi+tcp", "shm"))

FILE_BYTES = 256 * MIB
FILE_BYTES_QUICK = 64 * MIB
NAMES, NAMES_QUICK = 100_000, 2_000


def chain(place, way):
    """The way's chain with a file to read and one to write, made once."""
    def make():
        size = FILE_BYTES_QUICK if place.quick else FILE_BYTES
        place.need_memory(3 * size)
        made = place.keep.enter_context(Chain(place, way, 3 * size))
        for file in ("read", "write"):
            measure.run(made, "write", "1m", 1, 16, file, size, None)
        return made
    return place.once(way, make)


class FioRow(Row):
    """value: of what measure.run() returned, more being better."""

    def __init__(self, name, what, ours, reference, bar, work, value, unit):
        self.name, self.what, self.against, self.bar, self.unit = name, what, reference.name, bar, unit
        self.our_way, self.reference_way, self.work, self.value = ours, reference, work, value

    def prepare(self, place):
        chain(place, self.our_way)
        chain(place, self.reference_way)

    def side(self, place, way):
        pattern, block, depth = self.work
        size = FILE_BYTES_QUICK if place.quick else FILE_BYTES
        figures = measure.run(chain(place, way), pattern, block, 1, depth, "write" if pattern == "write" else "read", size,
                              place.seconds)
        return Sample(self.value(figures), figures)

    def ours(self, place):
        return self.side(place, self.our_way)

    def reference(self, place):
        return self.side(place, self.reference_way)


class NamesRow(Row):
    """Open and stat of files that are there, 32 calls in flight."""

    name, unit, bar = "names", "op/s", 0.5
    what = "open + stat of 100,000 files, 32 in flight, through the agent"
    against = REMOTE_TCP.name

    def prepare(self, place):
        for way in (STAGED_TCP, REMOTE_TCP):
            self.run(place, way, make=True)

    def run(self, place, way, make=False):
        files = NAMES_QUICK if place.quick else NAMES
        return programs.run_json([programs.bench_program("open_rate"), f"{chain(place, way).url}/bench", "--files", files,
                                  *(["--make"] if make else [])])[0]

    def ours(self, place):
        return Sample(self.run(place, STAGED_TCP)["files_per_s"])

    def reference(self, place):
        return Sample(self.run(place, REMOTE_TCP)["files_per_s"])


def rate(figures):
    return figures["bytes_per_s"]


def calls(figures):
    return figures["op_per_s"]


def rows():
    read_1m, write_1m, read_4k, one_4k = ("read", "1m", 16), ("write", "1m", 16), ("randread", "4k", 32), ("randread", "4k", 1)
    return [
        FioRow("direct-1m-read", "1 MiB read, 16 in flight, direct", DIRECT_TCP, REMOTE_TCP, 0.90, read_1m, rate, "B/s"),
        FioRow("direct-1m-write", "1 MiB write, 16 in flight, direct", DIRECT_TCP, REMOTE_TCP, 0.90, write_1m, rate, "B/s"),
        FioRow("staged-1m-read", "1 MiB read, 16 in flight, staged", STAGED_TCP, REMOTE_TCP, 0.45, read_1m, rate, "B/s"),
        FioRow("direct-4k-read", "4 KiB random read, 32 in flight, direct", DIRECT_TCP, REMOTE_TCP, 0.45, read_4k, calls, "op/s"),
        FioRow("shm-4k-read", "4 KiB random read, 32 in flight, shm to the agent", STAGED_SHM, REMOTE_TCP, 0.70, read_4k, calls, "op/s"),
        FioRow("own-4k-read", "4 KiB random read, 32 in flight, our tcp", STAGED_TCP, STAGED_OFI, 2.0, read_4k, calls, "op/s"),
        # The median latency is 2.2 times the reference's at most.
        FioRow("latency", "4 KiB random reads a second by the median latency, one in flight", STAGED_TCP, REMOTE_TCP, 1 / 2.2, one_4k,
               lambda figures: 1e6 / figures["p50_us"], "op/s"),
        # Processor time of the host: a tenth and 0.15 of the reference's at most.
        FioRow("host-cpu-1m", "1 MiB read, bytes by a second of the host's processor, shm", DIRECT_SHM, REMOTE_TCP, 1 / 0.10,
               read_1m, lambda figures: GIB / figures["cpu_s_per_gib"]["host"], "B/s"),
        FioRow("host-cpu-4k", "4 KiB random reads by a second of the host's processor, shm to the agent", STAGED_SHM, REMOTE_OFI,
               1 / 0.15, read_4k, lambda figures: 1e6 / figures["cpu_us_per_op"]["host"], "op/s"),
        NamesRow(),
    ]
