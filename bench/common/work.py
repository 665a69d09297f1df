"""What a benchmark is given, and what it gives: the place it works in, and rates."""

import contextlib
import dataclasses
import pathlib
import shutil

import programs

MIB, GIB = 1 << 20, 1 << 30


@dataclasses.dataclass
class Sample:
    """One measurement. Rates are what is compared; details are kept in the JSON as they are."""

    rate: float
    details: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Place:
    """Directories of our own on the disk and in memory, and how thorough to be."""

    disk: pathlib.Path
    memory: pathlib.Path
    source: str | None
    fio_given: str | None
    quick: bool
    seconds: float
    keep: contextlib.ExitStack  # what lasts to the end of all rows
    kept: dict = dataclasses.field(default_factory=dict)

    def once(self, key, make):
        """What make() returned the first time."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def fio(self):
        return self.once("fio", lambda: programs.fio_with_dfs(self.fio_given))

    def need_disk(self, size_bytes):
        self.need(self.disk, size_bytes, "--dir")

    def need_memory(self, size_bytes):
        self.need(self.memory, size_bytes, "--memory-dir")
        with open("/proc/meminfo", encoding="utf-8") as lines:
            available = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
        if available < size_bytes + GIB:
            raise programs.Failure(f"this needs {size_bytes / GIB:.0f} GiB of memory and one to spare, and "
                                   f"{available / GIB:.1f} GiB are available: end what uses it, or try --quick")

    @staticmethod
    def need(directory, size_bytes, option):
        free = shutil.disk_usage(directory).free
        if free < size_bytes + GIB:
            raise programs.Failure(f"{directory} has {free / GIB:.1f} GiB free and this needs {size_bytes / GIB:.0f} and one to "
                                   f"spare: name another place with {option}, or try --quick")


class Row:
    """A line of the table. A subclass measures one side at a time; prepare() comes before and is not timed."""

    name = ""
    what = ""
    against = ""
    unit = "op/s"
    bar = None

    def prepare(self, place):
        pass

    def ours(self, place):
        raise NotImplementedError

    def reference(self, place):
        raise NotImplementedError
