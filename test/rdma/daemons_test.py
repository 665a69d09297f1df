#!/usr/bin/env python3
"""Engine, agent and command line as people run them, over an RDMA card: daemons_test.py PROGRAMS RESULTS.xml

Goal: the release's programs find the card by themselves and say so; what they lack, they name; and whoever is killed takes nobody
along. Method: real processes in the guest of this folder, one pool for each case in memory; data is compared byte by byte.
PROGRAMS is the folder with ross/, ross-engine/ and ross-agent/ of a build. ROSS_RDMA_ADDRESS is the card's address.
"""

import json
import os
import pathlib
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree

ADDRESS = os.environ.get("ROSS_RDMA_ADDRESS", "")
PROGRAMS = pathlib.Path(sys.argv[1])
FIO = PROGRAMS.parent.parent / "fio" / "fio-3.33" / "fio"
INTERFACE = "rdma0"  # guest.sh
START_SECONDS_MAX = 60
CALL_SECONDS_MAX = 120
NOBODY = 65534
MIB = 1 << 20
UNDER_WAY_BYTES = 2 * MIB  # a copy has read so much of its 24 MiB since it was connected


def program(name):
    return str(PROGRAMS / name / name)


def bytes_read(pid):
    """What a process has read of files; 0 when it has ended."""
    try:
        return int(re.search(r"rchar: (\d+)", pathlib.Path(f"/proc/{pid}/io").read_text())[1])
    except OSError:
        return 0


def port_of(at):
    return int(at.rsplit(":", 1)[1])


class Daemon:
    """A daemon of ours and what it has said; ended by its process id."""

    def __init__(self, folder, name, configuration, **options):
        path = folder / f"{name}.toml"
        path.write_text(configuration)
        self.log = folder / f"{name}.log"
        with open(self.log, "ab") as said:
            self.process = subprocess.Popen([program(name), "--config", path], stderr=said, stdin=subprocess.DEVNULL, **options)

    def said(self):
        return self.log.read_text(errors="replace")

    def await_serving(self):
        """Its address and port; fails when it ends or is not there in time."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while (found := re.search(r"serving ross://(\S+?)/\S* by (.*)", self.said())) is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"it does not serve:\n{self.said()}")
            time.sleep(0.02)
        return found[1], found[2].strip()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(START_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()


class Place(unittest.TestCase):
    """A folder with a pool, and daemons over it that are ended with the case."""

    @classmethod
    def setUpClass(cls):
        # The card's address is not loopback, where certificates are asked for.
        cls.auth = pathlib.Path(tempfile.mkdtemp(prefix="ross-auth-")) / "auth"
        cls.auth.parent.chmod(0o755)
        for words in (["init"], ["issue", "server", "--server", "--address", "127.0.0.1"], ["issue", "host"]):
            subprocess.run([program("ross"), "auth", *words, "--folder", cls.auth], check=True, timeout=CALL_SECONDS_MAX)
        os.environ.update(
            ROSS_TLS_AUTHORITY=f"{cls.auth}/ca.pem", ROSS_TLS_CERTIFICATE=f"{cls.auth}/host.pem", ROSS_TLS_KEY=f"{cls.auth}/host.key"
        )

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["rm", "-rf", cls.auth.parent], check=True)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ross-rdma-"))
        self.daemons = []
        self.pool = self.folder / "pool"
        self.good(["pool", "create", self.pool, "--size", "512M"])
        self.good(["container", "create", f"local:{self.pool}/data"])

    def tearDown(self):
        for daemon in reversed(self.daemons):
            daemon.end()
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def run_ross(self, arguments, data=None, environment=()):
        command = [program("ross"), *map(str, arguments)]
        return subprocess.run(
            command, input=data, capture_output=True, timeout=CALL_SECONDS_MAX, env={**os.environ, **dict(environment)}
        )

    def good(self, arguments, **options):
        done = self.run_ross(arguments, **options)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr.decode(errors='replace')}")
        return done

    def tls(self):
        return f'[tls]\ncertificate = "{self.auth}/server.pem"\nkey = "{self.auth}/server.key"\nclient_authority = "{self.auth}/ca.pem"\n'

    def engine(self, fabrics="", port=0, **options):
        daemon = Daemon(
            self.folder,
            "ross-engine",
            f'[control]\nlisten = "127.0.0.1:{port}"\n[data]\nfabrics = [{fabrics}]\nlisten = "{ADDRESS}"\n'
            f'{self.tls()}[engine]\nthreads = 1\n[[pool]]\npath = "{self.pool}"\n',
            **options,
        )
        self.daemons.append(daemon)
        return daemon

    def agent(self, engine_at, placement, fabric, port=0):
        daemon = Daemon(
            self.folder,
            "ross-agent",
            f'[control]\nlisten = "127.0.0.1:{port}"\n[data]\nfabrics = ["{fabric}"]\nlisten = "{ADDRESS}"\n'
            f'sockets = "{self.folder}"\n{self.tls()}[agent]\nthreads = 1\n'
            f'[engine]\nauthority = "{self.auth}/ca.pem"\ncertificate = "{self.auth}/host.pem"\nkey = "{self.auth}/host.key"\n'
            f'[[export]]\nurl = "ross+{fabric}://{engine_at}/pool"\nplacement = "{placement}"\n',
        )
        self.daemons.append(daemon)
        return daemon

    def there_and_back(self, url, size=3 * MIB + 17):
        data = random.Random(size).randbytes(size)
        source, back = self.folder / "source", self.folder / "back"
        source.write_bytes(data)
        self.good(["cp", source, f"{url}/file"])
        self.good(["cp", f"{url}/file", back])
        self.assertTrue(back.read_bytes() == data, "what was read is not what was written")
        back.unlink()


class Choosing(Place):
    def test_auto_takes_verbs_and_says_so(self):
        at, fabrics = self.engine().await_serving()
        self.assertEqual(fabrics, "ofi+verbs, shm, tcp")
        done = self.good(["ls", f"ross://{at}/pool/data"], environment={"ROSS_LOG": "info"}.items())
        self.assertRegex(done.stderr.decode(), rf"pool pool by ofi\+verbs at {re.escape(ADDRESS)}:\d+")
        self.there_and_back(f"ross://{at}/pool/data")

    def limited(self):
        """In a daemon before it starts: nobody's rights, and 64 KiB of locked memory."""
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    def test_little_locked_memory_is_named(self):
        subprocess.run(["chown", "-R", str(NOBODY), self.folder, self.auth], check=True)
        daemon = self.engine('"ofi+verbs"', preexec_fn=self.limited)
        self.assertNotEqual(daemon.process.wait(START_SECONDS_MAX), 0)
        self.assertIn("ulimit -l", daemon.said())
        self.assertIn("locked memory (ulimit -l) is 64 KiB", daemon.said())

    def test_auto_goes_on_without_locked_memory(self):
        subprocess.run(["chown", "-R", str(NOBODY), self.folder, self.auth], check=True)
        daemon = self.engine(preexec_fn=self.limited)
        at, fabrics = daemon.await_serving()
        self.assertEqual(fabrics, "shm, tcp")
        self.assertIn("ulimit -l", daemon.said())
        self.there_and_back(f"ross://{at}/pool/data")


