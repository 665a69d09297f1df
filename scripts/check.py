"""./check: builds ROSS and runs every test; the last line is `N passed, N failed`.

  ./check            layout, release build, fast tests, the same with address and undefined sanitizers, those that have threads
                     with the thread sanitizer, slow and system tests
  ./check fast       layout, release build and the fast tests: a few minutes from nothing, seconds after a small change
  ./check STEP ...   only these steps: format release fast lint asan tsan slow system
                     (lint takes a quarter of an hour and is run by name)

A test program counts once per test case it has; layout and lint count once each. Skipped cases are listed with their
reason and count as neither. Logs of every step are kept in build/check/.
Needs no input and no terminal; on a terminal it shows progress. Exit status 0 means that nothing failed.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import steps

ROOT = steps.ROOT
LOGS = ROOT / "build" / "check"
JOBS = min(os.cpu_count() or 1, 16)

# Run as one: system tests mostly wait, one after the other (RESOURCE_LOCK programs), and slow ones compute.
SLOW_AND_SYSTEM = "slow|system"

# Each step's bound, generous: a step that needs this long hangs or is lost.
CONFIGURE_SECONDS_MAX = 120
BUILD_SECONDS_MAX = 1500
LINT_SECONDS_MAX = 1500
TEST_SECONDS_MAX = {"fast": 900, "threads": 1200, "slow": 2400, "system": 1200, SLOW_AND_SYSTEM: 2400}

ALL_STEPS = ["format", "release", "fast", "lint", "asan", "tsan", "slow", "system"]
DEFAULT_STEPS = [step for step in ALL_STEPS if step != "lint"]
FAST_STEPS = ["format", "release", "fast"]


class Tally:
    passed = 0
    failed = 0


progress = steps.Progress()
tally = Tally()


def run(name, command, seconds_max, environment=None, on_line=None):
    """Runs command with its output in build/check/NAME.log; returns (exit status, log path)."""
    log_path = LOGS / f"{name}.log"
    return steps.run(log_path, command, seconds_max, environment, on_line), log_path


def failed(what, log_path, advice, status=1):
    tally.failed += 1
    why = "took too long and was stopped" if status == 124 else "failed"
    progress.end("FAILED")
    progress.note(f"{what} {why}; the end of {log_path.relative_to(ROOT)}:\n{steps.tail(log_path)}\n    {advice}")
    return False


def tracked(*patterns):
    """The project's files of these patterns: tracked, or new and not ignored; without git, whatever is there."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode == 0:
        return sorted(name for name in set(listing.stdout.splitlines()) if (ROOT / name).is_file())
    tops = ["src", "include", "test", "bench"]
    return sorted(
        str(path.relative_to(ROOT)) for top in tops for pattern in patterns for path in (ROOT / top).rglob(pattern)
    )


def check_format():
    progress.begin("format")
    files = tracked("*.h", "*.cc", "*.c")
    status, log = run("format", ["clang-format-14", "--dry-run", "-Werror", *files], 120)
    if status != 0:
        return failed("The layout check", log, f"Mend it with: clang-format-14 -i {wrongly_laid_out(log)}", status)
    tally.passed += 1
    progress.end(f"ok, {len(files)} files")
    return True


def wrongly_laid_out(log):
    names = re.findall(r"^(\S+?):\d+:\d+: error", log.read_text(errors="replace"), re.MULTILINE)
    return " ".join(sorted(set(names))) or "FILE"


def show_ninja(line):
    if line.startswith("["):
        progress.show(line)


