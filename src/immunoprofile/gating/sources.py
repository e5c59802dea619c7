"""Where the values of a template's dimensions come from in one panel: detectors, compensated channels, ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from immunoprofile.errors import PanelMismatchError, Problem, SpilloverError, closest, printable
from immunoprofile.fcs import Channel, Finding
from immunoprofile.gating.gates import FILE, UNCOMPENSATED, Boolean, Dimension, Ratio
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.template import GatingTemplate, Marker
from immunoprofile.kernels.arrays import TARGET_COLUMNS, SourceArrays
from immunoprofile.scales import Identity, Linear
from immunoprofile.spillover import Spillover, locate_detectors

Source = tuple[Any, ...]
"""``("raw", column)``, ``("compensated", matrix number, fluorochrome)`` or ``("ratio", top, bottom, a, b, c)``."""


@dataclass(frozen=True)
class SourceTable:
    """Every source of a plan in the kernel's order: raw, compensated, ratios."""

    template: GatingTemplate
    columns: tuple[int, ...]
    matrices: tuple[tuple[Spillover, tuple[int, ...]], ...]
    sources: tuple[Source, ...]
    of_gate: dict[str, tuple[Source, ...]]
    omitted: frozenset[str]
    findings: tuple[Finding, ...]

    @property
    def derived(self) -> tuple[str, ...]:
        """Names of the compensated channels in order."""
        return tuple(self.matrices[s[1]][0].fluorochromes[s[2]] for s in self.sources if s[0] == "compensated")

    def rests_on(self, path: str) -> tuple[Source, ...]:
        """Sources that a gate's result rests on, directly or through parents and terms."""
        found: dict[Source, None] = {}
        waiting, seen = [path], {ROOT}
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            gate = self.template.gate(current)
            found |= dict.fromkeys(self.of_gate[current])
            waiting.append(gate.parent)
            if isinstance(gate.geometry, Boolean):
                waiting.extend(t.path for t in gate.geometry.terms)
        return tuple(found)

    def arrays(self, order: Sequence[int]) -> SourceArrays:
        """What the kernel needs to make compensated channels, in the order given, and ratios."""
        index = {s: i for i, s in enumerate(self.sources)}
        compensated = [s for s in self.sources if s[0] == "compensated"]
        ratios = [s for s in self.sources if s[0] == "ratio"]
        reads = [[index["raw", c] for c in columns] for _, columns in self.matrices]
        place = starts(reads)
        weights = [self.matrices[compensated[n][1]][0].inverse[:, compensated[n][2]] for n in order]
        targets = [
            (n, compensated[n][1], place[compensated[n][1]], place[compensated[n][1] + 1], first)
            for n, first in zip(order, starts(weights)[:-1], strict=True)
        ]
        return SourceArrays(
            targets=int_rows(targets, TARGET_COLUMNS),
            detectors=np.array([c for r in reads for c in r], dtype=np.int64),
            side_by_side=np.arange(len(self.columns)),
            weights=np.concatenate([*weights, np.empty(0)]),
            ratios=int_rows([(index[s[1]], index[s[2]]) for s in ratios], 2),
            ratio_numbers=float_rows([s[3:] for s in ratios], 3),
        )


def starts(lists: Sequence[Any]) -> Any:
    """Where each of the lists begins once they stand end to end, and where the last one ends."""
    return np.concatenate([[0], np.cumsum([len(x) for x in lists])]).astype(np.int64)


def int_rows(rows: Sequence[Sequence[int]], width: int) -> Any:
    """(n, width) table of integers, also for no rows."""
    return np.array(rows, dtype=np.int64).reshape(-1, width)


