"""Two network namespaces with a link between them, for tests: the client's and the engine's.

    with Network(delay_ms=20) as network:
        subprocess.run([*network.client.enter, "ross", ...])

Nothing is left however a test ends. Delay and losses come from tc netem, or where the kernel lacks it from wire.py in a third
namespace; the rate from tc tbf. The ends are called veth0.
"""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))

from namespaces import SECONDS, Namespace, join, sh

CLIENT = "10.77.0.1"
ENGINE = "10.77.0.2"


class Network:
    """delay_ms: each way. loss_percent: of the packets, each way. rate_mbit: each way, 0 for any."""

    def __init__(self, delay_ms=0, loss_percent=0, rate_mbit=0):
        self.namespaces = []
        self.wire = None
        try:
            self.client, self.engine = self.namespace(), self.namespace()
            if not self.joined_by_netem(delay_ms, loss_percent):
                self.join_by_wire(delay_ms, loss_percent)
            for namespace, address in ((self.client, CLIENT), (self.engine, ENGINE)):
                namespace.address("veth0", address)
                if loss_percent:  # packets of the size that wires have are lost, not 64 KiB at once
                    namespace.sh("ip", "link", "set", "veth0", "gso_max_segs", 1)
                if rate_mbit:
                    namespace.sh("tc", "qdisc", "add", "dev", "veth0", "root", "tbf", "rate", f"{rate_mbit}mbit", "burst", "128kb",
                                 "latency", "200ms")
        except BaseException:
            self.close()
            raise

    def namespace(self):
        self.namespaces.append(Namespace())
        return self.namespaces[-1]

    def joined_by_netem(self, delay_ms, loss_percent):
        join(self.client, "veth0", self.engine, "veth0")
        if not delay_ms and not loss_percent:
            return True
        for namespace in (self.client, self.engine):
            words = ["netem", "limit", 20_000, "delay", f"{delay_ms}ms", "loss", f"{loss_percent}%"]
            if namespace.sh("tc", "qdisc", "add", "dev", "veth0", "root", *words, check=False).returncode != 0:
                self.client.sh("ip", "link", "delete", "veth0")
                return False
        return True

    def join_by_wire(self, delay_ms, loss_percent):
        middle = self.namespace()
        for namespace, end in ((self.client, "one"), (self.engine, "other")):
            join(namespace, "veth0", middle, end)
            middle.sh("ip", "link", "set", end, "up", "promisc", "on")
        self.wire = subprocess.Popen(
            [*middle.enter, sys.executable, "-B", pathlib.Path(__file__).parent / "wire.py", "one", "other", str(delay_ms),
             str(loss_percent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.wire.stdout.readline() != b"ready\n":
            raise RuntimeError("wire.py does not start")

    def moved_bytes(self):
        """To the engine's end and from it, so far."""
        (end,) = json.loads(self.engine.sh("ip", "-json", "-statistics", "link", "show", "veth0").stdout)
        return end["stats64"]["rx"]["bytes"], end["stats64"]["tx"]["bytes"]

    def unplug(self):
        """For good: nothing comes through, and nobody is told."""
        self.engine.sh("ip", "link", "set", "veth0", "down")

    def close(self):
        if self.wire is not None:
            self.wire.stdin.close()
            self.wire.wait(timeout=SECONDS)
            self.wire.stdout.close()
        for namespace in self.namespaces:
            namespace.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
