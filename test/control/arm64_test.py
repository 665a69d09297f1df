#!/usr/bin/env python3
"""Programs of two instruction sets: an arm64 ross-agent, as on a DPU, between this machine's ross and ross-engine.

Goal: what is laid out in messages, windows and records means the same to both. Method: a real tree goes in and out by each pair of
programs, data through the agent and past it, and rsync judges that it comes out as it went in; fsck judges the pool. The
arm64 programs run in emulation (scripts/emulate_arm64).
Usage: arm64_test.py ROSS_ENGINE ROSS EMULATOR ARM64_ROSS_AGENT ARM64_ROSS. Exit status 77: this machine's programs are not built.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import unittest

import running
from running import Agent, WithEngine

MACHINES = {62: "x86_64", 183: "aarch64"}  # e_machine of the ELF header
ROSS = EMULATED_ROSS = EMULATOR = None
LARGE_BYTES = 9_000_001


def instruction_set(program):
    header = pathlib.Path(program).read_bytes()[:20]
    return MACHINES.get(int.from_bytes(header[18:20], "little"), "another")


class TwoInstructionSets(WithEngine):
    ARGUMENTS = ("--fabric", "tcp", "--fabric", "ofi+tcp")

    def setUp(self):
        super().setUp()
        self.tree = self.folder / "tree"
        shutil.copytree("/usr/include/linux", self.tree, symlinks=True)
        (self.tree / "large").write_bytes(os.urandom(LARGE_BYTES))
        (self.tree / "link").symlink_to("large")
        os.link(self.tree / "large", self.tree / "again")
        os.mkfifo(self.tree / "fifo")
        os.setxattr(self.tree / "large", "user.what", "Größe\0".encode())

    def tearDown(self):
        self.assertEqual(self.engine.stop(), 0)
        self.clean()

    def there_and_back(self, name, ross_in, to, ross_out, back):
        """By each program of the two and each URL of the same pool."""
        self.good(*ross_in, "cp", "-r", self.tree, f"{to}/data/{name}")
        out = self.folder / name
        self.good(*ross_out, "cp", "-r", f"{back}/data/{name}", out)
        self.assertEqual(self.good("rsync", "-aHAXnci", "--delete", f"{self.tree}/", f"{out}/"), "")
        shutil.rmtree(out)

    def start_agent(self, placement):
        agent = Agent(self.folder, self.url, *self.ARGUMENTS, "--placement", placement, begin=EMULATOR)
        self.addCleanup(agent.stop, signal.SIGKILL)
        return agent

    def test_a_tree_goes_through_the_agent_and_past_it(self):
        for placement in ("staged", "direct"):
            with self.subTest(placement=placement):
                agent = self.start_agent(placement)
                through = f"ross+tcp://{agent.address}/pool0"
                (told,) = json.loads(self.good(*ROSS, "--json", "session", "info", through))
                self.assertEqual(told["placement"], placement)
                self.there_and_back(f"in-{placement}", ROSS, through, ROSS, self.url)
                self.there_and_back(f"out-{placement}", ROSS, self.url, ROSS, through)
                self.assertEqual(agent.stop(), 0, agent.log())
                staged = sum(map(int, re.findall(r"went past this agent, (\d+) were staged", agent.log())))
                if placement == "staged":
                    self.assertGreaterEqual(staged, 2 * LARGE_BYTES)
                else:
                    self.assertLess(staged, LARGE_BYTES)

    def test_a_tree_goes_over_libfabric(self):
        agent = self.start_agent("staged")
        through = f"ross+ofi+tcp://{agent.address}/pool0"
        self.there_and_back("libfabric", ROSS, through, ROSS, through)
        self.assertEqual(agent.stop(), 0, agent.log())

    def test_the_command_line_of_either_reads_what_the_other_wrote(self):
        direct = f"ross+tcp://{self.engine.address}/pool0"
        self.there_and_back("from-arm64", EMULATED_ROSS, direct, ROSS, direct)
        self.there_and_back("to-arm64", ROSS, direct, EMULATED_ROSS, direct)
        here, there = (self.good(*ross, "--json", "ls", "-lR", f"{direct}/data/to-arm64") for ross in (ROSS, EMULATED_ROSS))
        self.assertEqual(here, there)


if __name__ == "__main__":
    engine, ross, emulator, agent, emulated = sys.argv[1:6]
    if not os.access(engine, os.X_OK) or not os.access(ross, os.X_OK):
        print(f"skipped: {engine} and {ross} are not both built: cmake --build --preset release")
        sys.exit(77)
    found = [instruction_set(program) for program in (engine, ross, agent, emulated)]
    if found[0] != found[1] or found[2:] != ["aarch64", "aarch64"] or found[0] == "aarch64":
        sys.exit(f"arm64_test: these programs are of {', '.join(found)}")
    ROSS, EMULATED_ROSS, EMULATOR = [ross], [emulator, emulated], [emulator]
    running.PROGRAMS[:] = [engine, ross, agent]
    unittest.main(argv=sys.argv[:1] + sys.argv[6:], verbosity=2)
