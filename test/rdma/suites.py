"""What runs in the guest: programs of the release build, with what each is asked."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Program:
    name: str  # as in the report
    path: pathlib.Path
    seconds_max: int
    filter: str = ""  # of GoogleTest
    environment: tuple = ()  # of (name, value)


# Emulated, everything takes ten to thirty times as long: what is slow by itself, or moves hundreds of megabytes, is left to the
# transports that need no emulation.
SLOW = "*Slow*:*Scale*"

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
        listed.append(Program(f"files past an agent, {name}", remote / f"fs_conformance_agent_direct_{word}", 600, f"-{SLOW}"))
        listed.append(Program(f"files through an agent, {name}", remote / f"fs_conformance_agent_{word}", 600, f"-{SLOW}"))
    return listed
