"""The cells of the tube: what kinds there are, how they look, and to which populations each kind belongs.

A *kind* is a leaf: every event of a simulated file is one of them, or a dead cell or a doublet made of
them. A population of the template is a set of kinds; that table is the truth against which gating is
judged.

Brightness is the median of the stain alone, linear units after perfect compensation, without
autofluorescence. The values are chosen so that the separations are those of a well-titrated tube: CD25 on
regulatory T cells overlaps activated memory cells a little, CD38 on transitional B cells overlaps naive B
cells a little.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from immunoprofile.simulation.panel import MARKERS

DEAD = "dead"
DOUBLET = "doublet"

_CD45 = 30000.0
_UNSTAINED = 15.0
"""Median of a stain that a kind does not carry: what is left of unspecific binding."""

_SPREAD = 0.30
_WIDE_SPREAD = {
    "CD25": 0.50,
    "CD127": 0.48,
    "CD45RA": 0.45,
    "CCR7": 0.52,
    "CD27": 0.48,
    "IgD": 0.50,
    "CD38": 0.45,
}
"""SD of log brightness between cells of a kind [A]: 0.30 (CV 31 %) for lineage markers, wider for those whose
amount varies by cell; a kind may name its own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of cell: scatter medians, autofluorescence relative to a lymphocyte, and stains.

    `stains` maps marker to median brightness; markers that are absent are unstained. `spread` maps marker to
    the SD of log brightness where it differs from the usual one of the marker.
    """

    label: str
    fsc: float
    ssc: float
    stains: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)
    autofluorescence: float = 1.0
    scatter_spread: float = 0.09


def _t(label: str, **stains: float) -> Kind:
    return Kind(label, 62000, 26000, {"CD45": _CD45, "CD3": 12000, **stains}, {"CD3": 0.22, "CD45": 0.18})


def _cd4(label: str, **stains: float) -> Kind:
    return _t(label, **{"CD4": 14000, "CD127": 4200, "CD25": 160, **stains})


def _treg(label: str, **stains: float) -> Kind:
    return _cd4(label, **{"CD25": 5200, "CD127": 330, "CD38": 700, "CD27": 7000, **stains})


def _b(label: str, **stains: float) -> Kind:
    base = {"CD45": _CD45, "CD19": 9000, "CD45RA": 22000, "CCR7": 1500, "CD25": 150}
    return Kind(label, 63000, 28000, {**base, **stains}, {"CD45": 0.18, "CD19": 0.25})


KINDS: tuple[Kind, ...] = (
    _cd4("cd4_naive", CD45RA=16000, CCR7=6500, CD27=8000, CD38=1500),
    _cd4("cd4_cm", CD45RA=350, CCR7=5200, CD27=9000, CD38=500, CD25=420),
    _cd4("cd4_em", CD45RA=350, CCR7=70, CD27=3000, CD38=450, CD25=420, CD127=3600),
    _cd4("cd4_temra", CD45RA=12000, CCR7=70, CD27=250, CD38=350, CD127=3000),
    _treg("treg_naive", CD45RA=13000, CCR7=6000, CD25=4400),
    _treg("treg_cm", CD45RA=350, CCR7=5000, CD25=6200),
    _treg("treg_em", CD45RA=350, CCR7=70, CD25=6200),
    _t("cd8_naive", CD8=26000, CD45RA=18000, CCR7=6000, CD27=9000, CD127=3200, CD38=1500, CD25=40),
    _t("cd8_memory", CD8=26000, CD45RA=1200, CCR7=110, CD27=3000, CD127=1800, CD38=600, CD25=60),
    _t("t_dn", CD8=90, CD45RA=5000, CCR7=110, CD27=3000, CD127=1800, CD38=700),
    _b("b_naive", IgD=14000, CD27=70, CD38=1300),
    _b("b_unswitched", IgD=6000, CD27=6500, CD38=550),
    _b("b_switched", IgD=60, CD27=6500, CD38=550),
    _b("b_dn", IgD=60, CD27=70, CD38=500),
    _b("transitional", IgD=10000, CD27=70, CD38=13000),
    _b("plasmablast", IgD=60, CD27=42000, CD38=75000, CD19=5200, CCR7=150, CD45RA=9000),
    Kind(
        "nk", 64000, 28000,
        {"CD45": _CD45, "CD16+56": 16000, "CD45RA": 13000, "CD38": 4500, "CD8": 350, "CD127": 180,
         "CD27": 350},
        {"CD45": 0.18, "CD16+56": 0.35},
    ),
    Kind(
        "lymph_other", 60000, 25000,
        {"CD45": _CD45, "CD127": 2500, "CD45RA": 900, "CD38": 600}, {"CD45": 0.18},
    ),
    Kind(
        "monocyte", 108000, 74000,
        {"CD45": 19000, "CD4": 1500, "CD38": 5500, "CD16+56": 250, "CD45RA": 400}, {"CD45": 0.18}, 3.5, 0.11,
    ),
    Kind("granulocyte", 122000, 158000, {"CD45": 7000, "CD16+56": 40000}, {"CD45": 0.20}, 3.0, 0.12),
    Kind("debris", 14000, 11000, {"CD45": 60}, {}, 0.35, 0.40),
)  # fmt: skip

LABELS: tuple[str, ...] = (*(k.label for k in KINDS), DEAD, DOUBLET)

_TREG = frozenset({"treg_naive", "treg_cm", "treg_em"})
_CD4 = frozenset({"cd4_naive", "cd4_cm", "cd4_em", "cd4_temra"}) | _TREG
_B_MATURE = frozenset({"b_naive", "b_unswitched", "b_switched", "b_dn"})
_B = _B_MATURE | {"transitional", "plasmablast"}
_T = _CD4 | {"cd8_naive", "cd8_memory", "t_dn"}
LYMPHOCYTES = _T | _B | {"nk", "lymph_other"}
_LEUKOCYTES = LYMPHOCYTES | {"monocyte", "granulocyte"}
_LIVE = _LEUKOCYTES | {"debris"}

MEMBERS = MappingProxyType(
    {
        "singlets": _LIVE | {DEAD},
        "live": _LIVE,
        "leukocytes": _LEUKOCYTES,
        "lymphocytes": LYMPHOCYTES,
        "t": _T,
        "cd4": _CD4,
        "treg": _TREG,
        "treg_naive": frozenset({"treg_naive"}),
        "treg_memory": frozenset({"treg_cm", "treg_em"}),
        "cd4_naive": frozenset({"cd4_naive", "treg_naive"}),
        "cd4_cm": frozenset({"cd4_cm", "treg_cm"}),
        "cd4_em": frozenset({"cd4_em", "treg_em"}),
        "cd4_temra": frozenset({"cd4_temra"}),
        "cd8": frozenset({"cd8_naive", "cd8_memory"}),
        "b": _B,
        "plasmablast": frozenset({"plasmablast"}),
        "transitional": frozenset({"transitional"}),
        "b_mature": _B_MATURE,
        "b_naive": frozenset({"b_naive"}),
        "b_unswitched": frozenset({"b_unswitched"}),
        "b_switched": frozenset({"b_switched"}),
        "b_dn": frozenset({"b_dn"}),
        "nk": frozenset({"nk"}),
    }
)
"""pop_id of immune14 to the labels that truly belong to it. Memory quadrants hold regulatory cells."""

DENOMINATORS = MappingProxyType(
    {
        "singlets": ("all_events",),
        "live": ("singlets",),
        "leukocytes": ("live",),
        "lymphocytes": ("leukocytes",),
        "t": ("lymphocytes",),
        "cd4": ("t", "lymphocytes"),
        "treg": ("cd4", "lymphocytes"),
        "treg_naive": ("treg", "cd4"),
        "treg_memory": ("treg", "cd4"),
        **dict.fromkeys(("cd4_naive", "cd4_cm", "cd4_em", "cd4_temra"), ("cd4",)),
        "cd8": ("t", "lymphocytes"),
        "b": ("lymphocytes",),
        "plasmablast": ("b", "lymphocytes"),
        "transitional": ("b", "lymphocytes"),
        "b_mature": ("b",),
        **dict.fromkeys(("b_naive", "b_unswitched", "b_switched", "b_dn"), ("b_mature", "b")),
        "nk": ("lymphocytes",),
    }
)
"""pop_id to the pop_ids it is divided by: the parent first, as in the template's reports."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """The kinds as arrays, ready for drawing events: one row a kind in the order of `KINDS`."""

    log_stain: NDArray[np.float32]
    spread: NDArray[np.float32]
    log_scatter: NDArray[np.float32]
    scatter_spread: NDArray[np.float32]
    autofluorescence: NDArray[np.float32]


def build_looks(kinds: Iterable[Kind] = KINDS) -> Looks:
    """The table of looks: log medians and log SDs per kind and marker, float32."""
    rows = tuple(kinds)
    return Looks(
        np.log(np.array([[k.stains.get(m, _UNSTAINED) for m in MARKERS] for k in rows])).astype(np.float32),
        np.array([[k.spread.get(m, _WIDE_SPREAD.get(m, _SPREAD)) for m in MARKERS] for k in rows], dtype=np.float32),
        np.log(np.array([[k.fsc, k.ssc] for k in rows])).astype(np.float32),
        np.array([k.scatter_spread for k in rows], dtype=np.float32),
        np.array([k.autofluorescence for k in rows], dtype=np.float32),
    )
