"""The engine at its limits: ten million events, a batch, a cold start, polygons that transform every event.

    python benchmarks/engine_limits.py [--flowkit] [--only NAME ...]

FlowKit runs beside ours where it can; for ten million events only with --flowkit (it needs gigabytes and minutes).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gate_one_file import RESULTS, D, G, T, flowkits, make_file, make_gates, ours, timed, versions

ONE = """
import re, sys, time
start = time.perf_counter()
from immunoprofile.fcs import read_fcs
from immunoprofile.gating import apply_template, read_gatingml
members = apply_template(read_gatingml(sys.argv[2]), read_fcs(sys.argv[1]), threads=int(sys.argv[3]))
members.counts()
# Not ru_maxrss, which a process inherits from the one that started it.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(time.perf_counter() - start, time.process_time(), peak)
"""


def alone(fcs: Path, gates: Path, threads: int = 1, cache: Path | None = None) -> dict[str, float]:
    """One process from its start: seconds inside Python, CPU seconds, peak resident megabytes, seconds in all."""
    environment = os.environ | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {})
    start = time.perf_counter()
    command = [sys.executable, "-c", ONE, str(fcs), str(gates), str(threads)]
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
    whole = time.perf_counter() - start
    return {"inside_s": float(out[0]), "cpu_s": float(out[1]), "peak_mb": float(out[2]), "process_s": whole}


def ten_million(folder: Path, with_flowkit: bool) -> dict[str, object]:
    """10,000,000 events x 18 channels: the file of a million, ten times over."""
    fcs, gates = folder / "ten.fcs", folder / "gates.xml"
    make_file(fcs, 1_000_000, copies=10)
    make_gates(gates)
    alone(fcs, gates)
    found: dict[str, object] = {f"threads_{n}": alone(fcs, gates, n) for n in (1, 2)}
    if with_flowkit:
        wall, cpu, counts = timed(lambda: flowkits(fcs, gates, cached=False))
        found["flowkit"] = {"wall_s": wall, "cpu_s": cpu, "counts_equal": counts == ours(fcs, gates)}
    return found


def cold_start(folder: Path, _: bool) -> dict[str, object]:
    """100,000 events in a fresh process: first with nothing compiled, then with the compiled code on disk."""
    fcs, gates, cache = folder / "small.fcs", folder / "gates.xml", folder / "numba"
    make_file(fcs, 100_000)
    make_gates(gates)
    first = alone(fcs, gates, cache=cache)
    later = [alone(fcs, gates, cache=cache) for _ in range(5)]
    numba = [_import_numba() for _ in range(5)]
    return {
        "nothing_compiled": first,
        "compiled_before": {k: statistics.median(r[k] for r in later) for k in first},
        "import_numba_alone_s": statistics.median(numba),
    }


def _import_numba() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numba"], check=True)
    return time.perf_counter() - start


def batch(folder: Path, _: bool) -> dict[str, object]:
    """60 files x 100,000 events, one after the other, in one process."""
    gates = folder / "gates.xml"
    make_gates(gates)
    files = [folder / f"{i}.fcs" for i in range(60)]
    make_file(files[0], 100_000)
    for file in files[1:]:
        file.write_bytes(files[0].read_bytes())
    ways: dict[str, Callable[[], list[dict[str, int]]]] = {
        "immunoprofile": lambda: _batch(files, gates),
        "flowkit": lambda: [flowkits(f, gates, cached=False) for f in files],
        "flowkit_cached": lambda: [flowkits(f, gates, cached=True) for f in files],
    }
    _batch(files[:2], gates)
    runs = {name: timed(way) for name, way in ways.items()}
    return {name: {"wall_s": r[0], "cpu_s": r[1]} for name, r in runs.items()} | {
        "counts_equal": all(r[2] == runs["immunoprofile"][2] for r in runs.values()),
        "times_flowkit_cpu": runs["flowkit"][1] / runs["immunoprofile"][1],
        "times_flowkit_cached_cpu": runs["flowkit_cached"][1] / runs["immunoprofile"][1],
    }


def _batch(files: list[Path], gates: Path) -> list[dict[str, int]]:
    """The template is read once and its plan made once, as a cohort does."""
    from immunoprofile.fcs import read_fcs
    from immunoprofile.gating import compile_plan, read_gatingml, run_plan

    template, plan, counts = read_gatingml(gates), None, []
    for file in files:
        events = read_fcs(file)
        plan = plan or compile_plan(template, events.channels, events.spillover)
        found = run_plan(plan, events).counts()
        counts.append({path.rpartition("/")[2]: n for path, n in found.items() if path != "All events"})
    return counts


def polygons(folder: Path, _: bool) -> dict[str, object]:
    """Twelve large polygons side by side, each on two of the twelve logicle axes: every event of every axis counts."""
    fcs, gates = folder / "one.fcs", folder / "polygons.xml"
    make_file(fcs, 1_000_000)
    large = [(-0.4, -0.4), (1.2, -0.35), (1.25, 0.6), (0.9, 1.2), (-0.35, 1.25)]
    points = "".join(
        "<gating:vertex>" + "".join(f'<gating:coordinate data-type:value="{v}"/>' for v in p) + "</gating:vertex>"
        for p in large
    )
    body = "".join(
        f'<gating:PolygonGate gating:id="p{i}">'
        + "".join(
            '<gating:dimension gating:compensation-ref="FCS" gating:transformation-ref="logicle">'
            f'<data-type:fcs-dimension data-type:name="F{k}-A"/></gating:dimension>'
            for k in (i, i % 12 + 1)
        )
        + points
        + "</gating:PolygonGate>"
        for i in range(1, 13)
    )
    gates.write_text(
        f'<?xml version="1.0"?><gating:Gating-ML xmlns:gating="{G}" xmlns:transforms="{T}" xmlns:data-type="{D}">'
        '<transforms:transformation transforms:id="logicle">'
        '<transforms:logicle transforms:T="262144" transforms:W="0.5" transforms:M="4.5" transforms:A="0"/>'
        f"</transforms:transformation>{body}</gating:Gating-ML>"
    )
    ours(fcs, gates)
    own = [timed(lambda: ours(fcs, gates)) for _ in range(3)]
    theirs = [timed(lambda: flowkits(fcs, gates, cached=True)) for _ in range(3)]
    cpu, other = (statistics.median(r[1] for r in runs) for runs in (own, theirs))
    return {
        "immunoprofile_cpu_s": cpu,
        "flowkit_cached_cpu_s": other,
        "times_flowkit_cached_cpu": other / cpu,
        "counts_equal": own[0][2] == theirs[0][2],
    }


CASES = {"ten_million": ten_million, "cold_start": cold_start, "batch": batch, "polygons": polygons}


def main() -> None:
    """Run the cases asked for; print and write what was found."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--flowkit", action="store_true")
    arguments.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    options = arguments.parse_args()
    file = RESULTS / "engine_limits.json"
    result = json.loads(file.read_text()) if file.exists() else {"benchmark": "engine_limits"}
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            result[name] = CASES[name](Path(folder), options.flowkit)
            print(name, json.dumps(result[name], indent=2), flush=True)
    result |= {"versions": versions(), "machine": {"system": platform.system(), "machine": platform.machine()}}
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
