"""An x86-64 machine, emulated, with an RDMA card, emulated: boots Debian's kernel on this machine's own files and runs programs."""

import pathlib
import shutil
import signal
import subprocess
import threading

import kernel

MEMORY_MIB = 3072
BOOT_SECONDS_MAX = 120
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def find(folder):
    """What a guest is booted with: (QEMU, kernel, initramfs). Raises kernel.Missing."""
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        raise kernel.Missing("there is no qemu-system-x86_64: scripts/install_packages --rdma")
    for tool in ("ip", "rdma"):
        if shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            raise kernel.Missing(f"there is no program '{tool}': scripts/install_packages --rdma")
    return qemu, *kernel.prepare(folder)


class Guest:
    """Runs the scripts *.sh of the folder shared, in order; on_line gets each line of the console."""

    def __init__(self, parts, shared, console, on_line):
        qemu, image, initramfs = parts
        options = f"console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on ross.tests={ROOT}/test/rdma"
        command = [qemu, "-machine", "q35", "-cpu", "max,la57=off", "-accel", "tcg,thread=multi", "-smp", "2"]
        command += ["-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        command += ["-serial", "stdio", "-kernel", str(image), "-initrd", str(initramfs), "-append", options]
        for tag, path, more in (("root", "/", ",readonly=on"), ("results", str(shared), "")):
            command += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap{more}"]
            command += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        self.on_line = on_line
        self.ready = threading.Event()
        self.finished = False
        self.console = open(console, "w", encoding="utf-8")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self.console.write(line + "\n")
            self.console.flush()
            if "Kernel panic" in line:
                self.process.kill()
            if line.startswith("guest: "):
                self.ready.set()
                self.finished = self.finished or line == "guest: done"
                self.on_line(line[len("guest: ") :])
        self.ready.set()  # it is off

    def wait(self, seconds_max):
        """Until the guest is off. False: it did not boot, or had to be ended."""
        try:
            if not self.ready.wait(BOOT_SECONDS_MAX):
                return False
            self.process.wait(seconds_max)
            return self.finished
        except subprocess.TimeoutExpired:
            return False
        finally:
            self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.reader.join(10)
        self.console.close()
