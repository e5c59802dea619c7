"""openCyto's gating methods that have a counterpart here: what each finds or draws, on the axes of its row."""

from __future__ import annotations

import re

from immunoprofile.gating.formats.opencyto_sheet import NotCarriedError, Row, Side
from immunoprofile.gating.gates import AutoRule, Dimension, Method, Pool, Rectangle
from immunoprofile.scales import Identity, Logicle, Scale

CUTS: dict[str, Method] = {
    "mindensity": "valley", "gate_mindensity": "valley", "mindensity2": "valley", "gate_mindensity2": "valley",
    "rangegate": "valley", "tailgate": "tail", "gate_tail": "tail", "cytokine": "tail",
    "quantilegate": "quantile", "gate_quantile": "quantile",
    "flowclust.1d": "mixture", "gate_flowclust_1d": "mixture",
}  # fmt: skip
"""Methods that find one cut on one axis."""
OUTLINES = frozenset({"singletgate", "flowclust.2d", "gate_flowclust_2d"})
"""Methods that find an outline on two axes."""
BOUNDS = frozenset({"boundary", "rectgate"})
UNMAPPED = {
    "quadgate.seq": "which of its two axes is cut first is decided in the data",
    "gate_quad_sequential": "which of its two axes is cut first is decided in the data",
    "quadgate.tmix": "its cuts are quantiles of a mixture of t distributions in two dimensions",
    "gate_quad_tmix": "its cuts are quantiles of a mixture of t distributions in two dimensions",
    "dummy_gate": "is drawn elsewhere",
    "dummy": "is drawn elsewhere",
    "gate_template": "is drawn elsewhere",
    "gate_custom": "is a function of its own",
}
"""Methods without a counterpart, and why."""
_SETTINGS: dict[str, set[str]] = {
    **{name: {"gate_range"} for name, method in CUTS.items() if method == "valley"},
    **{name: {"gate_range", "side"} for name, method in CUTS.items() if method == "tail"},
    **{name: {"probs"} for name, method in CUTS.items() if method == "quantile"},
    **{name: {"K", "neg", "pos"} for name, method in CUTS.items() if method == "mixture"},
    **{name: {"K", "target", "quantile"} for name in ("flowclust.2d", "gate_flowclust_2d")},
    **{name: {"min", "max"} for name in BOUNDS},
}
"""Settings of a method that are carried."""
_FLAT = re.compile(r"^(FSC|SSC|TIME)", re.IGNORECASE)
_UNPLACED = 0.5
"""Where fallbacks are put that nobody has placed: the middle of the axis."""
_POOLS: dict[Pool, str] = {
    "subject": r"PTID|SUBJECT|PATIENT|DONOR",
    "visit": r"VISITNO|VISIT|TIMEPOINT",
    "batch": r"BATCH|PLATE|RUN",
    "sample": r"NAME|SAMPLE",
}


def method_of(row: Row) -> str:
    """The method of a row; `flowClust` is one of two by the number of its axes."""
    if row.method != "flowclust":
        return row.method
    # With a sign for each axis it cuts both of them apart.
    return "flowclust.2d" if len(row.dims) == 2 and len(row.sides()) == 1 else "flowclust.1d"


def axis_of(name: str) -> Dimension:
    """Scatter and time in their own units, everything else on the usual logicle scale."""
    flat = _FLAT.match(name) is not None
    scale: Scale = Identity() if flat else Logicle(262144.0, 0.5, 4.5, 0.0)
    return Dimension(name, scale, "uncompensated" if flat else None)


def cut_rule(row: Row, name: str, side: Side) -> tuple[Rectangle, AutoRule]:
    """The cut that a row's method finds on one of its axes, with a fallback that nobody has placed."""
    axis, method = axis_of(name), CUTS[method_of(row)]
    window = row.pair("gate_range") if isinstance(axis.scale, Identity) else None
    middle = _UNPLACED if window is None else sum(window) / 2
    components = _components(row) if method == "mixture" else None
    quantile = {"quantile": row.number("probs") or 0.999, "tail": 0.99}.get(method)
    rule = AutoRule(
        method, (axis,), keep=side, between=window, pool=pool_of(row), quantile=quantile, components=components
    )
    return Rectangle((axis,), ((middle, None) if side == "above" else (None, middle),)), rule


