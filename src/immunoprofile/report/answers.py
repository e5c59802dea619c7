"""The answers: did the primary population change, does its change go with response, how many respond.

Each sentence gives n, the estimate and its interval, then p and how it was had; what was not tested says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.comparison.answer import ALPHA, MIN_PAIRS, MIN_PER_GROUP
from immunoprofile.errors import printable
from immunoprofile.intervals import clopper_pearson
from immunoprofile.report.course import platelet_sentences, time_sentences
from immunoprofile.report.meanings import P_METHODS, explain_method
from immunoprofile.report.names import Names, effect_word, own_definition, split_definitions
from immunoprofile.report.numbers import (
    absent,
    counted,
    effect_interval,
    kept_together,
    listed,
    p_value,
    percent,
    ratio,
)
from immunoprofile.report.sections import Section
from immunoprofile.report.sensitivity import sensitivity_sentences

NO_CONTROL = "There is no control arm: a change is not an effect, and an association is not its cause."
"""Said at the end of every summary."""

_TURNS = f"the conclusion turns: one subject moves p across {ALPHA:g}"
_STAYS = f"none moves p across {ALPHA:g}"

Row = Mapping[str, Any]


def answer_sections(results: Results, names: Names) -> list[Section]:
    """Primary endpoint, difference by response, everything else compared, response rate: those that there are."""
    sections, rows = [], list[Row]()
    if results.association is not None:
        rows = [{str(k): v for k, v in r.items()} for r in results.association.to_dict("records")]
        sections = [
            Section("Primary endpoint", tuple(_primary(rows, names))),
            Section("Association with response", tuple(_difference(rows, names))),
            Section("Other populations", (*_others(rows, names), *_on_request(rows, names))),
            Section("Asked otherwise (sensitivity)", tuple(sensitivity_sentences(rows, names))),
        ]
    if results.response is not None:
        own = own_definition(results)
        sections.append(Section("Response rate", (*rate_sentences(results.response, own), *time_sentences(rows))))
    return [s for s in sections if s.sentences]


def _primary(rows: list[Row], names: Names) -> Iterator[str]:
    for row in rows:
        if row["role"] == "primary":
            yield _change(row, names)
            yield from _influence(row)


def _change(row: Row, names: Names) -> str:
    what = f"{names.measured(row)}, {printable(row['window'])} against baseline"
    pairs = counted(int(row["n_total"]), "pair")
    if absent(row["effect"]):
        return f"{what}: {pairs}, nothing to compare."
    if absent(row["p_raw"]):
        return f"{what}: {pairs}, {_estimate(row)}; {_refusal(row)}."
    return f"{what}: {pairs}, {_estimate(row)} {effect_interval(row)}; {_test(row)}."


def _estimate(row: Row) -> str:
    return kept_together(f"{_effect(row)} {ratio(row['effect'])}")


def _effect(row: Row) -> str:
    word = effect_word(str(row["scale"]))
    return f"ratio of {word}s" if row["question"] == "group_diff" else word


def _test(row: Row) -> str:
    how = P_METHODS.get(str(row["p_method"]), printable(row["p_method"]))
    tests = 0 if absent(row["n_tests"]) else int(row["n_tests"])
    adjusted = f", adjusted for {counted(tests, 'test')} {p_value(row['p_adj'])}" if tests > 1 else ""
    return f"{p_value(row['p_raw'])} ({how}){adjusted}; {explain_method(str(row['method']))}"


def _refusal(row: Row) -> str:
    """Why a row has no p: in numbers where too few subjects are the reason."""
    flags = set(str(row["flags"]).split(";"))
    if "TOO_FEW_PAIRS" in flags:
        return f"not tested: {counted(int(row['n_total']), 'pair')}, at least {MIN_PAIRS} are needed"
    if "TOO_FEW_PER_GROUP" in flags:
        return f"not tested: {_groups(row)}, at least {MIN_PER_GROUP} of each are needed"
    return "not tested: no relabeling tells the groups apart"


def _groups(row: Row) -> str:
    first, second = int(row["n_resp"]), int(row["n_nonresp"])
    return f"{counted(first, 'responder')} and {counted(second, 'non-responder')}"


def _influence(row: Row) -> Iterator[str]:
    if absent(row["loo_max_shift"]) or absent(row["loo_p_max"]):
        return
    factor = ratio(math.exp(float(row["loo_max_shift"])))
    turns = "CONCLUSION_TURNS" in str(row["flags"]).split(";")
    yield (
        f"With any one subject left out, the {_effect(row)} moves by a factor of at most {factor} "
        f"(largest {p_value(row['loo_p_max'])}); {_TURNS if turns else _STAYS}."
    )


def _difference(rows: list[Row], names: Names) -> Iterator[str]:
    contrasts = [r for r in rows if r["question"] == "group_diff" and r["role"] in {"secondary", "sensitivity"}]
    for plain in (r for r in contrasts if r["role"] == "secondary"):
        what = f"{names.measured(plain)}, change associated with response (responders against non-responders)"
        yield _contrast(plain, what)
        yield from _influence(plain)
        yield from (
            _contrast(r, "The same, adjusted for baseline")
            for r in contrasts
            if str(r["method"]).startswith("ancova") and _same_population(r, plain) and not absent(r["p_raw"])
        )
    yield from platelet_sentences(rows, names)


def _same_population(one: Row, other: Row) -> bool:
    return all(one[c] == other[c] for c in ("pop_id", "denom_id", "scale", "contrast"))


def _contrast(row: Row, what: str) -> str:
    if absent(row["effect"]):
        return f"{what}: {_groups(row)}; {_refusal(row)}."
    if absent(row["p_raw"]):
        return f"{what}: {_estimate(row)} (described only); {_refusal(row)}."
    return f"{what}: {_groups(row)}, {_estimate(row)} {effect_interval(row)}; {_test(row)}."


def _others(rows: list[Row], names: Names) -> Iterator[str]:
    """The exploratory family: how many were compared, and the smallest adjusted p."""
    questions = (("overall_change", "change in all subjects"), ("group_diff", "difference by response"))
    for question, words in questions:
        asked = [r for r in rows if r["role"] == "exploratory" and r["question"] == question]
        tested = [r for r in asked if not absent(r["p_adj"])]
        if asked and not tested:
            yield f"Exploratory, {words}: {counted(len(asked), 'other quantity', 'other quantities')}, none tested."
        elif tested:
            best = min(tested, key=lambda r: float(r["p_adj"]))
            yield (
                f"Exploratory, {words}: {len(tested)} of {counted(len(asked), 'other quantity', 'other quantities')} "
                f"tested and adjusted together; the smallest adjusted p is that of {names.measured(best)} "
                f"({_estimate(best)}, adjusted {p_value(best['p_adj'])})."
            )


def _on_request(rows: list[Row], names: Names) -> Iterator[str]:
    """Hierarchical testing and prediction, where the plan asked for them."""
    nodes = [r for r in rows if r["question"] == "hierarchy"]
    if nodes:
        small = [names.population(r["pop_id"]) for r in nodes if float(r["p_adj"]) <= ALPHA]
        where = f"at or below {ALPHA:g} at {listed(small, 8)}" if small else f"nowhere at or below {ALPHA:g}"
        tests = 0 if absent(nodes[0]["n_tests"]) else int(nodes[0]["n_tests"])
        yield (
            f"Exploratory, difference by response down the tree of populations ({_groups(nodes[0])}, "
            f"{counted(tests, 'leaf', 'leaves')}): adjusted p {where} (Meinshausen)."
        )
    for row in (r for r in rows if r["question"] == "prediction"):
        start = f"Prediction of response from baseline, on request: {_groups(row)}"
        yield f"{start}, {printable(row['note'], 400)}."


def rate_sentences(response: pd.DataFrame, own: str | None) -> Iterator[str]:
    """Responders of the evaluable and of all treated with exact limits, and what other definitions say.

    Parameters
    ----------
    response
        A response table; subject_id and responder at least.
    own
        The definition that decides; None where the table names none.
    """
    mine, others = split_definitions(response, own)
    responders, evaluable = _rate_counts(mine)
    if len(mine) == 0:
        return
    under = f" ({printable(own)})" if own else ""
    yield f"Evaluable subjects{under}: {_rate(responders, evaluable)}."
    yield f"All treated subjects, those not evaluable counted as non-response: {_rate(responders, len(mine))}."
    beside = [_beside(str(d), rows) for d, rows in others.groupby("definition_id")] if len(others) else []
    if beside:
        yield f"By other definitions, responders of evaluable: {listed(beside, 12)}."


def _rate_counts(response: pd.DataFrame) -> tuple[int, int]:
    known = response["responder"].astype("boolean")
    return int(known.fillna(False).sum()), int(known.notna().sum())


def _rate(count: int, total: int) -> str:
    if total == 0:
        return "none, no rate"
    lo, hi = map(float, clopper_pearson(count, total))
    limits = kept_together(f"{100 * (1 - ALPHA):g} % CI {percent(lo)} to {percent(hi)} %")
    share = kept_together(f"{percent(count / total)} %")
    return f"{kept_together(f'{count} of {total}')} responded, {share} ({limits}, exact)"


def _beside(definition: str, response: pd.DataFrame) -> str:
    responders, evaluable = _rate_counts(response)
    return f"{printable(definition)} {kept_together(f'{responders} of {evaluable}')}"
