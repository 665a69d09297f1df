"""The machine a figure belongs to, and how quiet it was."""

import os
import platform


def first_line(path, start=""):
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            return next((line.strip() for line in lines if line.startswith(start)), "")
    except OSError:
        return ""


def mount_of(directory):
    """(device, type, mount point) of the file system that holds directory."""
    where = os.path.realpath(directory)
    best = ("?", "?", "")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            left, right = line.split(" - ", 1)
            point = left.split()[4]
            kind, device = right.split()[:2]
            inside = where == point or where.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best[2]):
                best = (device, kind, point)
    return best


def disk_text(directory):
    device, kind, _ = mount_of(directory)
    block = os.path.basename(os.path.realpath(device))
    parts = [f"{device} ({kind})"]
    if model := first_line(f"/sys/class/block/{block}/device/model"):
        parts.append(model)
    if sectors := first_line(f"/sys/class/block/{block}/size"):
        parts.append(f"{int(sectors) * 512 / (1 << 30):.0f} GiB")
    return ", ".join(parts)


def describe(directory):
    memory = first_line("/proc/meminfo", "MemTotal:").split()
    return {
        "cpu": first_line("/proc/cpuinfo", "model name").partition(":")[2].strip() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / (1 << 20), 1) if len(memory) > 1 else None,
        "kernel": platform.release(),
        "system": first_line("/etc/os-release", "PRETTY_NAME").partition("=")[2].strip('"'),
        "disk": disk_text(directory),
    }


def busy_cores():
    """How many processes wanted a core on average over the last minute."""
    return os.getloadavg()[0]
