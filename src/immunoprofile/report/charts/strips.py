"""Quality at a glance: a strip a sample, a cell a rule, a sign and not only a colour for each level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.numbers import absent

_RANK = {"pass": 0, "info": 1, "warn": 2, "fail": 3}
SIGNS = {"pass": "·", "info": "i", "warn": "!", "fail": "✕", "none": "–"}
"""What stands in a cell, whatever its colour."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One rule on one sample: the worst level of its items, its sign, and what it says."""

    level: str
    sign: str
    words: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One sample's cells, in the order of the rules."""

    sample_id: str
    subject_id: str
    visit: str
    flags: str
    cells: tuple[Cell, ...]


def quality_strips(results: Results) -> tuple[tuple[str, ...], tuple[Strip, ...]]:
    """The rules, and a strip a sample in the order of subjects and days."""
    checks = results.samples_qc
    if checks.empty:
        return (), ()
    rules = tuple(dict.fromkeys(map(str, checks["rule_id"])))
    unanswered = _unanswered(results.checks_unanswered)
    rules += tuple(dict.fromkeys(r for _, r in unanswered if r not in rules))
    by_sample: dict[str, dict[str, list[Mapping[Any, Any]]]] = {}
    for row in checks.to_dict("records"):
        by_sample.setdefault(str(row["sample_id"]), {}).setdefault(str(row["rule_id"]), []).append(row)
    whose = _whose(results.populations)
    samples = sorted(by_sample, key=lambda s: (whose.get(s, ("", "", 0.0))[::2], s))
    strips = []
    for sample in samples:
        subject, visit, _ = whose.get(sample, ("", "", 0.0))
        cells = tuple(_cell(by_sample[sample].get(r, ()), unanswered.get((sample, r))) for r in rules)
        rows = [row for found in by_sample[sample].values() for row in found]
        flags = " ".join(sorted({str(r["flag"]) for r in rows if not absent(r["flag"]) and str(r["flag"])}))
        strips.append(
            Strip(printable(sample, 80), printable(subject, 60), printable(visit, 40), printable(flags, 400), cells)
        )
    return tuple(printable(r, 60) for r in rules), tuple(strips)


def _unanswered(table: pd.DataFrame | None) -> dict[tuple[str, str], str]:
    if table is None:
        return {}
    rows = zip(table["sample_id"], table["rule_id"], table["reason"], strict=True)
    return {(str(s), str(r)): "" if absent(why) else printable(why, 300) for s, r, why in rows}


def _whose(populations: pd.DataFrame) -> dict[str, tuple[str, str, float]]:
    if not {"sample_id", "subject_id", "visit", "day"} <= set(populations.columns):
        return {}
    rows = populations.drop_duplicates("sample_id").to_dict("records")
    return {
        str(r["sample_id"]): (
            "" if absent(r["subject_id"]) else str(r["subject_id"]),
            "" if absent(r["visit"]) else str(r["visit"]),
            1e9 if absent(r["day"]) else float(r["day"]),
        )
        for r in rows
    }


def sample_order(populations: pd.DataFrame) -> tuple[dict[str, int], dict[str, str]]:
    """Place of each sample by subject and day, and whose it is."""
    whose = _whose(populations)
    ordered = sorted(whose, key=lambda s: (whose[s][::2], s))
    return {s: i for i, s in enumerate(ordered)}, {s: whose[s][0] for s in ordered}


def _cell(rows: Sequence[Mapping[Any, Any]], unanswered: str | None) -> Cell:
    if not rows:
        return Cell("none", SIGNS["none"], f"not asked: {unanswered}" if unanswered else "not asked")
    worst = max(rows, key=lambda r: _RANK.get(str(r["level"]), 3))
    level = str(worst["level"]) if str(worst["level"]) in _RANK else "fail"
    value = "" if absent(worst["value"]) else f", value {worst['value']:.4g}"
    limit = "" if absent(worst["threshold"]) else f", limit {worst['threshold']:.4g}"
    item = "" if absent(worst.get("item")) or not str(worst["item"]) else f", {printable(worst['item'], 80)}"
    return Cell(level, SIGNS[level], f"{level}{item}{value}{limit}: {printable(worst['detail'], 200)}")
