"""How often each quality rule notices what it should, and how often it cries wolf, over simulated cohorts.

    python benchmarks/quality_rates.py [--cohorts 200] [--processes 2] [--only files|tables]

``files``: whole cohorts of FCS files through simulation, gating and checks: the clean one and the adversarial one,
whose platelets in a wrong unit are corrected first (a study with them is refused before any file is opened).
``tables``: the rules that compare samples, on tables drawn by the variation of domain.md 8, clean and with faults. A
false alarm is a row of a sample without any fault that warns or fails; depleted B cells are a finding, no alarm. A hit
is a sample with the fault in which any row of the rule does.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results" / "quality_rates.json"
COHORTS = 200  # only a run of this size is written to the results
VISITS = ("BL", "W4", "W8")
SUBJECTS, EVENTS = 8, 10_000
NOTICES = {
    "clog": ("flow_stopped",),
    "drift": ("time_affected",),
    "aged_blood": ("hours_to_stain", "viability", "viability_sheet"),
    "wrong_spillover": ("spillover_differs", "delta_check"),
    "swapped_samples": ("sample_swap", "delta_check"),
    "depleted_b": ("b_events",),
}
"""Fault to the rules that should notice it."""


def rates(found: Iterable[Counter[tuple[str, str, str]]]) -> dict[str, dict[str, Any]]:
    """Counts of (kind, rule, level) of many cohorts as shares of the samples that could answer."""
    total: Counter[tuple[str, str, str]] = sum(found, Counter())
    table: dict[str, dict[str, Any]] = {}
    for kind, rule in sorted({(k, r) for k, r, _ in total}):
        asked = total[kind, rule, "asked"]
        row = {"asked": asked} | {level: total[kind, rule, level] for level in ("warn", "fail")}
        table.setdefault(kind, {})[rule] = row | {"share": (row["warn"] + row["fail"]) / asked if asked else None}
    return table


def count_levels(checks: pd.DataFrame, kind_of: Mapping[str, Iterable[str]]) -> Counter[tuple[str, str, str]]:
    """Rows by kind, rule and level for clean samples; for others samples, by the worst level of the rule's rows."""
    found: Counter[tuple[str, str, str]] = Counter()
    order = ["pass", "info", "warn", "fail"]
    for (sample, rule), rows in checks.groupby(["sample_id", "rule_id"]):
        worst = max(rows["level"], key=order.index)
        for kind in kind_of.get(str(sample), ()):
            for level in rows["level"] if kind == "clean" else [worst]:
                found[kind, str(rule), "asked"] += 1
                found[kind, str(rule), level] += 1
    return found


# -- Cohorts of files ------------------------------------------------------------------------------------------------


def profile(seed: int, scenario: str) -> Counter[tuple[str, str, str]]:
    """One cohort of files from simulation to checks."""
    from immunoprofile.cohort import profile_cohort
    from immunoprofile.simulation import simulate_cohort
    from immunoprofile.study import load_study

    with tempfile.TemporaryDirectory() as folder:
        study_file = simulate_cohort(Path(folder) / "c", seed, SUBJECTS, VISITS, EVENTS, scenario=scenario)
        correct_units(study_file.parent / "platelets.csv")
        results = profile_cohort(load_study(study_file), Path(folder) / "results", jobs=1)
    return count_levels(results.samples_qc, {s: k or ("clean",) for s, k in truth(seed, scenario).items()})


def correct_units(sheet: Path) -> None:
    """Counts per microlitre divided by 1,000."""
    with sheet.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    column = rows[0].index("platelets_1e9_per_l")
    for row in rows[1:]:
        row[column] = row[column].removesuffix("000") if row[column].endswith("000") else row[column]
    with sheet.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def truth(seed: int, scenario: str) -> dict[str, list[str]]:
    """Sample to what is wrong with it."""
    from immunoprofile.simulation import draw_trial

    trial = draw_trial(seed, SUBJECTS, VISITS, scenario)
    found = {s.sample_id: sorted(s.faults) for s in trial.samples}
    for s in trial.samples:
        if s.subject.b_depleted:
            found[s.sample_id].append("depleted_b")
    if "swapped_samples" in trial.scenario.faults:
        turn = trial.scenario.faults.index("swapped_samples")
        of_last = [s for s in trial.samples if s.day == max(x.day for x in trial.samples)]
        pair = of_last[turn : turn + 2] if turn + 2 <= len(of_last) else of_last[-2:]
        for one, other in (pair, pair[::-1]):
            # The file brings what was wrong with it.
            found[one.sample_id] = [*(f for f in found[other.sample_id] if f == "depleted_b"), "swapped_samples"]
    return found


