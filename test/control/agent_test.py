#!/usr/bin/env python3
"""The real ross-agent between ross and the real ross-engine.

Goal: what a person does with an engine works through an agent, by the same URLs; the engine judges who asks; and hosts, agents and engines
that are killed while others work lose nothing and do nothing twice. Method: an engine and an agent on free ports of loopback for each test;
rsync judges that a tree comes out as it went in, errands (errands_main.cc) that every change was made once, fsck the pool.
Usage: agent_test.py ROSS_ENGINE ROSS ROSS_AGENT ERRANDS. ROSS_ROUNDS: how often something is killed (default 12); for each
of the three: ROSS_ROUNDS=100 agent_test.py ... Killed.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

import running
from running import NOBODY, SECONDS, Agent, Certificates, Engine, ShortLeases, WithEngine, run

ROSS = None
AGENT = None
ERRANDS = None
ROUNDS = int(os.environ.get("ROSS_ROUNDS", "12"))


class WithAgent(WithEngine):
    AGENT_ARGUMENTS = ()

    def setUp(self):
        super().setUp()
        self.agent = self.start_agent()

    def start_agent(self, *arguments, **options):
        agent = Agent(self.folder, self.url, *self.AGENT_ARGUMENTS, *arguments, **options)
        self.addCleanup(agent.stop, signal.SIGKILL)
        self.through = f"ross://{agent.address}/pool0"
        return agent


class Fabrics(WithAgent):
    ARGUMENTS = ("--fabric", "shm", "--fabric", "tcp", "--fabric", "ofi+tcp", "--fabric", "ucx+tcp")
    AGENT_ARGUMENTS = ARGUMENTS

    def test_a_tree_comes_out_as_it_went_in(self):
        tree = self.folder / "tree"
        shutil.copytree("/usr/include/linux", tree, symlinks=True)
        (tree / "large").write_bytes(os.urandom(9_000_001))
        (tree / "link").symlink_to("large")
        os.link(tree / "large", tree / "again")
        os.mkfifo(tree / "fifo")
        # By what the host goes to the agent, and by what the agent goes to the engine.
        for to_agent, to_engine in (("", ""), ("+tcp", "+tcp"), ("+shm", "+tcp"), ("+tcp", "+shm"), ("+ofi+tcp", "+tcp"),
                                    ("+tcp", "+ucx+tcp")):
            with self.subTest(to_agent=to_agent, to_engine=to_engine):
                self.agent.stop()
                url = self.url.replace("ross://", f"ross{to_engine}://")
                self.agent = Agent(self.folder, url, *self.AGENT_ARGUMENTS)
                self.addCleanup(self.agent.stop, signal.SIGKILL)
                base = f"ross{to_agent}://{self.agent.address}/pool0"
                name = f"tree{to_agent}{to_engine}"
                self.good(ROSS, "cp", "-r", tree, f"{base}/data/{name}")
                out = self.folder / f"out{to_agent}{to_engine}"
                self.good(ROSS, "cp", "-r", f"{base}/data/{name}", out)
                self.assertEqual(self.good("rsync", "-aHAXnci", "--delete", f"{tree}/", f"{out}/"), "")
                # The same without the agent.
                direct = self.folder / f"direct{to_agent}{to_engine}"
                self.good(ROSS, "cp", "-r", f"{self.url}/data/{name}", direct)
                self.assertEqual(self.good("rsync", "-aHAXnci", "--delete", f"{tree}/", f"{direct}/"), "")
        self.assertEqual(self.agent.stop(), 0, self.agent.log())
        self.assertEqual(self.engine.stop(), 0)
        self.clean()


class People(WithAgent):
    def test_containers_and_the_pool(self):
        self.good(ROSS, "container", "create", f"{self.through}/more", "--quota", "10M")
        self.assertIn("more", self.good(ROSS, "container", "list", self.through))
        self.assertIn("10.0 MiB", self.good(ROSS, "container", "info", f"{self.through}/more"))
        self.good(ROSS, "container", "destroy", "-y", f"{self.through}/more")
        self.assertNotIn("more", self.good(ROSS, "container", "list", self.url))
        here, there = (json.loads(self.good(ROSS, "--json", "pool", "info", url)) for url in (self.through, self.url))
        self.assertEqual(here["uuid"], there["uuid"])

    def test_others_may_do_what_the_modes_say_and_no_more(self):
        self.good(ROSS, "put", "/etc/hostname", f"{self.through}/data/roots")
        self.bad(ROSS, "put", "/etc/hostname", f"{self.through}/data/theirs", says="permission denied", uid=NOBODY)
        self.bad(ROSS, "container", "create", f"{self.through}/theirs", says="only root", uid=NOBODY)
        self.assertIn("roots", self.good(ROSS, "ls", f"{self.through}/data", uid=NOBODY))

    def test_an_agent_that_is_not_root_speaks_for_its_own_user_alone(self):
        sockets = self.folder / "theirs"
        sockets.mkdir()
        os.chown(sockets, NOBODY, NOBODY)
        agent = Agent(self.folder, self.url, "--sockets", sockets, "--fabric", "tcp",
                      begin=("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"))
        self.addCleanup(agent.stop, signal.SIGKILL)
        through = f"ross://{agent.address}/pool0/data"
        self.good(ROSS, "ls", through, uid=NOBODY)
        self.bad(ROSS, "ls", through, says="only root may act for other users")

    def test_an_engine_that_is_away_is_told(self):
        self.engine.stop()
        self.bad(ROSS, "ls", f"{self.through}/data", says=f"no ross-engine answers at {self.engine.address}")
        self.start(address=self.engine.address)
        self.good(ROSS, "ls", f"{self.through}/data")
        self.good(ROSS, "container", "list", self.through)

    def test_bad_input_is_one_line(self):
        self.bad(ROSS, "ls", f"{self.through}1/data", says="no pool 'pool01' is served here: there is pool0")
        self.bad(ROSS, "ls", f"{self.through}/none", says="none")
        self.bad(AGENT, code=2, says="no pool to serve")
        self.bad(AGENT, self.pool, code=2, says="is no engine's pool")
        self.bad(AGENT, "ross://x", code=2, says="names no pool")
        self.bad(AGENT, self.url, "--listen", "0.0.0.0:7470", code=2, says="needs TLS")
        self.bad(AGENT, self.url, "--listen", "127.0.0.1:0", "--sockets", "/proc/none", says="set data.sockets")
        config = self.folder / "bad.toml"
        config.write_text("[engine]\ncache_mib = 1\n")
        self.bad(AGENT, "--config", config, "--check-config", code=2, says="bad.toml line 2")
        config.write_text(f"[[export]]\nurl = \"{self.url}\"\n")
        self.assertIn("is good: 1 export", self.good(AGENT, "--config", config, "--check-config"))

    def test_systemd_is_told(self):
        self.assertEqual(self.agent.stop(), 0)
        self.tells_systemd(lambda **options: Agent(self.folder, self.url, **options))


class Placement(WithAgent):
    """Which way large data goes, and what people are told of it."""

    def info(self, url):
        (told,) = json.loads(self.good(ROSS, "--json", "session", "info", url))
        return told

    def there_and_back(self):
        (self.folder / "large").write_bytes(os.urandom(20_000_001))
        self.good(ROSS, "cp", self.folder / "large", f"{self.through}/data/large")
        self.good(ROSS, "cp", f"{self.through}/data/large", self.folder / "back")
        self.assertEqual((self.folder / "large").read_bytes(), (self.folder / "back").read_bytes())

    def staged_bytes(self):
        return sum(int(number) for number in re.findall(r"went past this agent, (\d+) were staged", self.agent.log()))

    def past_bytes(self):
        return sum(int(number) for number in re.findall(r"gone: (\d+) bytes of its data went past", self.agent.log()))

    def test_large_data_goes_past_the_agent(self):
        told = self.info(self.through)
        self.assertEqual(told["placement"], "direct")
        self.assertIn(" at ", told["how"])
        self.assertEqual(self.info(self.url)["placement"], "remote")
        self.assertIn("past the agent", self.good(ROSS, "session", "info", self.through))
        self.there_and_back()
        for url, way in ((self.through, "bytes_past"), (self.url, "bytes_direct")):
            (pool,) = json.loads(self.good(ROSS, "--json", "metrics", url))["pools"]
            self.assertGreater(pool[way], 2 * 19_900_000, url)
            self.assertLess(pool["bytes_here"], 200_000, url)
        self.assertEqual(self.agent.stop(), 0)
        self.assertGreater(self.past_bytes(), 2 * 19_900_000, self.agent.log())
        self.assertLess(self.staged_bytes(), 200_000, self.agent.log())

    def test_an_agent_that_stages_says_so(self):
        self.agent.stop()
        self.agent = self.start_agent("--placement", "staged")
        told = self.info(self.through)
        self.assertEqual(told["placement"], "staged")
        self.assertIn("stages all data", told["how"])
        self.there_and_back()
        self.assertEqual(self.agent.stop(), 0)
        self.assertEqual(self.past_bytes(), 0)
        self.assertGreaterEqual(self.staged_bytes(), 2 * 20_000_001)

    def test_what_makes_no_sense_is_refused(self):
        self.bad(AGENT, self.url, "--placement", "fast", code=2, says="write auto, direct or staged")
        self.bad(ROSS, "session", "info", self.pool, says="has no session")


class WithTls(Certificates, WithEngine):
    """Over TLS on both sides, where certificates stand for machines."""

    def start(self, *arguments):
        self.make_certificates()
        (self.folder / "tls.toml").write_text(
            f"[tls]\ncertificate = \"{self.folder}/server.pem\"\nkey = \"{self.folder}/server.key\"\n"
            f"client_authority = \"{self.folder}/ca.pem\"\n")
        engine = Engine(self.folder, self.pool, "--config", self.folder / "tls.toml", "--fabric", "tcp")
        self.addCleanup(engine.stop, signal.SIGKILL)
        self.url = f"ross://{engine.address}/pool0"
        return engine

    def test_an_agent_needs_a_certificate_of_its_own(self):
        config = self.folder / "agent.toml"
        config.write_text((self.folder / "tls.toml").read_text() +
                          f"[engine]\nauthority = \"{self.folder}/ca.pem\"\ncertificate = \"{self.folder}/client.pem\"\n"
                          f"key = \"{self.folder}/client.key\"\n")
        agent = Agent(self.folder, self.url, "--config", config, "--fabric", "tcp")
        self.addCleanup(agent.stop, signal.SIGKILL)
        through = f"ross://{agent.address}/pool0/data"
        self.good(ROSS, "put", "/etc/hostname", f"{through}/x", extra=self.certificate("client"))
        self.assertIn("x", self.good(ROSS, "ls", through, extra=self.certificate("client")))
        self.bad(ROSS, "ls", through, says="no ross-engine answers")
        config.write_text((self.folder / "tls.toml").read_text())
        stranger = Agent(self.folder, self.url, "--config", config, "--fabric", "tcp")
        self.addCleanup(stranger.stop, signal.SIGKILL)
        self.bad(ROSS, "ls", f"ross://{stranger.address}/pool0/data", says="no ross-engine answers",
                 extra=self.certificate("client"))


class WithErrands(ShortLeases, WithAgent):
    """Hosts that do checked work (errands_main.cc), and what they left."""

    def again(self, what, how):
        """An agent, an engine or both end, and others take their places at the same addresses."""
        if "agent" in what:
            self.agent.stop(how)
        if "engine" in what:
            self.engine.stop(how)
        time.sleep(self.random.uniform(0, 0.1))
        if "engine" in what:
            self.engine = self.start(address=self.engine.address)
        if "agent" in what:
            self.agent = self.start_agent(address=self.agent.address)

    def errands(self, fabric, rounds, container="data"):
        """Of 2 threads with 4 workers each."""
        url = self.through.replace("ross:", f"ross{fabric}:") + f"/{container}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROSS_")}
        host = subprocess.Popen([ERRANDS, url, "2", "4", str(rounds)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env={**environment, "ROSS_OUTAGE_SECONDS": "30"})
        self.addCleanup(lambda: host.poll() is None and host.kill())
        self.assertEqual(host.stdout.readline(), "working\n", host.poll() is not None and host.stderr.read())
        return host

    def are_done(self, host, rounds):
        """A host's errands, now or soon; then nothing is left of them."""
        said = host.communicate(timeout=2 * SECONDS)[1]
        self.assertEqual(host.returncode, 0, f"{said}\n{self.agent.log()}\n{self.engine.log()}")
        self.assertEqual(len(self.names()), 2 * 4 * (1 + rounds // 2))
        self.remove_all()

    def names(self, container="data"):
        return self.good(ROSS, "ls", f"{self.url}/{container}").split()

    def remove_all(self, container="data"):
        names = self.names(container)
        if names:
            self.good(ROSS, "rm", "-r", *[f"{self.url}/{container}/{name}" for name in names])

    def free(self):
        return json.loads(self.good(ROSS, "--json", "pool", "info", self.url))["free"]

    def all_is_back(self, free_before):
        """Once nobody works any more: the space; and the pool is clean."""
        deadline = time.monotonic() + 2 * SECONDS
        while self.free() < free_before - 1_000_000:
            self.assertLess(time.monotonic(), deadline, f"{free_before - self.free()} bytes are lost")
            run(ROSS, "sync", self.url)
        self.assertEqual(self.agent.stop(), 0)
        self.assertEqual(self.engine.stop(), 0)
        self.clean()


class Comeback(WithErrands):
    """Agents that end while hosts work."""

    def outlives(self, fabric, ends, how, rounds):
        """A host works until something has ended `rounds` times."""
        ended = 0
        while ended < rounds:
            host = self.errands(fabric, 300)
            while host.poll() is None and ended < rounds:
                time.sleep(self.random.uniform(0.05, 0.4))
                self.again(self.random.choice(ends), how)
                ended += 1
            self.are_done(host, 300)
        self.assertEqual(self.agent.stop(), 0)
        self.assertEqual(self.engine.stop(), 0)
        self.clean()

    def test_a_host_outlives_agents_that_are_killed(self):
        for fabric in ("+tcp", "+shm"):
            with self.subTest(fabric=fabric):
                self.outlives(fabric, (["agent"],), signal.SIGKILL, ROUNDS)
                self.engine = self.start()
                self.agent = self.start_agent()

    def test_a_host_outlives_agents_that_are_stopped(self):
        self.outlives("+tcp", (["agent"],), signal.SIGTERM, max(3, ROUNDS // 4))


class Killed(WithErrands):
    """Each of the three is killed: a host, the agent, the engine, in an order of chance, while another host works through it all."""

    LASTING_ROUNDS = 300

    def test_each_of_the_three_is_killed(self):
        self.good(ROSS, "container", "create", f"{self.url}/others")
        self.good(ROSS, "sync", self.url)
        free_before = self.free()
        begin = time.monotonic()
        done = 0
        lasting = other = None
        for _ in range(ROUNDS):
            for what in self.random.sample(("host", "agent", "engine"), 3):
                if lasting is None:
                    lasting = self.errands(self.random.choice(("+tcp", "+shm")), self.LASTING_ROUNDS)
                if other is None:
                    other = self.errands(self.random.choice(("+tcp", "+shm")), 100_000, "others")
                time.sleep(self.random.uniform(0.02, 0.3))
                if what == "host":
                    self.assertIsNone(other.poll(), other.poll() is not None and other.stderr.read())
                    other.kill()
                    other.communicate(timeout=SECONDS)
                    other = None
                    self.remove_all("others")
                else:
                    # At times two at once.
                    both = self.random.random() < 0.15
                    self.again(["agent", "engine"] if both else [what], signal.SIGKILL)
                if lasting.poll() is not None:
                    self.are_done(lasting, self.LASTING_ROUNDS)
                    lasting = None
                    done += 1
        if lasting is not None:
            self.are_done(lasting, self.LASTING_ROUNDS)
            done += 1
        if other is not None:
            other.kill()
            other.communicate(timeout=SECONDS)
            self.remove_all("others")
        print(f"{ROUNDS} hosts, agents and engines each were killed in {time.monotonic() - begin:.0f} s; {done} hosts outlived them and did "
              f"{done * 8 * self.LASTING_ROUNDS} checked errands", file=sys.stderr)
        self.all_is_back(free_before)


if __name__ == "__main__":
    engine, ROSS, AGENT, ERRANDS = sys.argv[1:5]
    running.PROGRAMS[:] = [engine, ROSS, AGENT]
    unittest.main(argv=sys.argv[:1] + sys.argv[5:], verbosity=2)
