"""What was declared before the response was known, and what was declared later, which is marked ``POST_HOC``.

Before a run derives any response it notes in the journal what it will ask, with the digests of templates, gates and
rule (``plan-locked``), and then that it derives it (``response-joined``). The last lock before the first joining is
what was declared by somebody who could not have seen the answer in this folder. A later run with another plan stands,
and the rows that the first plan does not cover say so. It is a fact about the order of things, not a verdict: new
samples, later visits and a later cut-off of the data change no declaration.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from immunoprofile.cohort.journal import read_events
from immunoprofile.gating import GatingTemplate
from immunoprofile.platelets import Rule
from immunoprofile.provenance import digest_of_file, digest_of_value
from immunoprofile.study import Study

LOCKED = "plan-locked"
JOINED = "response-joined"
POST_HOC = "POST_HOC"
TOLD = "post hoc, declared after the response was first derived: "

# Parts of a plan, and the rows that are another family, or a new question, where one of them is declared later.
_ROLES = {"primary": ("primary", "secondary"), "secondary": ("secondary",)}
_SCALES = {"ratios": "log_ratio", "partitions": "ilr"}
_ASKED = {"hierarchy": "group_diff.meinshausen", "predict": "prediction."}


@dataclass(frozen=True, slots=True)
class Declaration:
    """A plan of analysis as it was declared.

    Parameters
    ----------
    whole
        What every answer rests on: visits, response rule, strata, days, gates moved by hand.
    templates
        Panel to the digest of its template.
    parts
        ``primary``, ``secondary``, ``ratios``, ``partitions``, ``also``, ``hierarchy`` and ``predict``: what is asked.
    """

    whole: Mapping[str, str]
    templates: Mapping[str, str]
    parts: Mapping[str, tuple[str, ...]]

    def facts(self) -> dict[str, Any]:
        """As the journal holds it."""
        parts = {name: list(asked) for name, asked in self.parts.items()}
        return {"whole": dict(self.whole), "templates": dict(self.templates), "parts": parts}

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return digest_of_value(self.facts())


def declare(
    study: Study, templates: Mapping[str, GatingTemplate], rules: Sequence[Rule], frozen: Mapping[str, str]
) -> Declaration:
    """What a study asks, and what its answers rest on beside data.

    Parameters
    ----------
    frozen
        Name of each file of frozen cuts to its digest.
    """
    plan = study.analysis.model_dump(mode="json")
    endpoints = {part: _texts(plan.pop(part)) for part in ("primary", "secondary", "ratios")}
    partitions = tuple(sorted(f"{name}: {', '.join(members)}" for name, members in plan.pop("partitions").items()))
    asked = {name: (name,) if plan.pop(name) else () for name in _ASKED}
    whole = {name: str(value) for name, value in plan.items()}
    whole |= {"baseline": study.baseline, "window": "+".join(study.window), "panels": ", ".join(study.panels)}
    whole |= {name: _digest(study.inputs.get(name)) for name in ("overrides", "quality rules")}
    whole["response rule"] = rules[0].sha256
    whole |= dict(frozen) | dict(study.tables.digests)
    return Declaration(
        whole,
        {panel: t.digest for panel, t in templates.items()},
        endpoints | {"partitions": partitions, "also": tuple(r.id for r in rules[1:])} | asked,
    )


def _digest(path: Path | None) -> str:
    return "none" if path is None else digest_of_file(path)


def _texts(items: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(sorted("/".join(item.values()) for item in items))


def first_declared(folder: Path) -> Declaration | None:
    """What was declared when a response was first derived in a folder; None where none was."""
    locked = None
    for entry in read_events(folder):
        if entry["event"] == LOCKED:
            locked = _read(entry) or locked
        elif entry["event"] == JOINED:
            return locked
    return None


def _read(entry: Mapping[str, Any]) -> Declaration | None:
    try:
        parts = {str(name): tuple(map(str, asked)) for name, asked in entry["parts"].items()}
        return Declaration(dict(entry["whole"]), dict(entry["templates"]), parts)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # No line of ours: the verb `verify` says so.


def mark_post_hoc(
    association: pd.DataFrame, now: Declaration, first: Declaration, templates: Mapping[str, GatingTemplate]
) -> pd.DataFrame:
    """Table `association` with the flag ``POST_HOC``, and why in `note`, on what the first declaration lacks."""
    why = pd.Series("", index=association.index, dtype="string")
    for rows, what in _later(association, now, first, templates):
        why = why.where(~rows, why + what + ", ")
    late = why != ""
    if not late.any():
        return association
    told = TOLD + why.str.removesuffix(", ")
    return association.assign(
        flags=association["flags"].where(~late, association["flags"].map(_flagged)),
        note=association["note"].where(~late, _joined(association["note"], told)),
    )


def _later(
    rows: pd.DataFrame, now: Declaration, first: Declaration, templates: Mapping[str, GatingTemplate]
) -> Iterable[tuple[pd.Series[bool], str]]:
    """Rows concerned by each thing that was declared later, and its name."""
    everything = pd.Series(data=True, index=rows.index)
    for name in sorted(now.whole.keys() | first.whole.keys()):
        if now.whole.get(name) != first.whole.get(name):
            yield everything, name.replace("_", " ")
    for panel, digest in sorted(now.templates.items()):
        if first.templates.get(panel) != digest:
            yield rows["pop_id"].isin(_populations(templates[panel])), f"template of panel {panel}"
    for part, asked in sorted(now.parts.items()):
        before = first.parts.get(part, ())
        if set(asked) != set(before):
            yield _concerned(rows, part, set(asked) - set(before)), part


def _populations(template: GatingTemplate) -> set[str]:
    return {str(g.id) for g in template.gates}


def _concerned(rows: pd.DataFrame, part: str, added: Collection[str]) -> pd.Series[bool]:
    if part in _SCALES:
        return rows["scale"] == _SCALES[part]
    if part in _ASKED:
        return rows["analysis_id"].str.startswith(_ASKED[part])
    if part == "also":
        return rows["sensitivity"].isin({f"definition_{rule}" for rule in added}).fillna(value=False)
    # Another family of tests is adjusted otherwise; an endpoint that was none is one in every row about it.
    tests = rows["family_id"].notna() | rows["question"].isin(["overall_change", "group_diff"])
    about = rows["pop_id"].isin({text.split("/")[0] for text in added}) & (rows["role"] != "exploratory")
    return (rows["role"].isin(_ROLES[part]) & tests) | about


def _flagged(flags: str) -> str:
    return ";".join(sorted({POST_HOC, *flags.split(";")} - {""}))


def _joined(notes: pd.Series[str], told: pd.Series[str]) -> pd.Series[str]:
    return (notes.fillna("") + "; " + told).str.removeprefix("; ")
