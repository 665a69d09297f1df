"""Steps of a script that a person watches: progress on a terminal, bounded programs, logs that are kept."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TAIL_LINES = 40


class Progress:
    """One line that is rewritten on a terminal, and nothing elsewhere; finished steps stay as a line of their own."""

    def __init__(self):
        self.terminal = sys.stdout.isatty() and not os.environ.get("CI")
        self.width = shutil.get_terminal_size((100, 24)).columns - 1
        self.step = ""
        self.began = time.monotonic()

    def begin(self, step):
        self.step = step
        self.began = time.monotonic()
        self.show("")

    def show(self, detail):
        if self.terminal:
            seconds = int(time.monotonic() - self.began)
            line = f"  {self.step:<16} {seconds // 60}:{seconds % 60:02d}  {detail}"
            print("\r\033[K" + line[: self.width], end="", flush=True)

    def end(self, verdict):
        if self.terminal:
            print("\r\033[K", end="")
        print(f"  {self.step:<16} {verdict}  ({time.monotonic() - self.began:.0f} s)", flush=True)

    def note(self, text):
        if self.terminal:
            print("\r\033[K", end="")
        print(text, flush=True)


def run(log_path, command, seconds_max, environment=None, on_line=None):
    """Runs command in the project's root, its output in log_path; returns its exit status, 124 when it was too slow."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    expired = threading.Event()

    def kill():
        expired.set()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(seconds_max, kill)
    timer.start()
    try:
        with open(log_path, "wb") as log:
            for line in process.stdout:
                log.write(line)
                if on_line:
                    on_line(line.decode(errors="replace").rstrip())
        status = process.wait()
    except (KeyboardInterrupt, SystemExit):
        os.killpg(process.pid, signal.SIGTERM)
        raise
    finally:
        timer.cancel()
    return 124 if expired.is_set() else status


def tail(path, lines=TAIL_LINES):
    """The last lines of a log, set in."""
    text = path.read_text(errors="replace").splitlines()
    return "\n".join("    | " + line for line in text[-lines:])
