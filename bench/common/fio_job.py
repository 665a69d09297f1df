"""One run of fio, over whatever engine it is given, and what came out of it."""

import programs

FIO_SECONDS_MAX = 300


def fio(place, engine, filename, size_bytes, pattern, block, depth, limit, environment=None, on_start=None):
    """Runs one job; returns (the job's figures for its direction, wall-clock seconds of the whole process).

    engine: the options that choose fio's engine and lead it to what it works on. filename: None leaves the name to fio, which
    then takes one for each job. limit: what ends the job, and whatever else it needs. on_start: called with fio's process id. Jobs of one
    run are reported as one."""
    command = [place.fio(), "--name=bench", f"--size={size_bytes}", f"--rw={pattern}", f"--bs={block}", f"--iodepth={depth}",
               "--thread=1", "--norandommap=1", "--group_reporting=1", "--output-format=json",
               *([f"--filename={filename}"] if filename else []), *engine, *limit]
    report, seconds = programs.run_json(command, FIO_SECONDS_MAX, environment, on_start)
    job = report["jobs"][0]
    if job["error"] != 0:
        raise programs.Failure(f"fio reported error {job['error']}: {' '.join(map(str, command))}")
    return job["read" if pattern.endswith("read") else "write"], seconds


def timed(seconds):
    """The limit of a job that goes round until its time is over. fio cuts fractions of a second off."""
    return ["--time_based=1", f"--runtime={round(seconds * 1000)}ms"]


def p99_us(figures):
    return figures["clat_ns"].get("percentile", {}).get("99.000000", 0) / 1000
