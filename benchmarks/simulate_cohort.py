"""Simulate a cohort with its truth: events a second for each panel, with one job and with two, and the same bytes.

python benchmarks/simulate_cohort.py [--events 100000] [--repeats 3]

A cohort is four people at three visits (eleven tubes: one visit is missed): drawn, written as FCS files with their
labels and tables. Seconds are of the whole call, after one small cohort that compiles and loads. Seconds of CPU stand
beside those of the clock: on a machine that has other work, only they tell the cost.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
EVENTS = 100_000  # only a run of this size is written to the results
SUBJECTS = 4
VISITS = ("BL", "W4", "W8")
JOBS = (1, 2)


def time_cohort(folder: Path, panel: str, n_events: int, jobs: int) -> tuple[float, float, int, str]:
    """Seconds by the clock and of CPU, tubes, and a digest of every byte of the cohort."""
    from immunoprofile.provenance import digest_of_bytes, digest_of_file
    from immunoprofile.simulation import simulate_cohort

    out = folder / f"{panel}-{jobs}"
    start, used = time.perf_counter(), time.process_time()
    simulate_cohort(out, 1, SUBJECTS, VISITS, n_events, panels=(panel,), jobs=jobs)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    files = sorted(p for p in out.rglob("*") if p.is_file())
    digest = digest_of_bytes("".join(f"{p.relative_to(out)} {digest_of_file(p)}\n" for p in files).encode())
    tubes = len(list((out / "fcs").iterdir()))
    shutil.rmtree(out)
    return seconds, used, tubes, digest


def measure(folder: Path, panel: str, n_events: int, repeats: int) -> dict[str, object]:
    """Events a second with each number of jobs, medians of interleaved runs, and whether the bytes are the same."""
    time_cohort(folder, panel, 1_000, 1)
    clock: dict[int, list[float]] = {jobs: [] for jobs in JOBS}
    cpu: dict[int, list[float]] = {jobs: [] for jobs in JOBS}
    digests, tubes = set(), 0
    for _ in range(repeats):
        for jobs in JOBS:
            taken, used, tubes, digest = time_cohort(folder, panel, n_events, jobs)
            clock[jobs].append(taken)
            cpu[jobs].append(used)
            digests.add(digest)
    return {
        "million events a second": _rates(clock, tubes * n_events),
        "million events a second of CPU": _rates(cpu, tubes * n_events),
        "same bytes": len(digests) == 1,
    }


def _rates(seconds: dict[int, list[float]], n_events: int) -> dict[str, float]:
    return {
        f"{jobs} job{'s' * (jobs > 1)}": round(n_events / statistics.median(taken) / 1e6, 3)
        for jobs, taken in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    from immunoprofile.simulation import PANELS, load_panel

    found: dict[str, object] = {"events a tube": options.events}
    with tempfile.TemporaryDirectory() as name:
        found |= {
            f"{panel}, {len(load_panel(panel).channel_names())} channels": measure(
                Path(name), panel, options.events, options.repeats
            )
            for panel in PANELS
        }
    found["versions"] = {"numpy": np.__version__}
    found["machine"] = (
        f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print(json.dumps(found, indent=2))
    if options.events == EVENTS:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "simulate_cohort.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
