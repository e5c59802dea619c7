"""Read FCS files: immunoprofile beside FlowIO and FlowKit, in one process and one run, equal values asked for.

python benchmarks/read_fcs.py [--events 1000000] [--repeats 5] [--files 1000] [--gigabyte]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
CHANNELS = 18


def make_file(path: Path, n: int, dtype: str) -> None:
    """One file of `n` events in 18 channels."""
    from immunoprofile.fcs import ChannelSpec, write_fcs

    generator = np.random.default_rng(20240501)
    if dtype == "f4":
        values = generator.normal(3000, 900, (n, CHANNELS)).astype(dtype)
        channels = [ChannelSpec(f"F{i}-A") for i in range(CHANNELS)]
    else:
        values = generator.integers(0, 1024, (n, CHANNELS)).astype(dtype)
        channels = [ChannelSpec(f"F{i}-A", range=1024) for i in range(CHANNELS)]
    write_fcs(path, values, channels, keywords={"$CYT": "benchmark"})


def read_with_ours(path: Path) -> np.ndarray:
    from immunoprofile.fcs import read_fcs

    return read_fcs(path).linear()


def open_with_ours(path: Path) -> int:
    from immunoprofile.fcs import read_fcs

    return read_fcs(path).n_events


def read_with_flowio(path: Path) -> np.ndarray:
    import flowio

    return flowio.FlowData(str(path)).as_array(preprocess=True)


def read_with_flowkit(path: Path) -> np.ndarray:
    import flowkit

    return flowkit.Sample(str(path)).get_events(source="raw")


def open_with_flowio(path: Path) -> int:
    import flowio

    return flowio.FlowData(str(path), only_text=True).event_count


def seconds_of(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median wall time of each call, interleaved, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if round_:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(t) for name, t in times.items()}


def compare(path: Path, repeats: int) -> dict[str, object]:
    """Reading one file whole, and opening it."""
    ours, theirs = read_with_ours(path), read_with_flowio(path)
    readers: dict[str, Callable[[], object]] = {
        "immunoprofile .linear()": lambda: read_with_ours(path),
        "FlowIO as_array": lambda: read_with_flowio(path),
        "FlowKit Sample": lambda: read_with_flowkit(path),
        "immunoprofile open": lambda: open_with_ours(path),
        "FlowIO open, TEXT only": lambda: open_with_flowio(path),
    }
    seconds = seconds_of(readers, repeats)
    base = seconds["immunoprofile .linear()"]
    return {
        "values differ": int((ours != theirs).sum()),
        "seconds": seconds,
        "times faster than FlowIO": seconds["FlowIO as_array"] / base,
        "times faster than FlowKit": seconds["FlowKit Sample"] / base,
    }


def open_many(folder: Path, n: int) -> dict[str, float]:
    """Opening `n` files of 5,000 events: seconds a file, as `inspect` does it."""
    paths = [folder / f"{i:04d}.fcs" for i in range(n)]
    make_file(paths[0], 5_000, "f4")
    raw = paths[0].read_bytes()
    for path in paths[1:]:
        path.write_bytes(raw)
    found = seconds_of({"immunoprofile": lambda: [open_with_ours(p) for p in paths]}, 3)
    found |= seconds_of({"FlowIO, TEXT only": lambda: [open_with_flowio(p) for p in paths]}, 1)
    return {name: seconds / n for name, seconds in found.items()}


_GIGABYTE = """
import sys, time
from immunoprofile.fcs import read_fcs
start = time.perf_counter()
events = read_fcs(sys.argv[1])
for first, block in events.linear_blocks(range(events.n_channels), 10_000, stop=10_000):
    pass
seconds = time.perf_counter() - start
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(seconds, int(peak[0]) / 1024)
"""


def read_gigabyte(folder: Path) -> dict[str, float]:
    """Resident memory of a process that opens a file of 1 GB and reads its first 10,000 events."""
    path = folder / "gigabyte.fcs"
    n = 14_000_000
    from immunoprofile.fcs import ChannelSpec, write_fcs

    values = np.broadcast_to(np.arange(CHANNELS, dtype=np.float32), (n, CHANNELS))
    write_fcs(path, values, [ChannelSpec(f"F{i}-A") for i in range(CHANNELS)])
    found = subprocess.run([sys.executable, "-c", _GIGABYTE, str(path)], capture_output=True, text=True, check=True)
    seconds, resident = map(float, found.stdout.split())
    return {"file MB": path.stat().st_size / 1e6, "seconds": seconds, "resident MB": resident}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--gigabyte", action="store_true")
    options = parser.parse_args()
    import flowio
    import flowkit

    warnings.simplefilter("ignore")
    found: dict[str, object] = {"events": options.events, "channels": CHANNELS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for dtype, label in (("f4", "float32"), ("u2", "uint16, 10 bits of range")):
            make_file(folder / f"{dtype}.fcs", options.events, dtype)
            found[label] = compare(folder / f"{dtype}.fcs", options.repeats)
        found["seconds to open one of many"] = open_many(folder, options.files)
        if options.gigabyte:
            found["1 GB, first 10,000 events"] = read_gigabyte(folder)
    found["versions"] = {"flowio": flowio.__version__, "flowkit": flowkit.__version__, "numpy": np.__version__}
    found["machine"] = f"{platform.machine()} {platform.system()}, Python {platform.python_version()}"
    found["peak MB of this run"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "read_fcs.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
