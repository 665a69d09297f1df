"""The tests of a label, run by ctest, beside other work where that helps, and counted by the cases they have."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time
import xml.etree.ElementTree as ElementTree

import steps

ROOT = steps.ROOT
JOBS = min(os.cpu_count() or 1, 16)

# Run as one: system tests mostly wait, one after the other (RESOURCE_LOCK programs), and slow ones compute.
SLOW_AND_SYSTEM = "slow|system"

# Each label's bound, generous: tests that need this long hang or are lost.
SECONDS_MAX = {"fast": 900, "threads": 1200, "slow": 2400, "system": 1200, "arm64": 1200, SLOW_AND_SYSTEM: 2400}

# Failed cases that are told in full; the logs have them all.
FAILED_CASES_TOLD = 10

# Some wait for leases and for each other: one more at a time than there are cores.
PARALLEL = {"system": 1}


def list_tests(preset, label):
    """(name, command) of the tests of a label."""
    listing = subprocess.run(
        ["ctest", "--preset", preset, "-L", f"^({label})$", "--show-only=json-v1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode != 0:
        return []
    tests = json.loads(listing.stdout)["tests"]
    return [(test["name"], test.get("command", [])) for test in tests]


def program_tests(preset, label):
    """Names of a label's tests that are programs of this build; a script gains nothing from a sanitizer.

    ctest tells no command for a program that is not there: it counts, so that running it says so."""
    folder = str(ROOT / "build" / preset) + os.sep
    return {name for name, command in list_tests(preset, label) if not command or command[0].startswith(folder)}


def program_of(preset, command):
    """The name of the program that a test's command runs: its first word, unless that emulates a machine for the second."""
    folder = str(ROOT / "build" / preset) + os.sep
    return pathlib.Path(next((word for word in command if word.startswith(folder)), command[0])).name


def count_cases(results):
    """(passed, failed {case: what it said}, skipped {case: reason}, programs) from the XML files that the test programs wrote."""
    passed, broken, skipped, programs = 0, {}, {}, set()
    for path in sorted(results.glob("*.xml")):
        try:
            root = ElementTree.parse(path).getroot()
        except ElementTree.ParseError:
            continue  # its program died while writing it, and ctest says so
        programs.add(re.sub(r"_\d+$", "", path.stem))
        for case in root.iter("testcase"):
            reason = case.find("skipped")
            if reason is not None or case.get("result") == "skipped":
                text = (reason.get("message") if reason is not None else "") or "no reason given"
                skipped[f"{case.get('classname')}.{case.get('name')}"] = text.splitlines()[-1]
            elif case.get("status") == "run":
                said = [failure.text or failure.get("message") or "" for failure in case.iter("failure")]
                if said:
                    broken[f"{path.stem}: {case.get('classname')}.{case.get('name')}"] = "\n".join(said)
                else:
                    passed += 1
    return passed, broken, skipped, programs


def parse_verdicts(log):
    """{name: whether it passed, or None where it skipped itself} from ctest's own lines."""
    verdicts = {}
    for match in re.finditer(r"Test +#\d+: (\S+) \.+ *(.*)$", log.read_text(errors="replace"), re.MULTILINE):
        verdicts[match[1]] = None if match[2].startswith("***Skipped") else match[2].startswith("Passed")
    return verdicts


