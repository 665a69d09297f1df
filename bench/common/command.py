"""What the commands bench/*/run have in common: pairs of a row measured and judged, options, the report at the end."""

import datetime
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import judge
import machine
import programs
import steps

ROOT = pathlib.Path(__file__).resolve().parents[2]
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
    progress.end(f"{result['ratio']:.2f}, {word(result)}" if row.bar is None else
                 f"{result['ratio']:.2f} of at least {row.bar:.2f}: {word(result)}")
    return result


def measure_rows(rows, place, options, results):
    """Each that is wanted, into results as they come, so that what was measured before a failure is kept."""
    for row in rows:
        if not options.only or row.name in options.only:
            attempt(row.name, results, lambda: results["rows"].append(measure(row, place, options.runs)))


def word(result):
    return "shown" if result.get("bar", True) is None else "holds" if result["holds"] else "MISSED"


def cells(result):
    """A row's first columns, without its verdict: HEADINGS names them."""
    unit = result["unit"]
    return (result["name"], judge.quantity(result["ours_median"], unit), judge.quantity(result["reference_median"], unit),
            f"{result['ratio']:.2f}", f"{min(result['ratios']):.2f}..{max(result['ratios']):.2f}",
            "-" if result["bar"] is None else f"{result['bar']:.2f}")


HEADINGS = ("work", "ours", "reference", "ratio", "from..to", "at least")


def attempt(name, results, action):
    """A row that cannot be run is told, counts as missed, and does not keep the others from running. One that this machine
    lacks something for is skipped, visibly."""
    try:
        action()
    except programs.Missing as missing:
        progress.end(f"skipped: {missing}")
        results["skipped"].append({"name": name, "why": str(missing)})
    except programs.Failure as failure:
        progress.end("FAILED")
        progress.note(f"bench: {name}: {failure}")
        results["failed"].append({"name": name, "why": str(failure)})


def add_options(parser, names, seconds, json_name):
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}; repeat it")
    parser.add_argument("--runs", type=int, default=5, help="pairs of each row (default 5)")
    parser.add_argument("--seconds", type=float, default=seconds, help=f"how long a timed side runs (default {seconds})")
    parser.add_argument("--quick", action="store_true", help="one short pair of each row, small files")
    parser.add_argument("--no-build", action="store_true", help="take build/release as it is")
    parser.add_argument("--json", default=ROOT / "build" / "bench" / json_name, type=pathlib.Path, help="where results go")


def parse(parser, quick_seconds):
    options = parser.parse_args()
    if options.runs < 1 or not 0.1 <= options.seconds <= 60:
        parser.error("--runs is at least 1 and --seconds between 0.1 and 60")
    if options.quick:
        options.runs, options.seconds = 1, quick_seconds
    options.json.parent.mkdir(parents=True, exist_ok=True)
    return options


def build(options, action):
    if options.no_build:
        return
    progress.begin("build")
    action()
    progress.end("ok")


def run(options, disk, fill, table):
    """Measures by fill(results), writes and prints what came out; the exit status. table(results): lines for people."""
    about = machine.describe(disk)
    load = machine.busy_cores()
    results = {"command": " ".join(sys.argv), "revision": revision(), "machine": about, "quick": options.quick,
               "began": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "load_before": load,
               "runs": options.runs, "rows": [], "memory": None, "flat": None, "failed": [], "skipped": []}
    if load > LOAD_QUIET:
        progress.note(f"bench: others keep {load:.1f} cores busy: figures will be low, and ratios noisy")
    try:
        fill(results)
    finally:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, Linux {about['kernel']}, {about['disk']}; "
          f"ROSS {results['revision']}; medians of {options.runs}\n")
    print("\n".join(table(results)))
    judged = [*results["rows"], *(part for part in (results["memory"], results["flat"]) if part)]
    missed = [result["name"] for result in judged if not result["holds"]]
    print(f"\nEverything measured is in {options.json}")
    if options.quick:
        print("Quick runs show that everything works; their figures mean little.")
    for skipped in results["skipped"]:
        print(f"skipped: {skipped['name']}: {skipped['why']}")
    for failure in results["failed"]:
        print(f"not measured: {failure['name']}")
    if missed:
        print(f"bars missed: {', '.join(missed)}")
    return 1 if missed or results["failed"] else 0


def own_directory(keep, parent):
    """A directory of our own below parent, for as long as keep lasts."""
    parent.mkdir(parents=True, exist_ok=True)
    made = tempfile.mkdtemp(prefix="ross-bench-", dir=parent.resolve())
    keep.callback(shutil.rmtree, made, ignore_errors=True)
    return pathlib.Path(made)


def revision():
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def exit_with(main):
    """main()'s status, or that of a failure or an interruption, told in a line."""
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
