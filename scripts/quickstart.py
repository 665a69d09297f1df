"""./quickstart: installs, builds, puts a real directory tree into a pool, takes it out again and compares.

The way is the whole one: the host's commands reach an agent, as on a DPU, and the agent the engine that serves the pool; three
processes, in three network namespaces where this user may make them (root may), else on loopback.

  ./quickstart                 does it all and leaves the pool for you to play with
  ./quickstart --once          does it all and removes the pool
  ./quickstart --source DIR    imports DIR instead of /usr
  ./quickstart --dir DIR       makes the pool below DIR, which must not exist or be empty
  ./quickstart --no-fio        leaves fio's DFS engine out (it needs Debian's source of fio from the network)

Then fio's own DFS engine, unmodified, writes, reads back and verifies by the same way, and tables say what was
measured: this, and a quick grid with an agent and without. Exit status 0 means that every step succeeded and that the tree came out as it went in.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import chain
import steps
from tree import Tree

ROOT = steps.ROOT
LOGS = ROOT / "build" / "quickstart"
ROSS = ROOT / "build" / "release" / "src" / "apps" / "ross" / "ross"
CONTAINER = "demo"
BUILD_TARGETS = ["ross", "ross-engine", "ross-agent", "ross_libdaos"]

FILES_WANTED = 50_000
BYTES_WANTED = 1 << 30
SOURCE_COPIES_MAX = 8
GIB, MIB = 1 << 30, 1 << 20
# What fio writes, and room for the store, for blocks that are not full and for what the machine does meanwhile.
FIO_BYTES = 2 * GIB
SPARE_BYTES = 2 * GIB

BUILD_SECONDS_MAX = 1500
COPY_SECONDS_MAX = 1800
FIO_BUILD_SECONDS_MAX = 900
FIO_SECONDS_MAX = 600
GRID_SECONDS_MAX = 600

progress = steps.Progress()


class Failure(Exception):
    """A step failed; the text says which, why, and what to do."""


def size_text(count):
    for unit, limit in (("GiB", GIB), ("MiB", MIB), ("KiB", 1024)):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count} B"


def step(name, log_name, command, seconds_max, environment=None, on_line=None, lend=False):
    """Runs one bounded command, its output in a log; returns how long it took. A failure shows the log's end."""
    progress.begin(name)
    began = time.monotonic()
    log = LOGS / f"{log_name}.log"
    status = steps.run(log, command, seconds_max, environment, on_line, progress if lend else None)
    if status != 0:
        progress.end("FAILED")
        why = f"was stopped after {seconds_max} s" if status == 124 else f"exited with {status}"
        raise Failure(f"'{' '.join(map(str, command[:4]))} ...' {why}; the end of {log}:\n{steps.tail(log, 15)}")
    return time.monotonic() - began


