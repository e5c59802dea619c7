"""openCyto's template sheet: the methods that map become gates here, the rest is listed by name and reason.

The sheet knows no scales and no fallbacks. Scatter and time keep their own units (`identity`); everything else is put
on the usual logicle scale, and positions on it are not carried, because the sheet does not say on which scale they
are. Each automatic gate gets a fallback that keeps nothing but its name, and is listed: a person must place it.

References
----------
Finak G, Frelinger J, Jiang W, et al. OpenCyto: an open source infrastructure for scalable, robust, reproducible, and
automated, end-to-end flow cytometry data analysis. PLoS Comput Biol 2014;10(8):e1003806.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from immunoprofile.errors import Problem, TemplateInvalidError, TemplateSyntaxError, printable
from immunoprofile.gating.formats.assembly import Draft, assemble
from immunoprofile.gating.gates import AutoRule, Boolean, Dimension, Geometry, Method, Pool, Rectangle, Term
from immunoprofile.gating.template import Compensation, GatingTemplate, Marker
from immunoprofile.scales import Identity, Logicle, Scale

COLUMNS = ("alias", "pop", "parent", "dims", "gating_method", "gating_args")
"""Columns that a sheet must have; of its others only groupBy and collapseDataForGating say something here."""

_CUTS: dict[str, Method] = {
    "mindensity": "valley", "gate_mindensity": "valley", "mindensity2": "valley", "gate_mindensity2": "valley",
    "rangegate": "valley", "tailgate": "tail", "gate_tail": "tail", "cytokine": "tail",
    "quantilegate": "quantile", "gate_quantile": "quantile",
}  # fmt: skip
_UNMAPPED = {
    "refgate": "reuses cuts of other gates, which are found anew for each gate here",
    "quadgate.seq": "finds two cuts one after the other",
    "quadgate.tmix": "finds two cuts in a mixture of t distributions",
    "polyfunctions": "makes every combination of other gates",
    "dummy_gate": "is drawn elsewhere",
    "dummy": "is drawn elsewhere",
}
_SETTINGS: dict[str, set[str]] = {
    **{name: {"gate_range"} for name, method in _CUTS.items() if method != "quantile"},
    **{name: {"gate_range", "probs"} for name, method in _CUTS.items() if method == "quantile"},
    **{name: {"K", "target", "quantile"} for name in ("flowclust", "flowclust.2d", "gate_flowclust_2d")},
    "boundary": {"min", "max"},
    "rectgate": {"min", "max"},
}
"""Settings of a method that are carried."""
_FLAT = re.compile(r"^(FSC|SSC|TIME)", re.IGNORECASE)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_UNPLACED = 0.5
"""Where fallbacks are put that nobody has placed: the middle of the axis."""
_SIGNS: dict[str, tuple[Literal["above", "below"], ...]] = {"+": ("above",), "-": ("below",), "+/-": ("above", "below")}


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    @property
    def dims(self) -> list[str]:
        return [d.strip() for d in self["dims"].split(",") if d.strip()]

    def number(self, key: str) -> float | None:
        """A number of gating_args: ``K = 3``."""
        found = re.search(rf"\b{key}\s*=\s*({_NUMBER})\s*(?:,|$)", self["gating_args"])
        return None if found is None else float(found.group(1))

    def pair(self, key: str) -> tuple[float, float] | None:
        """Two numbers of gating_args: ``min = c(0, 5e4)``."""
        found = re.search(rf"\b{key}\s*=\s*c\(\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)", self["gating_args"])
        return None if found is None else (float(found.group(1)), float(found.group(2)))


class _NotCarriedError(Exception):
    """Why a row becomes no gate."""


def read_opencyto(path: Path) -> GatingTemplate:
    """Read a template sheet.

    Returns
    -------
    A draft; `refused` lists the rows that became no gate, and every gate whose fallback must be placed by hand.

    Raises
    ------
    TemplateSyntaxError
        It is no such sheet.
    TemplateInvalidError
        No row maps, or names cannot be told apart.
    """
    rows = _read(path)
    work = _Sheet(path)
    for row in rows:
        work.add(row)
    if not work.drafts:
        raise TemplateInvalidError.of(work.refused or [Problem("has no rows", str(path), remedy="Add gates.")])
    built = assemble(work.drafts, (), (), str(path))
    if built.problems:
        raise TemplateInvalidError.of(built.problems)
    return GatingTemplate(
        re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")[:64] or "template",
        "1",
        path.stem,
        "draft",
        tuple(Marker(n, (n,)) for n in work.markers),
        Compensation(),
        built.gates,
        refused=tuple(work.refused),
    )


def _read(path: Path) -> list[_Row]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except OSError as problem:
        raise TemplateSyntaxError(
            f"template cannot be read ({problem.strerror})", path=path, code="TEMPLATE-ACCESS", remedy="Check the path."
        ) from problem
    except (UnicodeDecodeError, csv.Error) as problem:
        what = f"cannot be read as a CSV sheet ({printable(str(problem), 80)})"
        raise TemplateSyntaxError(what, path=path, code="OPENCYTO-CSV", remedy="Save it as CSV UTF-8.") from problem
    header = [c.strip() for c in records[0]] if records else []
    missing = [c for c in COLUMNS if c not in header]
    if missing:
        raise TemplateSyntaxError(
            f"is no openCyto template: columns {', '.join(missing)} are missing", path=path, where="header",
            code="OPENCYTO-COLUMNS", remedy=f"Its header has {', '.join(COLUMNS)}.",
        )  # fmt: skip
    rows = (dict(zip(header, (c.strip() for c in record), strict=False)) for record in records[1:])
    return [_Row(line, cells) for line, cells in enumerate(rows, start=2) if any(cells.values())]


class _Sheet:
    """Gates made so far, and what was not carried."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.drafts: list[Draft] = []
        self.refused: list[Problem] = []
        self.markers: dict[str, None] = {}
        self.lost: set[str] = set()

    def add(self, row: _Row) -> None:
        """Turn a row into gates, or list it."""
        parents = [p.strip() for p in row["parent"].split(",")]
        try:
            made = list(self._gates(row))
        except _NotCarriedError as problem:
            self._refuse(row, str(problem))
            return
        self._list_settings(row)
        for parent in parents:
            if parent.split("/")[-1] in self.lost:
                self._refuse(row, f'its parent "{printable(parent)}" is not carried')
                continue
            above = None if parent in {"", "root", "/"} else parent.strip("/").removeprefix("root/")
            for name, geometry, rule in made:
                self.drafts.append(Draft(f"row {row.line}", name, above, geometry, auto=rule))
                if rule is not None:
                    self._place(row, name)

    def _refuse(self, row: _Row, why: str) -> None:
        self.lost |= {row["alias"], *(n for n, _ in self._names(row))}
        what = f'"{printable(row["alias"])}" ({printable(row["gating_method"])}) is not carried: {why}'
        remedy = "Write this gate by hand."
        self.refused.append(Problem(what, str(self.path), f"row {row.line}", remedy=remedy, code="OPENCYTO-LOSS"))

    def _list_settings(self, row: _Row) -> None:
        """Settings that have no counterpart here: named, since the gate may come out otherwise without them."""
        known = _SETTINGS.get(row["gating_method"].lower(), set())
        given = [] if row["gating_method"].lower() == "boolgate" else re.findall(r"\b([\w.]+)\s*=", row["gating_args"])
        lost = [k for k in dict.fromkeys(given) if k not in known]
        if row["preprocessing_method"]:
            lost.append(f"preprocessing {row['preprocessing_method']}")
        if lost:
            what = f'"{printable(row["alias"])}": {", ".join(map(printable, lost))} is not carried'
            remedy = "Compare the gate with the old one on a sample."
            self.refused.append(
                Problem(what, str(self.path), f"row {row.line}", remedy=remedy, code="OPENCYTO-SETTING")
            )

    def _place(self, row: _Row, name: str) -> None:
        what = f'the fallback of "{printable(name)}" stands at an arbitrary place: the sheet has none'
        remedy = "Place it where the gate lies when the data do not show it."
        problem = Problem(what, str(self.path), f"row {row.line}", remedy=remedy, code="OPENCYTO-FALLBACK")
        self.refused.append(problem)

    def _names(self, row: _Row) -> list[tuple[str, Literal["above", "below"]]]:
        """The populations of a row with the side that each keeps."""
        sides = _SIGNS.get(row["pop"], ("above",))
        if row["alias"] not in {"*", ""} and len(sides) == 1:
            return [(row["alias"], sides[0])]
        given = [a.strip() for a in row["alias"].split(",")]
        if len(given) == len(sides) and "*" not in given:
            return list(zip(given, sides, strict=True))
        base = "".join(row.dims)
        return [(f"{base}{'+' if s == 'above' else '-'}", s) for s in sides]

    def _gates(self, row: _Row) -> Iterator[tuple[str, Geometry, AutoRule | None]]:
        method = row["gating_method"].lower()
        if method in _UNMAPPED:
            raise _NotCarriedError(_UNMAPPED[method])
        if method == "boolgate":
            yield row["alias"], _boolean(row), None
        elif method in _CUTS:
            yield from self._cuts(row, _CUTS[method])
        elif method in {"boundary", "rectgate"}:
            yield row["alias"], self._bounds(row), None
        elif method in {
            "singletgate",
            "flowclust",
            "flowclust.1d",
            "flowclust.2d",
            "gate_flowclust_1d",
            "gate_flowclust_2d",
        }:
            yield from self._outlines(row, method)
        else:
            raise _NotCarriedError("the method is not known here")

    def _axis(self, name: str) -> Dimension:
        self.markers[name] = None
        scale: Scale = Identity() if _FLAT.match(name) else Logicle(262144.0, 0.5, 4.5, 0.0)
        return Dimension(name, scale, "uncompensated" if _FLAT.match(name) else None)

    def _cuts(self, row: _Row, method: Method) -> Iterator[tuple[str, Geometry, AutoRule | None]]:
        if len(row.dims) != 1:
            raise _NotCarriedError(f"it works on one axis here, and dims names {len(row.dims)}")
        if row["pop"] not in _SIGNS:
            raise _NotCarriedError(f'pop "{printable(row["pop"])}" is none of +, - and +/-')
        axis = self._axis(row.dims[0])
        window = row.pair("gate_range")
        if window is not None and not isinstance(axis.scale, Identity):
            raise _NotCarriedError("gate_range is on a scale that the sheet does not name")
        quantile = {"quantile": row.number("probs") or 0.999, "tail": 0.99}.get(method)
        middle = _UNPLACED if window is None else sum(window) / 2
        for name, side in self._names(row):
            bounds = (middle, None) if side == "above" else (None, middle)
            rule = AutoRule(method, (axis,), keep=side, between=window, pool=_pool(row), quantile=quantile)
            yield name, Rectangle((axis,), (bounds,)), rule

    def _bounds(self, row: _Row) -> Rectangle:
        axes = tuple(self._axis(d) for d in row.dims)
        if any(not isinstance(a.scale, Identity) for a in axes):
            raise _NotCarriedError("its bounds are on a scale that the sheet does not name")
        low, high = (row.pair(k) if len(axes) == 2 else row.number(k) for k in ("min", "max"))
        sides = []
        for k in range(len(axes)):
            pair = [b[k] if isinstance(b, tuple) else b for b in (low, high)]
            sides.append((pair[0], pair[1]))
        if all(v is None for pair in sides for v in pair):
            raise _NotCarriedError("its min and max cannot be read as numbers")
        return Rectangle(axes, tuple(sides))

    def _outlines(self, row: _Row, method: str) -> Iterator[tuple[str, Geometry, AutoRule | None]]:
        axes = tuple(self._axis(d) for d in row.dims)
        if row["pop"] != "+":
            raise _NotCarriedError(f'pop "{printable(row["pop"])}" is not +')
        if method == "singletgate":
            if len(axes) != 2:
                raise _NotCarriedError("singlets need two axes")
            fallback = Rectangle(axes, ((0.0, None), (0.0, None)))
            yield row["alias"], fallback, AutoRule("singlets", axes, pool=_pool(row), width=3.0)
            return
        target = row.pair("target")
        if len(axes) != 2 or target is None or any(not isinstance(a.scale, Identity) for a in axes):
            raise _NotCarriedError("a mixture needs two axes in their own units and a target")
        if row.number("K") is None:
            raise _NotCarriedError("K is not given")
        spread = tuple((t / 2, t * 3 / 2) for t in target)
        rule = AutoRule(
            "mixture", axes, pool=_pool(row), components=int(row.number("K") or 2), target=target,
            quantile=row.number("quantile") or 0.9,
        )  # fmt: skip
        yield row["alias"], Rectangle(axes, spread), rule


def _boolean(row: _Row) -> Boolean:
    """``A&!B`` or ``A|B``: all or any of other gates."""
    text = row["gating_args"].strip()
    if "&" in text and "|" in text:
        raise _NotCarriedError("it mixes & and |")
    parts = [p.strip() for p in re.split(r"[&|]", text)]
    if not all(parts):
        raise _NotCarriedError("its expression cannot be read")
    terms = tuple(Term(p.lstrip("!").strip("/"), p.startswith("!")) for p in parts)
    return Boolean("or" if "|" in text else "and", terms)


def _pool(row: _Row) -> Pool:
    """Samples that share a gate: those of a subject where the sheet pools by one, else none."""
    pooled = row["collapseDataForGating"].upper() in {"TRUE", "T"}
    by_subject = re.search(r"PTID|subject|patient|donor", row["groupBy"], re.IGNORECASE)
    return "subject" if pooled and by_subject else "sample"
