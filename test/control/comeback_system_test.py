#!/usr/bin/env python3
"""Engines and clients that are killed while they work.

Goal: a client outlives its server, and a server its clients: kill -9 of either, again and again, loses nothing that was answered,
does nothing twice and leaves nothing behind. Method: errands (errands_main.cc) checks every answer and, in the end, what is there;
meanwhile the engine is killed at random moments and started again. Afterwards fsck judges the pool.
Usage: comeback_system_test.py ROSS_ENGINE ROSS ERRANDS. ROSS_ROUNDS: how often something is killed (default 12).
"""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

import running
from running import SECONDS, ShortLeases, WithEngine, run

ERRANDS = None
ROUNDS = int(os.environ.get("ROSS_ROUNDS", "12"))


class Comeback(ShortLeases, WithEngine):
    def again(self, how):
        """The engine ends and another takes its place, at the same address, with as many threads as the dice say."""
        address = self.engine.address
        self.engine.stop(how)
        time.sleep(self.random.uniform(0, 0.1))
        self.engine = self.start("--threads", self.random.randint(1, 3), address=address)

    def errands(self, fabric, threads, workers, rounds):
        url = self.url.replace("ross:", f"ross{fabric}:") + "/data"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROSS_")}
        client = subprocess.Popen([ERRANDS, url, str(threads), str(workers), str(rounds)], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, env={**environment, "ROSS_OUTAGE_SECONDS": "30"})
        self.addCleanup(lambda: client.poll() is None and client.kill())
        self.assertEqual(client.stdout.readline(), "working\n", client.poll() is not None and client.stderr.read())
        return client

    def outlives(self, fabric, how, rounds):
        """A client works until the engine has ended `rounds` times."""
        killed = 0
        while killed < rounds:
            client = self.errands(fabric, 2, 4, 400)
            while client.poll() is None and killed < rounds:
                time.sleep(self.random.uniform(0.05, 0.4))
                self.again(how)
                killed += 1
            said = client.communicate(timeout=SECONDS)[1]
            self.assertEqual(client.returncode, 0, f"after {killed} ends: {said}\n{self.engine.log()}")
            self.assertEqual(self.left(), 2 * 4 * (1 + 200))
            self.good(running.PROGRAMS[1], "rm", "-r", *[f"{self.url}/data/{name}" for name in self.names()])
        self.assertEqual(self.engine.stop(), 0)
        self.clean()

    def names(self):
        return self.good(running.PROGRAMS[1], "ls", f"{self.url}/data").split()

    def left(self):
        return len(self.names())

    def test_a_client_outlives_engines_that_are_killed(self):
        for fabric in ("+tcp", "+shm"):
            with self.subTest(fabric=fabric):
                self.outlives(fabric, signal.SIGKILL, ROUNDS)
                self.engine = self.start()

    def test_a_client_outlives_engines_that_are_stopped(self):
        self.outlives("+tcp", signal.SIGTERM, max(3, ROUNDS // 4))

    def test_killed_clients_leave_nothing(self):
        self.good(running.PROGRAMS[1], "sync", self.url)
        before = self.free()
        for _ in range(ROUNDS):
            client = self.errands(self.random.choice(("+tcp", "+shm")), 2, 4, 100_000)
            time.sleep(self.random.uniform(0.02, 0.2))
            client.kill()
            client.communicate(timeout=SECONDS)
            names = self.names()
            if names:
                self.good(running.PROGRAMS[1], "rm", "-r", *[f"{self.url}/data/{name}" for name in names])
        deadline = time.monotonic() + SECONDS
        while self.free() < before - 1_000_000:
            self.assertLess(time.monotonic(), deadline, f"{before - self.free()} bytes are lost")
            run(running.PROGRAMS[1], "sync", self.url)
        self.assertEqual(self.engine.stop(), 0)
        self.clean()

    def free(self):
        return json.loads(self.good(running.PROGRAMS[1], "--json", "pool", "info", self.url))["free"]


if __name__ == "__main__":
    *programs, ERRANDS = sys.argv[1:4]
    running.PROGRAMS[:] = programs
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