class Run:
    """A run of a label's tests in the build of a preset, in a thread of its own from its making on.

    only: names to run instead of all of the label. Logs and results go to the folder logs."""

    def __init__(self, logs, preset, label, only=None):
        self.preset, self.label = preset, label
        self.name = label.replace("|", "+") if preset == "release" else preset
        self.tests = [entry for entry in list_tests(preset, label) if only is None or entry[0] in only]
        self.results = logs / f"cases-{self.name}"
        self.log = logs / f"test-{self.name}.log"
        self.status, self.seconds = 1, 0
        self.on_progress = None
        self.passed, self.broken, self.skipped = 0, 0, {}
        self.names_failed, self.cases_failed = [], {}
        self.thread = threading.Thread(target=self._run, args=(self._command(only),), daemon=True)
        if self.tests:
            self.thread.start()

    def _command(self, only):
        command = ["ctest", "--preset", self.preset, "-L", f"^({self.label})$"]
        command += ["-j", str(PARALLEL.get(self.label, min(JOBS, 2) + 1))]
        if only is not None:
            command += ["-R", "^(" + "|".join(re.escape(test) for test in sorted(only)) + ")$"]
        if self.preset != "release" and subprocess.run(["setarch", "-R", "true"], capture_output=True).returncode == 0:
            command = ["setarch", "-R", *command]  # the sanitizers' shadow memory and address randomness collide
        return command

    def _run(self, command):
        shutil.rmtree(self.results, ignore_errors=True)
        self.results.mkdir(parents=True)
        began = time.monotonic()
        environment = {"GTEST_OUTPUT": f"xml:{self.results}{os.sep}"}
        self.status = steps.run(self.log, command, SECONDS_MAX[self.label], environment, self._on_line)
        self.seconds = time.monotonic() - began

    def _on_line(self, line):
        match = re.match(r"\s*(\d+)/(\d+) Test +#\d+: (\S+)", line)
        if match and self.on_progress:
            self.on_progress(f"[{match[1]}/{match[2]}] {match[3]}")

    def wait(self, on_progress):
        """Waits for the end and counts; on_progress is called with a line for each test that ends meanwhile."""
        self.on_progress = on_progress
        while self.thread.is_alive():
            self.thread.join(1)  # bounded, so that Ctrl-C comes through
        verdicts = parse_verdicts(self.log)
        self.passed, self.cases_failed, self.skipped, programs = count_cases(self.results)
        self.broken = len(self.cases_failed)
        for name, command in self.tests:
            good = verdicts.get(name, False)
            if good is None:
                self.skipped[name] = f"ctest --preset {self.preset} -R '^{name}$' -V says why"
                continue
            if not good:
                self.names_failed.append(name)
            if not command or program_of(self.preset, command) not in programs:
                self.passed, self.broken = self.passed + good, self.broken + (not good)
        if self.names_failed and self.broken == 0:
            self.broken = len(self.names_failed)  # a program that failed outside its cases: a leak, a race, an exit status
        if self.status != 0 and self.broken == 0:
            self.broken = 1

    def describe_skipped(self):
        """One line for each case and reason, its variants counted."""
        groups = {}
        for case, reason in self.skipped.items():
            plain = re.sub(r"^\w+/|/\w+$", "", case)
            groups.setdefault((plain, reason), []).append(case)
        for (case, reason), variants in sorted(groups.items()):
            count = f" ({len(variants)} variants)" if len(variants) > 1 else ""
            yield f"    skipped {case}{count}: {reason}"

    def describe_failures(self):
        """What failed in each case, the tail of what each failed test printed, and how to run it alone."""
        for case, said in list(self.cases_failed.items())[:FAILED_CASES_TOLD]:
            yield f"{case}:\n" + "\n".join("    | " + line for line in said.splitlines()[: steps.TAIL_LINES])
        text = self.log.read_text(errors="replace")
        for name in self.names_failed[:10]:
            begin = re.search(rf"Test +#\d+: {re.escape(name)} \.+[ *]*(.*?) +[\d.]+ sec\n", text)
            output = text[begin.end() :] if begin else "(it was not run)"
            end = re.search(r"^\s*(Start +\d+:|\d+/\d+ Test +#|\d+% tests passed)", output, re.MULTILINE)
            lines = (output[: end.start()] if end else output).splitlines()[-steps.TAIL_LINES :]
            verdict = begin[1].replace("***", " ").strip(" :") if begin else "Not Run"
            yield f"{name}: {verdict}; the end of what it said:\n" + "\n".join("    | " + line for line in lines)
            yield f"    Run it alone with: ctest --preset {self.preset} -R '^{name}$' --output-on-failure"
        if len(self.names_failed) > 10:
            yield f"... and {len(self.names_failed) - 10} more; see {self.log.relative_to(ROOT)}"