def choose_source(source, free_bytes):
    """The tree to import and how often, so that it is real, big enough, and fits twice (in the pool and exported)."""
    progress.begin("source")
    tree = Tree(source)
    budget = (free_bytes - FIO_BYTES - SPARE_BYTES) * 10 // 22
    if tree.stored_bytes > budget:
        progress.note(f"  {source} holds {size_text(tree.stored_bytes)}, and there is room for {size_text(budget)}:")
        parts = sorted((Tree(path) for path in tree.root.iterdir() if path.is_dir() and not path.is_symlink()),
                       key=lambda part: -part.files)
        fitting = [part for part in parts if part.stored_bytes <= budget and part.files > 0]
        if not fitting:
            raise Failure(f"There is not enough room: {size_text(free_bytes)} free. Name another place with --dir or a "
                          "smaller tree with --source.")
        tree = fitting[0]
        progress.note(f"  importing its part {tree.root} instead")
    if tree.unreadable:
        shown = "\n".join(f"    {line}" for line in tree.unreadable[:5])
        raise Failure(f"{len(tree.unreadable)} things in {tree.root} cannot be read, and nothing is left out silently:"
                      f"\n{shown}\nRun this as root, or name a tree of yours with --source.")
    if tree.names <= 1:
        raise Failure(f"{tree.root} is empty; name a tree with --source.")
    wanted = max(-(-FILES_WANTED // max(tree.files, 1)), -(-BYTES_WANTED // max(tree.data_bytes, 1)))
    copies = max(1, min(wanted, SOURCE_COPIES_MAX, budget // max(tree.stored_bytes, 1)))
    progress.end(f"{tree.root}: {tree.files} files, {tree.directories} directories, {tree.links} links, "
                 f"{size_text(tree.data_bytes)}" + (f"; imported {copies} times, being small" if copies > 1 else ""))
    return tree, copies


def ross(name, *arguments, through=None, lend=False):
    """Runs the command line, on the host of a chain where there is one; returns what it answered as JSON."""
    log_name = name.replace(" ", "-")
    enter, environment = (through.host, through.environment) if through else ([], None)
    step(name, log_name, [*enter, str(ROSS), "--json", *map(str, arguments)], COPY_SECONDS_MAX, environment, lend=lend)
    answer = (LOGS / f"{log_name}.log").read_text(errors="replace").strip()
    return json.loads(answer) if answer else {}


def expect_counts(tree, answer):
    """The copy's own count of names is at least the tree's: nothing was left out. (The machine may add some meanwhile.)"""
    copied = sum(answer[kind] for kind in ("files", "directories", "links", "specials"))
    if copied < tree.names or answer["errors"] != 0:
        raise Failure(f"{copied} names were copied of {tree.names}, with {answer['errors']} errors; see {LOGS}")


def pool_bytes(tree, copies):
    """The device's size: what the tree takes, fio's files, and a quarter more so that the pool is not tested full."""
    wanted = tree.stored_bytes * copies * 5 // 4 + FIO_BYTES * 2 + GIB
    return -(-wanted // GIB) * GIB


def compare(source, export):
    """rsync's own judgement: bytes by checksum, modes, owners, times to the nanosecond, links, hard links, xattrs."""
    command = ["rsync", "--dry-run", "--archive", "--hard-links", "--xattrs", "--numeric-ids", "--checksum", "--delete",
               "--modify-window=-1", "--itemize-changes"]
    if os.geteuid() != 0:
        command += ["--no-owner", "--no-group"]  # only root can give files away
    seconds = step("compare", "compare", [*command, f"{source}/", f"{export}/"], COPY_SECONDS_MAX)
    log = LOGS / "compare.log"
    differences = log.read_text(errors="replace").splitlines()
    if differences:
        progress.end("FAILED")
        shown = "\n".join(f"    | {line}" for line in differences[:15])
        raise Failure(f"What came out of the pool differs from {source} in {len(differences)} places ({log}):\n{shown}")
    return seconds


FIO_JOBS = [
    ("1 MiB write", "write", "1m", 16, "write"),
    ("1 MiB read", "read", "1m", 16, "read"),
    ("4 KiB random write", "randwrite", "4k", 16, "write"),
    ("4 KiB random read", "randread", "4k", 16, "read"),
]


def run_fio(through):
    """Builds fio with its DFS engine from Debian's source and runs verified jobs on a chain's host; returns table rows.

    A write reads itself back; a read verifies what the write of the same blocks left, in another process."""
    builder = ROOT / "test" / "system" / "build_fio_dfs.sh"
    if not builder.is_file():
        raise Failure(f"{builder} is not in this checkout; leave fio out with --no-fio.")
    step("build fio", "build-fio", [str(builder)], FIO_BUILD_SECONDS_MAX)
    progress.end("ok")
    fio = (LOGS / "build-fio.log").read_text(errors="replace").split()[-1]
    rows = []
    for name, pattern, block, depth, direction in FIO_JOBS:
        result = LOGS / f"fio-{pattern}-{block}.json"
        command = [*through.host, fio, f"--name={block}", "--ioengine=dfs", f"--pool={through.url}", f"--cont={CONTAINER}", f"--rw={pattern}",
                   f"--bs={block}", f"--iodepth={depth}", f"--size={FIO_BYTES // 8}", "--thread=1", "--end_fsync=1",
                   "--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--randseed=1",
                   "--output-format=json", f"--output={result}"]
        step(f"fio {name}", f"fio-{pattern}-{block}", command, FIO_SECONDS_MAX, through.environment)
        job = json.loads(result.read_text())["jobs"][0]
        if job["error"] != 0:
            progress.end("FAILED")
            raise Failure(f"fio reported error {job['error']} in '{name}'; see {result}")
        figures = job[direction]
        rows.append((f"fio dfs, {name}, depth {depth}",
                     f"{figures['bw_bytes'] / MIB:7.0f} MiB/s  {figures['iops']:8.0f} op/s  verified"))
        progress.end(f"ok, {figures['bw_bytes'] / MIB:.0f} MiB/s, verified")
    return rows


def run_grid():
    """The quick grid, each way with processes and a pool in memory of its own; its lines of rates."""
    command = [str(ROOT / "bench" / "grid" / "run"), "--quick", "--only", "grid", "--no-build", "--json", str(LOGS / "grid.json")]
    step("grid", "grid", command, GRID_SECONDS_MAX)
    progress.end("ok")
    lines = (LOGS / "grid.log").read_text(errors="replace").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("work "))
    return lines[begin : lines.index("", begin)]


def print_table(rows):
    width = max(len(what) for what, _ in rows)
    print()
    for what, measured in rows:
        print(f"  {what:<{width}}  {measured}")
    print()


def rate(count, data_bytes, seconds):
    seconds = max(seconds, 0.001)
    return f"{seconds:6.1f} s  {count / seconds:8.0f} names/s  {data_bytes / MIB / seconds:7.0f} MiB/s"


def build():
    def show(line):
        if line.startswith("["):
            progress.show(line)

    step("build", "configure", ["cmake", "--preset", "release"], 120)
    command = ["cmake", "--build", "--preset", "release", "--target", *BUILD_TARGETS]
    step("build", "build", command, BUILD_SECONDS_MAX, None, show)
    progress.end("ok")


def exercise(options, place):
    """The main job, in place; returns the table's rows, and lines of another."""
    build()
    tree, copies = choose_source(options.source, shutil.disk_usage(place).free)
    pool, export = place / "pool", place / "export"
    rows = []

    ross("create pool", "pool", "create", pool, "--size", pool_bytes(tree, copies))
    ross("create container", "container", "create", f"local:{pool}/{CONTAINER}")
    progress.end(f"ok, {pool}")
    progress.begin("start")
    try:
        with chain.Chain(LOGS / "chain", pool) as through:
            progress.end(f"ok, {through.place}")
            rows += there_and_back(through, tree, copies, export)
            if options.fio:
                rows += run_fio(through)
    except chain.Trouble as trouble:
        progress.end("FAILED")
        raise Failure(str(trouble)) from trouble
    began = time.monotonic()
    ross("fsck", "fsck", pool)
    seconds = time.monotonic() - began
    progress.end("ok, clean")
    rows.append(("fsck of the pool", f"{seconds:6.1f} s"))
    return rows, run_grid() if options.fio else []


def there_and_back(through, tree, copies, export):
    """Imports the tree, exports each copy and compares it; returns table rows."""
    inside = f"{through.url}/{CONTAINER}"
    seconds = 0.0
    for copy in range(1, copies + 1):
        began = time.monotonic()
        answer = ross("import", "cp", "-r", "-T", tree.root, f"{inside}/tree{copy}", through=through, lend=True)
        seconds += time.monotonic() - began
        expect_counts(tree, answer)
        progress.end(f"ok, {tree.names} names, {size_text(tree.data_bytes)}")
    rows = [(f"import of {tree.root}, synced", rate(tree.names * copies, tree.data_bytes * copies, seconds))]

    for copy in range(1, copies + 1):
        shutil.rmtree(export, ignore_errors=True)
        began = time.monotonic()
        answer = ross("export", "cp", "-r", "-T", f"{inside}/tree{copy}", export, through=through, lend=True)
        seconds = time.monotonic() - began
        expect_counts(tree, answer)
        progress.end("ok")
        compare(tree.root, export)
        progress.end("ok, no difference in bytes, modes, owners, times, links and xattrs")
    rows.append(("export of it", rate(tree.names, tree.data_bytes, seconds)))
    shutil.rmtree(export)
    return rows


def free_place(options):
    """A directory of our own for pool and export, and whether we made it."""
    if options.dir is None:
        return pathlib.Path(tempfile.mkdtemp(prefix="ross-quickstart-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    place = pathlib.Path(options.dir).absolute()
    try:
        place.mkdir(parents=True, exist_ok=True)
        if any(place.iterdir()):
            raise Failure(f"{place} is not empty; name a new or an empty directory with --dir.")
    except OSError as error:
        raise Failure(f"{place} cannot be used: {error.strerror}; name another directory with --dir.") from error
    return place


def main():
    parser = argparse.ArgumentParser(prog="quickstart", add_help=False)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--source", default="/usr")
    parser.add_argument("--dir")
    parser.add_argument("--no-fio", dest="fio", action="store_false")
    options = parser.parse_args()
    if not os.path.isdir(options.source):
        raise Failure(f"{options.source} is no directory; name one with --source.")
    LOGS.mkdir(parents=True, exist_ok=True)
    place = free_place(options)
    keep = False
    try:
        rows, lines = exercise(options, place)
        keep = not options.once
    finally:
        if not keep:
            shutil.rmtree(place, ignore_errors=True)
    print_table(rows)
    if lines:
        print("  Pools in memory, fio's DFS engine at depth 16; short runs show the order, bench/grid/run measures:\n")
        print("\n".join("  " + line for line in lines) + "\n")
    if keep:
        url = f"local:{place}/pool/{CONTAINER}"
        print(f"The pool stays in {place}. Try:\n"
              f"  export PATH=$PATH:{ROSS.parent}\n"
              f"  ross ls {url}/tree1\n"
              f"  ross du {url}/tree1\n"
              f"  echo hello | ross put - {url}/hello && ross cat {url}/hello\n"
              f"  ross pool destroy --yes {place}/pool && rm -r {place}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        exit_status = main()
    except Failure as failure:
        progress.note(f"quickstart: {failure}")
        exit_status = 1
    except KeyboardInterrupt:
        progress.note("quickstart: interrupted; what it had made is removed")
        exit_status = 130
    sys.exit(exit_status)
