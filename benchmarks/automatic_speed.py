"""A cut on one channel of 1,000,000 events: immunoprofile beside the same recipe in NumPy and SciPy.

python benchmarks/automatic_speed.py [--events 1000000] [--repeats 9]

The peer is R's way, which the packages for automatic gates share: bandwidth from standard deviation and quartiles,
linear binning to 512 points, a Gaussian by FFT, the lowest point between the two highest peaks. Beside it SciPy's own
kernel density on the same 512 points, for a tenth of the events; and the other methods on one axis. Runs are
interleaved; the median counts, and seconds of CPU on a machine that has other work.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

RESULTS = Path(__file__).parent / "results"
EVENTS = 1_000_000  # only a run of this size is written to the results
R_PACKAGES = 0.02  # seconds for a cut on 1,000,000 events, the level of the R packages
POINTS = 512


def draw(n: int) -> np.ndarray:
    """Two populations on a logicle axis, one of 5 %."""
    rng = np.random.default_rng(20240501)
    rare = rng.random(n) < 0.05
    return np.where(rare, rng.normal(0.7, 0.05, n), rng.normal(0.25, 0.06, n))


METHODS: dict[str, dict[str, Any]] = {
    "valley": {},
    "tail": {"quantile": 0.99},
    "quantile": {"quantile": 0.99},
    "mixture": {"components": 2},
}


def ours(values: np.ndarray, method: Literal["valley", "tail", "quantile", "mixture"] = "valley") -> float | None:
    """A cut as a run finds it."""
    from immunoprofile.gating.automatic import fit_rule
    from immunoprofile.gating.gates import AutoRule, Dimension, Rectangle
    from immunoprofile.scales import Logicle

    axis = Dimension("CD3", Logicle(262144, 0.5, 4.5))
    rule = AutoRule(method, (axis,), keep="above", **METHODS[method])
    return fit_rule(rule, [values[np.newaxis]], Rectangle((axis,), ((0.5, None),))).at


def plain(values: np.ndarray) -> float:
    """The same recipe as R's density() with NumPy's FFT."""
    low, high = np.percentile(values, [25, 75])
    width = 2 * 0.9 * min(values.std(), (high - low) / 1.34) * values.size**-0.2
    start, stop = values.min() - 4 * width, values.max() + 4 * width
    step = (stop - start) / (POINTS - 1)
    place = (values - start) / step
    left = place.astype(np.intp)
    share = place - left
    counts = np.bincount(left, 1 - share, 2 * POINTS) + np.bincount(left + 1, share, 2 * POINTS)
    offsets = np.minimum(np.arange(2 * POINTS), 2 * POINTS - np.arange(2 * POINTS)) * step
    kernel = np.exp(-0.5 * (offsets / width) ** 2)
    return _between_peaks(np.fft.irfft(np.fft.rfft(counts) * np.fft.rfft(kernel))[:POINTS], start, step)


def scipy_kde(values: np.ndarray) -> float:
    """SciPy's kernel density of a tenth of the events."""
    from scipy.stats import gaussian_kde

    part = values[::10]
    grid = np.linspace(part.min(), part.max(), POINTS)
    return _between_peaks(gaussian_kde(part)(grid), grid[0], grid[1] - grid[0])


def _between_peaks(height: np.ndarray, start: float, step: float) -> float:
    peaks = np.flatnonzero((height[1:-1] > height[:-2]) & (height[1:-1] >= height[2:])) + 1
    a, b = sorted(peaks[np.argsort(height[peaks])[-2:]])
    return float(start + step * (a + np.argmin(height[a : b + 1])))


def measure(cuts: dict[str, Callable[[np.ndarray], float | None]], values: np.ndarray, repeats: int) -> dict:
    """Median wall and CPU seconds of each, interleaved; the first round is not counted."""
    wall: dict[str, list[float]] = {name: [] for name in cuts}
    cpu: dict[str, list[float]] = {name: [] for name in cuts}
    found: dict[str, float | None] = {}
    for number in range(repeats + 1):
        for name, cut in cuts.items():
            begin, busy = time.perf_counter(), time.process_time()
            found[name] = cut(values)
            if number:
                wall[name].append(time.perf_counter() - begin)
                cpu[name].append(time.process_time() - busy)
    return {
        name: {"seconds": statistics.median(wall[name]), "cpu": statistics.median(cpu[name]), "cut": found[name]}
        for name in cuts
    }


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--repeats", type=int, default=9)
    chosen = parser.parse_args()
    values = draw(chosen.events)
    cuts = {"immunoprofile": ours, "NumPy FFT": plain}
    found = measure(cuts, values, chosen.repeats)
    found |= measure({"SciPy gaussian_kde, a tenth": scipy_kde}, values, 1) if chosen.events <= EVENTS else {}
    for name, row in found.items():
        print(f"{name:28} {row['seconds']:.4f} s  cpu {row['cpu']:.4f} s  cut at {row['cut']:.4f}")
    others = measure({m: partial(ours, method=m) for m in METHODS if m != "valley"}, values, chosen.repeats)
    for name, row in others.items():
        print(f"immunoprofile, {name:13} {row['seconds']:.4f} s  cpu {row['cpu']:.4f} s  cut at {row['cut']:.4f}")
    own = found["immunoprofile"]
    ratio = found["NumPy FFT"]["cpu"] / own["cpu"]
    print(f"{ratio:.1f} times less CPU than NumPy; the R packages need {R_PACKAGES} s")
    if chosen.events == EVENTS:
        entry = {
            "events": chosen.events,
            "times": found,
            "other_methods": others,
            "cpu_ratio_to_numpy": ratio,
            "machine": platform.machine(),
        }
        (RESULTS / "automatic_speed.json").write_text(json.dumps(entry, indent=1) + "\n")


if __name__ == "__main__":
    main()