# -- Cohorts of tables -----------------------------------------------------------------------------------------------

BETWEEN = {"t": 0.09, "cd4": 0.14, "cd8": 0.18, "b": 0.35, "nk": 0.40, "treg": 0.35, "b_naive": 0.15}
BETWEEN |= {"b_switched": 0.40, "b_unswitched": 0.45}
"""Standard deviation between subjects on log scale: domain.md 8."""
SHARES = {"t": 0.68, "cd4": 0.36, "cd8": 0.30, "b": 0.15, "nk": 0.13, "treg": 0.04}
SHARES |= {"b_naive": 0.62, "b_switched": 0.16, "b_unswitched": 0.10}
DENOMINATORS = {"treg": "cd4", "b_naive": "b", "b_switched": "b", "b_unswitched": "b"}
LYMPHOCYTES = 30_000
TABLE_VISITS = 7
N_SUBJECTS = 18
FAULTY_TABLES = ("clean", "all", "all, new lot")
TABLE_NOTICES = {
    "swapped_samples": ("sample_swap", "delta_check"),
    "copied_file": ("identical_data",),
    "wrong_tube": ("cd3_across_tubes",),
    "bridge_shift": ("bridge_control", "bridge_2_2s"),
    "new_lot": ("lot_change",),
}


@dataclass(frozen=True)
class Row:
    """A row of a sample sheet."""

    sample_id: str
    subject_id: str | None
    visit: str | None
    day: int | None
    panel: str = "p"
    batch: str | None = None
    dataset: int | None = None
    note: str | None = None


def draw_counts(rng: np.random.Generator, shares: Mapping[str, float]) -> dict[str, int]:
    """Events of each population of one tube: binomial in its denominator."""
    counts = {"lymphocytes": LYMPHOCYTES}
    for pop, share in shares.items():
        counts[pop] = int(rng.binomial(counts[DENOMINATORS.get(pop, "lymphocytes")], min(share, 0.99)))
    return counts


def list_rows(row: Row, counts: Mapping[str, int], sha: str, template: str) -> list[dict[str, Any]]:
    """Rows of `populations`."""
    pairs = [(pop, DENOMINATORS.get(pop, "lymphocytes")) for pop in SHARES]
    return [
        {
            "sample_id": row.sample_id, "pop_id": p, "pop_path": p, "denom_id": d, "count": counts[p],
            "denom_count": counts[d], "frac": counts[p] / counts[d] if counts[d] >= 100 else None, "flags": "",
            "template_sha256": template, "fcs_sha256": sha,
        }
        for p, d in pairs
    ]  # fmt: skip


def vary(rng: np.random.Generator, shares: Mapping[str, float], sd: Mapping[str, float]) -> dict[str, float]:
    """Shares with log-normal deviations."""
    return {p: share * math.exp(rng.normal(0, sd[p])) for p, share in shares.items()}


def tabulate(seed: int, fault: str) -> Counter[tuple[str, str, str]]:
    """One cohort of tables with one fault, through the checks across samples."""
    from immunoprofile.columns import POPULATIONS
    from immunoprofile.gating import load_template
    from immunoprofile.quality import check_bridges, check_cohort, load_quality_rules
    from immunoprofile.tables import build_frame

    rng = np.random.default_rng([seed, FAULTY_TABLES.index(fault)])
    rules, template = load_quality_rules(), load_template("immune14")
    within = {v.pop_id: v.log_sd for v in rules.variation}
    assay = {v.pop_id: math.sqrt(math.log1p(v.cv_a**2)) for v in rules.variation}
    rows, drawn = [], []
    for i in range(N_SUBJECTS):
        own = vary(rng, SHARES, BETWEEN)
        for v in range(TABLE_VISITS):
            now = vary(rng, own, within)
            for panel in ("p", "q"):
                rows.append(Row(f"{i:02d}_{v}{panel}", f"{i:02d}", f"V{v}", 14 * v, panel, f"run{v}"))
                drawn.append(draw_counts(rng, now))
    kind_of = {r.sample_id: ["clean"] for r in rows}
    sha = {r.sample_id: r.sample_id for r in rows}
    if fault != "clean":
        spoil(rng, rows, drawn, kind_of, sha)
    listed = [x for r, c in zip(rows, drawn, strict=True) for x in list_rows(r, c, sha[r.sample_id], template.digest)]
    checks = check_cohort(build_frame(POPULATIONS, listed), rows, templates=[template], rules=rules).rows
    controls, bridges = draw_bridges(rng, fault, assay, template.digest, kind_of)
    control = check_bridges(build_frame(POPULATIONS, bridges), controls, rules=rules).rows
    return count_levels(pd.concat([checks, control]), kind_of)


