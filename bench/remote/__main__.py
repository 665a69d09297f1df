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
import datetime
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "local"), str(ROOT / "scripts")]

import judge
import machine
import programs
import rows
import steps
import work
from served import Served

ROWS = rows.rows()
NAMES = [row.name for row in ROWS]
TARGETS = ["ross", "remote_serve", "remote_load", "socket_get", "ofi_get", "ucx_get", "memcpy_cold", "metadata_rate"]
LOAD_QUIET = 0.5  # processes wanting a core, beyond which others disturb what is measured
CROSSOVER_SIZES = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20]
INLINE_ALWAYS = 1 << 30

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
    for side in ("client", "server"):
        result[f"{side}_cpu_us"] = statistics.median(sample.details[f"{side}_cpu_us_per_op"] for sample in ours)
    progress.end(f"{result['ratio']:.2f} of at least {row.bar:.2f}: {word(result)}")
    return result


def word(result):
    return "holds" if result["holds"] else "MISSED"


def table_of(results):
    lines = [("work", "ours", "reference", "ratio", "from..to", "at least", "client CPU", "server CPU", "")]
    for result in results:
        unit = result["unit"]
        lines.append((result["name"], judge.quantity(result["ours_median"], unit),
                      judge.quantity(result["reference_median"], unit), f"{result['ratio']:.2f}",
                      f"{min(result['ratios']):.2f}..{max(result['ratios']):.2f}", f"{result['bar']:.2f}",
                      f"{result['client_cpu_us']:.1f} us", f"{result['server_cpu_us']:.1f} us", word(result)))
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


def revision():
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def arguments():
    parser = argparse.ArgumentParser(prog="bench/remote/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}; repeat it")
    parser.add_argument("--crossover", metavar="BACKEND", help="tcp, unix, shm, ofi+tcp, ucx+shm or ucx+tcp; in place of the rows")
    parser.add_argument("--runs", type=int, default=5, help="pairs of each row (default 5)")
    parser.add_argument("--seconds", type=float, default=2, help="how long a timed side runs (default 2)")
    parser.add_argument("--quick", action="store_true", help="one short pair of each row, small files")
    parser.add_argument("--no-build", action="store_true", help="take build/release as it is")
    parser.add_argument("--json", default=ROOT / "build" / "bench" / "remote.json", type=pathlib.Path, help="where results go")
    options = parser.parse_args()
    if options.runs < 1 or not 0.1 <= options.seconds <= 60:
        parser.error("--runs is at least 1 and --seconds between 0.1 and 60")
    if options.quick:
        options.runs, options.seconds = 1, 0.3
    return options


def measure_all(options, results):
    """Fills results in as they come, so that what was measured before a failure is kept."""
    with contextlib.ExitStack() as keep:
        disk = keep.enter_context(tempfile.TemporaryDirectory(prefix="ross-bench-", dir=options.json.parent.resolve()))
        place = work.Place(disk=pathlib.Path(disk), memory=pathlib.Path("/dev/shm"), source=None, fio_given=None,
                           quick=options.quick, seconds=options.seconds, keep=keep)
        for row in ROWS:
            if options.only and row.name not in options.only:
                continue
            try:
                results["rows"].append(measure(row, place, options.runs))
            except programs.Failure as failure:
                progress.end("FAILED")
                progress.note(f"bench: {row.name}: {failure}")
                results["failed"].append({"name": row.name, "why": str(failure)})


def build():
    programs.run(["cmake", "--preset", "release"], 300)
    programs.run(["cmake", "--build", "--preset", "release", "--target", *TARGETS], programs.BUILD_SECONDS_MAX)


def main():
    options = arguments()
    if not options.no_build:
        progress.begin("build")
        build()
        progress.end("ok")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    if options.crossover:
        return crossover(options.crossover, options)
    about = machine.describe(options.json.parent)
    load = machine.busy_cores()
    results = {"command": " ".join(sys.argv), "revision": revision(), "machine": about, "quick": options.quick,
               "began": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "load_before": load,
               "runs": options.runs, "rows": [], "failed": []}
    if load > LOAD_QUIET:
        progress.note(f"bench: others keep {load:.1f} cores busy: figures will be low, and ratios noisy")
    try:
        measure_all(options, results)
    finally:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, Linux {about['kernel']}; "
          f"ROSS {results['revision']}; medians of {options.runs}\n")
    print("\n".join(table_of(results["rows"])))
    missed = [result["name"] for result in results["rows"] if not result["holds"]]
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
