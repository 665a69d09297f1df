"""Names: create, stat and unlink against tmpfs, and the import of a real tree against cp."""

import os
import pathlib
import shutil
import stat
import tempfile

import programs
from work import GIB, Row, Sample

IMPORT_FILES_WANTED = 50_000
IMPORT_BYTES_WANTED = GIB
BLOCK_BYTES = 4096
READ_BYTES = 1 << 20


class MetadataRow(Row):
    name = "metadata"
    what = "create, stat, unlink of 1 M empty files in 1,000 directories, one thread, RAM device"
    against = "the same calls on tmpfs"
    bar = 0.25

    def command(self, place, *side):
        files = 20_000 if place.quick else 1_000_000
        return [programs.bench_program("metadata_rate"), "--files", files, "--directories", files // 1000, *side]

    def prepare(self, place):
        place.need_memory(3 * GIB)
        place.need_disk(2 * GIB)

    @staticmethod
    def sample(figures):
        parts = {name: figures[name] for name in ("create", "stat", "unlink")}
        calls = 3 * figures["files"]
        details = {f"{name}_us": part["seconds"] / figures["files"] * 1e6 for name, part in parts.items()}
        details["cpu_us"] = sum(part["cpu_seconds"] for part in parts.values()) / calls * 1e6
        return Sample(calls / sum(part["seconds"] for part in parts.values()), details)

    def ours(self, place):
        with programs.Pool(place.disk / "metadata-pool", "--device", "ram:1G") as pool:
            return self.sample(programs.run_json(self.command(place, "ross", pool.url))[0])

    def reference(self, place):
        directory = tempfile.mkdtemp(dir=place.memory)
        try:
            return self.sample(programs.run_json(self.command(place, "posix", directory))[0])
        finally:
            shutil.rmtree(directory, ignore_errors=True)


class Tree:
    """A directory tree: what is in it, counted, and read once so that the page cache holds it."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = self.names = self.stored_bytes = self.data_bytes = 0
        pending = [str(root)]
        while pending:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    self.names += 1
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        pending.append(entry.path)
                    elif stat.S_ISREG(status.st_mode):
                        self.files += 1
                        self.data_bytes += status.st_size
                        self.stored_bytes += -(-status.st_size // BLOCK_BYTES) * BLOCK_BYTES

    @property
    def enough(self):
        return self.files >= IMPORT_FILES_WANTED and self.data_bytes >= IMPORT_BYTES_WANTED

    def warm(self):
        buffer = bytearray(READ_BYTES)
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    continue
                with open(path, "rb", buffering=0) as file:
                    while file.readinto(buffer):
                        pass


def real_tree(place):
    """The tree named on the command line, or the smallest of /usr and its directories that is big enough."""
    if place.source:
        return Tree(place.source)
    if place.quick:
        return Tree("/usr/include")
    parts = [path for path in pathlib.Path("/usr").iterdir() if path.is_dir() and not path.is_symlink()]
    fitting = [tree for tree in map(Tree, parts) if tree.enough] or [Tree("/usr")]
    return min(fitting, key=lambda tree: tree.data_bytes)


class ImportRow(Row):
    name = "import"
    what = "import of a real tree, then sync"
    against = "cp -a of it to the same disk, then sync"
    unit = "B/s"
    bar = 0.5

    def prepare(self, place):
        try:
            self.tree = place.once("tree", lambda: real_tree(place))
        except OSError as error:
            raise programs.Failure(f"{error.filename} cannot be read: {error.strerror}; name a tree with --source") from error
        if not self.tree.enough and not place.quick:
            raise programs.Failure(f"{self.tree.root} is no tree of {IMPORT_FILES_WANTED} files and "
                                   f"{IMPORT_BYTES_WANTED / GIB:.0f} GiB; name one with --source")
        self.device_bytes = -(-(self.tree.stored_bytes * 5 // 4 + GIB) // GIB) * GIB
        place.need_disk(self.device_bytes + GIB)
        tree = self.tree
        self.what = (f"import of {tree.root} ({tree.files} files, {tree.data_bytes / GIB:.1f} GiB, in the page cache), then "
                     "sync")

    def sample(self, seconds):
        return Sample(self.tree.data_bytes / seconds, {"seconds": seconds, "names": self.tree.names})

    def same_start(self, place):
        """The source in the page cache, and nothing else waiting for the disk."""
        self.tree.warm()
        programs.run(["sync", "-f", place.disk])

    def ours(self, place):
        with programs.Pool(place.disk / "import-pool", "--size", self.device_bytes) as pool:
            self.same_start(place)
            # Ends with a sync of its own, as the command always does.
            return self.sample(programs.ross("cp", "-r", "-T", self.tree.root, f"{pool.url}/tree")[1])

    def reference(self, place):
        target = place.disk / "import-copy"
        try:
            self.same_start(place)
            command = ["sh", "-c", 'cp -a "$1" "$2" && sync -f "$2"', "copy", self.tree.root, target]
            return self.sample(programs.run(command)[1])
        finally:
            shutil.rmtree(target, ignore_errors=True)


def rows():
    return [MetadataRow(), ImportRow()]
