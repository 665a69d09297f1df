#!/usr/bin/env python3
"""Runs fio's DFS engine, as Debian's source has it, on a pool with a file device, and verifies every byte.

    fio_dfs_test.py --fio FIO --ross ROSS [--folder DIR] [--size MIB]

Goal: programs written for DFS work unmodified. Method: {read, write, randread, randwrite} x {4k, 1m} x numjobs {1, 4} x
{thread, process} with verify=crc32c. A write case writes and reads back; a read case reads what a write made before, in
another fio process. One line per case; the exit code is the number of cases that failed, 99 at most.
"""

import argparse
import itertools
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

PATTERNS = ["write", "read", "randwrite", "randread"]
BLOCKS = ["4k", "1m"]
JOBS = [1, 4]
MODES = ["thread", "process"]
CASE_SECONDS_MAX = 120
CONTAINER = "fio"


class Failure(Exception):
    pass


def run(command, seconds=CASE_SECONDS_MAX):
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"not done after {seconds} s") from late
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Failure(f"exit {done.returncode}: " + " | ".join(lines[-4:]))
    return done


def fio(arguments, pool, name, pattern, block, jobs, mode):
    result = pathlib.Path(arguments.folder) / "result.json"
    command = [arguments.fio, f"--name={name}", "--ioengine=dfs", f"--pool={pool}", f"--cont={CONTAINER}",
               f"--rw={pattern}", f"--bs={block}", "--iodepth=16", f"--size={arguments.size}m", f"--numjobs={jobs}",
               f"--thread={1 if mode == 'thread' else 0}", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1",
               "--randseed=1", "--verify_state_save=0", "--group_reporting=0", "--output-format=json", f"--output={result}"]
    run(command)
    report = json.loads(result.read_text())
    wanted = arguments.size << 20
    if len(report["jobs"]) != jobs:
        raise Failure(f"{len(report['jobs'])} jobs reported of {jobs}")
    direction = "write" if "write" in pattern else "read"
    for job in report["jobs"]:
        if job["error"] != 0:
            raise Failure(f"job error {job['error']}")
        if job[direction]["io_bytes"] != wanted:
            raise Failure(f"{job[direction]['io_bytes']} bytes of {wanted}")
        # A write case that did not read everything back verified nothing.
        if direction == "write" and job["read"]["io_bytes"] != wanted:
            raise Failure(f"{job['read']['io_bytes']} bytes of {wanted} were verified")
    rate = sum(job[direction]["bw_bytes"] for job in report["jobs"])
    return rate


def all_cases():
    # Writes before reads of the same kind: a read case verifies what the write case left.
    yield from itertools.product(BLOCKS, JOBS, MODES, PATTERNS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fio", required=True)
    parser.add_argument("--ross", required=True)
    parser.add_argument("--folder", default=None, help="where the pool is made; default: a temporary folder")
    parser.add_argument("--size", type=int, default=16, help="MiB for each job")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ross-fio-", dir=arguments.folder))
    arguments.folder = folder
    pool = folder / "pool"
    failed = count = 0
    try:
        run([arguments.ross, "pool", "create", pool, "--size", f"{max(2048, arguments.size * 4 * 2 * 8)}M"])
        run([arguments.ross, "container", "create", f"local:{pool}/{CONTAINER}"])
        for block, jobs, mode, pattern in all_cases():
            # Files of one kind share a name, so that reads find what writes made.
            name = f"{'rand' if pattern.startswith('rand') else 'seq'}-{block}-{jobs}-{mode}"
            started = time.monotonic()
            count += 1
            try:
                rate = fio(arguments, f"local:{pool}", name, pattern, block, jobs, mode)
                verdict = f"ok      {rate / (1 << 20):8.0f} MiB/s"
            except Failure as failure:
                failed += 1
                verdict = f"FAILED  {failure}"
            print(f"{pattern:9} {block:2} jobs {jobs} {mode:7} {time.monotonic() - started:6.1f} s  {verdict}", flush=True)
        try:
            run([arguments.ross, "fsck", f"local:{pool}"])
            print("fsck                                  ok", flush=True)
        except Failure as failure:
            failed += 1
            print(f"fsck      FAILED  {failure}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{count - failed} of {count} cases passed", flush=True)
    return min(failed, 99)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"fio_dfs_test: {failure}", file=sys.stderr)
        sys.exit(99)