def float_rows(rows: Sequence[Sequence[float]], width: int) -> Any:
    """(n, width) table of numbers, also for no rows."""
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def resolve_sources(
    template: GatingTemplate,
    channels: Sequence[Channel],
    spillover: Spillover | None,
    replacement: Spillover | None,
) -> SourceTable:
    """Find every dimension of a template in a panel.

    Raises
    ------
    PanelMismatchError, SpilloverError
        See `gating.plan.compile_plan`.
    """
    panel = _Panel(template, channels, spillover, replacement)
    lacking = _lacking(template, panel)
    of_gate = {
        g.path: tuple(panel.source(d) for d in g.geometry.dimensions) for g in template.gates if g.path not in lacking
    }
    if panel.problems:
        raise PanelMismatchError.of(panel.problems)
    wanted = dict.fromkeys(s for sources in of_gate.values() for s in sources)
    parts = dict.fromkeys(part for s in wanted for part in (s[1:3] if s[0] == "ratio" else (s,)))
    compensated = [s for s in parts if s[0] == "compensated"]
    used = sorted({s[1] for s in compensated})
    raw = {s[1] for s in parts if s[0] == "raw"} | {c for m in used for c in panel.matrices[m][1]}
    columns = tuple(sorted(raw))
    renumber = {m: i for i, m in enumerate(used)}

    def final(s: Source) -> Source:
        if s[0] == "compensated":
            return ("compensated", renumber[s[1]], s[2])
        return ("ratio", final(s[1]), final(s[2]), *s[3:]) if s[0] == "ratio" else s

    sources = (
        *(("raw", c) for c in columns),
        *map(final, compensated),
        *(final(s) for s in wanted if s[0] == "ratio"),
    )
    return SourceTable(
        template,
        columns,
        tuple(panel.matrices[m] for m in used),
        sources,
        {path: tuple(map(final, found)) for path, found in of_gate.items()},
        frozenset(lacking),
        (*panel.findings.values(), *(_left_out(p, lacking[p]) for p in sorted(lacking))),
    )


def _left_out(path: str, markers: frozenset[str]) -> Finding:
    names = ", ".join(f'"{printable(m)}"' for m in sorted(markers))
    return Finding(
        "GATE-OMITTED",
        "warning",
        path,
        f'"{printable(path)}" is left out: it needs {names}, optional and missing in this file',
    )


def _lacking(template: GatingTemplate, panel: _Panel) -> dict[str, frozenset[str]]:
    """Gates that need missing optional markers, and whatever rests on them: path to those markers."""
    gone = {
        g.path: missing
        for g in template.gates
        if (missing := frozenset(n for d in g.geometry.dimensions for n in d.channels if n in panel.absent))
    }
    size = -1
    while sum(map(len, gone.values())) != size:
        size = sum(map(len, gone.values()))
        for gate in template.gates:
            terms = gate.geometry.terms if isinstance(gate.geometry, Boolean) else ()
            missing = frozenset[str]().union(
                *(gone.get(p, ()) for p in (gate.path, gate.parent, *(t.path for t in terms)))
            )
            if missing:
                gone[gate.path] = missing
    return gone


