#!/usr/bin/env python3
"""The real ross-engine and ross-agent with tenants, and ross auth.

Goal: a tenant is who its certificate, token or user says, may do what the configuration says, at the agent and at the engine, until it is
revoked; and every attempt that was refused is a line of the audit. Method: programs on free ports of loopback for each test.
Usage: tenants_test.py ROSS_ENGINE ROSS ROSS_AGENT.
"""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

import running
from running import NOBODY, PROGRAMS, SECONDS, Agent, Engine, WithEngine, run

ROSS = None

TENANTS = """
[[tenant]]
name = "alice"
write = ["pool0/data"]
admin = ["pool0/alice-*"]
[[tenant]]
name = "bob"
read = ["pool0/data"]
write = ["pool0/bobs"]
[[tenant]]
name = "nobody"
read = ["pool0/bobs"]
uids = [65534]
[[tenant]]
name = "agent"
on_behalf = ["alice", "nobody"]
"""


class WithTenants(WithEngine):
    TLS = False
    IDENTITY = ""

    def setUp(self):
        super().setUp()
        self.good(ROSS, "container", "create", f"{self.url}/bobs")

    def start(self, *arguments, **options):
        auth = self.folder / "auth"
        if not auth.exists():
            self.auth("init")
            self.auth("issue", "engine", "--server", "--address", "127.0.0.1")
            for tenant in ("alice", "bob", "agent", "stranger"):
                self.auth("issue", tenant)
        tls = f"[tls]\ncertificate = \"{auth}/engine.pem\"\nkey = \"{auth}/engine.key\"\nclient_authority = \"{auth}/ca.pem\"\n"
        config = self.folder / "engine.toml"
        config.write_text(f"{tls if self.TLS else ''}[identity]\ntoken_key = \"{auth}/token.pub\"\nrevoked = \"{auth}/revoked\"\n"
                          f"audit = \"{self.folder}/audit\"\n{self.IDENTITY}{TENANTS}")
        return super().start("--config", config, *arguments, **options)

    def auth(self, command, *arguments):
        return self.good(ROSS, "auth", command, "--folder", self.folder / "auth", *arguments)

    def certificate(self, name):
        auth = self.folder / "auth"
        return {"ROSS_TLS_AUTHORITY": f"{auth}/ca.pem", "ROSS_TLS_CERTIFICATE": f"{auth}/{name}.pem",
                "ROSS_TLS_KEY": f"{auth}/{name}.key"}

    def token(self, tenant, *arguments):
        return {"ROSS_TOKEN": self.auth("token", tenant, *arguments).strip()}

    def load(self, url, seconds, credential):
        """A program that writes; it has begun when this returns."""
        words = [ROSS, "bench", f"{url}/data", "--load", "randwrite", "--size", "64M", "--time", str(seconds)]
        made = subprocess.Popen(words, env=credential | {"PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                text=True)
        self.addCleanup(made.stderr.close)
        self.addCleanup(made.wait)
        self.addCleanup(made.kill)
        deadline = time.monotonic() + SECONDS
        while made.poll() is None and " of tenant alice" not in self.engine.log():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        time.sleep(1)
        self.assertIsNone(made.poll())
        return made

    def audited(self, name="audit"):
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def expect_audited(self, reason, name="audit", **what):
        last = self.audited(name)[-1]
        self.assertEqual(last | {"reason": reason} | what, last)


class ByCertificate(WithTenants):
    TLS = True

    def setUp(self):
        WithEngine.setUp(self)
        self.admin = self.certificate("alice")

    def test_a_certificate_says_which_tenant(self):
        alice, bob = self.certificate("alice"), self.certificate("bob")
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/data/f", extra=alice)
        self.good(ROSS, "cat", f"{self.url}/data/f", extra=bob)
        self.bad(ROSS, "put", "/etc/hostname", f"{self.url}/data/g", says="may only read", extra=bob)
        self.expect_audited("missing-right", tenant="bob", what="write pool0/data")
        self.assertTrue(self.audited()[-1]["credential"].startswith("certificate "))
        self.good(ROSS, "container", "create", f"{self.url}/alice-1", extra=alice)
        self.bad(ROSS, "container", "create", f"{self.url}/more", says="does not administer", extra=alice)
        self.expect_audited("missing-right", tenant="alice", what="admin pool0/more")
        # What bob may not know of is not there.
        there = run(ROSS, "ls", f"{self.url}/alice-1", extra=bob)
        absent = run(ROSS, "ls", f"{self.url}/alice-2", extra=bob)
        self.assertEqual(there.stderr.replace("alice-1", "alice-2"), absent.stderr)
        self.expect_audited("not-yours", tenant="bob", what="pool0/alice-2")
        self.assertEqual([container["name"] for container in json.loads(self.good(ROSS, "--json", "container", "list", self.url,
                                                                                  extra=bob))], ["data"])

    def test_who_is_none(self):
        self.bad(ROSS, "ls", f"{self.url}/data", says="knows no tenant 'stranger'", extra=self.certificate("stranger"))
        self.expect_audited("unknown", tenant="stranger")
        # A server's certificate is no client's.
        self.assertEqual(run(ROSS, "ls", f"{self.url}/data", extra=self.certificate("engine")).returncode, 1)
        # And a client's no server's.
        auth = self.folder / "auth"
        config = self.folder / "impostor.toml"
        config.write_text(f"[tls]\ncertificate = \"{auth}/alice.pem\"\nkey = \"{auth}/alice.key\"\nclient_authority = \"{auth}/ca.pem\"\n")
        self.engine.stop()
        impostor = Engine(self.folder, self.pool, "--config", config)
        self.addCleanup(impostor.stop, signal.SIGKILL)
        url = f"ross://{impostor.address}/pool0"
        self.assertEqual(run(ROSS, "ls", f"{url}/data", extra=self.certificate("bob")).returncode, 1)

    def test_revoked_by_the_list(self):
        alice = self.certificate("alice")
        self.good(ROSS, "ls", f"{self.url}/data", extra=alice)
        self.auth("revoke", "alice")
        self.bad(ROSS, "ls", f"{self.url}/data", says="revoked", extra=alice)  # no wait: the list is read at each connect
        self.expect_audited("revoked", tenant="alice")
        self.good(ROSS, "ls", f"{self.url}/data", extra=self.certificate("bob"))
        self.assertIn("revoked", self.auth("list"))
        time.sleep(1.1)  # a certificate counts from a whole second on
        self.auth("issue", "alice")
        self.good(ROSS, "ls", f"{self.url}/data", extra=alice)
        serial = json.loads(self.good(ROSS, "--json", "auth", "list", "--folder", self.folder / "auth"))[-1]["serial"]
        self.auth("revoke", serial, "--certificate")
        self.bad(ROSS, "ls", f"{self.url}/data", says="revoked", extra=alice)

    def test_revoked_under_load(self):
        load = self.load(self.url, 60, self.certificate("alice"))
        begin = time.monotonic()
        self.auth("revoke", "alice")
        told = load.communicate(timeout=SECONDS)[1]
        seconds = time.monotonic() - begin
        self.assertEqual(load.returncode, 1)
        self.assertIn("revoked", told)
        self.assertLess(seconds, 3)  # with the start of ross auth and the end of the load; the server's part is measured in test/remote


class ByToken(WithTenants):
    IDENTITY = "clients = \"token\"\n"

    def test_a_token_says_which_tenant(self):
        alice = self.token("alice")
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/data/f", extra=alice)
        self.bad(ROSS, "put", "/etc/hostname", f"{self.url}/bobs/f", says="bobs", extra=alice)
        self.expect_audited("not-yours", tenant="alice", what="pool0/bobs")
        self.bad(ROSS, "put", "/etc/hostname", f"{self.url}/data/g", says="may only read", extra=self.token("alice", "--access", "read"))
        self.expect_audited("missing-right", tenant="alice", what="write pool0/data")
        secret = self.folder / "token"
        secret.write_text(alice["ROSS_TOKEN"] + "\n")
        self.good(ROSS, "cat", f"{self.url}/data/f", extra={"ROSS_TOKEN_FILE": str(secret)}, uid=None)

    def test_altered_old_replayed_and_revoked(self):
        token = self.token("alice")["ROSS_TOKEN"]
        altered = token[:20] + ("A" if token[20] != "A" else "B") + token[21:]
        self.bad(ROSS, "ls", f"{self.url}/data", says="altered", extra={"ROSS_TOKEN": altered})
        self.expect_audited("altered")
        short = self.token("alice", "--seconds", "1")
        time.sleep(2.1)
        self.bad(ROSS, "ls", f"{self.url}/data", says="time is over", extra=short)
        self.expect_audited("expired", tenant="alice")
        once = self.token("alice", "--once")
        self.good(ROSS, "ls", f"{self.url}/data", extra=once)
        self.bad(ROSS, "ls", f"{self.url}/data", says="was used", extra=once)
        self.expect_audited("replayed", tenant="alice")
        nonce = self.audited()[-1]["credential"].split()[1]
        self.assertNotIn(nonce, once["ROSS_TOKEN"])
        other = self.token("bob")
        self.auth("revoke", "bob")
        self.bad(ROSS, "ls", f"{self.url}/data", says="revoked", extra=other)
        self.expect_audited("revoked", tenant="bob")
        self.good(ROSS, "ls", f"{self.url}/data", extra=self.token("bob"))  # given after that

    def test_a_session_goes_on_with_a_new_token(self):
        secret = self.folder / "token"
        secret.write_text(self.token("alice", "--seconds", "4")["ROSS_TOKEN"])
        load = self.load(self.url, 8, {"ROSS_TOKEN_FILE": str(secret)})
        secret.write_text(self.token("alice")["ROSS_TOKEN"])
        self.assertEqual(load.communicate(timeout=SECONDS)[1], "")
        self.assertEqual(load.returncode, 0)

    def test_told_by_an_operator(self):
        self.bad(ROSS, "auth", "revoke", "bob", "--server", self.engine.address, says="only operators", extra=self.token("alice"))
        self.expect_audited("missing-right", tenant="alice", what="revoke bob")
        bob = self.token("bob")
        self.good(ROSS, "ls", f"{self.url}/data", extra=bob)
        self.assertEqual(self.good(ROSS, "auth", "revoke", "bob", "--server", self.engine.address), "0 sessions ended\n")
        self.bad(ROSS, "ls", f"{self.url}/data", says="revoked", extra=bob)
        self.assertIn("tenant bob ", (self.folder / "auth" / "revoked").read_text())
        self.bad(ROSS, "auth", "revoke", "carol", "--server", self.engine.address, says="no tenant 'carol'")

    def test_metrics_are_for_operators(self):
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/data/x", extra=self.token("alice"))
        tenants = json.loads(self.good(ROSS, "--json", "metrics", self.url))["tenants"]
        written = {tenant["tenant"]: tenant["usage"]["bytes_written"] for tenant in tenants}
        self.assertEqual(written, {"alice": os.path.getsize("/etc/hostname"), "agent": 0, "bob": 0, "nobody": 0})
        self.assertIn('ross_tenant_written_bytes_total{tenant="alice"} ', self.good(ROSS, "metrics", self.url))
        self.bad(ROSS, "metrics", self.url, says="only operators", extra=self.token("alice"))
        self.expect_audited("missing-right", tenant="alice")

    def test_a_token_does_not_leave_without_tls(self):
        self.bad(ROSS, "ls", "ross://192.0.2.1:7470/pool0/data", says="without TLS", extra=self.token("alice"))


class ByUser(WithTenants):
    def test_a_user_is_its_tenant(self):
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/bobs/f")  # the operator has no bounds
        self.good(ROSS, "ls", f"{self.url}/bobs", uid=NOBODY)
        self.bad(ROSS, "ls", f"{self.url}/data", says="no container", uid=NOBODY)
        self.expect_audited("not-yours", tenant="nobody", credential=f"uid {NOBODY}")
        self.bad(ROSS, "ls", f"{self.url}/data", says="belongs to no tenant", uid=NOBODY - 1)
        self.expect_audited("unknown", credential=f"uid {NOBODY - 1}")
        self.auth("revoke", "nobody")
        self.bad(ROSS, "ls", f"{self.url}/bobs", says="revoked", uid=NOBODY)
        self.auth("restore", "nobody")
        self.good(ROSS, "ls", f"{self.url}/bobs", uid=NOBODY)


class ThroughAnAgent(WithTenants):
    def start_agent(self, tenants):
        auth = self.folder / "auth"
        secret = self.folder / "agents"
        secret.write_text(self.token("agent")["ROSS_TOKEN"])
        config = self.folder / "agent.toml"
        config.write_text(f"[engine]\ntoken_file = \"{secret}\"\n[identity]\ntoken_key = \"{auth}/token.pub\"\n"
                          f"audit = \"{self.folder}/agents-audit\"\n{tenants}")
        agent = Agent(self.folder, self.url, "--config", config)
        self.addCleanup(agent.stop, signal.SIGKILL)
        return f"ross://{agent.address}/pool0"

    def test_both_judge(self):
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/data/f")
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/bobs/f")
        through = self.start_agent("[[tenant]]\nname = \"nobody\"\nread = [\"pool0/*\"]\nuids = [65534]\n"
                                   "[[tenant]]\nname = \"alice\"\nread = [\"pool0/data\"]\n"
                                   "[[tenant]]\nname = \"bob\"\nwrite = [\"pool0/*\"]\n")
        # The agent lets nobody see more than the engine does.
        self.good(ROSS, "cat", f"{through}/bobs/f", uid=NOBODY)
        self.bad(ROSS, "ls", f"{through}/data", says="no container", uid=NOBODY)
        self.expect_audited("not-yours", tenant="nobody", agent="agent", what="pool0/data")
        # And alice less.
        alice = self.token("alice")
        self.good(ROSS, "cat", f"{through}/data/f", extra=alice)
        self.good(ROSS, "put", "/etc/hostname", f"{self.url}/data/g", extra=alice)
        self.bad(ROSS, "put", "/etc/hostname", f"{through}/data/h", says="may only read", extra=alice)
        self.expect_audited("missing-right", name="agents-audit", tenant="alice", what="write pool0/data")
        listed = json.loads(self.good(ROSS, "--json", "container", "list", through, extra=alice))
        self.assertEqual([container["name"] for container in listed], ["data"])
        # For bob it may not speak.
        self.bad(ROSS, "ls", f"{through}/data", says="may not speak for tenant 'bob'", extra=self.token("bob"))
        self.expect_audited("on-behalf", tenant="bob", agent="agent")

    def test_revoked_at_the_engine(self):
        through = self.start_agent("[[tenant]]\nname = \"alice\"\nwrite = [\"pool0/data\"]\n")
        load = self.load(through, 60, self.token("alice"))
        begin = time.monotonic()
        self.assertEqual(self.good(ROSS, "auth", "revoke", "alice", "--server", self.engine.address), "1 sessions ended\n")
        load.communicate(timeout=SECONDS)
        self.assertEqual(load.returncode, 1)
        self.assertLess(time.monotonic() - begin, 3)


class Configuration(unittest.TestCase):
    def test_one_clear_line(self):
        for program, place in ((PROGRAMS[0], "/srv/p"), (PROGRAMS[2], "ross://h/p")):
            for text, says in (("[[tenant]]\nname = \"a\"\n", "may do nothing"),
                               ("[[tenant]]\nname = \"a\"\nread = [\"p\"]\n", "write POOL/CONTAINER"),
                               ("[[tenant]]\nname = \"a\"\nread = [\"p/*\"]\nuids = [-1]\n", "line 4: tenant.uids"),
                               ("[[tenant]]\nname = \"a\"\nread = [\"p/*\"]\nrights = 1\n", "has no key 'rights'"),
                               ("[identity]\nrevoked = \"x\"\n", "write at least one [[tenant]]"),
                               ("[identity]\nrevoked = \"/nowhere\"\n[[tenant]]\nname = \"a\"\nread = [\"p/*\"]\n", "/nowhere"),
                               ("[identity]\ntoken_key = \"/etc/hostname\"\n[[tenant]]\nname = \"a\"\nread = [\"p/*\"]\n", "no public key"),
                               ("[identity]\nclients = \"all\"\n", "certificate or token"),
                               ("[identity]\nclients = \"token\"\n", "needs identity.token_key")):
                done = subprocess.run([program, place, "--check-config", "--config", "/dev/stdin"], input=text, text=True,
                                      capture_output=True, timeout=SECONDS, check=False)
                self.assertEqual(done.returncode, 2, f"{text} {done.stderr}")
                self.assertIn(says, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    running.PROGRAMS[:] = sys.argv[1:4]
    ROSS = sys.argv[2]
    del sys.argv[1:4]
    unittest.main(verbosity=2)
