#!/usr/bin/env python3
"""The real ross-engine, and ross against it over every fabric.

Goal: what a person does with a server works, what nobody may do is refused, and a stop loses nothing. Method: an engine on a free
port of loopback for each test, its pool in a temporary directory; rsync judges that a tree comes out as it went in.
Usage: engine_test.py ROSS_ENGINE ROSS.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

import running
from running import NOBODY, SECONDS, Certificates, Engine, WithEngine, run

ENGINE = None
ROSS = None


class Fabrics(WithEngine):
    ARGUMENTS = ("--fabric", "shm", "--fabric", "tcp", "--fabric", "ofi+tcp", "--fabric", "ofi+shm", "--fabric", "ucx+tcp",
                 "--fabric", "ucx+shm")

    def test_a_tree_comes_out_as_it_went_in(self):
        tree = self.folder / "tree"
        shutil.copytree("/usr/include/linux", tree, symlinks=True)
        (tree / "large").write_bytes(os.urandom(9_000_001))
        (tree / "link").symlink_to("large")
        os.link(tree / "large", tree / "again")
        os.mkfifo(tree / "fifo")
        for fabric in ("", "+shm", "+tcp", "+ofi+tcp", "+ofi+shm", "+ucx+tcp", "+ucx+shm"):
            with self.subTest(fabric=fabric):
                base = self.url.replace("ross://", f"ross{fabric}://")
                self.good(ROSS, "cp", "-r", tree, f"{base}/data/tree{fabric}")
                out = self.folder / f"out{fabric}"
                self.good(ROSS, "cp", "-r", f"{base}/data/tree{fabric}", out)
                different = self.good("rsync", "-aHAXnci", "--delete", f"{tree}/", f"{out}/")
                self.assertEqual(different, "")
        self.assertEqual(self.engine.stop(), 0)
        self.clean()

    def test_the_choice_is_made_and_told(self):
        told = run(ROSS, "ls", f"{self.url}/data", extra={"ROSS_LOG": "info"}).stderr
        self.assertIn("by shm at", told)
        told = run(ROSS, "ls", f"{self.url}/data", extra={"ROSS_LOG": "info", "ROSS_FABRIC": "ofi+tcp"}).stderr
        self.assertIn("by ofi+tcp at", told)
        # Another user may not open the socket of shared memory, and comes by TCP.
        told = run(ROSS, "ls", f"{self.url}/data", extra={"ROSS_LOG": "info"}, uid=NOBODY).stderr
        self.assertIn("by tcp at", told)
        self.bad(ROSS, "ls", f"{self.url}/data", says="no fabric is called 'rdma'", extra={"ROSS_FABRIC": "rdma"})
        self.bad(ROSS, "ls", f"{self.url}/data".replace("ross:", "ross+ucx+rc:"), says="does not offer ucx+rc")


class Libraries(WithEngine):
    def test_ucx_is_loaded_by_who_uses_it(self):
        def maps():
            return pathlib.Path(f"/proc/{self.engine.process.pid}/maps").read_text()
        loading = {"LD_DEBUG": "files"}
        self.assertNotIn("/libuc", run(ROSS, "ls", f"{self.url}/data", extra=loading).stderr)
        self.assertIn("calling init", run(ROSS, "ls", f"{self.url}/data", extra=loading).stderr)
        self.assertNotRegex(maps(), r"/libuc[pstm]\.so")
        self.assertEqual(self.engine.stop(), 0)
        self.engine = self.start("--fabric", "ucx+tcp")
        self.assertRegex(maps(), r"/libuc[pstm]\.so")
        self.assertIn("/libucp.so", run(ROSS, "ls", f"{self.url}/data", extra=loading | {"ROSS_FABRIC": "ucx+tcp"}).stderr)


class People(WithEngine):
    def test_containers_by_command_line(self):
        self.good(ROSS, "container", "create", f"{self.url}/more", "--quota", "10M")
        self.assertIn("more", self.good(ROSS, "container", "list", self.url))
        self.assertIn("10.0 MiB", self.good(ROSS, "container", "info", f"{self.url}/more"))
        self.good(ROSS, "container", "destroy", "-y", f"{self.url}/more")
        self.assertNotIn("more", self.good(ROSS, "container", "list", self.url))

    def test_others_may_do_what_the_modes_say_and_no_more(self):
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/data/roots")
        self.bad(ROSS, "put", "/etc/hostname", f"{self.url}/data/theirs", says="permission denied", uid=NOBODY)
        self.bad(ROSS, "container", "create", f"{self.url}/theirs", says="only root", uid=NOBODY)
        self.bad(ROSS, "container", "destroy", "-y", f"{self.url}/data", says="only root", uid=NOBODY)
        self.assertIn("roots", self.good(ROSS, "ls", f"{self.url}/data", uid=NOBODY))

    def test_local_commands_find_the_engine_that_has_the_pool(self):
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/data/x")
        self.assertIn("x", self.good(ROSS, "ls", f"local:{self.pool}/data"))

    def test_bad_input_is_one_line(self):
        self.bad(ROSS, "ls", f"{self.url}1/data", says="no pool 'pool01' is served here: there is pool0")
        self.bad(ROSS, "ls", f"{self.url}/none", says="none")
        self.bad(ROSS, "ls", "ross://127.0.0.1:1/pool0/data", says="no ross-engine answers at 127.0.0.1:1")
        self.bad(ROSS, "pool", "create", self.url, "--size", "1G", says="made on the machine")
        self.bad(ROSS, "fsck", self.url, says="on the machine that has the pool")
        self.bad(ENGINE, self.folder / "nowhere", "--listen", "127.0.0.1:0", "--fabric", "tcp", says="nowhere")
        self.bad(ENGINE, code=2, says="no pool to serve")
        self.bad(ENGINE, self.pool, "--listen", "0.0.0.0:7470", code=2, says="needs TLS")
        self.bad(ENGINE, self.pool, "--fabric", "x", code=2, says="no fabric is called 'x'")
        config = self.folder / "bad.toml"
        config.write_text("[control]\nlisten = 1\n")
        self.bad(ENGINE, "--config", config, "--check-config", code=2, says="bad.toml line 2")
        config.write_text(f"[[pool]]\npath = \"{self.pool}\"\n")
        self.assertIn("is good: 1 pool", self.good(ENGINE, "--config", config, "--check-config"))

    def test_two_engines_do_not_share_a_port(self):
        other = self.folder / "other"
        self.good(ROSS, "pool", "create", other, "--size", "256M")
        done = run(ENGINE, other, "--listen", self.engine.address, "--fabric", "tcp")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot listen on {self.engine.address}", done.stderr.splitlines()[-1])


class Ends(WithEngine):
    def free(self):
        return json.loads(self.good(ROSS, "--json", "pool", "info", self.url))["free"]

    def putting(self):
        """A client in the middle of a put that never ends, with 20 MB stored so far."""
        before = self.free()
        client = subprocess.Popen([ROSS, "put", "/dev/zero", f"{self.url}/data/endless"], stderr=subprocess.PIPE, text=True,
                                  env={**os.environ, "ROSS_OUTAGE_SECONDS": "3"})
        self.addCleanup(lambda: client.poll() is None and client.kill())
        deadline = time.monotonic() + SECONDS
        while self.free() > before - 20_000_000:
            self.assertLess(time.monotonic(), deadline)
        return client

    def test_a_stop_in_the_middle_of_work_is_in_order(self):
        client = self.putting()
        began = time.monotonic()
        self.assertEqual(self.engine.stop(), 0, self.engine.log())
        self.assertLess(time.monotonic() - began, 20)
        told = client.communicate(timeout=SECONDS)[1]
        self.assertEqual(client.returncode, 1)
        self.assertIn("the server is away", told)
        self.assertIn("has been away for 3 s", told)
        self.assertIn("every pool is synced and closed", self.engine.log())
        self.clean()

    def test_a_killed_client_leaves_nothing(self):
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/data/x")
        self.good(ROSS, "sync", self.url)
        before = self.free()
        for _ in range(5):
            client = self.putting()
            client.kill()
            client.communicate(timeout=SECONDS)
            # An object that was being put has no name yet, so all of its space comes back.
            deadline = time.monotonic() + SECONDS
            while self.free() < before - 1_000_000:
                self.assertLess(time.monotonic(), deadline, f"{before - self.free()} bytes are lost")
                run(ROSS, "sync", self.url)
        self.assertEqual(self.engine.stop(), 0)
        self.clean()

    def test_a_killed_engine_keeps_what_was_synced(self):
        data = os.urandom(3_000_000)
        (self.folder / "file").write_bytes(data)
        self.good(ROSS, "put", self.folder / "file", f"{self.url}/data/kept")
        self.good(ROSS, "sync", self.url)
        self.engine.stop(signal.SIGKILL)
        self.engine = self.start()
        self.good(ROSS, "get", f"{self.url}/data/kept", self.folder / "back")
        self.assertEqual((self.folder / "back").read_bytes(), data)
        self.assertEqual(self.engine.stop(), 0)
        self.clean()

    def test_systemd_is_told(self):
        self.assertEqual(self.engine.stop(), 0)
        self.tells_systemd(lambda **options: Engine(self.folder, self.pool, **options))


class Metrics(WithEngine):
    def pool0(self):
        told = json.loads(self.good(ROSS, "--json", "metrics", self.url))
        (pool,) = told["pools"]
        return told, pool

    def test_what_is_done_is_counted(self):
        size = 3_000_001
        file = self.folder / "file"
        file.write_bytes(os.urandom(size))
        _, before = self.pool0()
        self.good(ROSS, "cp", file, f"{self.url}/data/file")
        self.good(ROSS, "cp", f"{self.url}/data/file", self.folder / "out")
        told, after = self.pool0()
        self.assertEqual(after["usage"]["bytes_written"] - before["usage"]["bytes_written"], size)
        self.assertEqual(after["usage"]["bytes_read"] - before["usage"]["bytes_read"], size)
        self.assertEqual(after["bytes_here"] - before["bytes_here"], 2 * size)
        self.assertGreater(after["usage"]["operations"], before["usage"]["operations"])
        self.assertLess(time.time() - told["started_s"], SECONDS + 60)
        self.assertGreater(told["cpu_s"], 0)
        self.assertGreater(told["resident_bytes"], 1 << 20)

        text = self.good(ROSS, "metrics", self.url)
        self.assertIn(f'ross_pool_written_bytes_total{{pool="pool0"}} {after["usage"]["bytes_written"]}\n', text)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+]+)$')

    def test_sessions_that_are_there(self):
        words = [ROSS, "bench", f"{self.url}/data", "--load", "randread", "--size", "1M", "--time", "60"]
        bench = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(bench.wait)
        self.addCleanup(bench.kill)
        self.becomes(1)
        bench.kill()
        self.becomes(0)

    def becomes(self, sessions):
        deadline = time.monotonic() + SECONDS
        while self.pool0()[1]["sessions"] != sessions:
            self.assertLess(time.monotonic(), deadline)

    def test_bad_input_is_one_line(self):
        self.bad(ROSS, "metrics", f"local:{self.pool}/data", says="only a server has metrics")
        self.assertEqual(self.engine.stop(), 0)
        self.bad(ROSS, "metrics", self.url, says="no ross-engine answers")


class WithTls(Certificates, WithEngine):
    def start(self, *arguments):
        self.make_certificates()
        config = self.folder / "tls.toml"
        config.write_text(f"[tls]\ncertificate = \"{self.folder}/server.pem\"\nkey = \"{self.folder}/server.key\"\n"
                          f"client_authority = \"{self.folder}/ca.pem\"\n[[pool]]\npath = \"{self.pool}\"\n")
        engine = Engine(self.folder, "--config", config, "--fabric", "tcp")
        self.addCleanup(engine.stop, signal.SIGKILL)
        self.url = f"ross://{engine.address}/pool0"
        return engine

    def test_only_who_has_a_certificate_gets_in(self):
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/data/x", extra=self.certificate("client"))
        self.assertIn("x", self.good(ROSS, "ls", f"{self.url}/data", extra=self.certificate("client")))
        self.bad(ROSS, "ls", f"{self.url}/data", says="no ross-engine answers")
        self.bad(ROSS, "ls", f"{self.url}/data", says="no ross-engine answers", extra=self.certificate("impostor"))
        self.bad(ROSS, "ls", f"{self.url}/data", says="no ross-engine answers", extra=self.certificate("client", "stranger"))
        self.bad(ROSS, "ls", f"{self.url}/data", says="/nowhere", extra={"ROSS_TLS_AUTHORITY": "/nowhere"})


if __name__ == "__main__":
    ENGINE, ROSS = running.PROGRAMS[:] = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
