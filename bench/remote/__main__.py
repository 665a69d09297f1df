"""bench/remote/run: ROSS between two processes against what the transport between them gives, side by side in one run.

  bench/remote/run                     every row, five pairs each: about six minutes on a quiet machine
  bench/remote/run --only tcp-4k-read-32
  bench/remote/run --quick             one short pair of each: does everything work? its figures mean little
  bench/remote/run --crossover shm     data in messages and by windows, size by size: where a backend should change over

Builds what it needs first. One process serves a pool on a RAM device, another works on it as one session from one thread. The
two sides of a pair run right after each other, taking turns at going first; the median of the pairs' ratios is judged. Writes
the table to standard output and everything, processor time of both processes included, to the --json file. Exit status 0
means that every bar was kept.
"""

import argparse
import contextlib
import json
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
from served import Served

ROWS = rows.rows()
NAMES = [row.name for row in ROWS]
TARGETS = ["ross", "remote_serve", "remote_load", "socket_get", "ofi_get", "ucx_get", "memcpy_cold", "metadata_rate"]
CROSSOVER_SIZES = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20]
INLINE_ALWAYS = 1 << 30


def table_of(results):
    lines = [(*command.HEADINGS, "client CPU", "server CPU", "")]
    for result in results["rows"]:
        cpu = [statistics.median(details[f"{side}_cpu_us_per_op"] for details in result["ours_details"])
               for side in ("client", "server")]
        lines.append((*command.cells(result), *(f"{us:.1f} us" for us in cpu), word(result)))
    return judge.table(lines)


def crossover(backend, options):
    """Rates with all data in messages and all by windows, for reads and writes of each size."""
    lines = [("work", "size", "messages", "windows", "windows/messages")]
    measured = []
    with Served(backend, 1024) as served:
        for kind in ("random-read", "write"):
            for size in CROSSOVER_SIZES:
                progress.begin(f"{backend} {kind} {size}")
                rates = {"messages": [], "windows": []}
                for _ in range(options.runs):
                    for way, limit in (("messages", INLINE_ALWAYS), ("windows", 0)):
                        told = served.load(work=kind, size=size, inflight=32 if size < 65536 else 16, file_mib=256,
                                           seconds=options.seconds, inline_max=limit)
                        rates[way].append(told["ops_per_second"])
                messages, windows = (statistics.median(rates[way]) for way in ("messages", "windows"))
                progress.end(f"{windows / messages:.2f}")
                measured.append({"backend": backend, "work": kind, "size_bytes": size, **rates})
                lines.append((kind, str(size), judge.quantity(messages, "op/s"), judge.quantity(windows, "op/s"),
                              f"{windows / messages:.2f}"))
    options.json.write_text(json.dumps(measured, indent=1) + "\n")
    print("\n".join(judge.table(lines)))
    return 0


def arguments():
    parser = argparse.ArgumentParser(prog="bench/remote/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crossover", metavar="BACKEND",
                        help="tcp, unix, shm, ofi+tcp, ofi+shm, ucx+shm or ucx+tcp; in place of the rows")
    command.add_options(parser, NAMES, 2, "remote.json")
    return command.parse(parser, 0.3)


def measure_all(options, results):
    with contextlib.ExitStack() as keep:
        place = work.Place(disk=command.own_directory(keep, options.json.parent), memory=pathlib.Path("/dev/shm"),
                           source=None, fio_given=None, quick=options.quick, seconds=options.seconds, keep=keep)
        command.measure_rows(ROWS, place, options, results)


def main():
    options = arguments()
    command.build(options, lambda: programs.build(TARGETS))
    if options.crossover:
        return crossover(options.crossover, options)
    return command.run(options, options.json.parent, lambda results: measure_all(options, results), table_of)


if __name__ == "__main__":
    command.exit_with(main)
