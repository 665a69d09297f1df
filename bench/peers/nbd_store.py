"""NBD over TCP: qemu-storage-daemon with a file on tmpfs, read by fio's nbd engine."""

import programs
from daemon import Daemon, free_port, listens
from store import Store


class NbdStore(Store):
    KINDS = ("threads", "io_uring", "native")  # how the daemon reads its file; natively with O_DIRECT, which tmpfs has

    def start(self):
        programs.need("qemu-storage-daemon")
        image, port = self.folder / "image", free_port()
        with open(image, "wb") as file:
            file.truncate(self.size)
        daemon = self.enter_context(Daemon("qemu-storage-daemon", [
            "qemu-storage-daemon",
            "--blockdev", f"driver=file,node-name=file,filename={image},aio={self.kind}"
                          f"{',cache.direct=on' if self.kind == 'native' else ''}",
            "--blockdev", "driver=raw,node-name=disk,file=file",
            "--nbd-server", f"addr.type=inet,addr.host=127.0.0.1,addr.port={port}",
            "--export", "type=nbd,id=export,node-name=disk,name=bench,writable=on"], self.folder))
        daemon.until(lambda: listens(port))
        self.daemons = [daemon]
        self.engine = ["--ioengine=nbd", f"--uri=nbd://127.0.0.1:{port}/bench"]
        self.need_engine("nbd")
        self.fill()
