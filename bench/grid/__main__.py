"""bench/grid/run: throughput, latency and cost of ROSS by place, fabric, kind of work and number of jobs.

  bench/grid/run                       the judged rows, then every cell of the grid: about half an hour on a quiet machine
  bench/grid/run --quick               few cells and short ones, in under three minutes: does everything work?
  bench/grid/run --only bars           the judged rows (also: grid)
  bench/grid/run --place remote --fabric tcp --fabric ofi+tcp    the grid of these only

fio's DFS engine works on a pool on a RAM device: read, write, random read and random write of 1 MiB and 4 KiB, depth 16, by 1 to
16 jobs, each with a file of its own. Places: local (no server), remote (ross-engine), offload-direct and offload-staged (behind
ross-agent). Writes tables to standard output and beside the --json file as grid.md, and pictures in the layout of the paper's
figures (throughput.png, latency.png, host_cpu.png). Processor time is told for each place: host (fio), agent, engine.
A way that cannot run here is skipped, visibly. Exit status 0 means that every bar was kept.
"""

import argparse
import contextlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "common"), str(ROOT / "scripts")]

import bars
import cells
import command
import judge
import plots
import programs
import ways
import work
from command import word

PARTS = ("bars", "grid")
TARGETS = ["ross", "ross-engine", "ross-agent", "ross_libdaos", "open_rate"]


def arguments():
    parser = argparse.ArgumentParser(prog="bench/grid/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--place", action="append", choices=ways.PLACES, help="only this place's cells; repeat it")
    parser.add_argument("--fabric", action="append", metavar="NAME", help="only this fabric's cells; repeat it")
    parser.add_argument("--memory-dir", default="/dev/shm", type=pathlib.Path, help="a tmpfs, for the pools")
    parser.add_argument("--fio", help="a fio with the DFS engine linked to ROSS (default: built from Debian's source)")
    command.add_options(parser, [*PARTS, *(row.name for row in bars.rows())], 1, "grid.json")
    return command.parse(parser, 0.3)


def chosen(options):
    for way in ways.QUICK if options.quick else ways.WAYS:
        if (not options.place or way.place in options.place) and (not options.fabric or way.fabric in options.fabric):
            yield way


def measure_all(options, results):
    results["grid"] = []
    memory_owner = contextlib.ExitStack()
    with memory_owner as keep:
        memory = command.own_directory(keep, options.memory_dir)
        place = work.Place(disk=memory, memory=memory, source=None, fio_given=options.fio, quick=options.quick,
                           seconds=options.seconds, keep=keep)
        for row in bars.rows():
            if not options.only or {"bars", row.name} & set(options.only):
                command.attempt(row.name, results, lambda: results["rows"].append(command.measure(row, place, options.runs)))
    if options.only and "grid" not in options.only:
        return
    with contextlib.ExitStack() as keep:  # the bars' pools are gone
        memory = command.own_directory(keep, options.memory_dir)
        place = work.Place(disk=memory, memory=memory, source=None, fio_given=place.fio(), quick=options.quick,
                           seconds=options.seconds, keep=keep)
        for way in chosen(options):
            command.attempt(way.name, results, lambda: results["grid"].extend(cells.fill(place, way)))


def bars_table(results):
    return [(*command.HEADINGS, ""), *((*command.cells(result), word(result)) for result in results["rows"])]


def tables(results):
    """For the terminal."""
    lines = []
    if results["rows"]:
        lines += [*judge.table(bars_table(results)), ""]
    if results["grid"]:
        lines += [*judge.table(cells.rates_table(results["grid"])), "", *judge.table(cells.costs_table(results["grid"])), "",
                  "CPU: seconds a GiB of 1 MiB calls, microseconds of a 4 KiB call"]
    return lines


def write_reports(options, results):
    """grid.md and the pictures, beside the JSON."""
    folder = options.json.parent
    parts = [bars_table(results)] if results["rows"] else []
    if results["grid"]:
        parts += [cells.rates_table(results["grid"]), cells.costs_table(results["grid"])]
        for path in plots.draw(results["grid"], folder):
            print(f"written: {path}")
    text = "\n\n".join("\n".join(cells.markdown(part)) for part in parts)
    (folder / "grid.md").write_text(text + "\n")


def main():
    options = arguments()
    command.build(options, lambda: (programs.install("bench"), programs.build(TARGETS)))
    kept = {}

    def fill(results):
        kept.update(results=results)
        measure_all(options, results)

    status = command.run(options, options.memory_dir, fill, tables)
    write_reports(options, kept["results"])
    return status


if __name__ == "__main__":
    command.exit_with(main)
