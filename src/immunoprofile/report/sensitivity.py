"""The primary answers asked otherwise, in words: how far they move, whether p crosses 0.05, and what was not asked.

One sentence for each kind of choice and question, so that a reader sees the extremes and not thirty rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from immunoprofile.comparison.answer import ALPHA
from immunoprofile.errors import printable
from immunoprofile.report.meanings import explain_method
from immunoprofile.report.names import Names, effect_word
from immunoprofile.report.numbers import absent, counted, effect_interval, kept_together, listed, p_value, ratio

Row = Mapping[str, Any]

_QUESTIONS = {"overall_change": "change in all subjects", "group_diff": "change by response"}
_DEFINITION = "definition_"
_NEVER_JOINED = ("gate_placement", "cells_per_ul")
"""A range of ranges, and another quantity: told by themselves."""


def sensitivity_sentences(rows: Sequence[Row], names: Names) -> Iterator[str]:
    """Sensitivity analyses of every primary population, and at the end those that could not be asked."""
    asked = [r for r in rows if r["role"] == "sensitivity" and r["method"] != "none"]
    for first in (r for r in rows if r["role"] == "primary"):
        own = [r for r in asked if (r["pop_id"], r["denom_id"]) == (first["pop_id"], first["denom_id"])]
        own += [r for r in asked if r["pop_id"] == first["pop_id"] and r["sensitivity"] == "cells_per_ul"]
        own = list({str(r["analysis_id"]): r for r in own}.values())
        if own:
            yield from _of_population(own, str(first["scale"]), names.measured(first))
    yield from _not_asked(rows)


def _of_population(rows: list[Row], scale: str, what: str) -> Iterator[str]:
    for question, words in _QUESTIONS.items():
        mine = [r for r in rows if r["question"] == question]
        plain = [r for r in mine if r["scale"] == scale and _kind(r) not in _NEVER_JOINED]
        under = f"{what}, {words}"
        yield from _spread(
            [r for r in plain if not _kind(r).startswith(_DEFINITION)], f"{under}, asked in", "other ways"
        )
        yield from _spread([r for r in plain if _kind(r).startswith(_DEFINITION)], f"{under}, by", "other definitions")
        yield from (_placed(r, words) for r in mine if _kind(r) == "gate_placement")
        yield from (_alone(r, f"In cells per microlitre, {words}") for r in mine if _kind(r) == "cells_per_ul")
    early = (r for r in rows if _kind(r) == "not_yet_responding")
    yield from (_alone(r, f"What came first? {_sentence(r['note'])}") for r in early)
    yield from (_before_onset(r) for r in rows if _kind(r) == "shift_before_onset")
    yield from (_alone(r, f"Landmark, {_sentence(r['note'], start=False)}") for r in rows if _kind(r) == "landmark")


def _spread(rows: list[Row], start: str, noun: str) -> Iterator[str]:
    """The lowest and the highest estimate, the range of p, and under what p lies on the other side of 0.05."""
    known = [r for r in rows if not absent(r["effect"])]
    if not rows:
        return
    ways = f"{len(rows)} {noun if len(rows) > 1 else noun.removesuffix('s')}"
    if not known:
        yield f"{start} {ways}: too few subjects for any."
        return
    low, high = min(known, key=lambda r: float(r["effect"])), max(known, key=lambda r: float(r["effect"]))
    p = sorted(float(r["p_raw"]) for r in known if not absent(r["p_raw"]))
    text = f"{start} {ways}: {_word(low)} {_at(low)}" + (f" to {_at(high)}" if len(known) > 1 else "")
    text += f"; {p_value(p[0])}" if p else ""
    text += f" to {p_value(p[-1]).removeprefix(kept_together('p = '))}" if len(p) > 1 else ""
    small = [name_otherwise(r) for r in known if not absent(r["p_raw"]) and float(r["p_raw"]) <= ALPHA]
    text += (
        f"; p at or below {ALPHA:g} in {len(small)} of {len(p)}{f': {listed(small, 4)}' if small else ''}" if p else ""
    )
    idle = [name_otherwise(r) for r in rows if absent(r["effect"])]
    yield text + (f"; too few subjects: {listed(idle, 4)}." if idle else ".")


def _placed(row: Row, words: str) -> str:
    turns = f" Across {ALPHA:g}: the conclusion turns." if "CONCLUSION_TURNS" in str(row["flags"]) else ""
    limits = kept_together(f"{ratio(row['effect_lo'])} to {ratio(row['effect_hi'])}")
    return f"Gates placed elsewhere, {words}: {_word(row)} {limits}; {printable(row['note'], 300)}.{turns}"


def _alone(row: Row, start: str) -> str:
    sizes = counted(int(row["n_total"]), "subject")
    if not absent(row["n_resp"]) and not absent(row["n_nonresp"]):
        first, second = int(row["n_resp"]), int(row["n_nonresp"])
        sizes = f"{counted(first, 'responder')} and {counted(second, 'non-responder')}"
    if absent(row["effect"]):
        return f"{start}: {sizes}, too few to compare."
    p = "not tested" if absent(row["p_raw"]) else p_value(row["p_raw"])
    return f"{start}: {sizes}, {_word(row)} {kept_together(ratio(row['effect']))} {effect_interval(row)}; {p}."


def _before_onset(row: Row) -> str:
    return f"Shift before onset of response: {_sentence(row['note'], start=False)}."


def _not_asked(rows: Sequence[Row]) -> Iterator[str]:
    """Analyses that these tables cannot answer, those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if row["role"] == "sensitivity" and row["method"] == "none":
            reason = printable(str(row["note"]).removeprefix("could not be asked: "), 300).rstrip(".")
            by_reason.setdefault(reason, []).append(name_otherwise(row))
    for reason, names in by_reason.items():
        yield f"Not asked: {listed(list(dict.fromkeys(names)), 6)}: {reason}."


def _kind(row: Row) -> str:
    return "" if absent(row["sensitivity"]) else str(row["sensitivity"])


def name_otherwise(row: Row) -> str:
    """What a row does otherwise: ``without recent rituximab``; a model that has no other name goes by its method."""
    kind = _kind(row)
    if kind and kind != str(row["method"]):
        return printable(kind.removeprefix(_DEFINITION) if kind.startswith(_DEFINITION) else kind.replace("_", " "), 60)
    return explain_method(str(row["method"])).split(",")[0]


def _at(row: Row) -> str:
    return f"{kept_together(ratio(row['effect']))} ({name_otherwise(row)})"


def _word(row: Row) -> str:
    word = effect_word(str(row["scale"]))
    return word if row["question"] in {"overall_change", "direction"} else f"ratio of {word}s"


def _sentence(note: object, *, start: bool = True) -> str:
    """A note as the beginning of a sentence."""
    text = printable(note, 300).rstrip(".")
    return text[:1].upper() + text[1:] if start else text
