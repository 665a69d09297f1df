"""Network namespaces that are gone with the program that made them, however it ends."""

import os
import pathlib
import shutil
import subprocess
import time

SECONDS = 10  # for anything that takes none


def sh(*words, check=True):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=SECONDS, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done


def why_not(*programs):
    """Why this machine's user cannot have such namespaces, or lacks one of these programs; or None."""
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    for program in ("ip", "unshare", "nsenter", *programs):
        if shutil.which(program) is None:
            return f"{program} is not installed (apt-get install iproute2 util-linux)"
    try:
        one, other = Namespace(), Namespace()
        try:
            join(one, "probe", other, "probe")
        finally:
            one.close()
            other.close()
        return None
    except RuntimeError as error:
        return f"no network namespaces here: {error}"


class Namespace:
    """Lives as long as a process in it that reads from a pipe of ours. enter: what a command in it begins with."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
        path = pathlib.Path(f"/proc/{self.holder.pid}/ns/net")
        deadline = time.monotonic() + SECONDS
        while self.holder.poll() is None and os.readlink(path) == os.readlink("/proc/self/ns/net"):
            if time.monotonic() > deadline:
                raise RuntimeError("unshare --net does not come to an end")
            time.sleep(0.001)
        if self.holder.poll() is not None:
            raise RuntimeError(self.holder.stderr.read().decode().strip())
        self.pid = self.holder.pid
        self.enter = ["nsenter", f"--net={path}"]
        self.sh("ip", "link", "set", "lo", "up")

    def sh(self, *words, check=True):
        return sh(*self.enter, *words, check=check)

    def address(self, device, address):
        """Gives a device its address, as 10.0.0.1, in a network of 256, and switches it on."""
        self.sh("ip", "address", "add", f"{address}/24", "dev", device)
        self.sh("ip", "link", "set", device, "up")

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(timeout=SECONDS)
        self.holder.stderr.close()


def join(one, device, other, other_device):
    """A wire between two namespaces, its ends called so."""
    sh("ip", "link", "add", device, "netns", one.pid, "type", "veth", "peer", "name", other_device, "netns", other.pid)
