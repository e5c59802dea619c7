"""A template as an openCyto sheet, as far as that can say it; the rest is listed by name and reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from immunoprofile.errors import Problem, TemplateInvalidError, printable
from immunoprofile.gating.gates import AutoRule, Boolean, Dimension, Gate, Rectangle
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.scales import Identity, Linear

_HEADER = (
    "alias", "pop", "parent", "dims", "gating_method", "gating_args", "collapseDataForGating", "groupBy",
    "preprocessing_method", "preprocessing_args",
)  # fmt: skip
_CUTS = {"valley": "mindensity", "tail": "tailgate", "quantile": "quantileGate"}
_GROUPS = {"sample": ("", ""), "subject": ("TRUE", "PTID"), "visit": ("TRUE", "VISITNO"), "batch": ("TRUE", "BATCH")}


_SHOWN = 4
"""Gates that are named of those that are lost with another: enough to find the place in the tree."""


class _NotCarriedError(Exception):
    """Why a gate becomes no row."""


def render_opencyto(template: GatingTemplate) -> tuple[str, list[Problem]]:
    """The sheet, and what is not in it.

    Returns
    -------
    text, problems
        A gate whose parent or term is not in the sheet is not in it either.

    Raises
    ------
    TemplateInvalidError
        No gate can be said.
    """
    lost: dict[str, str] = {}
    resting: dict[str, str] = {}
    rows = []
    for gate in template.gates:
        try:
            foot = _lost_foot(gate, [*lost, *resting])
            if foot is None:
                rows.append(_row(gate))
            else:
                resting[gate.path] = resting.get(foot, foot)
        except _NotCarriedError as problem:
            lost[gate.path] = str(problem)
    file = None if template.source is None else str(template.source)
    problems = [
        Problem(
            f"is not carried: {why}{_with_it(path, resting)}",
            file,
            path,
            remedy="openCyto cannot say it.",
            code="OPENCYTO-LOSS",
        )
        for path, why in lost.items()
    ]
    problems += [
        Problem("its fallback is not carried", file, g.path, remedy="The sheet has none.", code="OPENCYTO-FALLBACK")
        for g in template.gates
        if g.auto is not None and g.path not in lost and g.path not in resting
    ]
    if not rows:
        raise TemplateInvalidError.of(problems)
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerows([_HEADER, *rows])
    return page.getvalue(), problems


def _lost_foot(gate: Gate, lost: Sequence[str]) -> str | None:
    """What a gate rests on and the sheet has not: its parent, or a term."""
    geometry = gate.template_geometry
    feet = [gate.parent] + ([t.path for t in geometry.terms] if isinstance(geometry, Boolean) else [])
    return next((p for p in feet if p in lost), None)


def _with_it(path: str, resting: dict[str, str]) -> str:
    """The gates that rest on one that is not carried, so that each cause is one message."""
    names = [printable(p) for p, cause in resting.items() if cause == path]
    if not names:
        return ""
    more = "" if len(names) <= _SHOWN else " and so on"
    return f"; nor is what rests on it ({len(names)}): {', '.join(names[:_SHOWN])}{more}"


def _row(gate: Gate) -> list[str]:
    if any(c in gate.name for c in "/,&|!:*"):
        raise _NotCarriedError("its name holds a letter that openCyto reads as a sign")
    dims, method, arguments = _rule(gate.auto) if gate.auto is not None else _fixed(gate)
    keep = "-" if gate.auto is not None and gate.auto.keep == "below" else "+"
    grouped = _GROUPS[gate.auto.pool] if gate.auto is not None else ("", "")
    parent = "root" if gate.parent == ROOT else f"/{gate.parent}"
    return [gate.name, keep, parent, dims, method, arguments, *grouped, "", ""]


def _rule(rule: AutoRule) -> tuple[str, str, str]:
    """dims, gating_method and gating_args of an automatic gate."""
    dims = ",".join("/".join(d.channels) for d in rule.dimensions)
    flat = all(isinstance(d.scale, Identity | Linear) for d in rule.dimensions)
    if rule.method == "singlets":
        return dims, "singletGate", ""
    if rule.between is not None and not flat:
        raise _NotCarriedError("it looks between two places of a scale that the sheet cannot name")
    if rule.method in _CUTS:
        window = [_own_units(rule.dimensions[0], v) for v in rule.between or ()]
        settings = [f"gate_range=c({window[0]!r},{window[1]!r})"] if window else []
        settings += [f"probs={rule.quantile!r}"] if rule.method == "quantile" else []
        # Whichever side it keeps, openCyto looks for the right tail unless it is told.
        settings += ['side="left"'] if rule.method == "tail" and rule.keep == "below" else []
        return dims, _CUTS[rule.method], ",".join(settings)
    if rule.method == "mixture" and len(rule.dimensions) == 1 and rule.components == 2:
        return dims, "flowClust", "K=2"
    if rule.method == "mixture" and len(rule.dimensions) == 2 and flat and rule.target is not None:
        x, y = (_own_units(d, v) for d, v in zip(rule.dimensions, rule.target, strict=True))
        return dims, "flowClust", f"K={rule.components},target=c({x!r},{y!r}),quantile={rule.quantile!r}"
    raise _NotCarriedError(f"openCyto has no method like {rule.method} here")


def _fixed(gate: Gate) -> tuple[str, str, str]:
    """dims, gating_method and gating_args of a gate that is drawn."""
    geometry = gate.template_geometry
    if isinstance(geometry, Boolean):
        joined = ("&" if geometry.operation == "and" else "|").join(
            ("!" if t.complement else "") + f"/{t.path}" for t in geometry.terms
        )
        return "", "boolGate", joined
    if not isinstance(geometry, Rectangle):
        raise _NotCarriedError(f"a drawn {geometry.kind} has no counterpart")
    if len(geometry.dimensions) > 2:
        raise _NotCarriedError(f"it is drawn on {len(geometry.dimensions)} axes, and openCyto draws on one or two")
    if any(not isinstance(d.scale, Identity | Linear) for d in geometry.dimensions):
        raise _NotCarriedError("its bounds are on a scale that the sheet cannot name")
    lows: list[float | None] = []
    highs: list[float | None] = []
    for dimension, (low, high) in zip(geometry.dimensions, geometry.bounds, strict=True):
        lows.append(None if low is None else _own_units(dimension, low))
        highs.append(None if high is None else _own_units(dimension, high))
    settings = [s for s in (_side("min", lows), _side("max", highs)) if s]
    return ",".join("/".join(d.channels) for d in geometry.dimensions), "boundary", ",".join(settings)


def _own_units(dimension: Dimension, value: float) -> float:
    """A place of a linear axis in the cytometer's own numbers, which openCyto leaves scatter in."""
    return value if isinstance(dimension.scale, Identity) else float(dimension.scale.inverse(value))


def _side(name: str, values: list[float | None]) -> str:
    if all(v is None for v in values):
        return ""
    # Far beyond every detector's range: openCyto wants a number on each axis.
    far = -1e9 if name == "min" else 1e9
    shown = [repr(far if v is None else v) for v in values]
    return f"{name}={shown[0]}" if len(shown) == 1 else f"{name}=c({','.join(shown)})"
