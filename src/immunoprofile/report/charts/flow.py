"""From files to patients: how many came in, who was lost at each step, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.report.charts.chart import response_groups
from immunoprofile.report.meanings import explain_exclusion, explain_response
from immunoprofile.report.names import Names, own_definition, split_definitions
from immunoprofile.report.numbers import absent, counted, listed


@dataclass(frozen=True, slots=True)
class Step:
    """How many are left, and who was lost on the way to the next step."""

    words: str
    lost: tuple[str, ...] = ()


def subject_flow(results: Results, names: Names) -> list[Step]:
    """Steps from samples asked for to pairs compared."""
    steps = [*_samples(results), *_subjects(results)]
    if results.change is not None and results.association is not None:
        primary = results.association[results.association["role"] == "primary"]
        asked = primary[primary["question"] == "overall_change"] if "question" in primary else primary
        steps += [s for row in asked.to_dict("records") for s in _pairs(results, row, names)]
    return steps


def _samples(results: Results) -> list[Step]:
    failed = results.failures[results.failures["item_kind"] == "sample"]
    if not results.n_samples:
        return []
    by_stage = Counter(zip(failed["stage"], failed["code"], strict=True))
    lost = tuple(
        f"{counted(n, 'sample')} failed to {printable(stage, 40)} ({printable(code, 60)})"
        for (stage, code), n in sorted(by_stage.items())
    )
    gated = results.n_samples - len(failed)
    return [Step(f"{counted(results.n_samples, 'sample')} asked for", lost), Step(f"{counted(gated, 'sample')} gated")]


def _subjects(results: Results) -> list[Step]:
    found: list[Step] = []
    if "subject_id" in results.populations.columns:
        gated = results.populations["subject_id"].dropna().nunique()
        found.append(Step(f"{counted(gated, 'subject')} with a gated sample"))
    if results.response is not None:
        found += _response(results)
    return found


def _response(results: Results) -> list[Step]:
    assert results.response is not None
    mine, _ = split_definitions(results.response, own_definition(results))
    unknown = mine[mine["responder"].isna()]
    lost = tuple(
        f"{counted(len(group), 'subject')} not evaluable: "
        f"{explain_response(str(reason)) or 'no reason given'} ({_who(group)})"
        for reason, group in unknown.groupby(unknown["reason"].fillna(""))
    )
    groups = Counter(response_groups(results).values())
    split = f"{counted(groups[0], 'responder')}, {counted(groups[1], 'non-responder')}"
    return [
        Step(f"{counted(len(mine), 'subject')} treated", lost),
        Step(f"{counted(len(mine) - len(unknown), 'subject')} with a known response: {split}"),
    ]


def _pairs(results: Results, asked: Mapping[Any, Any], names: Names) -> list[Step]:
    change = results.change
    assert change is not None
    same = (change["pop_id"] == asked["pop_id"]) & (change["denom_id"] == asked["denom_id"])
    rows = change[same & (change["measure"] == asked["scale"])]
    out = rows[~rows["include_primary"].fillna(False).astype(bool)]
    lost = tuple(
        f"{counted(len(group), 'subject')}: {explain_exclusion(str(reason)) or 'no reason given'} ({_who(group)})"
        for reason, group in out.groupby(out["exclude_reason"].fillna(""))
    )
    what = names.measured({str(k): v for k, v in asked.items()})
    known = response_groups(results)
    kept = [known.get(str(s), 2) for s in rows.loc[~rows.index.isin(out.index), "subject_id"]]
    total = 0 if absent(asked["n_total"]) else int(asked["n_total"])
    split = f": {counted(kept.count(0), 'responder')}, {counted(kept.count(1), 'non-responder')}" if known else ""
    return [
        Step(f"{counted(len(rows), 'subject')} with samples for {what}", lost),
        Step(f"{counted(total, 'pair')} compared{split}"),
    ]


def _who(group: Any) -> str:
    return listed([printable(s, 60) for s in group["subject_id"]], 8)
