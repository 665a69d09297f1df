"""ROSS: a pool on a RAM device, served by ross-engine, read by fio's DFS engine."""

import os
import re

import programs
from daemon import Daemon
from store import Store


class RossStore(Store):
    """Served by several fabrics at once, of which jobs go by the one taken last."""

    def __init__(self, place, folder, device_bytes, fabrics=("tcp", "shm")):
        super().__init__(place, folder)
        self.device_bytes, self.fabrics = device_bytes, fabrics

    def start(self):
        pool = self.enter_context(programs.Pool(self.folder / "pool", "--device", f"ram:{self.device_bytes}"))
        offers = [word for fabric in self.fabrics for word in ("--fabric", fabric)]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("ROSS_")}
        engine = self.enter_context(Daemon("ross-engine", [programs.ENGINE, pool.directory, "--listen", "127.0.0.1:0", *offers],
                                           self.folder, plain))
        self.address = engine.until(lambda: re.search(r"serving ross(://\S+) by", engine.log()))[1]
        self.daemons = [engine]
        self.take(self.fabrics[0])

    def take(self, fabric):
        """By which fabric jobs from here on go; None leaves the choice to client and server."""
        self.engine = ["--ioengine=dfs", f"--pool=ross{'+' + fabric if fabric else ''}{self.address}", "--cont=bench"]
