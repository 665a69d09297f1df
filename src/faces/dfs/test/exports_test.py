#!/usr/bin/env python3
"""Compares what libdaos.so exports with what the headers declare.

    exports_test.py LIBRARY HEADERS      one line per finding; exit 0 without findings, 1 with

Every declared function is exported, under its binary name where a macro gives it another; nothing else is; and the
library goes by both of its names.
"""

import pathlib
import re
import subprocess
import sys

DECLARATION = re.compile(r"^[A-Za-z][\w \t*]*?\b((?:daos|dfs|duns|d)_\w+)\s*\(", re.MULTILINE)
RENAME = re.compile(r"^#define (daos_\w+) (daos_\w+2)$", re.MULTILINE)


def declared(headers):
    names = set()
    for header in pathlib.Path(headers).rglob("*.h"):
        text = re.sub(r"//.*", "", header.read_text())
        renames = dict(RENAME.findall(text))
        # What is inline has a body, is not exported, and begins its line with "static".
        for match in DECLARATION.finditer(text):
            line = text[match.start() : text.find("\n", match.start())]
            if not line.startswith(("static", "typedef", "return")):
                names.add(renames.get(match.group(1), match.group(1)))
    return names


def exported(library):
    output = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    symbols = {line.split()[-1].split("@")[0] for line in output.splitlines() if line.split()[-2] not in "A"}
    return symbols


def main():
    library, headers = sys.argv[1:]
    findings = []
    said, there = declared(headers), exported(library)
    findings += [f"{name} is declared and not exported" for name in sorted(said - there)]
    findings += [f"{name} is exported and not declared" for name in sorted(there - said)]
    if len(said) < 150:
        findings.append(f"only {len(said)} declarations were found: the headers are not being read")
    second_name = pathlib.Path(library).parent / "libdfs.so"
    if not second_name.exists() or not second_name.samefile(library):
        findings.append(f"{second_name} is not the library's second name")
    print("\n".join(findings) if findings else f"{len(said)} functions, all exported, nothing else")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
