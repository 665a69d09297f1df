#!/usr/bin/env python3
"""The control plane from Python, with nothing but the protos.

Goal: examples/control_plane.py does what it says, with and without tenants. Usage: protos_test.py ROSS_ENGINE ROSS EXAMPLE. Exit code 77:
Python lacks gRPC.
"""
import subprocess
import sys
import unittest

import running
from running import SECONDS, WithEngine, run

EXAMPLE = None


def example(*arguments, extra=None):
    return run(sys.executable, "-B", EXAMPLE, *arguments, extra=extra)


class Protos(WithEngine):
    def test_without_tenants(self):
        done = example(self.engine.address, "pool0")
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in ("serves pool0 by", "container data:", "names: train", "an error: NOT_FOUND, errno 2", "this server has no tenants"):
            self.assertIn(line, done.stdout)
        self.assertNotIn("example-", self.good(running.PROGRAMS[1], "container", "list", self.url))

    def test_as_a_tenant(self):
        self.engine.stop()
        auth = self.folder / "auth"
        self.good(running.PROGRAMS[1], "auth", "init", "--folder", auth)
        config = self.folder / "engine.toml"
        config.write_text(f"[identity]\ntoken_key = \"{auth}/token.pub\"\n[[tenant]]\nname = \"t\"\nadmin = [\"*/*\"]\n")
        engine = self.start("--config", config)
        token = self.good(running.PROGRAMS[1], "auth", "token", "t", "--folder", auth).strip()
        done = example(engine.address, "pool0", extra={"ROSS_TOKEN": token})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("tenant t: ", done.stdout)
        bad = example(engine.address, "pool0", extra={"ROSS_TOKEN": token[:-1] + ("A" if token[-1] != "A" else "Q")})
        self.assertNotEqual(bad.returncode, 0)
        self.assertIn("PERMISSION_DENIED", bad.stderr)


if __name__ == "__main__":
    engine, ross, EXAMPLE = sys.argv[1:4]
    running.PROGRAMS[:] = [engine, ross]
    probe = subprocess.run([sys.executable, "-c", "import grpc, google.protobuf"], capture_output=True, timeout=SECONDS, check=False)
    if probe.returncode != 0:
        print(probe.stderr.decode().strip().splitlines()[-1], "(apt-get install python3-grpcio python3-protobuf)")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
