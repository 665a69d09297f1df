#!/usr/bin/env python3
"""Says where the source breaks the house's order: which room may include which, and how a room is furnished.

    include_order.py ROOT      prints one line per finding; exit 0 without findings, 1 with

The rules (docs/architecture.md has the reasons):
  order    a room includes itself and rooms below it; rooms on one level do not know each other
  faces    no face includes another face, no adapter another adapter
  source   what ships includes nothing of test/ or bench/; an include in quotes names a file from src/ or include/
  rooms    a folder of src/ is a room of the list below; there is no drawer for leftovers
  readme   each room, each part of a room with a build file, and each suite of test/ has a README.md of 30 lines at most
  size     no file has more than 800 lines
"""

import pathlib
import re
import sys

# Top to bottom; rooms on one line are peers.
LEVELS = [
    ["apps"],
    ["faces"],
    ["attach", "server"],
    ["services"],
    ["adapters", "engine", "client"],
    ["fs"],
    ["wire"],
    ["fabric", "disk"],
    ["memory"],
    ["runtime", "identity"],
    ["base"],
]
HEIGHT = {room: -level for level, rooms in enumerate(LEVELS) for room in rooms}
# Rooms whose folders are strangers to each other.
SEPARATE_PARTS = {"faces", "adapters"}

README_LINES_MAX = 30
FILE_LINES_MAX = 800
SOURCE_SUFFIXES = {".h", ".hpp", ".cc", ".c", ".cpp", ".py", ".sh"}
CPP_SUFFIXES = {".h", ".hpp", ".cc", ".c", ".cpp"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def read_lines(path):
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def place(parts):
    """The room, and where rooms are divided the part, of a path relative to src/: ("faces", "dfs")."""
    room = parts[0]
    part = parts[1] if room in SEPARATE_PARTS and len(parts) > 2 else ""
    return room, part


def is_test(path):
    return path.stem.endswith("_test") or path.stem.endswith("_for_test")


def check_include(root, path, name):
    """Why the file at path may not include "name", or None."""
    source = root / "src"
    here, part = place(path.relative_to(source).parts)
    if not (source / name).is_file():
        # Not from src/: a public header, a header a build makes, or, for a test, a thing of test/.
        if (root / "include").is_dir() and any(
            candidate.is_file() for candidate in [root / "include" / name, *root.glob(f"include/*/{name}")]
        ):
            return None if here in ("faces", "apps") else f'the public header "{name}" is for faces and apps'
        if name.endswith(".pb.h"):
            return None
        if (root / "test" / name).is_file() or (root / "bench" / name).is_file() or name.startswith("test/"):
            return None if is_test(path) else f'"{name}" belongs to the tests'
        return f'"{name}" is not a file of src/ (write the path from src/ on)'
    there, other_part = place(pathlib.PurePosixPath(name).parts)
    if there == here:
        if part and other_part and part != other_part:
            return f"{here}/{part} and {there}/{other_part} do not know each other"
        return None
    if here not in HEIGHT or there not in HEIGHT:
        return None  # reported once, as an unknown room
    if HEIGHT[there] > HEIGHT[here]:
        return f"{here}/ lies below {there}/ and may not include it"
    if HEIGHT[there] == HEIGHT[here]:
        return f"{here}/ and {there}/ are peers and do not know each other"
    return None


def check_includes(root):
    source = root / "src"
    for path in sorted(source.rglob("*")):
        if path.suffix not in CPP_SUFFIXES or len(path.relative_to(source).parts) < 2:
            continue
        for number, line in enumerate(read_lines(path), 1):
            match = INCLUDE.match(line)
            # Angle brackets are for systems and libraries, unless they name a file of ours.
            if match and (match[1] == '"' or (source / match[2]).is_file()):
                complaint = check_include(root, path, match[2])
                if complaint:
                    yield f"{path.relative_to(root)}:{number}: {complaint}"


def furnished(root):
    """Folders that need a README.md."""
    source = root / "src"
    for room in sorted(folder for folder in source.iterdir() if folder.is_dir()):
        yield room
        yield from sorted(child.parent for child in room.rglob("CMakeLists.txt") if child.parent != room)
    test = root / "test"
    if test.is_dir():
        yield from sorted(
            folder
            for folder in test.iterdir()
            if folder.is_dir() and any(child.suffix in SOURCE_SUFFIXES for child in folder.rglob("*"))
        )


def check_rooms(root):
    for folder in sorted(path for path in (root / "src").iterdir() if path.is_dir()):
        if folder.name not in HEIGHT:
            yield f"src/{folder.name}: not a room; the rooms are {', '.join(HEIGHT)}"
    for folder in furnished(root):
        readme = folder / "README.md"
        name = readme.relative_to(root)
        if not readme.is_file():
            yield f"{name}: missing; say what is here, what belongs here and what it may know"
        elif len(read_lines(readme)) > README_LINES_MAX:
            yield f"{name}: {len(read_lines(readme))} lines, at most {README_LINES_MAX}; the rest belongs in docs/"


def check_sizes(root):
    for top in ("src", "include", "test", "bench", "scripts"):
        for path in sorted((root / top).rglob("*")):
            if path.is_file() and path.suffix in SOURCE_SUFFIXES and "__pycache__" not in path.parts:
                lines = len(read_lines(path))
                if lines > FILE_LINES_MAX:
                    yield f"{path.relative_to(root)}: {lines} lines, at most {FILE_LINES_MAX}; give each idea its file"


def findings(root):
    root = pathlib.Path(root)
    return [*check_rooms(root), *check_includes(root), *check_sizes(root)]


def main():
    if len(sys.argv) != 2 or not (pathlib.Path(sys.argv[1]) / "src").is_dir():
        print("usage: include_order.py ROOT, where ROOT has the folder src", file=sys.stderr)
        return 2
    found = findings(sys.argv[1])
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
