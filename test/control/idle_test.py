#!/usr/bin/env python3
"""A ross-engine with a hundred sessions that ask for nothing costs nothing.

Goal: less than one per cent of a core while nobody asks. Method: sessions over TCP and over shared memory from one process, and the
processor time that the kernel has counted for the engine before and after ten seconds.
Usage: idle_test.py ROSS_ENGINE ROSS IDLE_SESSIONS.
"""
import os
import pathlib
import subprocess
import sys
import time
import unittest

import running

IDLE_SESSIONS = None
SESSIONS = 50  # of each fabric
SECONDS = 10
SHARE_MAX = 0.01


def cpu_seconds(pid):
    after_name = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def open_sockets(pid):
    return sum(os.readlink(entry).startswith("socket:") for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir())


class Idle(running.WithEngine):
    ARGUMENTS = ("--fabric", "shm", "--fabric", "tcp")

    def test_a_hundred_idle_sessions(self):
        pid = self.engine.process.pid
        before = open_sockets(pid)
        urls = [self.url.replace("ross://", f"ross+{fabric}://") for fabric in ("tcp", "shm")]
        client = subprocess.Popen([IDLE_SESSIONS, str(SESSIONS), *urls], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: client.poll() is None and client.kill())
        self.assertEqual(client.stdout.readline(), "ready\n")
        self.assertGreaterEqual(open_sockets(pid) - before, 2 * SESSIONS)
        began, used = time.monotonic(), cpu_seconds(pid)
        clients = cpu_seconds(client.pid)
        time.sleep(SECONDS)
        share = (cpu_seconds(pid) - used) / (time.monotonic() - began)
        clients = (cpu_seconds(client.pid) - clients) / (time.monotonic() - began)
        print(f"engine {share:.2%} of a core, its clients {clients:.2%}", flush=True)
        self.assertLess(share, SHARE_MAX)
        self.assertLess(clients, SHARE_MAX)
        client.stdin.close()
        self.assertEqual(client.wait(timeout=running.SECONDS), 0)
        client.stdout.close()
        self.assertEqual(self.engine.stop(), 0)
        self.clean()


if __name__ == "__main__":
    *running.PROGRAMS[:], IDLE_SESSIONS = sys.argv[1:4]
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
