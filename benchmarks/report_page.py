"""The report of 100 samples x 12 gates: time to build, size, and time to open in headless Chromium.

    python benchmarks/report_page.py

Pictures are those of a simulated cohort, given to 100 samples in turn. Opening is compared with an empty page; beside
the wall clock stands what the main thread was busy, which other work on the machine changes less.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd

from gate_one_file import RESULTS, versions
from immunoprofile.cohort import Results, run_study
from immunoprofile.report import write_report
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from chromium import Browser, open_browser

SAMPLES, PLOTS = 100, 12


def make_folder(folder: Path) -> tuple[Results, Path]:
    """Results of `SAMPLES` samples whose pictures have `PLOTS` plots each."""
    study = simulate_cohort(folder / "cohort", 1, 6, events_per_sample=10_000)
    results = run_study(load_study(study), folder / "run")
    out = folder / "out"
    (out / "pictures").mkdir(parents=True)
    texts = [json.loads(p.read_bytes()) for p in sorted((folder / "run" / "pictures").glob("*.json"))]
    tables = []
    for number in range(SAMPLES):
        text = texts[number % len(texts)]
        own = f"{text['sample_id']}-{number // len(texts)}"
        copy = text | {"sample_id": own, "plots": text["plots"][:PLOTS]}
        (out / "pictures" / f"{number:03d}.json").write_text(json.dumps(copy), encoding="utf-8")
        rows = results.populations[results.populations["sample_id"] == text["sample_id"]]
        tables.append(rows.assign(sample_id=own))
    return replace(results, populations=pd.concat(tables)), out


def time_opening(browser: Browser, page: Path) -> tuple[float, float]:
    """Wall seconds, and seconds that the main thread was busy."""
    before, start = busy(browser), time.perf_counter()
    browser.open(page)
    return time.perf_counter() - start, busy(browser) - before


def busy(browser: Browser) -> float:
    """Processor seconds of the page's main thread so far."""
    found = {m["name"]: m["value"] for m in browser.call("Performance.getMetrics")["metrics"]}
    return found["ThreadTime"]


def main() -> None:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as name:
        results, out = make_folder(Path(name))
        write_report(results, out)
        start, cpu = time.perf_counter(), time.process_time()
        page = write_report(results, out)
        found = {
            "samples": SAMPLES, "plots": SAMPLES * PLOTS, "build_s": time.perf_counter() - start,
            "build_cpu_s": time.process_time() - cpu, "size_mb": page.stat().st_size / 1e6,
        }  # fmt: skip
        empty = Path(name) / "empty.html"
        empty.write_text("<!doctype html><title>empty</title>", encoding="utf-8")
        with open_browser() as browser:
            browser.call("Performance.enable")
            (wall_0, busy_0), (wall, own) = time_opening(browser, empty), time_opening(browser, page)
        found |= {"open_more_s": wall - wall_0, "open_more_busy_s": own - busy_0}
    found = {k: round(v, 2) for k, v in found.items()} | {"versions": versions()}
    (RESULTS / "report_page.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
