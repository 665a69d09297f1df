"""A server that runs beside the benchmark: awaited, its processor time read, and ended by its id."""

import os
import pathlib
import socket
import subprocess
import time

import programs

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
POLL_SECONDS = 0.05
TAIL_LINES = 15
TICKS = os.sysconf("SC_CLK_TCK")


class Daemon:
    """A program in the foreground of a session of its own, for as long as a with statement lasts; its output is in a log."""

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        self.command = [str(part) for part in command]
        self.log_path = pathlib.Path(folder) / f"{name}.log"
        self.environment = environment

    def __enter__(self):
        try:
            with open(self.log_path, "wb") as log:
                self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                                env=self.environment, start_new_session=True)
        except OSError as error:
            raise programs.Failure(f"{self.command[0]} cannot be run: {error.strerror}") from error
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def until(self, ready):
        """Waits for ready() to be true and returns what it was."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (answer := ready()):
            if self.process.poll() is not None:
                raise programs.Failure(f"{self.name} ended with {self.process.returncode}:\n{tail(self.log())}")
            if time.monotonic() > deadline:
                raise programs.Failure(f"{self.name} is not ready after {START_SECONDS_MAX} s:\n{tail(self.log())}")
            time.sleep(POLL_SECONDS)
        return answer

    def cpu_seconds(self):
        """Of all its threads, so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8", errors="replace") as line:
            return ticks_of(line.read()) / TICKS


def ticks_of(stat):
    """User and system time in a line of /proc/PID/stat. The name in it may hold blanks and brackets."""
    fields = stat[stat.rindex(")") + 2:].split()
    return int(fields[11]) + int(fields[12])


def tail(text):
    return "\n".join("    | " + line for line in text.splitlines()[-TAIL_LINES:]) or "    | (it said nothing)"


def free_port():
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port):
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
