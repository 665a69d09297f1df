"""Goal: what bench/peers reads out of other programs is read right, servers end with their with statement, and a system that is
not there is a visible skip. Method: texts as the programs write them, a shell in place of a server."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "common"), str(HERE.parents[1] / "scripts")]

import command
import daemon
import judge
import programs
import rows
from ceph_store import configuration


class Daemons(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def test_processor_time_is_found_behind_any_name(self):
        fields = "S 1 7 7 0 -1 4194304 100 0 0 0 31 11 5 6 20 0 9 0 1234"
        self.assertEqual(daemon.ticks_of(f"77 (ms) g (2) {fields}\n"), 42)

    def test_a_server_is_awaited_and_ended(self):
        with daemon.Daemon("server", ["sh", "-c", "echo up; exec sleep 60"], self.folder) as server:
            self.assertEqual(server.until(lambda: server.log().strip()), "up")
            self.assertGreaterEqual(server.cpu_seconds(), 0)
        self.assertIsNotNone(server.process.returncode)

    def test_a_server_that_ends_says_why(self):
        with daemon.Daemon("server", ["sh", "-c", "echo no such disk >&2; exit 3"], self.folder) as server:
            with self.assertRaisesRegex(programs.Failure, r"server ended with 3:\n    \| no such disk"):
                server.until(lambda: False)

    def test_only_the_end_of_a_log_is_told(self):
        told = daemon.tail("\n".join(map(str, range(100))))
        self.assertEqual(told.splitlines()[-1], "    | 99")
        self.assertEqual(len(told.splitlines()), daemon.TAIL_LINES)


class Rows(unittest.TestCase):
    def test_bars_are_those_of_the_demand(self):
        self.assertEqual({row.name: row.bar for row in rows.rows() if row.bar},
                         {"ceph-4k-read": 8, "ceph-1m-read": 2, "nbd-4k-read": 4, "nbd-1m-read": 2})

    def test_a_row_without_a_bar_is_shown(self):
        result = {"name": "shm", "unit": "op/s", **judge.verdict([1.0], [2.0], None)}
        self.assertEqual(command.word(result), "shown")
        self.assertEqual(command.cells(result)[-1], "-")

    def test_a_system_that_is_not_there_is_skipped_and_does_not_count_as_missed(self):
        results = {"failed": [], "skipped": []}
        with contextlib.redirect_stdout(io.StringIO()) as told:
            command.attempt("row", results, lambda: programs.need("sh", "no-such-program"))
        self.assertIn("skipped: no-such-program", told.getvalue())
        self.assertEqual(results["failed"], [])
        self.assertEqual([skipped["name"] for skipped in results["skipped"]], ["row"])

    def test_ceph_is_told_where_it_lives_and_what_it_keeps(self):
        lines = configuration("memstore", pathlib.Path("/m/ceph"), 4711, "id", 1 << 30).splitlines()
        for line in ("osd objectstore = memstore", "mon host = v2:127.0.0.1:4711", "osd data = /m/ceph/osd",
                     "auth client required = none", "debug osd = 0/0"):
            self.assertIn(line, lines)


if __name__ == "__main__":
    unittest.main()
