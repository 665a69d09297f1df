"""A pool on a RAM device that another process serves, and loads on it."""

import json
import subprocess

import programs

STOP_SECONDS_MAX = 60


class Served:
    """remote_serve, for as long as a with statement lasts."""

    def __init__(self, backend, device_mib, *options):
        self.backend = backend
        self.command = [programs.bench_program("remote_serve"), "--backend", backend, "--device-mib", device_mib, *options]

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

    def load_command(self, tenant="", sessions=1, **options):
        """remote_load with these options, as so many sessions of a tenant, or of nobody in particular."""
        command = [programs.bench_program("remote_load"), "--backend", self.backend, "--address", self.about["address"],
                   "--server-pid", self.about["pid"]]
        for _ in range(sessions):
            self.process.stdin.write(f"{tenant}\n")
            self.process.stdin.flush()
            command += ["--token", self.line()]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", value]
        return command

    def load(self, **options):
        """Runs remote_load with these options; what it printed."""
        return programs.run_json(self.load_command(**options), 120)[0]
