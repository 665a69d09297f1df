"""What runs in the guest: programs of the release build, with what each is asked."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Program:
    name: str  # as in the report
    path: pathlib.Path
    seconds_max: int
    filter: str = ""  # of GoogleTest
    script: tuple = ()  # what runs it in place of GoogleTest: words, with RESULTS for the file of its results


# Emulated, everything takes ten to thirty times as long: what is slow by itself, or moves hundreds of megabytes, is left to the
# transports that need no emulation.
SLOW = "*Slow*:*Scale*:*AThousandNames*:*RandomHistories*:*UnderEveryMode*:*ManyAtOnce/remote*"
# With an agent each case takes twice as long. Past it, what moves data; through it, also what asks much of the connections.
DATA = "*ReadWrite*:*Offsets*:*Publish*"
FRONTS = (("agent_direct", "past an agent", DATA), ("agent", "through an agent", f"{DATA}:*Space*:*Races*"))

TRANSPORTS = {"ofi_verbs": "ofi+verbs", "ucx_rc": "ucx+rc"}


def programs(build):
    """All of them, in the order in which they run."""
    fabric = build / "test" / "conformance" / "fabric"
    remote = build / "test" / "remote"
    listed = []
    for word, name in TRANSPORTS.items():
        listed.append(Program(f"fabric over {name}", fabric / f"fabric_conformance_{word}", 600, f"-{SLOW}"))
    for word, name in TRANSPORTS.items():
        listed.append(Program(f"files over {name}", remote / f"fs_conformance_remote_{word}", 600, f"-{SLOW}"))
    for word, name in TRANSPORTS.items():
        listed.append(Program(f"data over {name}", remote / f"remote_data_{word}", 600))
    for word, name in TRANSPORTS.items():
        for front, way, cases in FRONTS:
            path = remote / f"fs_conformance_{front}_{word}"
            listed.append(Program(f"files {way} over {name}", path, 600, f"{cases}-{SLOW}"))
    listed.append(Program("windows on the wire", build / "test" / "rdma" / "rdma_window_scope_test", 300))
    apps = build / "src" / "apps"
    daemons = pathlib.Path(__file__).resolve().parent / "daemons_test.py"
    listed.append(
        Program("daemons", apps / "ross-agent" / "ross-agent", 900, script=("python3", "-B", str(daemons), str(apps), "RESULTS"))
    )
    return listed
