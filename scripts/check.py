"""./check: builds ROSS and runs every test; the last line is `N passed, N failed`.

  ./check            layout, release build, fast tests; then slow and system tests, and beside them the fast ones with address
                     and undefined sanitizers and those that have threads with the thread sanitizer
  ./check fast       layout, release build and the fast tests: a few minutes from nothing, seconds after a small change
  ./check STEP ...   only these steps: format release fast lint asan tsan slow system rdma arm64
                     (run by name: lint, which takes a quarter of an hour; rdma, the suites over RDMA in an emulated machine with an
                     emulated card; arm64, a DPU's programs and their tests in emulation)

A test program counts once per test case it has; layout and lint count once each. Skipped cases are listed with their
reason and count as neither. Logs of every step are kept in build/check/.
Needs no input and no terminal; on a terminal it shows progress. Exit status 0 means that nothing failed.
"""

import json
import re
import subprocess
import sys
import time

import ctest
import steps

ROOT = steps.ROOT
LOGS = ROOT / "build" / "check"

# Each step's bound, generous: a step that needs this long hangs or is lost.
CONFIGURE_SECONDS_MAX = 120
BUILD_SECONDS_MAX = 1500
LINT_SECONDS_MAX = 1500
RDMA_SECONDS_MAX = 2400
PACKAGES_SECONDS_MAX = 1900

ALL_STEPS = ["format", "release", "fast", "lint", "asan", "tsan", "slow", "system", "rdma", "arm64"]
BY_NAME = ("lint", "rdma", "arm64")
DEFAULT_STEPS = [step for step in ALL_STEPS if step not in BY_NAME]
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
    command = ["nice", "cmake", "--build", "--preset", preset, "-j", str(ctest.JOBS)]
    if targets:
        command += ["--target", *targets]
    status, log = run(f"build-{preset}", command, BUILD_SECONDS_MAX, on_line=show_ninja)
    if status != 0:
        return failed(f"Building {preset}", log, f"Try again with: cmake --build --preset {preset}", status)
    progress.end("ok")
    return True


def report(run):
    """Waits for a run of tests and tells how it went."""
    progress.begin(f"test {run.name}")
    if not run.tests:
        tally.failed += 1
        progress.end(f"FAILED: there are no {run.label} tests, which cannot be")
        return
    run.wait(progress.show)
    tally.passed += run.passed
    tally.failed += run.broken
    verdict = f"{run.passed} passed" + (f", {len(run.skipped)} skipped" if run.skipped else "")
    if run.broken == 0:
        progress.end("ok, " + verdict, run.seconds)
    else:
        progress.end(f"FAILED, {verdict}, {run.broken} failed" + (" (time is up)" if run.status == 124 else ""), run.seconds)
        for text in run.describe_failures():
            progress.note(text)
    for text in run.describe_skipped():
        progress.note(text)


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


def check_sanitizers(wanted):
    """Builds them all before it runs the first: what runs beside is through by then, or has the machine's leisure."""
    labels = {"asan": "fast", "tsan": "threads"}
    targets = {"asan": "fast_tests", "tsan": "thread_tests"}
    for preset in [preset for preset in labels if preset in wanted and build(preset, [targets[preset]])]:
        report(ctest.Run(LOGS, preset, labels[preset], ctest.program_tests(preset, labels[preset])))


def check_rdma():
    """Alone, after the others: what is emulated is slow enough by itself."""
    progress.begin("test rdma")
    run("packages-rdma", ["scripts/install_packages", "--rdma"], PACKAGES_SECONDS_MAX)  # what it lacks then, run.py tells
    status, log = run("test-rdma", ["python3", "-B", "test/rdma/run.py"], RDMA_SECONDS_MAX, on_line=progress.show)
    text = log.read_text(errors="replace")
    last = re.search(r"^(\d+) passed, (\d+) failed$", text, re.MULTILINE)
    skipped = re.findall(r"^ +skipped.*$", text, re.MULTILINE)
    passed, broken = (int(last[1]), int(last[2])) if last else (0, 0)
    tally.passed += passed
    tally.failed += broken
    if status == 0 and last:
        progress.end(f"ok, {passed} passed" + (f", {len(skipped)} skipped" if skipped else ""))
    else:
        if broken:
            tally.failed -= 1  # failed() counts one
        failed("The suites over RDMA", log, "Run them alone with: python3 -B test/rdma/run.py", status)
    for line in skipped:
        progress.note(line)


def check_arm64():
    """What a DPU's cores run, built here and run in emulation; between them and programs of this machine, which are built first."""
    progress.begin("packages arm64")
    status, log = run("packages-arm64", ["scripts/install_packages", "--arm64"], PACKAGES_SECONDS_MAX)
    if status != 0:
        return failed("Installing the packages of arm64", log, "Try again with: scripts/install_packages --arm64", status)
    progress.end("ok")
    if not build("release", ["ross-engine", "ross"]) or not build("arm64", ["arm64_tests"]):
        return False
    report(ctest.Run(LOGS, "arm64", "arm64"))
    return True


def check(wanted):
    if "format" in wanted:
        check_format()
    needing = ("release", "fast", "lint", "slow", "system", "rdma")
    built = build("release") if any(step in wanted for step in needing) else False
    if built and "fast" in wanted:
        report(ctest.Run(LOGS, "release", "fast"))
    if built and "lint" in wanted:
        check_lint()
    beside = None
    label = "|".join(step for step in ("slow", "system") if step in wanted)
    if built and label:
        beside = ctest.Run(LOGS, "release", label)
    check_sanitizers(wanted)
    if beside:
        report(beside)
    if built and "rdma" in wanted:
        check_rdma()
    if "arm64" in wanted:
        check_arm64()


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
    check(wanted)
    seconds = int(time.monotonic() - began)
    print(f"  took {seconds // 60} min {seconds % 60} s; logs in build/check/")
    return 0 if tally.failed == 0 else 1


if __name__ == "__main__":
    try:
        exit_status = main()
    except KeyboardInterrupt:
        steps.stop_all()
        tally.failed += 1
        exit_status = 130
        progress.note("interrupted")
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    sys.exit(exit_status)
