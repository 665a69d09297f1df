"""The grid as pictures, in the layout of the paper's figures: a panel for each kind of work, jobs to the right, a line for each way."""

import pathlib

import cells
from ways import WAYS
from work import GIB

# What a picture shows: its file, the title, and for each size the axis and the value of a cell.
PICTURES = (
    ("throughput.png", "Throughput by number of jobs",
     {"1m": ("GiB/s", lambda cell: cell["bytes_per_s"] / GIB), "4k": ("k op/s", lambda cell: cell["op_per_s"] / 1000)}),
    ("latency.png", "99th percentile of the latency by number of jobs",
     {block: ("us", lambda cell: cell["p99_us"]) for block in cells.BLOCKS}),
    ("host_cpu.png", "Processor time of the host by number of jobs",
     {"1m": ("s a GiB", lambda cell: cell["cpu_s_per_gib"]["host"]), "4k": ("us an operation", lambda cell: cell["cpu_us_per_op"]["host"])}),
)
MARKERS = {"local": "s", "remote": "o", "offload-direct": "^", "offload-staged": "v"}


def draw(grid, folder):
    """Writes the pictures of a grid's cells into folder; their paths."""
    import matplotlib  # it takes its time: only who draws loads it

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return [draw_one(pyplot, grid, pathlib.Path(folder) / name, title, by_block) for name, title, by_block in PICTURES]


def draw_one(pyplot, grid, path, title, by_block):
    figure, panels = pyplot.subplots(len(cells.BLOCKS), len(cells.PATTERNS), figsize=(18, 8), squeeze=False, sharey="row")
    ways = [way.name for way in WAYS]
    counts = sorted({cell["jobs"] for cell in grid})
    for row, block in enumerate(cells.BLOCKS):
        axis, value = by_block[block]
        for column, pattern in enumerate(cells.PATTERNS):
            panel = panels[row][column]
            here = [cell for cell in grid if cell["block"] == block and cell["pattern"] == pattern]
            for index, way in enumerate(WAYS):
                line = sorted((cell["jobs"], value(cell)) for cell in here
                              if (cell["place"], cell["fabric"]) == (way.place, way.fabric))
                if line:
                    panel.plot(*zip(*line), marker=MARKERS[way.place], color=f"C{index}", label=ways[index])
            panel.set_xscale("log", base=2)
            panel.set_xticks(counts, [str(count) for count in counts])
            panel.set_title(f"{cells.BLOCKS[block]} {cells.PATTERNS[pattern]}")
            panel.grid(alpha=0.3)
            panel.set_xlabel("jobs")
        panels[row][0].set_ylabel(axis)
        panels[row][0].set_ylim(bottom=0)  # of the whole row
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.suptitle(title)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path