def spoil(
    rng: np.random.Generator,
    rows: list[Row],
    drawn: list[dict[str, int]],
    kind_of: dict[str, list[str]],
    sha: dict[str, str],
) -> None:
    """Two samples exchanged, one file under two names, one tube of somebody else: five subjects, one fault each."""
    chosen = rng.permutation(N_SUBJECTS)[:5]
    places = [int(s) * 2 * TABLE_VISITS + 2 * int(rng.integers(1, TABLE_VISITS)) for s in chosen]
    one, two, copy, source, wrong = places
    drawn[one], drawn[two] = drawn[two], drawn[one]
    drawn[copy], sha[rows[copy].sample_id] = drawn[source], sha[rows[source].sample_id]
    drawn[wrong] = draw_counts(rng, vary(rng, SHARES, BETWEEN))
    kinds = ("swapped_samples", "swapped_samples", "copied_file", "copied_file", "wrong_tube")
    for place, kind in zip(places, kinds, strict=True):
        kind_of[rows[place].sample_id] = [kind]
        # The other tube of the draw has to answer for it as well.
        kind_of[rows[place + 1].sample_id] = []


def draw_bridges(
    rng: np.random.Generator, fault: str, assay: Mapping[str, float], template: str, kind_of: dict[str, list[str]]
) -> tuple[list[Row], list[dict[str, Any]]]:
    """Twelve runs of one donor; from the ninth on every CD4 fraction is a quarter lower, or another lot is."""
    controls, listed = [], []
    for v in range(12):
        shares, faulty = vary(rng, SHARES, assay), v >= 8 and fault != "clean"
        shares["cd4"] *= 0.75 if faulty else 1.0
        row = Row(f"bridge{v}", None, None, None, "p", f"run{v}")
        note = f"lot {2 if faulty else 1}" if fault == "all, new lot" else None
        controls.append(replace(row, note=note))
        kind_of[row.sample_id] = ["clean"] if not faulty else ["bridge_shift"] if note is None else ["new_lot"]
        listed += list_rows(row, draw_counts(rng, shares), row.sample_id, template)
    return controls, listed


def measure(n: int, processes: int, only: str | None = None) -> dict[str, Any]:
    """Rates over n cohorts of each sort."""
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(processes) as pool:
        if only != "tables":
            for scenario in ("trial", "adversarial"):
                found[f"files: {scenario}"] = rates(pool.map(profile, range(1, n + 1), [scenario] * n, chunksize=4))
        if only != "files":
            for fault in FAULTY_TABLES:
                found[f"tables: {fault}"] = rates(pool.map(tabulate, range(1, n + 1), [fault] * n, chunksize=4))
    return found


def show(found: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> None:
    """Print false alarms of samples without a fault, then hits of every fault."""
    for name, kinds in found.items():
        for kind, rules in kinds.items():
            wanted = {**NOTICES, **TABLE_NOTICES}.get(kind, ())
            for rule, row in rules.items():
                if kind == "clean" or rule in wanted:
                    word = "false alarms" if kind == "clean" else "hits"
                    levels = f"{row['warn']:5} warn {row['fail']:5} fail of {row['asked']:6}"
                    print(f"{name:24} {kind:16} {rule:20} {word:12} {levels}  {row['share']:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=COHORTS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", choices=("files", "tables"))
    options = parser.parse_args()
    start = time.perf_counter()
    found = measure(options.cohorts, options.processes, options.only)
    show(found)
    if options.cohorts >= COHORTS:
        earlier = json.loads(RESULTS.read_text(encoding="utf-8"))["rates"] if RESULTS.exists() else {}
        setting = {"cohorts": options.cohorts, "subjects": SUBJECTS, "visits": VISITS, "events": EVENTS}
        page = {"setting": setting, "python": platform.python_version(), "seconds": round(time.perf_counter() - start)}
        text = json.dumps(page | {"rates": {**earlier, **found}}, indent=1, sort_keys=True)
        RESULTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
