"""What a directory tree of the host holds."""

import os
import pathlib
import stat

BLOCK_BYTES = 4096


class Tree:
    """What a directory tree holds: names of each kind, bytes of data (hard links once), and what may not be read."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = self.directories = self.links = self.other = 0
        self.data_bytes = self.stored_bytes = 0
        self.unreadable = []
        seen = set()
        pending = [str(root)]
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        self.count(entry, seen, pending)
            except OSError as error:
                self.unreadable.append(f"{folder}: {error.strerror}")
            self.directories += 1

    def count(self, entry, seen, pending):
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            pending.append(entry.path)
        elif stat.S_ISREG(status.st_mode):
            self.files += 1
            if not os.access(entry.path, os.R_OK):
                self.unreadable.append(f"{entry.path}: may not be read by this user")
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                self.data_bytes += status.st_size
                self.stored_bytes += -(-status.st_size // BLOCK_BYTES) * BLOCK_BYTES
        elif stat.S_ISLNK(status.st_mode):
            self.links += 1
        else:
            self.other += 1

    @property
    def names(self):
        return self.files + self.directories + self.links + self.other
