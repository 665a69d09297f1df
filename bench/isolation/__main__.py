"""bench/isolation/run: what a tenant gets of a server while another takes all that it can.

  bench/isolation/run                  every row, five pairs each: about five minutes on a quiet machine
  bench/isolation/run --only share-tcp-4k
  bench/isolation/run --quick          one short pair of each: does everything work? its figures mean little

One process serves a pool on a RAM device to two tenants of the same weight. The greedy one works as 16 sessions with deep queues, the
modest one as one session. Rows share-*: both want more than they can have, and the modest one's rate is compared with half of what both
got in the same time. Rows p99-*: the modest one asks for a tenth of what it gets alone, and its 99th percentile is compared with that
alone, as rates: 0.50 is twice as long. Rows limit-*: a tenant with a limit and what it got, against the limit; the bar is for both
directions. Builds what it needs first, writes the table to standard output and everything to the --json file. Exit status 0
means that every bar was kept.

Three processes share the machine's cores, and the kernel's scheduler is between them: on a machine with fewer than four cores, or with
anything else running, the rows p99-* show that rather than the server.
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
from command import word

ROWS = rows.rows()
NAMES = [row.name for row in ROWS]
TARGETS = ["ross", "remote_serve", "remote_load"]


def table_of(results):
    lines = [(*command.HEADINGS, "greedy", "alone", "")]
    for result in results["rows"]:
        told = result["ours_details"]
        greedy = [details["greedy"] for details in told if "greedy" in details]
        lines.append((*command.cells(result), judge.quantity(statistics.median(greedy), result["unit"]) if greedy else "-",
                      judge.quantity(told[0]["alone"], result["unit"]) if "alone" in told[0] else "-", word(result)))
    return judge.table(lines)


def arguments():
    parser = argparse.ArgumentParser(prog="bench/isolation/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_options(parser, NAMES, 3, "isolation.json")
    return command.parse(parser, 0.5)


def measure_all(options, results):
    with contextlib.ExitStack() as keep:
        place = work.Place(disk=command.own_directory(keep, options.json.parent), memory=pathlib.Path("/dev/shm"),
                           source=None, fio_given=None, quick=options.quick, seconds=options.seconds, keep=keep)
        command.measure_rows(ROWS, place, options, results)


def main():
    options = arguments()
    command.build(options, lambda: programs.build(TARGETS))
    return command.run(options, options.json.parent, lambda results: measure_all(options, results), table_of)


if __name__ == "__main__":
    command.exit_with(main)