def kept_side(row: Row, wanted: Side) -> Side:
    """The side of a cut that its rule keeps: the one that is wanted, but a tail is always the far side of its cut.

    openCyto looks for the right tail whichever side it keeps, unless it is told ``side = "left"``.
    """
    if CUTS[method_of(row)] != "tail":
        return wanted
    return "below" if re.search(r"\bside\s*=\s*['\"]left", row["gating_args"]) else "above"


def _components(row: Row) -> int:
    """Two: of more, openCyto cuts above the lowest, and a mixture here below the highest."""
    negative, positive = row.number("neg"), row.number("pos")
    number = negative + positive if negative is not None and positive is not None else row.number("K")
    if number is None:
        raise NotCarriedError("K is not given, and is chosen from the data")
    if number != 2:
        raise NotCarriedError(f"it has {number:g} components, and a cut is found between two here")
    return 2


def bounds_of(row: Row) -> Rectangle:
    """The drawn bounds of a row; a side that is not given is open."""
    axes = tuple(axis_of(d) for d in row.dims)
    if not axes or len(axes) > 2:
        raise NotCarriedError(f"it works on one or two axes, and dims names {len(axes)}")
    if any(not isinstance(a.scale, Identity) for a in axes):
        raise NotCarriedError("its bounds are on a scale that the sheet does not name")
    low, high = (row.pair(k) if len(axes) == 2 else row.number(k) for k in ("min", "max"))
    sides = []
    for k in range(len(axes)):
        pair = [b[k] if isinstance(b, tuple) else b for b in (low, high)]
        sides.append((pair[0], pair[1]))
    if all(v is None for pair in sides for v in pair):
        raise NotCarriedError("its min and max cannot be read as numbers")
    return Rectangle(axes, tuple(sides))


def outline_rule(row: Row) -> tuple[Rectangle, AutoRule]:
    """The outline that a row's method finds on its two axes."""
    axes = tuple(axis_of(d) for d in row.dims)
    if len(axes) != 2:
        raise NotCarriedError(f"it works on two axes, and dims names {len(axes)}")
    if row.sides() != [("above",)]:
        raise NotCarriedError(f'pop "{row["pop"]}" is not what lies inside')
    if row.method == "singletgate":
        return Rectangle(axes, ((0.0, None), (0.0, None))), AutoRule("singlets", axes, pool=pool_of(row), width=3.0)
    target = row.pair("target")
    if "transitional" in row.settings():
        raise NotCarriedError("a transitional gate has no counterpart")
    if target is None or any(not isinstance(a.scale, Identity) for a in axes):
        raise NotCarriedError("a mixture needs two axes in their own units and a target")
    spread = tuple((t / 2, t * 3 / 2) for t in target)
    rule = AutoRule(
        "mixture", axes, pool=pool_of(row), components=int(row.number("K") or 2), target=target,
        quantile=row.number("quantile") or 0.9,
    )  # fmt: skip
    return Rectangle(axes, spread), rule


def pool_of(row: Row) -> Pool:
    """Samples that share a gate: the first of subject, visit and batch that the sheet groups by, else none."""
    if row["collapseDataForGating"].upper() not in {"TRUE", "T"}:
        return "sample"
    columns = row["groupBy"].upper().split(":")
    return next(
        (pool for pool, names in _POOLS.items() if any(re.fullmatch(names, c.strip()) for c in columns)), "sample"
    )


def lost_settings(row: Row) -> list[str]:
    """What a row says beside its gate that has no counterpart: the gate may come out otherwise without it."""
    method = method_of(row)
    lost = [k for k in row.settings() if k not in _SETTINGS.get(method, set())] if "=" in row["gating_args"] else []
    flat = [isinstance(axis_of(d).scale, Identity) for d in row.dims]
    if "gate_range" in row.settings() and not all(flat):
        lost.append("gate_range, on a scale that the sheet does not name,")
    if row["preprocessing_method"]:
        lost.append(f"preprocessing {row['preprocessing_method']}")
    pooled = row["collapseDataForGating"].upper() in {"TRUE", "T"}
    one_column = any(re.fullmatch(names, row["groupBy"].upper()) for names in _POOLS.values())
    if pooled and row["groupBy"] and not one_column:
        lost.append(f"groupBy {row['groupBy']} (the gate is pooled by {pool_of(row)})")
    return lost
