"""Declared partitions as one question each: did the composition change, and does its change differ by response?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from immunoprofile.comparison.answer import ALPHA, Answer
from immunoprofile.comparison.partitions import composition_change, composition_difference
from immunoprofile.comparison.questions import Row, told
from immunoprofile.comparison.relabeling import Floats
from immunoprofile.comparison.selection import Evidence, Selection
from immunoprofile.errors import InsufficientDataError


def ask_compositions(evidence: Evidence, seed: int, definition: str | None) -> list[Row]:
    """Rows of question `composition`, for every partition in the change table."""
    rows = []
    for partition in dict.fromkeys(k.denom_id for k in evidence.keys if k.measure == "ilr"):
        keys = [k for k in evidence.keys if k.measure == "ilr" and k.denom_id == partition]
        rows.append(_ask(partition, [evidence.select(k, grouped=False) for k in keys], seed, None))
        if evidence.responder is not None:
            rows.append(_ask(partition, [evidence.select(k, grouped=True) for k in keys], seed, definition))
    return rows


def _ask(partition: str, coordinates: list[Selection], seed: int, definition: str | None) -> Row:
    first = coordinates[0]
    common = sorted(set.intersection(*(set(s.subjects) for s in coordinates)))
    changes = np.column_stack([_of(s, common) for s in coordinates])
    place = [first.subjects.index(s) for s in common]
    group = None if first.group is None else first.group[place]
    strata = None if first.strata is None else [first.strata[i] for i in place]
    method = "aitchison_sign_flip" if group is None else "aitchison_relabeling"
    under = f" ({definition})" if definition else ""
    base: Row = {
        "analysis_id": f"composition.{method}", "pop_id": partition, "denom_id": partition,
        "contrast": "post - baseline" if group is None else f"responder - non-responder{under}",
        "role": "exploratory", "question": "composition", "scale": "ilr", "window": first.window, "method": method,
        "alternative": "two-sided", "n_total": len(common), "estimate_label": "aitchison_distance",
        "n_resp": None if group is None else int(group.sum()),
        "n_nonresp": None if group is None else int((~group).sum()),
        "n_missing": first.n_missing + len(first.subjects) - len(common), "flags": frozenset(),
        "note": first.note or None,
    }  # fmt: skip
    test: Callable[[], Answer] = partial(composition_change, changes, seed=seed)
    if group is not None:
        test = partial(composition_difference, changes, group, strata=strata, seed=seed)
    try:
        answer = test()
    except InsufficientDataError as refusal:
        code = {"TOO-FEW-PAIRS": "TOO_FEW_PAIRS"}.get(refusal.code, "TOO_FEW_PER_GROUP")
        return base | {"flags": frozenset({code})}
    return base | told(answer, "ilr") | {"flags": frozenset({"MIN_P_ABOVE_ALPHA"} if answer.min_p > ALPHA else ())}


def _of(selection: Selection, subjects: list[str]) -> Floats:
    place = {s: i for i, s in enumerate(selection.subjects)}
    return np.asarray(selection.delta[[place[s] for s in subjects]], dtype=np.float64)
