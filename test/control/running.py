"""Programs of ROSS as people run them, for the tests of this folder."""
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PROGRAMS = ["ross-engine", "ross", "ross-agent"]  # paths, set by the test's main; the agent's where one is used
NOBODY = 65534
SECONDS = 60  # for anything that should take one


def run(*command, uid=None, extra=None):
    words = [str(word) for word in command]
    if uid is not None:
        words = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROSS_")}
    environment.update(extra or {})
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)


class Daemon:
    """A program of PROGRAMS that was waited for. Its log is in log(). begin: words before its own, such as nsenter's."""
    PROGRAM = 0
    NAME = "engine"

    def __init__(self, folder, *arguments, environment=None, begin=(), address="127.0.0.1:0"):
        self.log_path = pathlib.Path(folder) / f"{self.NAME}.log"
        with open(self.log_path, "ab") as log:
            self.began = log.tell()
            command = [*begin, PROGRAMS[self.PROGRAM], "--listen", address, *map(str, arguments)]
            self.process = subprocess.Popen(command, stderr=log, env={**os.environ, **(environment or {})})
        deadline = time.monotonic() + SECONDS
        while (found := re.search(r"serving ross://([\d.]+:\d+)/", self.log())) is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"ross-{self.NAME} does not serve: {self.log()}")
            time.sleep(0.02)
        self.address = found[1]

    def log(self):
        return self.log_path.read_bytes()[self.began:].decode(errors="replace")

    def stop(self, how=signal.SIGTERM):
        """Its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=SECONDS)


class Engine(Daemon):
    pass


class Agent(Daemon):
    PROGRAM = 2
    NAME = "agent"

    def __init__(self, folder, *arguments, **options):
        if "--sockets" not in arguments:
            arguments += ("--sockets", pathlib.Path(folder) / "sockets")
        super().__init__(folder, *arguments, **options)


class WithEngine(unittest.TestCase):
    ARGUMENTS = ()

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ross-engine-"))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.pool = self.folder / "pool0"
        self.good(PROGRAMS[1], "pool", "create", self.pool, "--size", "1G")
        self.good(PROGRAMS[1], "container", "create", f"local:{self.pool}/data")
        self.engine = self.start()

    def start(self, *arguments, **options):
        engine = Engine(self.folder, self.pool, *self.ARGUMENTS, *arguments, **options)
        self.addCleanup(engine.stop, signal.SIGKILL)
        self.url = f"ross://{engine.address}/pool0"
        return engine

    def good(self, *command, **options):
        done = run(*command, **options)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
        return done.stdout

    def bad(self, *command, says, code=1, **options):
        done = run(*command, **options)
        self.assertEqual(done.returncode, code, f"{command}: {done.stdout} {done.stderr}")
        self.assertIn(says, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def tells_systemd(self, start):
        """What start(environment=...) made tells systemd that it serves, and that it stops."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(self.folder / "notify"))
            notify.settimeout(SECONDS)
            daemon = start(environment={"NOTIFY_SOCKET": str(self.folder / "notify")})
            self.assertTrue(notify.recv(4096).startswith(b"READY=1\nSTATUS=serving ross://127.0.0.1:"))
            self.assertEqual(daemon.stop(signal.SIGINT), 0)
            self.assertEqual(notify.recv(4096), b"STOPPING=1")

    def clean(self):
        self.assertIn("clean", self.good(PROGRAMS[1], "fsck", "--data", self.pool))


class ShortLeases:
    """For a WithEngine: an engine that waits for its clients for seconds, and dice."""

    def setUp(self):
        self.random = random.Random(int(os.environ.get("ROSS_SEED", "1")))
        super().setUp()

    def start(self, *arguments, **options):
        config = self.folder / "engine.toml"
        config.write_text("[engine]\nlease_ms = 20000\ncommit_interval_ms = 500\n")
        return super().start("--config", config, *arguments, **options)


class Certificates:
    """Of an authority, a stranger to it, and machines; in self.folder."""

    def make_certificates(self, host="127.0.0.1"):
        def openssl(*words):
            subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=self.folder)
        for authority in ("ca", "stranger"):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={authority}",
                    "-keyout", f"{authority}.key", "-out", f"{authority}.pem")
        (self.folder / "names").write_text(f"subjectAltName=IP:{host}\n")
        for name, authority in (("server", "ca"), ("client", "ca"), ("impostor", "stranger")):
            openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
                    "-CAcreateserial", "-days", 2, "-extfile", "names", "-out", f"{name}.pem")

    def certificate(self, name, authority="ca"):
        return {"ROSS_TLS_AUTHORITY": f"{self.folder}/{authority}.pem", "ROSS_TLS_CERTIFICATE": f"{self.folder}/{name}.pem",
                "ROSS_TLS_KEY": f"{self.folder}/{name}.key"}
