"""The suites over RDMA, in a guest with an emulated card: the last line is `N passed, N failed`.

  python3 -B test/rdma/run.py                  all programs of suites.py, from build/release
  python3 -B test/rdma/run.py --only ucx       those whose names have this in them
  python3 -B test/rdma/run.py --filter='A*:B*' these cases instead of each program's own

Logs, results and the guest's console are kept in build/check/rdma. Exit status 0: nothing failed.
Where no guest can be started this says why and skips; where CI is set that is a failure.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import guest
import kernel
import suites

ROOT = guest.ROOT
FOLDER = ROOT / "build" / "check" / "rdma"
LINES_TOLD = 40
FIO_SECONDS_MAX = 900
GUEST_SECONDS_MAX = 2100  # a whole run takes less than half of it


def script_of(program, results, only_cases):
    """What the guest's shell runs; its exit status is the program's, or 124 when that was too slow."""
    chosen = only_cases or program.filter
    arguments = [word.replace("RESULTS", f"/mnt/{results}") for word in program.script] or [str(program.path)]
    if program.script:
        arguments += [word for each in only_cases.split(":") if each for word in ("-k", each)]
    else:
        arguments += [f"--gtest_output=xml:/mnt/{results}"] + ([f"--gtest_filter={chosen}"] if chosen else [])
    return f"exec timeout -k 10 {program.seconds_max} {shlex.join(arguments)}\n"


def count(results):
    """(passed, {failed case: what it said}, {skipped case: reason}); nothing when the program did not live to tell."""
    try:
        root = ElementTree.parse(results).getroot()
    except (FileNotFoundError, ElementTree.ParseError):
        return None
    passed, failed, skipped = 0, {}, {}
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        reason = case.find("skipped")
        said = [failure.text or failure.get("message") or "" for failure in case.iter("failure")]
        if reason is not None:
            skipped[name] = ((reason.get("message") or "").splitlines() or ["no reason given"])[-1]
        elif said:
            failed[name] = "\n".join(said)
        elif case.get("status") == "run":
            passed += 1
    return passed, failed, skipped


class Report:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = {}
        self.began = time.monotonic()

    def console(self, programs):
        """What to do with each line of the guest's console."""
        names = {f"{number:02}": program.name for number, program in enumerate(programs)}

        def on_line(line):
            word, _, rest = line.partition(" ")
            number, _, status = rest.partition(" ")
            if word == "begin":
                self.began = time.monotonic()
            elif word == "end":
                self.take(names[number], FOLDER / "shared" / number, int(status), time.monotonic() - self.began)
            elif word != "done":
                print(f"  {line}", flush=True)

        return on_line

    def take(self, name, stem, status, seconds):
        counted = count(stem.with_suffix(".xml"))
        passed, failed, skipped = counted or (0, {}, {})
        self.passed += passed
        self.failed += len(failed)
        self.skipped.update(skipped)
        wrong = len(failed)
        if status != 0 and not failed:  # it died, hung, or failed outside its cases
            wrong = 1
            self.failed += 1
        verdict = f"FAILED, {passed} passed, {wrong} failed" if wrong else f"ok, {passed} passed"
        verdict += f", {len(skipped)} skipped" if skipped else ""
        print(f"  {name:<36} {verdict}  ({seconds:.0f} s)", flush=True)
        for case, said in list(failed.items())[:10]:
            print(f"{case}:\n" + "\n".join("    | " + line for line in said.splitlines()[:LINES_TOLD]))
        if status != 0 and not failed:
            text = stem.with_suffix(".log").read_text(errors="replace").splitlines()
            why = "took too long and was stopped" if status == 124 else f"ended with status {status}"
            print(f"    it {why}; the end of what it said:\n" + "\n".join("    | " + line for line in text[-LINES_TOLD:]))


def main():
    parser = argparse.ArgumentParser(description="Runs the suites over RDMA in a guest with an emulated card.")
    parser.add_argument("--build", default="release", help="the build's preset")
    parser.add_argument("--only", default="", help="programs whose names have this in them")
    parser.add_argument("--filter", default="", help="GoogleTest's filter instead of each program's own")
    options = parser.parse_args()
    programs = [each for each in suites.programs(ROOT / "build" / options.build) if options.only in each.name]
    report = Report()
    if any(program.script for program in programs):
        # Where its source cannot be had, the cases that want it say so.
        command = [ROOT / "test" / "system" / "build_fio_dfs.sh", ROOT / "build" / options.build]
        subprocess.run(command, capture_output=True, timeout=FIO_SECONDS_MAX)
    for program in [each for each in programs if not each.path.is_file()]:
        print(f"  {program.name}: {program.path.name} is not built", flush=True)
        report.failed += 1
        programs.remove(program)
    try:
        parts = guest.find(ROOT / "build" / "rdma")
    except kernel.Missing as missing:
        if os.environ.get("CI"):
            print(f"  no guest can be started: {missing}\n0 passed, 1 failed")
            return 1
        print(f"  skipped: no guest can be started: {missing}\n0 passed, 0 failed")
        return 0
    shared = FOLDER / "shared"
    shutil.rmtree(FOLDER, ignore_errors=True)
    shared.mkdir(parents=True)
    for number, program in enumerate(programs):
        (shared / f"{number:02}.sh").write_text(script_of(program, f"{number:02}.xml", options.filter))
    machine = guest.Guest(parts, shared, FOLDER / "console.log", report.console(programs))
    try:
        whole = machine.wait(min(sum(program.seconds_max for program in programs) + 60, GUEST_SECONDS_MAX))
    finally:
        machine.end()
    if not whole:
        report.failed += 1
        print(f"  the guest did not come to its end; see {(FOLDER / 'console.log').relative_to(ROOT)}")
    for case, reason in sorted(report.skipped.items()):
        print(f"    skipped {case}: {reason}")
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 0 if report.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
