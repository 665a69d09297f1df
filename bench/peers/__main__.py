"""bench/peers/run: ROSS beside other storage systems, all serving memory to the same fio, side by side in one run.

  bench/peers/run                      every row, five pairs each: about six minutes on a quiet machine
  bench/peers/run --only ceph-4k-read
  bench/peers/run --quick              one short pair of each: does everything work? its figures mean little

Installs the other systems first (scripts/install_packages --peers: Ceph's monitor and OSD, qemu-storage-daemon, and what
fio needs for them), and builds what it needs. Each system is one server on loopback with its data on a tmpfs, started here
and ended at the end, without a trace outside a temporary directory. The two sides of a pair run right after each other,
taking turns at going first; the median of the pairs' ratios is judged. A system that cannot be installed is skipped,
visibly. Writes the table to standard output and everything, processor time on both sides included, to the --json file.
Exit status 0 means that every bar was kept.
"""

import argparse
import contextlib
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "common"), str(ROOT / "scripts")]

import command
import judge
import programs
import rows
import work
from command import progress, word

ROWS = rows.rows()
NAMES = [row.name for row in ROWS]
TARGETS = ["ross", "ross-engine", "ross_libdaos", "keep_objects"]


def table_of(results):
    lines = [(*command.HEADINGS, "", "CPU ours", "CPU reference")]
    for result in results["rows"]:
        cpu = [cpu_text(result[details]) for details in ("ours_details", "reference_details")]
        lines.append((*command.cells(result), word(result), *cpu))
    return [*judge.table(lines), "", "CPU: microseconds a call, client + server"]


def cpu_text(details):
    client, server = (statistics.median(each[f"{side}_cpu_us_per_op"] for each in details) for side in ("client", "server"))
    return f"{judge.digits(client)} + {judge.digits(server)}"


def arguments():
    parser = argparse.ArgumentParser(prog="bench/peers/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory-dir", default="/dev/shm", type=pathlib.Path, help="a tmpfs, for the data of all systems")
    parser.add_argument("--fio", help="a fio with the DFS engine linked to ROSS and those for the others (default: built from "
                                      "Debian's source)")
    command.add_options(parser, NAMES, 3, "peers.json")
    return command.parse(parser, 0.5)


def measure_all(options, results):
    with contextlib.ExitStack() as keep:
        memory = command.own_directory(keep, options.memory_dir)
        place = work.Place(disk=memory, memory=memory, source=None, fio_given=options.fio, quick=options.quick,
                           seconds=options.seconds, keep=keep)
        command.measure_rows(ROWS, place, options, results)


def install_peers():
    """What fails here shows later as rows that are skipped."""
    try:
        programs.install("peers")
    except programs.Failure as failure:
        progress.note(f"bench: the other systems cannot be installed: {failure}")


def make(options):
    progress.show("packages")
    install_peers()
    progress.show("programs")
    programs.build(TARGETS)


def main():
    options = arguments()
    command.build(options, lambda: make(options))
    return command.run(options, options.memory_dir, lambda results: measure_all(options, results), table_of)


if __name__ == "__main__":
    command.exit_with(main)