def build(preset, targets=None):
    """Configures and builds a preset. Without targets, all of it."""
    progress.begin(f"build {preset}")
    status, log = run(f"configure-{preset}", ["cmake", "--preset", preset], CONFIGURE_SECONDS_MAX)
    if status != 0:
        return failed(f"Configuring {preset}", log, f"Try again with: cmake --preset {preset}", status)
    command = ["cmake", "--build", "--preset", preset, "-j", str(JOBS)]
    if targets:
        command += ["--target", *targets]
    status, log = run(f"build-{preset}", command, BUILD_SECONDS_MAX, on_line=show_ninja)
    if status != 0:
        return failed(f"Building {preset}", log, f"Try again with: cmake --build --preset {preset}", status)
    progress.end("ok")
    return True


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


def count_cases(results):
    """(passed, failed, skipped {case: reason}, programs) from the XML files that the test programs wrote."""
    passed, broken, skipped, programs = 0, 0, {}, set()
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
                if case.find("failure") is not None:
                    broken += 1
                else:
                    passed += 1
    return passed, broken, skipped, programs


def parse_ctest(log):
    """{name: whether it passed, or None where it skipped itself} from ctest's own lines."""
    verdicts = {}
    for match in re.finditer(r"Test +#\d+: (\S+) \.+ *(.*)$", log.read_text(errors="replace"), re.MULTILINE):
        verdicts[match[1]] = None if match[2].startswith("***Skipped") else match[2].startswith("Passed")
    return verdicts


def test(preset, label, only=None):
    """Runs the tests of a label; only: names to run instead of all."""
    name = label.replace("|", "+") if preset == "release" else preset
    progress.begin(f"test {name}")
    tests = [entry for entry in list_tests(preset, label) if only is None or entry[0] in only]
    if not tests:
        tally.failed += 1
        progress.end(f"FAILED: there are no {label} tests, which cannot be")
        return False
    results = LOGS / f"cases-{name}"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    command = ["ctest", "--preset", preset, "-L", f"^({label})$"]
    command += ["-j", {"system": "1", SLOW_AND_SYSTEM: str(min(JOBS, 2) + 1)}.get(label, str(min(JOBS, 2)))]
    if only is not None:
        command += ["-R", "^(" + "|".join(re.escape(test) for test in sorted(only)) + ")$"]
    if preset != "release" and subprocess.run(["setarch", "-R", "true"], capture_output=True).returncode == 0:
        command = ["setarch", "-R", *command]  # the sanitizers' shadow memory and address randomness collide

    def show_ctest(line):
        match = re.match(r"\s*(\d+)/(\d+) Test +#\d+: (\S+)", line)
        if match:
            progress.show(f"[{match[1]}/{match[2]}] {match[3]}")

    environment = {"GTEST_OUTPUT": f"xml:{results}{os.sep}"}
    status, log = run(f"test-{name}", command, TEST_SECONDS_MAX[label], environment, show_ctest)

    verdicts = parse_ctest(log)
    passed, broken, skipped, programs = count_cases(results)
    names_failed = []
    for test_name, test_command in tests:
        good = verdicts.get(test_name, False)
        if good is None:
            skipped[test_name] = f"ctest --preset {preset} -R '^{test_name}$' -V says why"
            continue
        if not good:
            names_failed.append(test_name)
        if not test_command or pathlib.Path(test_command[0]).name not in programs:
            passed, broken = passed + good, broken + (not good)
    if names_failed and broken == 0:
        broken = len(names_failed)  # a program that failed outside its cases: a leak, a race, an exit status
    if status != 0 and broken == 0:
        broken = 1
    tally.passed += passed
    tally.failed += broken
    verdict = f"{passed} passed" + (f", {len(skipped)} skipped" if skipped else "")
    if broken == 0:
        progress.end("ok, " + verdict)
    else:
        progress.end(f"FAILED, {verdict}, {broken} failed" + (" (time is up)" if status == 124 else ""))
        show_failures(log, names_failed, preset)
    show_skipped(skipped)
    return broken == 0


def show_skipped(skipped):
    """One line for each case and reason, its variants counted."""
    groups = {}
    for case, reason in skipped.items():
        plain = re.sub(r"^\w+/|/\w+$", "", case)
        groups.setdefault((plain, reason), []).append(case)
    for (case, reason), variants in sorted(groups.items()):
        count = f" ({len(variants)} variants)" if len(variants) > 1 else ""
        progress.note(f"    skipped {case}{count}: {reason}")


