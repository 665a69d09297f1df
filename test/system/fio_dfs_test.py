#!/usr/bin/env python3
"""Runs fio's DFS engine, as Debian's source has it, on a pool with a file device, and verifies every byte.

    fio_dfs_test.py --fio FIO --ross ROSS [--folder DIR] [--size MIB]
    fio_dfs_test.py --fio FIO --ross ROSS --engine ROSS_ENGINE --fabric tcp    through a server

Goal: programs written for DFS work unmodified, on a pool of this machine and on one that a ross-engine serves. Method: {read, write, randread, randwrite} x {4k, 1m} x numjobs {1, 4} x
{thread, process} with verify=crc32c. A write case writes and reads back; a read case reads what a write made before, in
another fio process. One line per case; the exit code is the number of cases that failed, 99 at most.
"""

import argparse
import itertools
import json
import pathlib
import re
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


def serve(arguments, pool):
    """(process, URL of the pool) of an engine that serves it."""
    log = pathlib.Path(arguments.folder) / "engine.log"
    with open(log, "wb") as stderr:
        process = subprocess.Popen([arguments.engine, str(pool), "--listen", "127.0.0.1:0", "--fabric", arguments.fabric],
                                   stderr=stderr)
    deadline = time.monotonic() + CASE_SECONDS_MAX
    while (found := re.search(r"serving ross(://\S+) by", log.read_text())) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"the engine does not serve: {log.read_text()}")
        time.sleep(0.05)
    return process, f"ross+{arguments.fabric}{found[1]}"


def all_cases():
    # Writes before reads of the same kind: a read case verifies what the write case left.
    yield from itertools.product(BLOCKS, JOBS, MODES, PATTERNS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fio", required=True)
    parser.add_argument("--ross", required=True)
    parser.add_argument("--engine", help="a ross-engine: serve the pool by it")
    parser.add_argument("--fabric", default="tcp", help="with --engine: by which fabric")
    parser.add_argument("--folder", default=None, help="where the pool is made; default: a temporary folder")
    parser.add_argument("--size", type=int, default=16, help="MiB for each job")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ross-fio-", dir=arguments.folder))
    arguments.folder = folder
    pool = folder / "pool"
    failed = count = 0
    engine, url = None, f"local:{pool}"
    try:
        run([arguments.ross, "pool", "create", pool, "--size", f"{max(2048, arguments.size * 4 * 2 * 8)}M"])
        run([arguments.ross, "container", "create", f"local:{pool}/{CONTAINER}"])
        if arguments.engine:
            engine, url = serve(arguments, pool)
        for block, jobs, mode, pattern in all_cases():
            # Files of one kind share a name, so that reads find what writes made.
            name = f"{'rand' if pattern.startswith('rand') else 'seq'}-{block}-{jobs}-{mode}"
            started = time.monotonic()
            count += 1
            try:
                rate = fio(arguments, url, name, pattern, block, jobs, mode)
                verdict = f"ok      {rate / (1 << 20):8.0f} MiB/s"
            except Failure as failure:
                failed += 1
                verdict = f"FAILED  {failure}"
            print(f"{pattern:9} {block:2} jobs {jobs} {mode:7} {time.monotonic() - started:6.1f} s  {verdict}", flush=True)
        if engine is not None:
            engine.terminate()
            if engine.wait(timeout=CASE_SECONDS_MAX) != 0:
                failed += 1
                print(f"engine    FAILED  exit {engine.returncode}", flush=True)
        try:
            run([arguments.ross, "fsck", f"local:{pool}"])
            print("fsck                                  ok", flush=True)
        except Failure as failure:
            failed += 1
            print(f"fsck      FAILED  {failure}", flush=True)
    finally:
        if engine is not None and engine.poll() is None:
            engine.kill()
            engine.wait()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{count - failed} of {count} cases passed", flush=True)
    return min(failed, 99)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"fio_dfs_test: {failure}", file=sys.stderr)
        sys.exit(99)
