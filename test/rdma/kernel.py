"""Debian's kernel and an initramfs for the guest, made in a folder of the build: downloaded and unpacked, never installed."""

import gzip
import os
import pathlib
import re
import shutil
import subprocess

# In the initramfs are these and what they need. Files and results come over 9p; the card is rdma_rxe over a dummy interface.
MODULES = ["virtio_pci", "9pnet_virtio", "9p", "dummy", "crc32_generic", "rdma_rxe", "ib_uverbs", "rdma_ucm"]
DOWNLOAD_SECONDS_MAX = 300


class Missing(Exception):
    """What a guest needs is not here, and why."""


def package_name():
    """The package that linux-image-amd64 stands for today."""
    listing = subprocess.run(
        ["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    )
    match = re.search(r"Depends: (linux-image-\S+)", listing.stdout)
    if listing.returncode != 0 or not match:
        raise Missing("apt knows no linux-image-amd64: try apt-get update")
    return match[1]


def unpack(folder):
    """Downloads and unpacks the kernel's package unless it is there; returns the folder with its files."""
    name = package_name()
    unpacked = folder / name
    if unpacked.is_dir():
        return unpacked
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", "-q", name], cwd=folder, check=True, capture_output=True, timeout=DOWNLOAD_SECONDS_MAX)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Missing(f"the package {name} cannot be downloaded: {(error.stderr or b'').decode(errors='replace').strip()}")
    package = next(folder.glob(f"{name}_*.deb"))
    half = folder / "unpacking"
    shutil.rmtree(half, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-x", package, half], check=True)
    half.rename(unpacked)  # whole, or not there
    package.unlink()
    return unpacked


def needs_of(module):
    """Names of the modules that a module says it needs."""
    match = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    return [name for name in match[1].decode().split(",") if name] if match else []


def in_order(modules_folder, wanted):
    """The files of the modules and of all they need, each after what it needs."""
    files = {path.stem.replace("-", "_"): path for path in modules_folder.rglob("*.ko")}
    order = []

    def add(name):
        path = files.get(name.replace("-", "_"))
        if path is None:
            raise Missing(f"this kernel has no module {name}")
        if path not in order:
            for need in needs_of(path):
                add(need)
            order.append(path)

    for name in wanted:
        add(name)
    return order


def archive(entries):
    """A cpio archive (newc) of (name, mode, bytes)."""
    out = bytearray()
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        encoded = name.encode() + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0]
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        out += b"\0" * (-len(out) % 4) + content
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def prepare(folder):
    """Returns the paths of a kernel and an initramfs for it; raises Missing."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise Missing("there is no busybox: scripts/install_packages --rdma")
    unpacked = unpack(folder)
    modules = in_order(next((unpacked / "lib" / "modules").iterdir()), MODULES)
    here = pathlib.Path(__file__).resolve().parent
    entries = [(name, 0o040755, b"") for name in ("bin", "dev", "modules", "proc", "root", "sys")]
    entries += [
        ("bin/busybox", 0o100755, pathlib.Path(busybox).read_bytes()),
        ("init", 0o100755, (here / "init").read_bytes()),
        ("modules/order", 0o100644, "".join(path.name + "\n" for path in modules).encode()),
    ]
    entries += [(f"modules/{path.name}", 0o100644, path.read_bytes()) for path in modules]
    initramfs = folder / "initramfs.gz"
    initramfs.write_bytes(gzip.compress(archive(entries), 1))
    return next((unpacked / "boot").glob("vmlinuz-*")), initramfs
