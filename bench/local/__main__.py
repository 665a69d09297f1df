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
import datetime
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "scripts")]

import fio_rows
import judge
import machine
import name_rows
import pool_checks
import programs
import steps
import work

ROWS = [*fio_rows.rows(), *name_rows.rows()]
NAMES = [row.name for row in ROWS] + ["memory", "flat"]
LOAD_QUIET = 0.5  # processes wanting a core, beyond which others disturb what is measured

progress = steps.Progress()


def measure(row, place, runs):
    """Pairs of one row, judged."""
    progress.begin(row.name)
    row.prepare(place)
    load = machine.busy_cores()
    ours, reference = [], []
    for pair in range(runs):
        progress.show(f"pair {pair + 1} of {runs}")
        sides = [(row.ours, ours), (row.reference, reference)]
        for side, samples in sides if pair % 2 else sides[::-1]:
            samples.append(side(place))
    result = {"name": row.name, "what": row.what, "against": row.against, "unit": row.unit, "load_before": load,
              **judge.verdict([sample.rate for sample in ours], [sample.rate for sample in reference], row.bar),
              "ours_details": [sample.details for sample in ours],
              "reference_details": [sample.details for sample in reference]}
    progress.end(f"{result['ratio']:.2f} of at least {row.bar:.2f}: {word(result)}")
    return result


def word(result):
    return "holds" if result["holds"] else "MISSED"


def table_of(results, memory, flat):
    lines = [("work", "ours", "reference", "ratio", "from..to", "at least", "")]
    for result in results:
        unit = result["unit"]
        lines.append((result["name"], judge.quantity(result["ours_median"], unit),
                      judge.quantity(result["reference_median"], unit), f"{result['ratio']:.2f}",
                      f"{min(result['ratios']):.2f}..{max(result['ratios']):.2f}", f"{result['bar']:.2f}", word(result)))
    if memory:
        lines.append(("memory", f"{memory['peak_resident_bytes'] / work.MIB:.0f} MiB",
                      f"{memory['bar_bytes'] / work.MIB:.0f} MiB", "", "", "below", word(memory)))
    for call in flat["calls"].values() if flat else []:
        lines.append((f"flat: {call['what']}", f"{call['us'][-1]:.2f} us", f"{call['us'][0]:.2f} us", f"{call['ratio']:.2f}",
                      "", f"{call['bar']:.2f}" if call["bar"] else "-", word(call) if call["bar"] else "shown"))
    return judge.table(lines)


def revision():
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def arguments():
    parser = argparse.ArgumentParser(prog="bench/local/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", default=ROOT / "build" / "bench", type=pathlib.Path,
                        help="where the file device and the reference files lie")
    parser.add_argument("--memory-dir", default="/dev/shm", type=pathlib.Path, help="a tmpfs, for the references in memory")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}; repeat it")
    parser.add_argument("--runs", type=int, default=5, help="pairs of each row (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="how long a timed side runs (default 3)")
    parser.add_argument("--source", help="the tree to import (default: a part of /usr that is big enough)")
    parser.add_argument("--fio", help="a fio with the DFS engine linked to ROSS (default: built from Debian's source)")
    parser.add_argument("--quick", action="store_true", help="one short pair of each row, small files")
    parser.add_argument("--no-build", action="store_true", help="take build/release as it is")
    parser.add_argument("--json", default=ROOT / "build" / "bench" / "local.json", type=pathlib.Path, help="where results go")
    options = parser.parse_args()
    if options.runs < 1 or not 0.1 <= options.seconds <= 60:
        parser.error("--runs is at least 1 and --seconds between 0.1 and 60")
    if options.quick:
        options.runs, options.seconds = 1, 0.5
    return options


def measure_all(options, results):
    """Fills results in as they come, so that what was measured before a failure is kept."""
    wanted = options.only or NAMES
    with contextlib.ExitStack() as keep:
        place = work.Place(disk=own_directory(keep, options.dir), memory=own_directory(keep, options.memory_dir),
                           source=options.source, fio_given=options.fio, quick=options.quick, seconds=options.seconds,
                           keep=keep)
        for row in ROWS:
            if row.name in wanted:
                attempt(row.name, results, lambda: results["rows"].append(measure(row, place, options.runs)))
        if "memory" in wanted:
            attempt("memory", results, lambda: check_memory(place, results))
        if "flat" in wanted:
            attempt("flat", results, lambda: check_flat(place, options, results))


def attempt(name, results, action):
    """A row that cannot be run is told, counts as missed, and does not keep the others from running."""
    try:
        action()
    except programs.Failure as failure:
        progress.end("FAILED")
        progress.note(f"bench: {name}: {failure}")
        results["failed"].append({"name": name, "why": str(failure)})


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


def own_directory(keep, parent):
    parent.mkdir(parents=True, exist_ok=True)
    made = tempfile.mkdtemp(prefix="ross-bench-", dir=parent.resolve())
    keep.callback(shutil.rmtree, made, ignore_errors=True)
    return pathlib.Path(made)


def main():
    options = arguments()
    if not options.no_build:
        progress.begin("build")
        programs.build()
        progress.end("ok")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.dir.mkdir(parents=True, exist_ok=True)
    about = machine.describe(options.dir)
    load = machine.busy_cores()
    results = {"command": " ".join(sys.argv), "revision": revision(), "machine": about, "quick": options.quick,
               "began": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "load_before": load,
               "runs": options.runs, "rows": [], "memory": None, "flat": None, "failed": []}
    if load > LOAD_QUIET:
        progress.note(f"bench: others keep {load:.1f} cores busy: figures will be low, and ratios noisy")
    try:
        measure_all(options, results)
    finally:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, Linux {about['kernel']}, {about['disk']}; "
          f"ROSS {results['revision']}; medians of {options.runs}\n")
    print("\n".join(table_of(results["rows"], results["memory"], results["flat"])))
    judged = [*results["rows"], *(part for part in (results["memory"], results["flat"]) if part)]
    missed = [result["name"] for result in judged if not result["holds"]]
    print(f"\nEverything measured is in {options.json}")
    if options.quick:
        print("Quick runs show that everything works; their figures mean little.")
    for failure in results["failed"]:
        print(f"not measured: {failure['name']}")
    if missed:
        print(f"bars missed: {', '.join(missed)}")
    return 1 if missed or results["failed"] else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        exit_status = main()
    except programs.Failure as failure:
        progress.note(f"bench: {failure}")
        exit_status = 1
    except KeyboardInterrupt:
        progress.note("bench: interrupted; what it had made is removed")
        exit_status = 130
    sys.exit(exit_status)
