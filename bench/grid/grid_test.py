"""Goal: every cell of the grid stands where a reader looks for it, in the tables and in the pictures. Method: cells made up."""

import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "common"), str(HERE.parents[1] / "scripts")]

import bars
import cells
import ways


def cell(way, block, pattern, jobs, rate):
    return {"place": way.place, "fabric": way.fabric, "block": block, "pattern": pattern, "jobs": jobs, "bytes_per_s": rate,
            "op_per_s": rate, "p50_us": 10, "p99_us": 20.5, "p999_us": 300, "cpu_s_per_gib": {"host": 0.1, "agent": 0.2, "engine": 0.3},
            "cpu_us_per_op": {"host": 1, "agent": 2, "engine": 3}, "peak_bytes": {"host": 1 << 20, "engine": 3 << 20}}


CELLS = [cell(ways.Way("offload-staged", "shm"), "4k", "randwrite", 16, 2e5), cell(ways.Way("remote", "tcp"), "1m", "read", 1, 3 << 30),
         cell(ways.Way("offload-staged", "shm"), "4k", "randwrite", 1, 1e5)]


class Tables(unittest.TestCase):
    def test_a_line_is_a_way_and_a_column_a_number_of_jobs(self):
        self.assertEqual(cells.rates_table(CELLS), [
            ("work", "way", "1 job", "16 jobs"),
            ("1 MiB read", "remote tcp", "3.00 GiB/s", "-"),
            ("4 KiB random write", "offload-staged shm", "100 k op/s", "200 k op/s")])

    def test_costs_are_told_of_each_place(self):
        _, large, *small = cells.costs_table(CELLS)
        self.assertEqual(large, ("1 MiB read", "remote tcp", "1", "10.0", "20.5", "300", "0.10 + 0.20 + 0.30", "1 + 3"))
        self.assertEqual([line[2] for line in small], ["1", "16"])
        self.assertEqual(small[0][6], "1.00 + 2.00 + 3.00")

    def test_markdown_has_a_rule_below_its_head(self):
        self.assertEqual(cells.markdown([("a", "b"), ("1", "2")]), ["| a | b |", "|---|---|", "| 1 | 2 |"])


class Bars(unittest.TestCase):
    def test_less_is_better_stands_as_more_by_its_inverse(self):
        rows = {row.name: row for row in bars.rows()}
        figures = {"p50_us": 50, "cpu_s_per_gib": {"host": 0.5}, "cpu_us_per_op": {"host": 4}}
        self.assertAlmostEqual(rows["latency"].value(figures), 20000)
        self.assertAlmostEqual(rows["latency"].bar, 0.4545, 3)
        self.assertAlmostEqual(rows["host-cpu-1m"].value(figures) / (1 << 30), 2)
        self.assertAlmostEqual(rows["host-cpu-4k"].value(figures), 250000)


class Pictures(unittest.TestCase):
    def test_a_picture_of_each_kind_is_written(self):
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            self.skipTest("python3-matplotlib is not there: scripts/install_packages --bench")
        import plots
        with tempfile.TemporaryDirectory() as folder:
            paths = plots.draw(CELLS, folder)
            self.assertEqual([path.name for path in paths], ["throughput.png", "latency.png", "host_cpu.png"])
            for path in paths:
                self.assertEqual(path.read_bytes()[:4], b"\x89PNG")


if __name__ == "__main__":
    unittest.main()
