"""The cells of the grid: each kind of work, size and number of jobs over each way, and the table of them."""

import judge
import measure
from command import progress
from ways import Chain
from work import MIB

PATTERNS = {"read": "read", "write": "write", "randread": "random read", "randwrite": "random write"}
BLOCKS = {"1m": "1 MiB", "4k": "4 KiB"}
JOBS = (1, 2, 4, 8, 16)
JOBS_QUICK = (1, 4)
DEPTH = 16
JOB_BYTES = 64 * MIB
JOB_BYTES_QUICK = 16 * MIB
# Sequential and random writes have files of their own, apart from what is read: overwriting scatters a file's blocks.
FILES = ("read", "write", "randwrite")


def file_of(pattern):
    return pattern if pattern.endswith("write") else "read"


def fill(place, way):
    """Appends the cells of one way to place's results, from an empty pool to its end."""
    jobs_all = JOBS_QUICK if place.quick else JOBS
    size = JOB_BYTES_QUICK if place.quick else JOB_BYTES
    pool_bytes = 2 * len(FILES) * size * jobs_all[-1]
    place.need_memory(pool_bytes)
    cells = []
    progress.begin(way.name)
    with Chain(place, way, pool_bytes) as chain:
        for file in FILES:
            measure.run(chain, "write", "1m", jobs_all[-1], DEPTH, file, size, None)
        for block, block_told in BLOCKS.items():
            for pattern, told in PATTERNS.items():
                for jobs in jobs_all:
                    progress.show(f"{told}, {block_told}, {jobs} jobs")
                    figures = measure.run(chain, pattern, block, jobs, DEPTH, file_of(pattern), size, place.seconds)
                    cells.append({"place": way.place, "fabric": way.fabric, "pattern": pattern, "block": block, "jobs": jobs,
                                  **figures})
    progress.end(f"{len(cells)} cells")
    return cells


def rate_text(cell):
    return judge.quantity(cell["bytes_per_s"], "B/s") if cell["block"] == "1m" else judge.quantity(cell["op_per_s"], "op/s")


def cost_text(cell):
    """Processor time by place: seconds a GiB of large calls, microseconds of each small one."""
    costs = cell["cpu_s_per_gib" if cell["block"] == "1m" else "cpu_us_per_op"]
    return " + ".join(judge.digits(costs[name]) for name in ("host", "agent", "engine") if name in costs)


def rates_table(cells):
    """Lines of one kind of work and size over one way; the columns are the numbers of jobs."""
    counts = sorted({cell["jobs"] for cell in cells})
    lines = [("work", "way", *(f"{jobs} jobs" if jobs > 1 else "1 job" for jobs in counts))]
    for key, line in grouped(cells):
        lines.append((*key, *(rate_text(line[jobs]) if jobs in line else "-" for jobs in counts)))
    return lines


def costs_table(cells):
    """Latency, processor time and memory of each kind of work, at the fewest and at the most jobs."""
    counts = sorted({cell["jobs"] for cell in cells})
    lines = [("work", "way", "jobs", "p50 us", "p99 us", "p99.9 us", "CPU host + agent + engine", "peak MiB")]
    for key, line in grouped(cells):
        for jobs in sorted({counts[0], counts[-1]} & set(line)):
            cell = line[jobs]
            memory = " + ".join(f"{cell['peak_bytes'][name] / MIB:.0f}" for name in ("host", "agent", "engine") if name in cell["peak_bytes"])
            lines.append((*key, str(jobs), *(judge.digits(cell[name]) for name in measure.PERCENTILES), cost_text(cell), memory))
    return lines


def grouped(cells):
    """((work, way), {jobs: cell}) in the order of the cells' works, the ways of each together."""
    groups = {}
    for block, block_told in BLOCKS.items():
        for pattern, told in PATTERNS.items():
            for cell in cells:
                if cell["block"] == block and cell["pattern"] == pattern:
                    key = (f"{block_told} {told}", f"{cell['place']} {cell['fabric']}".strip())
                    groups.setdefault(key, {})[cell["jobs"]] = cell
    return groups.items()


def markdown(lines):
    head, *rows = lines
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]
