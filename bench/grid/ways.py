"""The ways from an application to its data: where the storage client runs, by which fabric, and the processes of each way."""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import tempfile

import programs
from daemon import Daemon

# In the order of the tables. offload-*: the storage client is ross-agent; staged, data passes through the agent's memory; direct,
# the engine reaches the host's.
PLACES = ("local", "remote", "offload-direct", "offload-staged")


@dataclasses.dataclass(frozen=True)
class Way:
    """fabric: between the host and who serves it. Behind an agent the same goes on to the engine, but shm, which ends at the
    agent: there tcp goes on."""

    place: str
    fabric: str = ""

    @property
    def name(self):
        return f"{self.place} {self.fabric}".strip()

    @property
    def upstream(self):
        return "tcp" if self.fabric == "shm" else self.fabric


WAYS = (
    Way("local"),
    *(Way("remote", fabric) for fabric in ("tcp", "ofi+tcp", "shm")),
    *(Way("offload-direct", fabric) for fabric in ("tcp", "shm")),
    *(Way("offload-staged", fabric) for fabric in ("tcp", "ofi+tcp", "shm")),
)
QUICK = (Way("local"), Way("remote", "tcp"), Way("offload-direct", "tcp"), Way("offload-staged", "tcp"), Way("offload-staged", "shm"))


class Chain(contextlib.ExitStack):
    """The processes of one way, with a pool on a RAM device of their own, for as long as a with statement lasts.

    engine   fio's options that lead it to the data
    daemons  "agent" and "engine": the processes beside the host's, where there are such
    """

    def __init__(self, place, way, device_bytes):
        super().__init__()
        self.place, self.way, self.device_bytes = place, way, device_bytes
        self.daemons = {}

    def __enter__(self):
        super().__enter__()
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def start(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=re.sub(r"\W+", "-", self.way.name) + "-", dir=self.place.memory))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        pool = self.enter_context(programs.Pool(self.folder / "pool", "--device", f"ram:{self.device_bytes}"))
        self.url = str(pool.directory)
        if self.way.place != "local":
            offers = ["--fabric", self.way.upstream if self.way.place.startswith("offload") else self.way.fabric]
            if self.way.place == "offload-direct" and self.way.fabric not in offers:
                offers += ["--fabric", self.way.fabric]
            self.url = self.serve("engine", [programs.ENGINE, pool.directory, "--listen", "127.0.0.1:0", *offers])
        if self.way.place.startswith("offload"):
            # As an engine's pool is named: over which fabric it is reached is part of the URL.
            upstream = self.url.replace("ross://", f"ross+{self.way.upstream}://")
            self.url = self.serve("agent", [programs.AGENT, "--config", self.agent_configuration(upstream)])
        if self.way.fabric:
            self.url = self.url.replace("ross://", f"ross+{self.way.fabric}://")
        self.engine = ["--ioengine=dfs", f"--pool={self.url}", "--cont=bench"]

    def agent_configuration(self, upstream):
        path = self.folder / "agent.toml"
        path.write_text(f'[control]\nlisten = "127.0.0.1:0"\n'
                        f'[data]\nfabrics = ["{self.way.fabric}"]\nsockets = "{self.folder}"\n'
                        f'[[export]]\nurl = "{upstream}"\nname = "pool"\n'
                        f'placement = "{self.way.place.removeprefix("offload-")}"\n')
        return path

    def serve(self, name, command):
        """Starts a daemon; the URL that it serves."""
        plain = {key: value for key, value in os.environ.items() if not key.startswith("ROSS_")}
        daemon = self.enter_context(Daemon(name, command, self.folder, plain))
        self.daemons[name] = daemon
        return daemon.until(lambda: re.search(r"serving (ross://\S+) by", daemon.log()))[1]
