"""fio's DFS engine on a pool against the same fio's io_uring engine on a file of the same disk or of memory."""

import programs
from fio_job import FIO_SECONDS_MAX, fio, p99_us, timed
from work import GIB, MIB, Row, Sample

FILE_BYTES = 2 * GIB
FILE_BYTES_QUICK = 256 * MIB
RAM_FILE_BYTES = GIB
OVERWRITES = 200_000
OVERWRITES_QUICK = 10_000


class FilePlace:
    """A pool whose blocks are all written, with one file for each kind of use, and a file that is written as a whole.

    Reads, streams and overwrites have files of their own in the pool, since overwriting scatters a file's blocks there; the
    reference is overwritten in place and needs one. The pool has room for two more of them, so that what is overwritten
    need not wait for the space of what it replaced.
    """

    def __init__(self, place):
        self.size = FILE_BYTES_QUICK if place.quick else FILE_BYTES
        self.device_size = 6 * self.size
        place.need_disk(self.size + self.device_size)
        self.path = place.disk / "reference"
        self.io_uring = ["--ioengine=io_uring", "--direct=1"]
        fio(place, self.io_uring, self.path, self.size, "write", "1m", 16, ["--fallocate=posix", "--end_fsync=1"])
        self.pool = place.keep.enter_context(
            programs.Pool(place.disk / "pool", "--size", self.device_size, "--prewrite"))
        self.dfs = ["--ioengine=dfs", f"--pool={self.pool.directory}", "--cont=bench"]
        for name in ("read", "stream", "overwrite"):
            fio(place, self.dfs, name, self.size, "write", "1m", 16, [])


class FileRow(Row):
    against = "fio io_uring, O_DIRECT, a file on the same disk"

    def __init__(self, name, what, file, pattern, block, depth, bar):
        self.name, self.what, self.bar = name, what, bar
        self.file, self.pattern, self.block, self.depth = file, pattern, block, depth
        self.unit = "B/s" if block == "1m" else "op/s"

    def prepare(self, place):
        place.once("file", lambda: FilePlace(place))

    def sample(self, place, engine, filename):
        files = place.kept["file"]
        figures, _ = fio(place, engine, filename, files.size, self.pattern, self.block, self.depth, timed(place.seconds))
        return Sample(figures["bw_bytes"] if self.unit == "B/s" else figures["iops"], {"p99_us": p99_us(figures)})

    def ours(self, place):
        return self.sample(place, place.kept["file"].dfs, self.file)

    def reference(self, place):
        return self.sample(place, place.kept["file"].io_uring, place.kept["file"].path)


class OverwriteRow(FileRow):
    """The whole process counts, from its start to its end, for a fixed number of writes. The reference ends with an fsync; the
    DFS engine passes none on, and what it wrote is made durable when it closes the pool, which is inside the time too."""

    def sample(self, place, engine, filename):
        files = place.kept["file"]
        writes = OVERWRITES_QUICK if place.quick else OVERWRITES
        figures, seconds = fio(place, engine, filename, files.size, self.pattern, self.block, self.depth,
                               [f"--number_ios={writes}", "--end_fsync=1"])
        if figures["total_ios"] < writes:
            raise programs.Failure(f"fio did {figures['total_ios']} writes of {writes}")
        return Sample(writes / seconds, {"process_seconds": seconds, "job_iops": figures["iops"]})


class RamPlace:
    def __init__(self, place):
        self.size = FILE_BYTES_QUICK if place.quick else RAM_FILE_BYTES
        place.need_memory(4 * self.size)
        self.pool = place.keep.enter_context(
            programs.Pool(place.disk / "ram-pool", "--device", f"ram:{2 * self.size}"))
        self.dfs = ["--ioengine=dfs", f"--pool={self.pool.directory}", "--cont=bench"]
        fio(place, self.dfs, "read", self.size, "write", "1m", 16, [])


class RamRow(Row):
    def prepare(self, place):
        place.once("ram", lambda: RamPlace(place))

    def read(self, place, pattern, block):
        ram = place.kept["ram"]
        return fio(place, ram.dfs, "read", ram.size, pattern, block, 16, timed(place.seconds))[0]


class RamStreamRow(RamRow):
    name = "ram-1m-read"
    what = "1 MiB read, depth 16, RAM device, one job"
    against = "one core's cold memcpy"
    unit = "B/s"
    bar = 0.60

    def ours(self, place):
        return Sample(self.read(place, "read", "1m")["bw_bytes"])

    def reference(self, place):
        copied, _ = programs.run_json([programs.bench_program("memcpy_cold"), "--source-mib", RAM_FILE_BYTES // MIB,
                                       "--seconds", place.seconds], FIO_SECONDS_MAX)
        return Sample(copied["bytes"] / copied["seconds"])


class RamSmallRow(RamRow):
    name = "ram-4k-read"
    what = "4 KiB random read, depth 16, RAM device, one job"
    against = "fio io_uring, buffered, a tmpfs file"
    bar = 1.0

    def prepare(self, place):
        super().prepare(place)
        size = place.kept["ram"].size
        self.path = place.memory / "reference"
        self.io_uring = ["--ioengine=io_uring", "--direct=0"]
        place.once("tmpfs", lambda: fio(place, self.io_uring, self.path, size, "write", "1m", 16, []))

    def ours(self, place):
        return Sample(self.read(place, "randread", "4k")["iops"])

    def reference(self, place):
        figures, _ = fio(place, self.io_uring, self.path, place.kept["ram"].size, "randread", "4k", 16, timed(place.seconds))
        return Sample(figures["iops"])


def rows():
    return [
        FileRow("file-1m-read", "1 MiB read, depth 16, file device", "read", "read", "1m", 16, 0.95),
        FileRow("file-1m-write", "1 MiB write, depth 16, file device", "stream", "write", "1m", 16, 0.95),
        FileRow("file-4k-read-16", "4 KiB random read, depth 16, file device", "read", "randread", "4k", 16, 0.90),
        FileRow("file-4k-read-64", "4 KiB random read, depth 64, file device", "read", "randread", "4k", 64, 0.90),
        OverwriteRow("file-4k-overwrite", "4 KiB random overwrite, depth 16, then fsync, file device", "overwrite",
                     "randwrite", "4k", 16, 0.75),
        RamStreamRow(),
        RamSmallRow(),
    ]
