#!/usr/bin/env python3
"""The real ross-engine in one network namespace and ross in another, over links as networks have them.

Goal: what goes there and back is the same over a slow, a distant and a lossy link, in the time that such a link needs; and a link that
is gone for good ends what waits for it. Method: network.py makes the link for each test, rsync judges the trees.
Usage: namespace_test.py ROSS_ENGINE ROSS.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import running
import network
import namespaces
from network import Network

SKIPPED = 77
TREE_BYTES = 6_000_001  # of its one large file
DEAD_LINK_SECONDS = 45  # until a command gives up


class OverALink(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = tempfile.TemporaryDirectory(prefix="ross-namespace-certificates-")
        cls.addClassCleanup(cls.certificates.cleanup)
        maker = running.Certificates()
        maker.folder = pathlib.Path(cls.certificates.name)
        maker.make_certificates(network.ENGINE)
        cls.certificate = maker.certificate

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ross-namespace-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.pool = self.folder / "pool0"
        for words in (("pool", "create", self.pool, "--size", "1G"), ("container", "create", f"local:{self.pool}/data")):
            done = running.run(running.PROGRAMS[1], *words)
            self.assertEqual(done.returncode, 0, done.stderr)

    def start(self, **link):
        """An engine, and a link to it."""
        self.network = Network(**link)
        self.addCleanup(self.network.close)
        config = self.folder / "engine.toml"
        keys = self.certificates.name
        config.write_text(f"[tls]\ncertificate = \"{keys}/server.pem\"\nkey = \"{keys}/server.key\"\n"
                          f"client_authority = \"{keys}/ca.pem\"\n[data]\nlisten = \"{network.ENGINE}\"\n"
                          f"fabrics = [\"tcp\", \"ofi+tcp\"]\n[[pool]]\npath = \"{self.pool}\"\n")
        self.engine = running.Engine(self.folder, "--config", config, begin=self.network.engine.enter, address=f"{network.ENGINE}:0")
        self.addCleanup(self.engine.stop, signal.SIGKILL)
        self.url = f"ross://{self.engine.address}/pool0"

    def ross(self, *words):
        """From the other end of the link."""
        return running.run(*self.network.client.enter, running.PROGRAMS[1], *words, extra=self.certificate("client"))

    def begin(self, *words):
        client = subprocess.Popen([*self.network.client.enter, running.PROGRAMS[1], *words], stderr=subprocess.PIPE, text=True,
                                  env={**os.environ, **self.certificate("client"), "ROSS_OUTAGE_SECONDS": "10"})
        self.addCleanup(lambda: client.poll() is None and client.kill())
        return client

    def good(self, *words):
        done = self.ross(*words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
        return done.stdout

    def make_tree(self):
        tree = self.folder / "tree"
        shutil.copytree("/usr/include/linux/tc_act", tree, symlinks=True)
        (tree / "large").write_bytes(os.urandom(TREE_BYTES))
        (tree / "link").symlink_to("large")
        os.link(tree / "large", tree / "again")
        return tree

    def there_and_back(self, fabric="tcp"):
        """The seconds that it took."""
        tree = self.make_tree()
        base = self.url.replace("ross://", f"ross+{fabric}://")
        began = time.monotonic()
        self.good("cp", "-r", tree, f"{base}/data/tree")
        self.good("cp", "-r", f"{base}/data/tree", self.folder / "out")
        seconds = time.monotonic() - began
        different = subprocess.run(["rsync", "-aHAXnci", "--delete", f"{tree}/", f"{self.folder}/out/"], capture_output=True,
                                   text=True, timeout=running.SECONDS, check=True).stdout
        self.assertEqual(different, "")
        self.assertEqual(self.engine.stop(), 0)
        fsck = running.run(running.PROGRAMS[1], "fsck", "--data", self.pool)
        self.assertIn("clean", fsck.stdout, fsck.stderr)
        print(f"{self.id()}: {seconds:.1f} s", flush=True)
        return seconds

    def test_a_plain_link(self):
        self.start()
        self.assertLess(self.there_and_back(), 10)

    def test_a_plain_link_by_libfabric(self):
        self.start()
        self.assertLess(self.there_and_back("ofi+tcp"), 10)

    def test_twenty_milliseconds_each_way(self):
        self.start(delay_ms=20)
        seconds = self.there_and_back()
        self.assertGreater(seconds, 0.4)  # or there is no delay: connecting alone is some round trips, twice
        self.assertLess(seconds, 20)

    def test_one_packet_in_a_hundred_is_lost(self):
        self.start(delay_ms=5, loss_percent=1)
        self.assertLess(self.there_and_back(), 30)

    def test_fifty_megabits_a_second(self):
        self.start(rate_mbit=50)
        seconds = self.there_and_back()
        self.assertGreater(seconds, 2 * TREE_BYTES * 8 / 50e6 * 0.8)
        self.assertLess(seconds, 15)

    def test_a_link_that_is_gone_for_good(self):
        self.start(rate_mbit=200)
        (self.folder / "large").write_bytes(os.urandom(50_000_000))
        done = running.run(*self.network.engine.enter, running.PROGRAMS[1], "put", self.folder / "large", f"{self.url}/data/large",
                               extra=self.certificate("client"))
        self.assertEqual(done.returncode, 0, done.stderr)
        # One waits for what it sends to be taken, the other for what it asked for.
        clients = [self.begin("put", "/dev/zero", f"{self.url}/data/endless"),
                   self.begin("get", f"{self.url}/data/large", self.folder / "back")]
        deadline = time.monotonic() + running.SECONDS
        while min(self.network.moved_bytes()) < 5_000_000:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.network.unplug()
        began = time.monotonic()
        for client in clients:
            self.assertIsNone(client.poll(), "ended before the link did")
        clients.append(self.begin("ls", f"{self.url}/data"))  # which would begin now
        for client in clients:
            try:
                _, told = client.communicate(timeout=began + DEAD_LINK_SECONDS - time.monotonic())
            except subprocess.TimeoutExpired:
                self.fail(f"ross still waits {DEAD_LINK_SECONDS} s after the link went: {client.args}")
            print(f"{self.id()}: {time.monotonic() - began:.1f} s: {told.strip()}", flush=True)
            self.assertEqual(client.returncode, 1, told)
            # Who waited was told so, and then why it ended.
            self.assertLessEqual(told.count("\n"), 2, told)
            self.assertTrue(told.splitlines()[-1].startswith("ross: "), told)
        self.assertEqual(self.engine.stop(), 0)


if __name__ == "__main__":
    running.PROGRAMS[0], running.PROGRAMS[1] = sys.argv[1:3]
    reason = namespaces.why_not("tc")
    if reason is not None:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
