"""The rows: a modest tenant beside a greedy one, against its fair share and against itself alone; and limits against what was got."""

import concurrent.futures
import time

import programs
from served import Served
from work import MIB, Row, Sample

SMALL, LARGE = 4096, MIB
SESSIONS = 16  # of the greedy one
FILE_MIB = 128
SETTLE_SECONDS = 1.2  # to connect, and to be at full speed
PACE_SHARE = 0.1  # of what it gets alone
LIMITS = {"limited-bytes": ("0", str(200 * MIB), "0"), "limited-ops": ("0", "0", "20000")}


class Tenants:
    """A server with its tenants, and loads that work on it at the same time."""

    def __init__(self, place, backend):
        self.place = place
        options = ["--tenant", "modest", "--tenant", "greedy"]
        for name, (_, byte_rate, ops) in LIMITS.items():
            options += ["--tenant", f"{name}::{byte_rate}:{ops}"]
        self.served = place.keep.enter_context(Served(backend, 1536, *options))

    def together(self, *loads):
        """What each of these loads, (tenant, options), did in the same seconds."""
        now = time.monotonic_ns()
        begin = now + int(SETTLE_SECONDS * 1e9)
        window = {"from_ns": begin, "until_ns": begin + int(self.place.seconds * 1e9)}
        commands = []
        for tenant, options in loads:
            command = self.served.load_command(tenant=tenant, file=tenant, file_mib=FILE_MIB, **window, **options)
            commands.append(command)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return [told for told, _ in pool.map(lambda command: programs.run_json(command, 120), commands)]

    def fill(self, *tenants):
        for tenant in tenants:
            self.place.once(f"{self.served.backend} {tenant}'s file",
                            lambda: self.served.load(tenant=tenant, file=tenant, file_mib=FILE_MIB, seconds=0.05))


class TenantRow(Row):
    backend = "tcp"
    size = SMALL
    greedy_size = SMALL

    def tenants(self, place):
        return place.once(f"served {self.backend}", lambda: Tenants(place, self.backend))

    def modest(self, **more):
        return "modest", {"work": "random-read", "size": self.size, "inflight": 256 if self.size == SMALL else 16, **more}

    def greedy(self):
        return "greedy", {"work": "random-read", "size": self.greedy_size, "inflight": 32 if self.greedy_size == SMALL else 8,
                          "sessions": SESSIONS}

    def prepare(self, place):
        tenants = self.tenants(place)
        tenants.fill("modest", "greedy")
        self.alone = place.once(f"{self.backend} {self.size} alone", lambda: tenants.together(self.modest())[0])


class Share(TenantRow):
    """Both sides of a pair come from one run."""

    bar = 0.90

    def __init__(self, backend, size, label):
        self.backend, self.size, self.greedy_size = backend, size, size
        self.name = f"share-{backend}-{label}"
        self.what = f"{label} random read over {backend} beside {SESSIONS} sessions of a greedy tenant"
        self.against = "half of what both got"
        self.unit = "op/s" if size == SMALL else "B/s"
        self.other = None

    def rate(self, told):
        return told["bytes_per_second"] if self.unit == "B/s" else told["ops_per_second"]

    def run(self, place):
        if self.other is not None:
            sides, self.other = self.other, None
            return sides
        modest, greedy = self.tenants(place).together(self.modest(), self.greedy())
        got, theirs = self.rate(modest), self.rate(greedy)
        self.other = (Sample(got, {**modest, "greedy": theirs, "alone": self.rate(self.alone)}),
                      Sample((got + theirs) / 2, greedy))
        return self.other

    def ours(self, place):
        return self.run(place)[0]

    def reference(self, place):
        return self.run(place)[1]


class Latency(TenantRow):
    """Compared as rates: twice the time is 0.50 of the rate."""

    bar = 0.50

    def __init__(self, backend, size, greedy_size, label):
        self.backend, self.size, self.greedy_size = backend, size, greedy_size
        self.name = f"p99-{backend}-{label}"
        self.what = f"99th percentile of calls at a tenth of its rate alone: {label} over {backend}"
        self.against = "the same without the greedy tenant"

    def paced(self):
        return self.modest(every_us=max(100, int(1e6 / (PACE_SHARE * self.alone["ops_per_second"]))))

    @staticmethod
    def sample(told, **more):
        return Sample(1e6 / told["latency_us"]["p99"], {**told, **more})

    def ours(self, place):
        modest, greedy = self.tenants(place).together(self.paced(), self.greedy())
        return self.sample(modest, greedy=greedy["ops_per_second"])

    def reference(self, place):
        return self.sample(self.tenants(place).together(self.paced())[0])


class Limit(TenantRow):
    """A limit that is met within 5 % from below; the other direction is judged in the same row by what lacks to the double."""

    bar = 0.95

    def __init__(self, tenant, size, label):
        self.tenant, self.size = tenant, size
        self.name = f"limit-{label}"
        self.what = f"{tenant}, reads of {size} bytes over tcp"
        self.against = "its limit"
        _, byte_rate, ops = LIMITS[tenant]
        self.unit, self.limit = ("B/s", int(byte_rate)) if int(byte_rate) else ("op/s", int(ops))

    def prepare(self, place):
        self.tenants(place).fill(self.tenant)

    def ours(self, place):
        load = {"work": "random-read", "size": self.size, "inflight": 32 if self.size == SMALL else 8, "sessions": 2}
        told = self.tenants(place).together((self.tenant, load))[0]
        got = told["bytes_per_second"] if self.unit == "B/s" else told["ops_per_second"]
        # What goes over it counts like what lacks.
        return Sample(min(got, 2 * self.limit - got), {**told, "got": got})

    def reference(self, place):
        return Sample(self.limit)


def rows():
    made = []
    for backend in ("tcp", "shm"):
        made += [Share(backend, SMALL, "4k"), Share(backend, LARGE, "1m"),
                 Latency(backend, SMALL, SMALL, "4k-beside-4k"), Latency(backend, SMALL, LARGE, "4k-beside-1m"),
                 Latency(backend, LARGE, LARGE, "1m-beside-1m")]
    return [*made, Limit("limited-bytes", SMALL, "bytes-4k"), Limit("limited-bytes", LARGE, "bytes-1m"),
            Limit("limited-ops", SMALL, "ops-4k")]