class _Panel:
    """The channels of one file, asked for by the names of a template."""

    def __init__(
        self,
        template: GatingTemplate,
        channels: Sequence[Channel],
        spillover: Spillover | None,
        replacement: Spillover | None,
    ) -> None:
        self.template, self.channels = template, channels
        self.spillover, self.replacement = spillover, replacement
        self.problems: list[Problem] = []
        self.findings: dict[str, Finding] = {}
        self.matrices: list[tuple[Spillover, tuple[int, ...]]] = []
        self.markers = {m.name: m for m in template.markers}
        self.column = {m.name: self._column(m) for m in template.markers}
        self.absent = {n for n, c in self.column.items() if c is None and self.markers[n].optional}
        self.reported: set[str] = set()

    def _column(self, marker: Marker) -> int | None:
        if marker.by_detector:
            exact = [c.index for c in self.channels if c.detector in marker.names]
            return exact[0] if len(exact) == 1 else None
        for attribute in ("marker", "detector"):
            wanted = {n.strip().casefold() for n in marker.names}
            found = [c for c in self.channels if (getattr(c, attribute) or "").strip().casefold() in wanted]
            if len(found) > 1:
                self.problems.append(_twice(self.template, marker, found))
            if found:
                return found[0].index
        return None

    def source(self, dimension: Dimension) -> Source:
        """The source of a dimension; problems are collected, not raised."""
        channel = dimension.channel
        if isinstance(channel, Ratio):
            top, bottom = (self._named(n, dimension) for n in (channel.numerator, channel.denominator))
            return ("ratio", top, bottom, channel.a, channel.b, channel.c)
        return self._named(channel, dimension)

    def _named(self, name: str, dimension: Dimension) -> Source:
        number = self._matrix(dimension)
        if number is not None:
            known = self.matrices[number][0].fluorochromes
            names = (name, *(self.markers[name].names if name in self.markers else ()))
            row = next((n for n in names if n in known), None)
            if row is not None:
                return ("compensated", number, known.index(row))
        column = self.column.get(name)
        if column is None:
            self._report_missing(name)
            return ("raw", -1)
        if number is None:
            return ("raw", column)
        detector = self.channels[column].detector
        fluorochromes = self.matrices[number][0].fluorochromes
        if detector in fluorochromes:
            return ("compensated", number, fluorochromes.index(detector))
        if not isinstance(dimension.scale, Identity | Linear):
            self._note(
                "CHANNEL-UNCOMPENSATED",
                detector,
                f'"{printable(name)}" ({printable(detector)}) is not in the spillover matrix: used uncompensated',
            )
        return ("raw", column)

    def _matrix(self, dimension: Dimension) -> int | None:
        """Number of the matrix that a dimension is compensated with, or None."""
        wanted = dimension.compensation or self._default()
        if wanted in {UNCOMPENSATED, "none"}:
            return None
        if self.replacement is not None:
            return self._number(self.replacement)
        if wanted != FILE:
            return self._number(dict(self.template.compensation.matrices)[wanted])
        if self.spillover is not None:
            return self._number(self.spillover)
        if self.template.compensation.missing == "error":
            raise SpilloverError(
                f'template "{printable(self.template.id)}" compensates with the file\'s own matrix; it declares none',
                code="SPILL-MISSING",
                remedy='Name a matrix in the sample sheet, or write missing = "allow" under [compensation] if the '
                "file's values are already compensated.",
            )
        self._note("SPILL-MISSING", "spillover", "the file declares no spillover: its values are used as they are")
        return None

    def _default(self) -> str:
        comp = self.template.compensation
        return str(comp.default) if comp.source == "matrix" else comp.source

    def _number(self, matrix: Spillover) -> int:
        for number, (known, _) in enumerate(self.matrices):
            if known == matrix:
                return number
        columns = locate_detectors(matrix, [c.detector for c in self.channels])
        self.matrices.append((matrix, tuple(columns)))
        return len(self.matrices) - 1

    def _note(self, code: str, where: str, message: str) -> None:
        self.findings[f"{code} {where}"] = Finding(code, "warning", where, message)

    def _report_missing(self, name: str) -> None:
        if name in self.reported:
            return
        first = not self.reported
        self.reported.add(name)
        marker = self.markers.get(name, Marker(name, (name,)))
        # A channel by one name: the marker says more, and a long list hides what is missing.
        known = [(None if marker.by_detector else c.marker) or c.detector for c in self.channels]
        remedy = (
            f"{closest(marker.names[0], known)} Add the file's name to the marker's names in the template, or use the "
            "template of this panel."
        )
        aliases = "" if marker.names == (name,) else f" (known as {', '.join(map(printable, marker.names))})"
        self.problems.append(
            Problem(
                f'template {printable(self.template.id)} needs "{printable(name)}"{aliases}, which this file has not',
                where="panel",
                expected=name,
                found=", ".join(known),
                remedy=remedy if first else None,
                code="PANEL-MISSING",
            )
        )


def _twice(template: GatingTemplate, marker: Marker, found: Sequence[Channel]) -> Problem:
    listed = ", ".join(printable(c.detector) for c in found)
    return Problem(
        f'template {printable(template.id)}: "{printable(marker.name)}" fits more than one channel ({listed})',
        where="panel",
        expected="one channel",
        found=listed,
        remedy="Name the detector in the marker's names and take the shared name out.",
        code="PANEL-TWICE",
    )
