"""Rules over one sample's membership and its file, as data; results are rows of `samples_qc`.

A rule that a sample cannot answer (no gate with the role, no lymphocytes) gives no row: absence of a check is seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from immunoprofile.columns import SAMPLES_QC
from immunoprofile.fcs import Events
from immunoprofile.gating import Membership
from immunoprofile.tables import build_frame


@dataclass(frozen=True, slots=True)
class Rule:
    """One check: `measure` gives its value or None; outside [warn] it warns, outside [fail] it fails.

    `source` says where the thresholds come from.
    """

    id: str
    flag: str
    meaning: str
    source: str
    measure: Callable[[Membership, Events], float | None]
    warn: tuple[float, float]
    fail: tuple[float, float]


def _role_paths(members: Membership, role: str) -> list[str]:
    template = members.plan.template
    return [g.path for g in template.gates if g.role == role and g.path in members.paths]


def _role_count(members: Membership, role: str) -> int | None:
    """Events of the one population with a role; None where the template names none or several."""
    paths = _role_paths(members, role)
    return members.count(paths[0]) if len(paths) == 1 else None


def _lymphocytes(members: Membership, _: Events) -> float | None:
    return _role_count(members, "lymphocytes")


def _fraction_of_parent(role: str) -> Callable[[Membership, Events], float | None]:
    def measure(members: Membership, _: Events) -> float | None:
        paths = _role_paths(members, role)
        if len(paths) != 1:
            return None
        total = members.count(members.plan.template.gate(paths[0]).parent)
        return members.count(paths[0]) / total if total else None

    return measure


def _lymphosum(members: Membership, _: Events) -> float | None:
    counts = [_role_count(members, role) for role in ("t", "b", "nk", "lymphocytes")]
    known = [c for c in counts if c is not None]
    return sum(known[:3]) / known[3] if len(known) == 4 and known[3] else None


def _helper_and_cytotoxic(members: Membership, _: Events) -> float | None:
    counts = [_role_count(members, role) for role in ("cd4", "cd8", "t")]
    known = [c for c in counts if c is not None]
    return (known[0] + known[1]) / known[2] - 1 if len(known) == 3 and known[2] else None


def _condition(_: Membership, events: Events) -> float | None:
    return None if events.spillover is None else events.spillover.condition


def _reader_warnings(_: Membership, events: Events) -> float:
    return sum(f.severity != "info" for f in events.findings)


_ANY = (-math.inf, math.inf)

RULES: tuple[Rule, ...] = (
    Rule(
        "lymphocyte_events",
        "FEW_LYMPHOCYTES",
        "lymphocytes gated: 2,500 are asked for, fewer than 500 are too few",
        "CDC 1997 as tested by Lape-Nixon 1996",
        _lymphocytes,
        (2500, math.inf),
        (500, math.inf),
    ),
    Rule(
        "singlet_fraction",
        "FEW_SINGLETS",
        "singlets among their parent",
        "laboratory convention",
        _fraction_of_parent("singlets"),
        (0.85, math.inf),
        _ANY,
    ),
    Rule(
        "viability",
        "LOW_VIABILITY",
        "live cells among their parent: 90 % good, below 80 % fails",
        "laboratory convention",
        _fraction_of_parent("live"),
        (0.90, math.inf),
        (0.80, math.inf),
    ),
    Rule(
        "lymphosum",
        "LYMPHOSUM",
        "(T + B + NK) / lymphocytes: ideally 95-105 %, at least within 90-110 %",
        "CDC 1997; IUPAC lymphosum",
        _lymphosum,
        (0.95, 1.05),
        (0.90, 1.10),
    ),
    Rule(
        "cd4_cd8_of_t",
        "CD4_CD8_SUM",
        "(CD4 + CD8) / T - 1: double positives above, double negatives below",
        "CDC 1997",
        _helper_and_cytotoxic,
        (-0.05, 0.05),
        (-0.10, 0.10),
    ),
    Rule(
        "spillover_condition",
        "SPILLOVER_CONDITION",
        "condition number of the file's spillover matrix",
        "laboratory convention",
        _condition,
        (-math.inf, 50),
        (-math.inf, 1000),
    ),
    Rule(
        "reader_warnings",
        "READER_WARNINGS",
        "oddities of the FCS file that reading had to settle",
        "this program",
        _reader_warnings,
        (-math.inf, 0),
        _ANY,
    ),
)


def check_sample(members: Membership, events: Events, sample_id: str, rules: tuple[Rule, ...] = RULES) -> pd.DataFrame:
    """Apply every rule that the sample can answer.

    Returns
    -------
    DataFrame
        Columns of `columns.SAMPLES_QC`. `threshold` is the bound that was crossed, or the nearest bound of the warning
        range where none was.
    """
    rows = []
    for rule in rules:
        value = rule.measure(members, events)
        if value is None:
            continue
        level, threshold = _judge(rule, value)
        rows.append(
            {
                "sample_id": sample_id,
                "rule_id": rule.id,
                "value": float(value),
                "threshold": threshold,
                "level": level,
                "flag": "" if level == "pass" else rule.flag,
                "detail": rule.meaning,
            }
        )
    return build_frame(SAMPLES_QC, rows)


def failed_flags(checks: pd.DataFrame) -> tuple[str, ...]:
    """Flags of the rules that a sample failed: they go with its populations."""
    return tuple(checks.loc[checks["level"] == "fail", "flag"])


def _judge(rule: Rule, value: float) -> tuple[str, float]:
    for level, (low, high) in (("fail", rule.fail), ("warn", rule.warn)):
        if value < low:
            return level, low
        if value > high:
            return level, high
    finite = [b for b in rule.warn if math.isfinite(b)]
    return "pass", min(finite, key=lambda b: abs(b - value))
