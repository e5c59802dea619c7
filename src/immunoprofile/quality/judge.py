"""Values against the limits of their rule: rows of `samples_qc`, and what could not be asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunoprofile.columns import CHECKS_UNANSWERED, SAMPLES_QC
from immunoprofile.quality.ruleset import EVERYTHING, Level, Rule, RuleSet
from immunoprofile.tables import build_frame, join_frames

LEVELS: tuple[Level, ...] = ("pass", "info", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule found on one sample.

    Parameters
    ----------
    item
        What of the sample: a population, a channel, another sample; empty for the sample as a whole.
    note
        The particulars, in words, for the row's `detail`.
    """

    value: float
    item: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Checks:
    """Rows of `samples_qc`, and of `checks_unanswered`: the rules that could not be asked, with the reason."""

    rows: pd.DataFrame
    unanswered: pd.DataFrame


Answer = Sequence[Measured] | Measured | str
"""Values; or the reason why the sample cannot answer."""


def judge(rule: Rule, value: float) -> tuple[Level, float]:
    """The level of a value, and the limit that it crossed, else the nearest limit of the rule.

    Notes
    -----
    Intervals are closed: a value on a limit is inside. A rule without limits only informs, with no threshold.
    """
    for level, (low, high) in (("fail", rule.fail), ("warn", rule.warn), ("info", rule.info)):
        if value < low:
            return level, low  # type: ignore[return-value]
        if value > high:
            return level, high  # type: ignore[return-value]
    first = next((i for i in (rule.info, rule.warn, rule.fail) if i != EVERYTHING), EVERYTHING)
    finite = [b for b in first if math.isfinite(b)]
    return "pass", min(finite, key=lambda b: abs(b - value), default=math.nan)


def judge_all(rules: RuleSet, samples: Mapping[str, Mapping[str, Callable[[Rule], Answer]]]) -> Checks:
    """Ask samples the rules that they have an answer to.

    Parameters
    ----------
    samples
        Sample to rule to what measures it.
    """
    return checks_of(*ask_all(rules, samples))


def checks_of(rows: Iterable[Mapping[str, Any]], unanswered: Iterable[Mapping[str, Any]]) -> Checks:
    """Rows as frames."""
    return Checks(build_frame(SAMPLES_QC, rows), build_frame(CHECKS_UNANSWERED, unanswered))


def ask_all(
    rules: RuleSet, samples: Mapping[str, Mapping[str, Callable[[Rule], Answer]]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of `judge_all`, not yet frames."""
    rows: list[dict[str, Any]] = []
    unanswered: list[dict[str, Any]] = []
    for sample_id, answers in samples.items():
        for rule in rules.rules:
            if rule.id not in answers:
                continue
            answer = answers[rule.id](rule)
            if isinstance(answer, str):
                unanswered.append({"sample_id": sample_id, "rule_id": rule.id, "reason": answer})
                continue
            rows += [row_of(rule, sample_id, m) for m in ([answer] if isinstance(answer, Measured) else answer)]
    return rows, unanswered


def row_of(rule: Rule, sample_id: str, measured: Measured) -> dict[str, Any]:
    """One row of `samples_qc`."""
    level, threshold = judge(rule, measured.value)
    return {
        "sample_id": sample_id,
        "rule_id": rule.id,
        "item": measured.item,
        "value": float(measured.value),
        "threshold": threshold,
        "level": level,
        "flag": "" if level == "pass" else rule.flag,
        "detail": f"{rule.meaning}; {measured.note}" if measured.note else rule.meaning,
    }


def join_checks(parts: Iterable[Checks]) -> Checks:
    """The checks of several samples or sorts in one."""
    listed = list(parts)
    return Checks(
        join_frames(SAMPLES_QC, (c.rows for c in listed)),
        join_frames(CHECKS_UNANSWERED, (c.unanswered for c in listed)),
    )
