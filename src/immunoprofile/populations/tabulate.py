"""One sample's membership as rows of `populations` and `gates_resolved`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from immunoprofile.columns import GATES_RESOLVED, POPULATIONS
from immunoprofile.gating import GatingTemplate, Limit, Membership
from immunoprofile.gating.template import describe_geometry
from immunoprofile.intervals import wilson
from immunoprofile.populations.status import status_of
from immunoprofile.provenance import digest_of_bytes
from immunoprofile.tables import build_frame

_SAMPLE_COLUMNS = ("study_id", "sample_id", "subject_id", "visit", "day", "panel", "fcs_sha256")


def tabulate(members: Membership, sample: Mapping[str, Any]) -> pd.DataFrame:
    """Counts, denominators and fractions of one sample.

    Parameters
    ----------
    members
        The sample's membership; its template says which populations are reported over which denominators. A template
        without reports gives every population over its parent.
    sample
        At least ``sample_id``; ``study_id``, ``subject_id``, ``visit``, ``day``, ``panel`` and ``fcs_sha256`` where
        known.

    Returns
    -------
    DataFrame
        Columns of `columns.POPULATIONS`, one row a population and denominator; the parent is always among them.

    Raises
    ------
    KeyError
        The sample has no ``sample_id``.
    """
    template = members.plan.template
    known = {"sample_id": sample["sample_id"]} | {k: sample[k] for k in _SAMPLE_COLUMNS if k in sample}
    shared = known | {
        "template_id": template.id,
        "template_version": template.version,
        "template_sha256": template.digest,
    }
    rows = [shared | row for row in _rows(members, template)]
    for row in rows:
        row["row_id"] = _row_id(row)
    return build_frame(POPULATIONS, rows)


def _rows(members: Membership, template: GatingTemplate) -> Iterator[dict[str, Any]]:
    limits, counts = dict(template.limits), members.counts()
    for path, denominators in template.reported().items():
        gate = template.gate(path)
        for denominator in denominators:
            yield {
                "pop_id": gate.id,
                "pop_path": path,
                "pop_label": gate.label,
                "cl_id": gate.cell_ontology,
                "name_hipc": gate.name_hipc,
                "denom_id": template.id_of(denominator),
                "denom_path": denominator,
                "abs_method": "none",
                "gate_origin": "template",
            } | _measured(members, counts, path, denominator, limits.get(path, Limit()))


def _measured(
    members: Membership, counts: Mapping[str, int], path: str, denominator: str, limit: Limit
) -> dict[str, Any]:
    if path not in counts:
        return {"denom_count": counts.get(denominator), "status": "not_evaluable", "flags": "MISSING_MARKER"}
    count, total = counts[path], counts[denominator]
    status, flags = status_of(count, total, limit)
    if any(p in members.nan_counts for p in (path, *members.plan.template.ancestors(path))):
        flags = (*flags, "NAN_EVENTS")
    row: dict[str, Any] = {
        "count": count,
        "denom_count": total,
        "status": status,
        "flags": ";".join(sorted(flags)),
    }
    if status != "not_evaluable":
        low, high = wilson(count, total)
        row |= {"frac": count / total, "frac_lo": float(low), "frac_hi": float(high), "ci_method": "wilson"}
    return row


def _row_id(row: Mapping[str, Any]) -> str:
    parts = (row.get(k) for k in ("sample_id", "pop_id", "denom_id", "template_sha256", "fcs_sha256"))
    return digest_of_bytes("\x1f".join(str(p) for p in parts).encode())[:16]


def add_flags(populations: pd.DataFrame, flags: Sequence[str]) -> pd.DataFrame:
    """The table with more flags on every row."""
    if not flags:
        return populations
    joined = [";".join(sorted({*filter(None, old.split(";")), *flags})) for old in populations["flags"]]
    return populations.assign(flags=pd.array(joined, dtype="string"))


def resolved_gates(members: Membership, sample_id: str) -> pd.DataFrame:
    """Every gate as it was applied to one sample (columns of `columns.GATES_RESOLVED`)."""
    plan = members.plan
    rows = [
        {
            "sample_id": sample_id,
            "pop_id": gate.id,
            "pop_path": gate.path,
            "kind": gate.geometry.kind,
            "geometry": json.dumps(describe_geometry(gate.geometry), sort_keys=True, separators=(",", ":")),
            "origin": "template",
            "reason": "",
        }
        for gate in plan.gates
    ]
    return build_frame(GATES_RESOLVED, rows)