class Cases:
    """Over self.fabric."""

    def test_taken_when_asked_for(self):
        at, fabrics = self.engine(f'"{self.fabric}"').await_serving()
        self.assertEqual(fabrics, self.fabric)
        self.there_and_back(f"ross+{self.fabric}://{at}/pool/data")

    def begin_copy(self, url):
        """A copy that is under way, and what it copies."""
        data = random.Random(5).randbytes(24 * MIB)
        (self.folder / "large").write_bytes(data)
        said = self.folder / "cp.log"
        with open(said, "wb") as log:
            command = [program("ross"), "cp", self.folder / "large", f"{url}/large"]
            copying = subprocess.Popen(command, stderr=log, env={**os.environ, "ROSS_LOG": "info"})
        self.addCleanup(copying.wait)
        self.addCleanup(copying.kill)
        deadline = time.monotonic() + CALL_SECONDS_MAX
        connected = None  # what it had read when it was
        while connected is None or bytes_read(copying.pid) < connected + UNDER_WAY_BYTES:
            if connected is None and b" pool pool by " in said.read_bytes():
                connected = bytes_read(copying.pid)
            self.assertIsNone(copying.poll(), f"the copy ended before anything could happen to it: {said.read_text()}")
            self.assertLess(time.monotonic(), deadline, "the copy does not begin")
            time.sleep(0.01)
        return copying, data

    def end_copy(self, url, copying, data):
        copying.wait(CALL_SECONDS_MAX)
        self.assertEqual(copying.returncode, 0, (self.folder / "cp.log").read_text())
        self.good(["cp", f"{url}/large", self.folder / "back"])
        self.assertTrue((self.folder / "back").read_bytes() == data, "the copy is not whole")

    def again(self, daemon, start):
        """Kills a daemon, and starts it anew at its place."""
        daemon.kill()
        daemon.log.unlink()
        start().await_serving()

    def test_an_engine_killed_under_a_copy(self):
        engine = self.engine(f'"{self.fabric}"')
        at, _ = engine.await_serving()
        url = f"ross+{self.fabric}://{at}/pool/data"
        copying, data = self.begin_copy(url)
        self.again(engine, lambda: self.engine(f'"{self.fabric}"', port=port_of(at)))
        self.end_copy(url, copying, data)

    def test_an_agent_killed_under_a_copy(self):
        at, _ = self.engine(f'"{self.fabric}"').await_serving()
        agent = self.agent(at, "staged", self.fabric)
        agents_at, _ = agent.await_serving()
        url = f"ross+{self.fabric}://{agents_at}/pool/data"
        copying, data = self.begin_copy(url)
        self.again(agent, lambda: self.agent(at, "staged", self.fabric, port=port_of(agents_at)))
        self.end_copy(url, copying, data)

    def test_a_client_killed_under_a_copy(self):
        engine = self.engine(f'"{self.fabric}"')
        at, _ = engine.await_serving()
        url = f"ross+{self.fabric}://{at}/pool/data"
        copying, _ = self.begin_copy(url)
        copying.kill()
        copying.wait()
        self.there_and_back(url)
        self.assertIsNone(engine.process.poll())

    def test_the_link_goes_down_and_up_under_a_copy(self):
        at, _ = self.engine(f'"{self.fabric}"').await_serving()
        url = f"ross+{self.fabric}://{at}/pool/data"
        copying, data = self.begin_copy(url)
        for state in ("down", "up"):
            subprocess.run(["ip", "link", "set", INTERFACE, state], check=True)
        self.end_copy(url, copying, data)
        self.there_and_back(url)

    def test_fio_verifies_every_byte(self):
        if not FIO.is_file():
            self.skipTest("fio has no DFS engine here: test/system/build_fio_dfs.sh makes it")
        at, _ = self.engine(f'"{self.fabric}"').await_serving()
        url = f"ross+{self.fabric}://{at}/pool"
        for pattern, block in (("randwrite", "4k"), ("write", "1m")):
            with self.subTest(pattern=pattern, block=block):
                result = self.folder / "fio.json"
                command = [FIO, f"--name={pattern}", "--ioengine=dfs", f"--pool={url}", "--cont=data", f"--rw={pattern}", f"--bs={block}"]
                command += ["--iodepth=16", "--size=4m", "--numjobs=2", "--thread=1", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1"]
                command += ["--randseed=1", "--verify_state_save=0", "--output-format=json", f"--output={result}"]
                done = subprocess.run(command, capture_output=True, timeout=CALL_SECONDS_MAX, cwd=self.folder)
                self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
                for job in json.loads(result.read_text())["jobs"]:
                    self.assertEqual((job["error"], job["write"]["io_bytes"], job["read"]["io_bytes"]), (0, 4 * MIB, 4 * MIB))

    def test_through_an_agent(self):
        at, _ = self.engine(f'"{self.fabric}"').await_serving()
        for placement in ("direct", "staged"):
            with self.subTest(placement=placement):
                agent = self.agent(at, placement, self.fabric)
                agents_at, _ = agent.await_serving()
                self.there_and_back(f"ross+{self.fabric}://{agents_at}/pool/data")
                agent.end()
                agent.log.unlink()


class OverVerbs(Cases, Place):
    fabric = "ofi+verbs"


class OverUcx(Cases, Place):
    fabric = "ucx+rc"


class Results(unittest.TextTestResult):
    """Also as GoogleTest writes them, which run.py counts."""

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def stopTest(self, test):
        case = ElementTree.SubElement(suite, "testcase", name=test._testMethodName, classname=type(test).__name__, status="run")
        case.set("time", f"{time.monotonic() - self.began:.1f}")
        for other, said in [*self.failures, *self.errors]:
            if other is test or getattr(other, "test_case", None) is test:
                ElementTree.SubElement(case, "failure", message=said).text = said
        for other, why in self.skipped:
            if other is test:
                ElementTree.SubElement(case, "skipped", message=why)
        super().stopTest(test)
        ElementTree.ElementTree(root).write(sys.argv[2])


if __name__ == "__main__":
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", name="Rdma")
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Results)
    ran = unittest.main(argv=[sys.argv[0], *sys.argv[3:]], testRunner=runner, exit=False).result
    sys.exit(0 if ran.wasSuccessful() else 1)