def show_failures(log, names, preset):
    """The tail of what each failed test printed, and how to run it alone."""
    text = log.read_text(errors="replace")
    for name in names[:10]:
        begin = re.search(rf"Test +#\d+: {re.escape(name)} \.+[ *]*(.*?) +[\d.]+ sec\n", text)
        output = text[begin.end() :] if begin else "(it was not run)"
        end = re.search(r"^\s*(Start +\d+:|\d+/\d+ Test +#|\d+% tests passed)", output, re.MULTILINE)
        lines = (output[: end.start()] if end else output).splitlines()[-steps.TAIL_LINES:]
        verdict = begin[1].replace("***", " ").strip(" :") if begin else "Not Run"
        progress.note(f"{name}: {verdict}; the end of what it said:\n" + "\n".join("    | " + line for line in lines))
        progress.note(f"    Run it alone with: ctest --preset {preset} -R '^{name}$' --output-on-failure")
    if len(names) > 10:
        progress.note(f"... and {len(names) - 10} more; see {log.relative_to(ROOT)}")


def check_lint():
    # In the developer's build, which compiles each file by itself; it needs the generated headers and no more.
    if not build("dev", ["ross_proto"]):
        return False
    progress.begin("lint")
    files = [name for name in tracked("src/*.cc") if not name.endswith("_test.cc")]
    database = ROOT / "build" / "dev" / "compile_commands.json"
    compiled = {entry["file"] for entry in json.loads(database.read_text())} if database.is_file() else set()
    files = [name for name in files if str(ROOT / name) in compiled]
    command = ["python3", "-B", "scripts/lint.py", "build/dev", *files]
    status, log = run("lint", command, LINT_SECONDS_MAX, on_line=lambda line: progress.show(line))
    if status != 0:
        return failed("Lint", log, "Each finding names its rule; the rules and what they spare are in .clang-tidy", status)
    tally.passed += 1
    progress.end(f"ok, {len(files)} files")
    return True


def check_sanitizer(preset, label, target):
    if build(preset, [target]):
        test(preset, label, only=program_tests(preset, label))


def main():
    wanted = sys.argv[1:]
    unknown = [step for step in wanted if step not in ALL_STEPS]
    if unknown:
        print(f"check: no step '{unknown[0]}'; the steps are {' '.join(ALL_STEPS)}", file=sys.stderr)
        sys.exit(2)
    if not wanted:
        wanted = DEFAULT_STEPS
    elif wanted == ["fast"]:
        wanted = FAST_STEPS
    LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    built = True
    if "release" not in wanted and any(step in wanted for step in ("lint", "slow", "system")):
        wanted = ["release", *wanted]
    for step in [step for step in ALL_STEPS if step in wanted]:
        if step == "format":
            check_format()
        elif step == "release":
            built = build("release")
        elif step == "lint" and built:
            check_lint()
        elif step == "asan":
            check_sanitizer("asan", "fast", "fast_tests")
        elif step == "tsan":
            check_sanitizer("tsan", "threads", "thread_tests")
        elif step == "slow" and built and "system" in wanted:
            test("release", SLOW_AND_SYSTEM)
        elif step == "system" and "slow" in wanted:
            pass  # with the slow ones
        elif step in ("fast", "slow", "system") and built:
            test("release", step)
    seconds = int(time.monotonic() - began)
    print(f"  took {seconds // 60} min {seconds % 60} s; logs in build/check/")
    return 0 if tally.failed == 0 else 1


if __name__ == "__main__":
    try:
        exit_status = main()
    except KeyboardInterrupt:
        tally.failed += 1
        exit_status = 130
        progress.note("interrupted")
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    sys.exit(exit_status)
