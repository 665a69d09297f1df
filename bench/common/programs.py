"""The programs a benchmark runs: found, built, bounded in time, and killed with all they started when they outstay it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "release"
ROSS = BUILT / "src" / "apps" / "ross" / "ross"
ENGINE = BUILT / "src" / "apps" / "ross-engine" / "ross-engine"
AGENT = BUILT / "src" / "apps" / "ross-agent" / "ross-agent"
BUILD_FIO = ROOT / "test" / "system" / "build_fio_dfs.sh"

BUILD_SECONDS_MAX = 1500
INSTALL_SECONDS_MAX = 2400
RUN_SECONDS_MAX = 1800
OUTPUT_SHOWN = 2000


class Failure(Exception):
    """A benchmark could not be run; the text says why and what to do."""


class Missing(Failure):
    """This machine lacks something that a benchmark needs: it is skipped, and the text says what is lacking."""


def run(command, seconds_max=RUN_SECONDS_MAX, environment=None, on_start=None):
    """Runs a program to its end. Returns (its standard output, wall-clock seconds from before its start to its exit).

    environment: what it has beside ours. on_start: called with its process id."""
    command = [str(part) for part in command]
    began = time.monotonic()
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, errors="replace", cwd=ROOT, start_new_session=True,
                                   env={**os.environ, **(environment or {})})
    except OSError as error:
        raise Failure(f"{command[0]} cannot be run: {error.strerror}") from error
    if on_start:
        on_start(process.pid)
    try:
        output, errors = process.communicate(timeout=seconds_max)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failure(f"'{' '.join(command)}' was stopped after {seconds_max} s") from error
        raise
    seconds = time.monotonic() - began
    if process.returncode != 0:
        told = (errors.strip() or output.strip())[-OUTPUT_SHOWN:]
        raise Failure(f"'{' '.join(command)}' exited with {process.returncode}:\n{told}")
    return output, seconds


def run_json(command, seconds_max=RUN_SECONDS_MAX, environment=None, on_start=None):
    """(what the program printed as JSON, its wall-clock seconds). Notes before the first brace are skipped."""
    output, seconds = run(command, seconds_max, environment, on_start)
    try:
        return json.loads(output[output.index("{"):]), seconds
    except ValueError as error:
        raise Failure(f"'{' '.join(map(str, command))}' printed no JSON: {output[:200]!r}") from error


def ross(*arguments):
    return run([ROSS, "--json", *arguments])


def bench_program(name):
    return BUILT / "bench" / name


def build(targets):
    run(["cmake", "--preset", "release"], 300)
    run(["cmake", "--build", "--preset", "release", "--target", *targets], BUILD_SECONDS_MAX)


def install(group):
    run([ROOT / "scripts" / "install_packages", f"--{group}"], INSTALL_SECONDS_MAX)


def need(*names):
    """Missing, unless all these programs are on the machine."""
    if lacking := [name for name in names if shutil.which(name) is None]:
        raise Missing(f"{' and '.join(lacking)} not there: see scripts/install_packages --help")


def fio_with_dfs(given):
    """A fio whose DFS engine is ours: the one named on the command line, or built from Debian's source package."""
    if given:
        return given
    if not BUILD_FIO.exists():
        raise Failure(f"{BUILD_FIO} is not there; name a fio that has the DFS engine with --fio")
    output, _ = run([BUILD_FIO], BUILD_SECONDS_MAX)
    return output.split()[-1]


class Pool:
    """A pool with one container, for as long as a with statement lasts."""

    def __init__(self, directory, *arguments):
        self.directory = pathlib.Path(directory)
        self.arguments = arguments

    @property
    def url(self):
        return f"local:{self.directory}/bench"

    def __enter__(self):
        ross("pool", "create", self.directory, *self.arguments)
        try:
            ross("container", "create", self.url)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            ross("pool", "destroy", "--yes", self.directory)
        except Failure as failure:  # what was measured stands; the directory goes with its parent
            print(f"bench: {failure}", file=sys.stderr)
