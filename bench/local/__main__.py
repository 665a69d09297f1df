"""bench/local/run: ROSS in one process against what the machine gives without it, side by side in one run.

  bench/local/run                      every row, five pairs each: about half an hour on a quiet machine
  bench/local/run --only file-4k-read-16 --only memory
  bench/local/run --quick              one short pair of each: does everything work? its figures mean little
  bench/local/run --dir /mnt/nvme      measure that disk (default: a directory below build/)

Builds what it needs first. The two sides of a pair run right after each other, taking turns at going first; the median of
the pairs' ratios is judged. Writes the table to standard output, everything to the --json file, and the curve of costs
from 10 thousand to 10 million files next to that as SVG. Exit status 0 means that every bar was kept.
"""

import argparse
import contextlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "common"), str(ROOT / "scripts")]

import command
import fio_rows
import judge
import name_rows
import pool_checks
import programs
import work
from command import progress, word

ROWS = [*fio_rows.rows(), *name_rows.rows()]
NAMES = [row.name for row in ROWS] + ["memory", "flat"]
TARGETS = ["ross", "ross_libdaos", "memcpy_cold", "metadata_rate", "pool_fill"]


def table_of(results):
    memory, flat = results["memory"], results["flat"]
    lines = [(*command.HEADINGS, "")]
    lines += [(*command.cells(result), word(result)) for result in results["rows"]]
    if memory:
        lines.append(("memory", f"{memory['peak_resident_bytes'] / work.MIB:.0f} MiB",
                      f"{memory['bar_bytes'] / work.MIB:.0f} MiB", "", "", "below", word(memory)))
    for call in flat["calls"].values() if flat else []:
        lines.append((f"flat: {call['what']}", f"{call['us'][-1]:.2f} us", f"{call['us'][0]:.2f} us", f"{call['ratio']:.2f}",
                      "", f"{call['bar']:.2f}" if call["bar"] else "-", word(call) if call["bar"] else "shown"))
    return judge.table(lines)


def arguments():
    parser = argparse.ArgumentParser(prog="bench/local/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", default=ROOT / "build" / "bench", type=pathlib.Path,
                        help="where the file device and the reference files lie")
    parser.add_argument("--memory-dir", default="/dev/shm", type=pathlib.Path, help="a tmpfs, for the references in memory")
    parser.add_argument("--source", help="the tree to import (default: a part of /usr that is big enough)")
    parser.add_argument("--fio", help="a fio with the DFS engine linked to ROSS (default: built from Debian's source)")
    command.add_options(parser, NAMES, 3, "local.json")
    return command.parse(parser, 0.5)


def measure_all(options, results):
    wanted = options.only or NAMES
    with contextlib.ExitStack() as keep:
        place = work.Place(disk=command.own_directory(keep, options.dir),
                           memory=command.own_directory(keep, options.memory_dir), source=options.source,
                           fio_given=options.fio, quick=options.quick, seconds=options.seconds, keep=keep)
        command.measure_rows(ROWS, place, options, results)
        if "memory" in wanted:
            command.attempt("memory", results, lambda: check_memory(place, results))
        if "flat" in wanted:
            command.attempt("flat", results, lambda: check_flat(place, options, results))


def check_memory(place, results):
    progress.begin("memory")
    results["memory"] = memory = pool_checks.memory(place)
    progress.end(f"{memory['peak_resident_bytes'] / work.MIB:.0f} MiB, below {memory['bar_bytes'] / work.MIB:.0f}: "
                 f"{word(memory)}")


def check_flat(place, options, results):
    progress.begin("flat")
    results["flat"] = flat = pool_checks.flatness(place, options.runs)
    picture = options.json.with_suffix(".svg")
    picture.write_text(pool_checks.picture(flat))
    progress.end(f"{word(flat)}; the curve is in {picture}")


def main():
    options = arguments()
    command.build(options, lambda: programs.build(TARGETS))
    options.dir.mkdir(parents=True, exist_ok=True)
    return command.run(options, options.dir, lambda results: measure_all(options, results), table_of)


if __name__ == "__main__":
    command.exit_with(main)
