"""One timed run of fio over a way: throughput, latency, and what it cost each of the places."""

import os
import threading

import machine
from fio_job import fio, timed
from work import GIB

PERCENTILES = {"p50_us": "50.000000", "p99_us": "99.000000", "p999_us": "99.900000"}
WATCH_SECONDS = 0.05


class PeakMemory:
    """The most memory that a process which may end at any time had resident, in bytes."""

    def __init__(self):
        self.bytes = 0
        self.over = threading.Event()
        self.thread = None

    def watch(self, pid):
        self.thread = threading.Thread(target=self._watch, args=(pid,), daemon=True)
        self.thread.start()

    def _watch(self, pid):
        while not self.over.wait(WATCH_SECONDS):
            self.bytes = max(self.bytes, resident_peak(pid))

    def end(self):
        self.over.set()
        if self.thread:
            self.thread.join()
        return self.bytes


def resident_peak(pid):
    """In bytes; 0 when the process is gone."""
    words = machine.first_line(f"/proc/{pid}/status", "VmHWM:").split()
    return int(words[1]) << 10 if len(words) > 1 else 0


def processor_seconds(chain):
    """By place: of the host's programs that ended, which between two calls is fio; and of the daemons."""
    ended = os.times()
    return {"host": ended.children_user + ended.children_system,
            **{name: daemon.cpu_seconds() for name, daemon in chain.daemons.items()}}


def run(chain, pattern, block, jobs, depth, file, size_bytes, seconds):
    """Each job has a file of its own, FILE.0 and so on, of size_bytes. seconds: None for one pass over all of it."""
    before = processor_seconds(chain)
    peak = PeakMemory()
    limit = [f"--numjobs={jobs}", f"--filename_format={file}.$jobnum", *(timed(seconds) if seconds else [])]
    figures, _ = fio(chain.place, chain.engine, None, size_bytes, pattern, block, depth, limit, on_start=peak.watch)
    host_peak = peak.end()
    after = processor_seconds(chain)
    operations = max(figures["total_ios"], 1)
    percentiles = figures["clat_ns"].get("percentile", {})
    spent = {name: after[name] - before[name] for name in after}
    return {
        "bytes_per_s": figures["bw_bytes"],
        "op_per_s": figures["iops"],
        **{name: percentiles.get(key, 0) / 1000 for name, key in PERCENTILES.items()},
        "cpu_s_per_gib": {name: value / max(figures["io_bytes"] / GIB, 1e-9) for name, value in spent.items()},
        "cpu_us_per_op": {name: value / operations * 1e6 for name, value in spent.items()},
        "peak_bytes": {"host": host_peak, **{name: resident_peak(daemon.process.pid) for name, daemon in chain.daemons.items()}},
    }
