"""The grid: fio's DFS engine on a served pool by kind of work, size and number of jobs, over our tcp and over libfabric's."""

import statistics

import judge
from command import progress
from fio_job import fio, timed
from ross_store import RossStore
from store import DEPTH
from work import MIB

PATTERNS = {"read": "read", "write": "write", "randread": "random read", "randwrite": "random write"}
BLOCKS = {"1m": "1 MiB", "4k": "4 KiB"}
JOBS = (1, 2, 4, 8, 16)
FABRICS = ("tcp", "ofi+tcp")
JOB_BYTES = 64 * MIB
JOB_BYTES_QUICK = 8 * MIB


def measure(place, runs, results):
    """Appends to results["grid"] a cell each: a kind of work of one size by a number of jobs, over each fabric."""
    results["grid"] = []
    size = JOB_BYTES_QUICK if place.quick else JOB_BYTES
    whole = size * JOBS[-1]
    place.need_memory(6 * whole)
    progress.begin("grid")
    with RossStore(place, place.memory / "ross", 6 * whole, FABRICS) as store:
        def job(file, pattern, block, jobs, limit):
            # Each job has a file of its own. Sequential and random writes have theirs, apart from what is read: overwriting
            # scatters a file's blocks.
            names = [f"--numjobs={jobs}", f"--filename_format={file}.$jobnum"]
            return fio(place, store.engine, None, size, pattern, block, DEPTH, [*names, *limit])[0]

        for file in ("reads", "write", "randwrite"):
            job(file, "write", "1m", JOBS[-1], [])
        for block in BLOCKS:
            for pattern in PATTERNS:
                file = pattern if pattern.endswith("write") else "reads"
                for jobs in JOBS:
                    progress.show(f"{PATTERNS[pattern]}, {BLOCKS[block]}, {jobs} jobs")
                    rates = {fabric: [] for fabric in FABRICS}
                    for pair in range(runs):
                        for fabric in FABRICS if pair % 2 else FABRICS[::-1]:
                            store.take(fabric)
                            figures = job(file, pattern, block, jobs, timed(place.seconds))
                            rates[fabric].append(figures["bw_bytes"] if block == "1m" else figures["iops"])
                    results["grid"].append({"pattern": pattern, "block": block, "jobs": jobs, "rates": rates})
    progress.end(f"{len(results['grid'])} cells")


def table(results):
    """Lines of one kind of work and size, over one fabric each; the columns are the numbers of jobs."""
    cells = {(cell["block"], cell["pattern"], cell["jobs"]): cell for cell in results.get("grid", [])}
    lines = [("work", "fabric", *(f"{jobs} jobs" if jobs > 1 else "1 job" for jobs in JOBS))]
    for block, size in BLOCKS.items():
        for pattern, told in PATTERNS.items():
            for fabric in FABRICS:
                line = [cells.get((block, pattern, jobs)) for jobs in JOBS]
                lines.append((f"{size} {told}", fabric, *(text(cell, fabric) for cell in line)))
    return judge.table(lines)


def text(cell, fabric):
    if cell is None:
        return "-"
    return judge.quantity(statistics.median(cell["rates"][fabric]), "B/s" if cell["block"] == "1m" else "op/s")
