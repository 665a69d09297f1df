"""What many files cost: memory with a million of them, and time per call from ten thousand to ten million."""

import statistics

import chart
import programs
from work import GIB, MIB

RESIDENT_BYTES_MAX = 400 * MIB
FILE_BYTES = 4096
LEVELS = [10_000, 100_000, 1_000_000, 10_000_000]
LEVELS_QUICK = [1_000, 10_000]
# With data in each, ten million files would take 40 GiB; what is measured reads those that have some.
DATA_EVERY = 10
PROBE_CALLS = 10_000
# A call may cost at most twice at the right end of what it costs at the left one.
FLAT_BAR = 0.5
SERIES = [("create", "create"), ("unlink", "unlink"), ("stat near", "stat, working set"), ("stat far", "stat, any file"),
          ("read near", "read 4 KiB, working set"), ("read far", "read 4 KiB, any file")]
FILL_SECONDS_MAX = 3600


def device_bytes(data_bytes):
    """With room for what commits have not yet freed, and for an append log that is not packed."""
    return -(-(data_bytes * 3 // 2 + GIB) // GIB) * GIB


def memory(place):
    """Fills a pool with 1 M files of 4 KiB, reads them all back, and then the same again in a new process."""
    files = 20_000 if place.quick else 1_000_000
    size = device_bytes(files * FILE_BYTES)
    place.need_disk(size + GIB)
    fill = [programs.bench_program("pool_fill"), "--files", files, "--size", FILE_BYTES, "--read-all"]
    with programs.Pool(place.disk / "memory-pool", "--size", size) as pool:
        filling, _ = programs.run_json([*fill, pool.url], FILL_SECONDS_MAX)
        reading, _ = programs.run_json([*fill, "--from", files, pool.url], FILL_SECONDS_MAX)
    peak = max(filling["peak_resident_bytes"], reading["peak_resident_bytes"])
    return {
        "name": "memory",
        "what": f"most memory resident while {files} files of 4 KiB are written and read back, caches at their defaults",
        "peak_resident_bytes": peak,
        "bar_bytes": RESIDENT_BYTES_MAX,
        "holds": peak < RESIDENT_BYTES_MAX,
        "filling": filling,
        "reading": reading,
    }


def flatness(place, runs):
    """The costs at each level, and for each call the ratio of the smallest level's to the largest's."""
    levels = LEVELS_QUICK if place.quick else LEVELS
    size = device_bytes(levels[-1] // DATA_EVERY * FILE_BYTES)
    place.need_disk(size + levels[-1] * 512)
    measured = []
    with programs.Pool(place.disk / "flat-pool", "--size", size) as pool:
        for before, files in zip([0, *levels], levels):
            fill = [programs.bench_program("pool_fill"), "--files", files, "--size", FILE_BYTES, "--data-every", DATA_EVERY]
            filling, _ = programs.run_json([*fill, "--from", before, pool.url], FILL_SECONDS_MAX)
            # Measured in a process of its own: the one that filled has what it made last in memory, data included.
            figures, _ = programs.run_json([*fill, "--from", files, "--probe", min(PROBE_CALLS, files), "--batches", runs,
                                            pool.url], FILL_SECONDS_MAX)
            measured.append({**figures, "filling": filling, "open_seconds": open_seconds(pool)})
    calls = {}
    for key, name in SERIES:
        costs = [statistics.median(figures["probes"][key]["us"]) for figures in measured]
        # Beyond the caches a call has to fetch what it works on; how far that lifts it is shown, and no bar set.
        bar = None if key.endswith("far") else FLAT_BAR
        ratio = costs[0] / costs[-1]
        calls[key] = {"what": name, "us": costs, "ratio": ratio, "bar": bar, "holds": bar is None or ratio >= bar}
    return {"name": "flat", "files": levels, "data_every": DATA_EVERY, "calls": calls, "levels": measured,
            "holds": all(call["holds"] for call in calls.values())}


def open_seconds(pool):
    """How long a program takes that opens the pool, looks at one container and ends."""
    return programs.ross("container", "info", pool.url)[1]


def picture(flat):
    series = [(call["what"], key.endswith("far"), list(zip(flat["files"], call["us"])))
              for key, call in flat["calls"].items()]
    return chart.log_log("Cost of a call as the pool fills", "files in the pool", "microseconds a call (median)", series)
