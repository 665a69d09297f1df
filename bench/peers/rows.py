"""The rows: ROSS over its own tcp beside other systems that serve memory, and beside itself by memory shared."""

from ceph_store import CephStore
from command import progress
from nbd_store import NbdStore
from ross_store import RossStore
from store import Store
from work import Row

PATTERNS = {"4k": ("randread", "4 KiB random read"), "1m": ("read", "1 MiB read")}


def ross(place):
    """The one pool that all rows read, filled over tcp."""
    def make():
        place.need_memory(2 * Store.size_of(place))
        store = place.keep.enter_context(RossStore(place, place.memory / "ross", 2 * Store.size_of(place)))
        store.fill()
        return store
    return place.once("ross", make)


class PeerRow(Row):
    """4 KiB random or 1 MiB reads, one job, depth 16, of the same amount of data in memory, by the same fio.

    fabric: None: that which client and server choose by themselves, which on one machine is memory shared."""

    def __init__(self, name, block, bar, fabric="tcp"):
        self.name, self.block, self.bar, self.fabric = name, block, bar, fabric
        self.pattern, told = PATTERNS[block]
        self.what = f"{told}, depth 16, one job, fio's DFS engine over {fabric or 'shm'}"
        self.unit = "B/s" if block == "1m" else "op/s"

    def prepare(self, place):
        self.peer(place)
        ross(place)

    def peer(self, place):
        """The store of the reference, filled."""
        raise NotImplementedError

    def ours(self, place):
        return self.read_ross(place, self.fabric)

    def read_ross(self, place, fabric):
        store = ross(place)
        store.take(fabric)
        return store.read(self.pattern, self.block)

    def reference(self, place):
        return self.peer(place).read(self.pattern, self.block)


class RivalRow(PeerRow):
    """A system that can keep its data in several ways: the one that was fastest in a trial of all is the reference."""

    store = None

    def peer(self, place):
        trial = place.once((self.store, "trial"), lambda: self.trial(place))
        kind = max(trial, key=lambda kind: trial[kind][self.block])
        return place.once((self.store, kind), lambda: place.keep.enter_context(self.make(place, kind)))

    def reference(self, place):
        sample = super().reference(place)
        sample.details["trial"] = place.kept[self.store, "trial"]
        return sample

    def make(self, place, kind):
        progress.show(f"filling {kind}")
        place.need_memory(3 * Store.size_of(place))
        return self.store(place, place.memory / kind, kind)

    def trial(self, place):
        """The rate of each kind by block."""
        rates = {}
        for kind in self.store.KINDS:
            with self.make(place, kind) as store:
                rates[kind] = {block: store.read(pattern, block).rate for block, (pattern, _) in PATTERNS.items()}
        return rates


class CephRow(RivalRow):
    against = "Ceph RADOS, one OSD, fio's rados engine"
    store = CephStore


class NbdRow(RivalRow):
    against = "qemu-storage-daemon's NBD over TCP, a file on tmpfs, fio's nbd engine"
    store = NbdStore


class SharedRow(PeerRow):
    """No bar: what the same programs reach where client and server choose by themselves."""

    against = "ROSS over tcp"

    def __init__(self, name, block):
        super().__init__(name, block, None, fabric=None)

    def peer(self, place):
        return ross(place)

    def reference(self, place):
        return self.read_ross(place, "tcp")


def rows():
    """Over tcp, but for 1 MiB beside Ceph: there each is taken as it comes, since twice Ceph's rate is more than loopback carries for
    anybody; what tcp gives is shown beside it."""
    return [CephRow("ceph-4k-read", "4k", 8.0), CephRow("ceph-1m-read", "1m", 2.0, fabric=None),
            CephRow("ceph-1m-read-tcp", "1m", None), NbdRow("nbd-4k-read", "4k", 4.0), NbdRow("nbd-1m-read", "1m", 2.0),
            SharedRow("shm-4k-read", "4k"), SharedRow("shm-1m-read", "1m")]
