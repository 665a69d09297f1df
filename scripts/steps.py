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
        self.detail = ""
        self.began = time.monotonic()
        self.running = False
        self.lent = False  # a program draws its own progress
        self.lock = threading.Lock()
        if self.terminal:
            threading.Thread(target=self.tick, daemon=True).start()

    def tick(self):
        while True:
            time.sleep(1)
            with self.lock:
                self.draw()

    def draw(self):
        if self.terminal and self.running and not self.lent:
            seconds = int(time.monotonic() - self.began)
            line = f"  {self.step:<16} {seconds // 60}:{seconds % 60:02d}  {self.detail}"
            print("\r\033[K" + line[: self.width], end="", flush=True)

    def begin(self, step):
        with self.lock:
            self.step, self.detail, self.began, self.running = step, "", time.monotonic(), True
            self.draw()

    def show(self, detail):
        with self.lock:
            self.detail = detail
            self.draw()

    def end(self, verdict, seconds=None):
        """seconds: what the step took, where that is not the time since it began."""
        self.running = False
        taken = time.monotonic() - self.began if seconds is None else seconds
        self.note(f"  {self.step:<16} {verdict}  ({taken:.0f} s)")

    def note(self, text):
        with self.lock:
            if self.terminal:
                print("\r\033[K", end="")
            print(text, flush=True)


# Paths below the checkout count as relative, so that one checkout's build helps the next.
CCACHE = {"CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1"}


running = set()  # processes that run() waits for, for stop_all()


def stop_all():
    """Ends what still runs, in other threads too."""
    for process in list(running):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)


def run(log_path, command, seconds_max, environment=None, on_line=None, lend_to=None):
    """Runs command in the project's root, its output in log_path; returns its exit status, 124 when it was too slow.

    lend_to: a Progress whose terminal the command may draw its own progress on, with its standard error."""
    lent = lend_to is not None and lend_to.terminal
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**CCACHE, **os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=sys.stderr if lent else subprocess.STDOUT,
        start_new_session=True,
    )
    expired = threading.Event()

    def kill():
        expired.set()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

    running.add(process)
    timer = threading.Timer(seconds_max, kill)
    timer.start()
    if lent:
        lend_to.lent = True
    try:
        with open(log_path, "wb", buffering=0) as log:  # whoever follows it sees where the command is
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
        running.discard(process)
        if lent:
            lend_to.lent = False
    return 124 if expired.is_set() else status


def tail(path, lines=TAIL_LINES):
    """The last lines of a log, set in."""
    text = path.read_text(errors="replace").splitlines()
    return "\n".join("    | " + line for line in text[-lines:])
