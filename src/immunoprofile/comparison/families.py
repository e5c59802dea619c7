"""Families of tests: which answers are adjusted together, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from immunoprofile.comparison.hierarchy import hierarchical_min_p
from immunoprofile.comparison.questions import Row
from immunoprofile.comparison.relabeling import Floats, relabelings
from immunoprofile.comparison.selection import Selection
from immunoprofile.comparison.stepdown import (
    benjamini_hochberg,
    flipped_statistics,
    holm,
    relabeled_statistics,
    step_down_min_p,
)

_FAMILY_GROUPS = (5, 3)
"""Least larger and smaller group of a population that is adjusted with the others (analysis plan)."""

Adjust = Callable[[list[Selection]], Floats]


def adjust_named(rows: list[Row]) -> None:
    """Adjust primary and secondary rows in place: Holm by role and question."""
    tested = [r for r in rows if r["role"] in {"primary", "secondary"}]
    for role, question in dict.fromkeys((r["role"], r["question"]) for r in tested):
        family = [r for r in tested if (r["role"], r["question"]) == (role, question) and r.get("p_raw") is not None]
        _write(family, f"{role}:{question}", holm([r["p_raw"] for r in family]), "holm")


def adjust_changes(rows: list[Row], selections: list[Selection], seed: int) -> None:
    """Adjust exploratory overall changes in place: step-down min-p over sign flips of whole subjects."""

    def flips(family: list[Selection]) -> Floats:
        null, _ = flipped_statistics(_table(family, _subjects(family)), seed=seed)
        return step_down_min_p(null, null[0])

    pairs = list(zip(rows, selections, strict=True))
    _step_down([p for p in pairs if p[0].get("p_raw") is not None], "exploratory:overall_change", flips)


def adjust_differences(rows: list[Row], selections: list[Selection], seed: int) -> None:
    """Adjust exploratory group differences in place: step-down min-p over the same relabelings for all.

    A population with fewer than 5 against 3 evaluable subjects leaves the family and is flagged.
    """
    tested = [p for p in zip(rows, selections, strict=True) if p[0].get("p_raw") is not None]
    inside = [p for p in tested if _enough(p[0])]
    for row, _ in tested:
        if not _enough(row):
            row["flags"] = row["flags"] | {"NOT_IN_FAMILY"}

    def relabel(family: list[Selection]) -> Floats:
        subjects = _subjects(family)
        group = _group(family, subjects)
        strata = _strata(family, subjects)
        deltas = _table(family, subjects)
        null = relabeled_statistics(deltas, relabelings(group, strata, seed=seed).labels, strata)
        return step_down_min_p(null, relabeled_statistics(deltas, group[None, :], strata)[0])

    _step_down(inside, "exploratory:group_diff", relabel)


def ask_hierarchy(
    selections: list[Selection], parents: Mapping[str, str], seed: int, definition: str | None
) -> list[Row]:
    """Differences by response over the tree of populations, from the whole down (on request only)."""
    inner = set(parents.values())
    family = [s for s in selections if s.key.measure == "logit_frac" and s.key.pop_id not in inner and _tellable(s)]
    # Of several fractions of one population that of its parent is the leaf.
    family.sort(key=lambda s: (s.key.pop_id, s.key.denom_id != parents.get(s.key.pop_id)))
    family = list({s.key.pop_id: s for s in reversed(family)}.values())[::-1]
    if not family:
        return []
    subjects = _subjects(family)
    group, strata, deltas = _group(family, subjects), _strata(family, subjects), _table(family, subjects)
    ways = relabelings(group, strata, seed=seed)
    null = relabeled_statistics(deltas, ways.labels, strata)
    seen = relabeled_statistics(deltas, group[None, :], strata)[0]
    names = [s.key.pop_id for s in family]
    under = f" ({definition})" if definition else ""
    return [
        {
            "analysis_id": "group_diff.meinshausen_min_p", "pop_id": node, "denom_id": "hierarchy",
            "contrast": f"responder - non-responder{under}", "role": "exploratory", "family_id": "hierarchy",
            "question": "hierarchy", "scale": "logit_frac", "window": family[0].window,
            "method": "meinshausen_min_p", "alternative": "two-sided", "n_total": len(subjects),
            "n_resp": int(group.sum()), "n_nonresp": int((~group).sum()), "p_raw": p, "p_adj": adjusted,
            "p_method": "exact" if ways.seed is None else "mc", "n_perm": ways.n_perm, "seed": ways.seed,
            "adj_method": "meinshausen", "n_tests": len(family), "flags": frozenset(),
        }
        for node, (p, adjusted) in hierarchical_min_p(null, seen, names, parents).items()
    ]  # fmt: skip


def _tellable(selection: Selection) -> bool:
    group = selection.group
    if group is None:
        return False
    sizes = sorted((int(group.sum()), int((~group).sum())), reverse=True)
    return all(n >= least for n, least in zip(sizes, _FAMILY_GROUPS, strict=True))


def _enough(row: Row) -> bool:
    sizes = sorted((row["n_resp"], row["n_nonresp"]), reverse=True)
    return all(n >= least for n, least in zip(sizes, _FAMILY_GROUPS, strict=True))


def _step_down(pairs: Sequence[tuple[Row, Selection]], family_id: str, adjust: Adjust) -> None:
    rows = [row for row, _ in pairs]
    if not rows:
        return
    raw = np.array([r["p_raw"] for r in rows])
    # The family's patterns can be coarser than a population's own test: adjusting never lowers a p.
    adjusted = np.maximum(adjust([s for _, s in pairs]), raw) if len(rows) > 1 else raw
    _write(rows, family_id, adjusted, "westfall_young_min_p")
    for row, screened in zip(rows, benjamini_hochberg(raw), strict=True):
        row["p_bh"] = float(screened)


def _write(rows: list[Row], family_id: str, adjusted: Floats, method: str) -> None:
    for row, p in zip(rows, adjusted, strict=True):
        row["family_id"], row["n_tests"], row["p_adj"] = family_id, len(rows), float(p)
        row["adj_method"] = method if len(rows) > 1 else "none"


def _subjects(family: list[Selection]) -> list[str]:
    return sorted({s for selection in family for s in selection.subjects})


def _table(family: list[Selection], subjects: list[str]) -> Floats:
    """(n_subjects, n_populations) changes, NaN where a subject has none."""
    place = {s: i for i, s in enumerate(subjects)}
    deltas = np.full((len(subjects), len(family)), np.nan)
    for j, selection in enumerate(family):
        deltas[[place[s] for s in selection.subjects], j] = selection.delta
    return deltas


def _group(family: list[Selection], subjects: list[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    known: dict[str, bool] = {}
    for selection in family:
        if selection.group is not None:
            known.update(zip(selection.subjects, selection.group.tolist(), strict=True))
    return np.array([known[s] for s in subjects], dtype=np.bool_)


def _strata(family: list[Selection], subjects: list[str]) -> list[str] | None:
    known: dict[str, str] = {}
    for selection in family:
        if selection.strata is None:
            return None
        known.update(zip(selection.subjects, selection.strata, strict=True))
    return [known[s] for s in subjects]
