"""Runs clang-tidy over files in parallel: lint.py BUILD_FOLDER FILE...

Prints each finding once; exit status 1 if there is any. A file whose preprocessed text, rules and tool are those of an
earlier clean run is not read again (build/check/lint/ remembers).
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

TOOL = "clang-tidy-19"
FILE_SECONDS_MAX = 180
ROOT = pathlib.Path(__file__).resolve().parent.parent
CLEAN = ROOT / "build" / "check" / "lint"


def fingerprint(entry):
    """What a verdict depends on: every line the compiler sees, the rules, the tool."""
    command = [word for word in shlex.split(entry["command"]) if pathlib.Path(word).name != "ccache"]
    if "-o" in command:
        at = command.index("-o")
        del command[at : at + 2]
    command = [word for word in command if word != "-c"] + ["-E"]
    text = subprocess.run(command, cwd=entry["directory"], capture_output=True, timeout=FILE_SECONDS_MAX)
    if text.returncode != 0:
        return None
    digest = hashlib.sha256(text.stdout)
    # Comments are gone from the text above, but they can hold NOLINT.
    digest.update(pathlib.Path(entry["file"]).read_bytes())
    digest.update((ROOT / ".clang-tidy").read_bytes())
    digest.update(subprocess.run([TOOL, "--version"], capture_output=True).stdout)
    return digest.hexdigest()


def lint(build, entry):
    """The findings in one file, as text; empty when it is clean."""
    mark = fingerprint(entry)
    if mark and (CLEAN / mark).exists():
        return ""
    command = [TOOL, "-p", build, "--quiet", entry["file"]]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=FILE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return f"{entry['file']}: {TOOL} took more than {FILE_SECONDS_MAX} s"
    if result.returncode == 0:
        if mark:
            (CLEAN / mark).touch()
        return ""
    return result.stdout.strip() or result.stderr.strip() or f"{entry['file']}: {TOOL} failed without a word"


def main():
    build, names = sys.argv[1], sys.argv[2:]
    CLEAN.mkdir(parents=True, exist_ok=True)
    wanted = {str(ROOT / name) for name in names}
    database = json.loads((ROOT / build / "compile_commands.json").read_text())
    entries = {entry["file"]: entry for entry in database if entry["file"] in wanted}
    findings = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = {pool.submit(lint, build, entry): name for name, entry in entries.items()}
        for done, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            print(f"[{done}/{len(jobs)}] {pathlib.Path(jobs[job]).relative_to(ROOT)}", flush=True)
            if job.result():
                findings.append(job.result())
    seen = set()
    for finding in findings:
        for line in finding.replace(str(ROOT) + "/", "").splitlines():
            # A finding in a header comes once for each file that includes it.
            if "[" in line and ": error:" in line:
                if line in seen:
                    continue
                seen.add(line)
            print(line)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
