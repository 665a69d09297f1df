"""A pool on a RAM device that another process serves, and loads on it."""

import json
import subprocess

import programs

STOP_SECONDS_MAX = 60


class Served:
    """remote_serve, for as long as a with statement lasts."""

    def __init__(self, backend, device_mib):
        self.backend = backend
        self.command = [programs.bench_program("remote_serve"), "--backend", backend, "--device-mib", device_mib]

    def __enter__(self):
        try:
            self.process = subprocess.Popen([str(part) for part in self.command], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True, start_new_session=True)
        except OSError as error:
            raise programs.Failure(f"{self.command[0]} cannot be run: {error.strerror}") from error
        self.about = json.loads(self.line())
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.kill()
            raise programs.Failure(f"remote_serve over {self.backend} ended with {self.process.wait()}")
        return line.strip()

    def load(self, **options):
        """Runs remote_load with these options; what it printed."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        command = [programs.bench_program("remote_load"), "--backend", self.backend, "--address", self.about["address"],
                   "--token", self.line(), "--server-pid", self.about["pid"]]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", value]
        return programs.run_json(command, 120)[0]
