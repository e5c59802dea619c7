"""How long the many relabelings take: step-down min-p over 60 populations, and the whole default plan.

Prints medians of CPU and wall seconds and writes `results/relabeling_speed.json`.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from immunoprofile.comparison import Facts, Plan, answer_plan, relabelings
from immunoprofile.comparison.stepdown import relabeled_statistics, step_down_min_p

POPULATIONS = 60
VISITS = {"BL": -1, "W2": 14, "W4": 28, "W8": 56, "W12": 84, "W16": 112, "W28": 196}


def step_down() -> None:
    """All 43,758 relabelings of 8 against 10 for 60 populations, 7 % of the values missing."""
    generator, group = np.random.default_rng(1), np.arange(18) < 8
    deltas = generator.normal(size=(18, POPULATIONS))
    deltas[generator.random(deltas.shape) < 0.07] = np.nan
    null = relabeled_statistics(deltas, relabelings(group).labels)
    step_down_min_p(null, relabeled_statistics(deltas, group[None, :])[0])


def tables(n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Populations of n patients at seven visits, and who responded."""
    generator = np.random.default_rng(1)
    rows = [
        (f"S{i:03d}_{v}", f"S{i:03d}", v, d, "panel", f"p{p:02d}", "cd4", 5000, int(generator.binomial(5000, 0.06)))
        for i in range(n)
        for v, d in VISITS.items()
        for p in range(POPULATIONS)
    ]
    names = ["sample_id", "subject_id", "visit", "day", "panel", "pop_id", "denom_id", "denom_count", "count"]
    subjects = [f"S{i:03d}" for i in range(n)]
    response = pd.DataFrame({"subject_id": subjects, "responder": [i < 0.44 * n for i in range(n)]})
    return pd.DataFrame(rows, columns=names), response


def whole_plan(n: int) -> Callable[[], None]:
    """The default plan with its sensitivity analyses."""
    populations, response = tables(n)
    plan = Plan("BL", ("W4", "W8"), ({"pop_id": "p00", "denom_id": "cd4", "measure": "logit_frac"},))

    def run() -> None:
        answer_plan(populations, plan, Facts(response))

    return run


def measured(work: Callable[[], None], repeats: int) -> dict[str, float]:
    """Median CPU and wall seconds, after one run that is not counted."""
    work()
    cpu, wall = [], []
    for _ in range(repeats):
        c, w = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - c)
        wall.append(time.perf_counter() - w)
    return {"cpu_s": round(statistics.median(cpu), 3), "wall_s": round(statistics.median(wall), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    found = {
        "43,758 relabelings x 60 populations x step-down min-p": measured(step_down, options.repeats),
        "whole plan, 18 patients x 7 visits x 60 populations": measured(whole_plan(18), options.repeats),
        "whole plan, 200 patients x 7 visits x 60 populations": measured(whole_plan(200), 1),
    }
    for name, seconds in found.items():
        print(f"{name:60s} CPU {seconds['cpu_s']:7.2f} s   wall {seconds['wall_s']:7.2f} s")
    machine = {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()}
    content = {"repeats": options.repeats, "seconds": found, "versions": machine}
    target = Path(__file__).parent / "results" / "relabeling_speed.json"
    target.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
