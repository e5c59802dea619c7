"""One sample's membership as rows of `populations` and `gates_resolved`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunoprofile.columns import GATES_RESOLVED, POPULATIONS
from immunoprofile.gating import GatingTemplate
from immunoprofile.gating.template import describe_geometry
from immunoprofile.intervals import clopper_pearson, wilson
from immunoprofile.populations.absolute import Concentrations, Reference, concentrate, references_of
from immunoprofile.populations.layout import Layout, layout_of
from immunoprofile.populations.settings import TableSettings, default_settings
from immunoprofile.populations.states import Given, states_at
from immunoprofile.populations.status import Verdict, b_cell_flag, judge, statuses
from immunoprofile.provenance import digest_of_bytes
from immunoprofile.tables import Columns, shared_texts

if TYPE_CHECKING:
    from immunoprofile.gating import Membership, Plan

_SAMPLE_COLUMNS = ("study_id", "sample_id", "subject_id", "visit", "day", "panel", "fcs_sha256")
_LIMITS = {"wilson": wilson, "clopper_pearson": clopper_pearson}


def tabulate(
    members: Membership,
    sample: Mapping[str, Any],
    *,
    treatments: Iterable[Given] | None = None,
    reference: Reference | None = None,
    settings: TableSettings | None = None,
) -> pd.DataFrame:
    """Counts, denominators, fractions and concentrations of one sample.

    Parameters
    ----------
    members
        The sample's membership; its template says which populations are reported over which denominators. A template
        without reports gives every population over its parent.
    sample
        At least ``sample_id``; ``study_id``, ``subject_id``, ``visit``, ``day``, ``panel`` and ``fcs_sha256`` where
        known; ``beads_added`` with ``sample_volume_ul``, ``lymph_abs_1e9_per_l`` or ``wbc_1e9_per_l`` give cells per
        microlitre.
    treatments
        Those of the subject: what they invalidate before the draw is taken away, what they blur is flagged.
    reference
        What concentrations rest on, chosen for the whole series (`choose_references`); None takes the best that the
        sample offers.
    settings
        Interval, thresholds and treatment states; those of the program where None.

    Returns
    -------
    DataFrame
        Columns of `columns.POPULATIONS`, one row a population and denominator; the parent is always among them.

    Raises
    ------
    KeyError
        The sample has no ``sample_id``.
    """
    return count_populations(members, sample, treatments=treatments, reference=reference, settings=settings).frame()


def count_populations(
    members: Membership,
    sample: Mapping[str, Any],
    *,
    treatments: Iterable[Given] | None = None,
    reference: Reference | None = None,
    settings: TableSettings | None = None,
) -> Columns:
    """The rows of `tabulate`, not yet a frame."""
    sample_id, settings = sample["sample_id"], settings or default_settings()
    template, layout = members.plan.template, layout_of(members.plan.template)
    found = members.counts()
    counts = np.array([found.get(p, -1) for p in layout.paths], dtype=np.int64)
    cells = _concentrations(counts, layout, sample, reference, settings)
    held = states_at(_day(sample), treatments, settings.states)
    count, total = counts[layout.pop], counts[layout.denom]
    verdict = judge(layout, count, total, held, _b_cells(counts, layout, cells, settings), settings)
    _flag_events(verdict, members, layout)
    _flag_origins(verdict, template, layout)
    _flag_concentrations(verdict, layout, cells, [h.state.flag for h in held if h.state.concentrations])
    shared: dict[str, Any] = {
        "template_id": template.id,
        "template_version": template.version,
        "template_sha256": template.digest,
        "gate_origin": _origins(layout, template),
    } | {name: sample.get(name) for name in _SAMPLE_COLUMNS}
    values = shared | layout.texts | _fractions(count, total, verdict, settings) | _cells(layout, cells, verdict)
    values |= {"row_id": _row_ids(layout, sample_id, template.digest, sample.get("fcs_sha256"))}
    return Columns(POPULATIONS, values, layout.n_rows)


def _day(sample: Mapping[str, Any]) -> int | None:
    day = sample.get("day")
    return None if day is None or pd.isna(day) else int(day)


def _concentrations(
    counts: NDArray[np.int64],
    layout: Layout,
    sample: Mapping[str, Any],
    reference: Reference | None,
    settings: TableSettings,
) -> Concentrations | None:
    offered = references_of(sample, layout.template)
    wanted = reference if reference is not None else next(iter(offered), None)
    if wanted is None or wanted not in offered:
        return None
    return concentrate(counts, layout, sample, wanted, settings)


def _b_cells(
    counts: NDArray[np.int64], layout: Layout, cells: Concentrations | None, settings: TableSettings
) -> str | None:
    path = layout.path_of_role("b")
    known = float("nan") if cells is None or path is None else float(cells.cells[layout.paths.index(path)])
    return b_cell_flag(layout, counts, known, settings)


def _fractions(
    count: NDArray[np.int64], total: NDArray[np.int64], verdict: Verdict, settings: TableSettings
) -> dict[str, Any]:
    void = verdict.void
    # What is void is not computed: 0 of 1 stands in, and is taken out again.
    k, n = np.where(void, 0, count), np.where(void, 1, total)
    low, high = _LIMITS[settings.interval](k, n)
    nothing = np.where(void, np.nan, 0.0)
    return {
        "count": np.where(count < 0, np.nan, count),
        "denom_count": np.where(total < 0, np.nan, total),
        "frac": k / n + nothing,
        "frac_lo": low + nothing,
        "frac_hi": high + nothing,
        "ci_method": np.where(void, None, settings.interval),  # type: ignore[call-overload]
        "status": statuses(count, void, settings),
        "flags": verdict.joined(),
    }


def _cells(layout: Layout, cells: Concentrations | None, verdict: Verdict) -> dict[str, Any]:
    if cells is None:
        return {"abs_method": "none"}
    void = verdict.void_cells
    columns = {"cells_per_ul": cells.cells, "cells_per_ul_lo": cells.low, "cells_per_ul_hi": cells.high}
    known = ~np.isnan(cells.cells[layout.pop]) & ~void
    values: dict[str, Any] = {name: np.where(void, np.nan, v[layout.pop]) for name, v in columns.items()}
    return values | {"abs_method": np.where(known, cells.method, "none").astype(object)}


def _flag_events(verdict: Verdict, members: Membership, layout: Layout) -> None:
    """Populations from which events without a number were left out, here or above."""
    if members.nan_counts:
        lost = np.array([any(p in members.nan_counts for p in layout.lineage(path)) for path in layout.paths])
        verdict.flag("NAN_EVENTS", lost[layout.pop])


def _flag_origins(verdict: Verdict, template: GatingTemplate, layout: Layout) -> None:
    """Populations that rest, here or above, on a gate that the data did not show or that a person drew."""
    for origin, code in (("fallback", "GATE_FALLBACK"), ("override", "GATE_OVERRIDE")):
        marked = {g.path for g in template.gates if g.applied_as[0] == origin}
        if marked:
            rests = np.array([not marked.isdisjoint(layout.lineage(path)) for path in layout.paths])
            verdict.flag(code, rests[layout.pop])


def _flag_concentrations(
    verdict: Verdict, layout: Layout, cells: Concentrations | None, of_states: Sequence[str]
) -> None:
    if cells is None:
        return
    # A reference that failed has no concentrations, but every row should say why.
    rows = ~np.isnan(cells.cells[layout.pop]) if not np.isnan(cells.cells).all() else np.ones(layout.n_rows, np.bool_)
    for code in (*cells.flags, *of_states):
        verdict.flag(code, rows)


def _origins(layout: Layout, template: GatingTemplate) -> NDArray[np.object_]:
    """Origins of the gates as applied: a resolved template has the layout of the declared one."""
    origins = [None, *(template.gate(p).applied_as[0] for p in layout.paths[1:])]
    return np.array(origins, dtype=object)[layout.pop]


def _row_ids(layout: Layout, sample_id: Any, template_sha256: str, fcs_sha256: Any) -> NDArray[np.object_]:
    texts = (f"{sample_id}\x1f{row}\x1f{template_sha256}\x1f{fcs_sha256}" for row in layout.rows)
    return np.array([digest_of_bytes(text.encode())[:16] for text in texts], dtype=object)


def resolved_gates(members: Membership, sample_id: str) -> Columns:
    """Every gate as it was applied to one sample (columns of `columns.GATES_RESOLVED`)."""
    described = _applied_gates(members.plan)
    return Columns(GATES_RESOLVED, {"sample_id": sample_id, **described}, len(members.plan.gates))


@lru_cache(maxsize=16)
def _applied_gates(plan: Plan) -> dict[str, NDArray[np.object_]]:
    """What is told of the gates of a plan, by path; the files of a panel share a plan."""
    gates = sorted(plan.gates, key=lambda g: g.path)
    columns: dict[str, list[Any]] = {
        "pop_id": [g.id for g in gates],
        "pop_path": [g.path for g in gates],
        "kind": [g.geometry.kind for g in gates],
        "geometry": [json.dumps(describe_geometry(g.geometry), sort_keys=True, separators=(",", ":")) for g in gates],
        "origin": [g.applied_as[0] for g in gates],
        "reason": [g.applied_as[1] for g in gates],
    }
    return shared_texts(columns)
