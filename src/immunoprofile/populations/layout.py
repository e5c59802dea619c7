"""What a template says about its rows, worked out once: names, denominators, and what each gate looks at.

The rows of `populations` differ between samples in their numbers only; everything else is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from immunoprofile.gating import ROOT, Boolean, GatingTemplate
from immunoprofile.populations.settings import State
from immunoprofile.tables import shared_texts

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Layout:
    """The rows of a template, one a reported population and denominator, sorted by pop_id and denom_id.

    Attributes
    ----------
    paths
        Every population of the template, root first; `pop` and `denom` index it.
    warn_below, least
        Smallest denominators by the template's limits; NaN where it sets none.
    """

    template: GatingTemplate
    paths: tuple[str, ...]
    pop: NDArray[np.int64]
    denom: NDArray[np.int64]
    warn_below: NDArray[np.float64]
    least: NDArray[np.float64]

    @property
    def n_rows(self) -> int:
        """Rows a sample."""
        return int(self.pop.size)

    @cached_property
    def texts(self) -> dict[str, NDArray[np.object_]]:
        """Columns of `populations` that are alike for all samples of this template."""
        gates = [self.template.gate(self.paths[i]) for i in self.pop]
        columns: dict[str, list[str | None]] = {
            "pop_id": [g.id for g in gates],
            "pop_path": [g.path for g in gates],
            "pop_label": [g.label for g in gates],
            "cl_id": [g.cell_ontology for g in gates],
            "name_hipc": [g.name_hipc for g in gates],
            "denom_id": [self.template.id_of(self.paths[i]) for i in self.denom],
            "denom_path": [self.paths[i] for i in self.denom],
        }
        return shared_texts(columns)

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """Population and denominator of each row, for its id."""
        ids = zip(self.texts["pop_id"], self.texts["denom_id"], strict=True)
        return tuple(f"{pop}\x1f{denom}" for pop, denom in ids)

    def lineage(self, path: str) -> tuple[str, ...]:
        """A population and everything above it."""
        return (path, *self.template.ancestors(path))

    @lru_cache(maxsize=256)  # noqa: B019 - layouts are few and live as long as the program
    def path_of_role(self, role: str) -> str | None:
        """The one population with a role; None where the template names none or several."""
        found = [g.path for g in self.template.gates if g.role == role]
        return found[0] if len(found) == 1 else None

    @lru_cache(maxsize=4096)  # noqa: B019 - as above
    def within(self, path: str) -> Mask:
        """(n_paths,) which populations are this one or lie below it."""
        found = np.array([path in self.lineage(p) for p in self.paths])
        found.setflags(write=False)
        return found

    def rows_within(self, path: str) -> Mask:
        """(n_rows,) rows whose denominator is this population or lies below it."""
        return np.asarray(self.within(path)[self.denom])

    @cached_property
    def _looks_at(self) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
        """Path to the markers that a population is chosen by, and those it is chosen by the absence of (a "not")."""
        found: dict[str, tuple[frozenset[str], frozenset[str]]] = {ROOT: (frozenset(), frozenset())}

        def visit(path: str) -> tuple[frozenset[str], frozenset[str]]:
            if path in found:
                return found[path]
            gate = self.template.gate(path)
            direct, excluded = visit(gate.parent)
            names = {n for d in gate.geometry.dimensions for n in d.channels}
            direct |= names
            if isinstance(gate.geometry, Boolean):
                for term in gate.geometry.terms:
                    inner, inner_excluded = visit(term.path)
                    direct |= frozenset() if term.complement else inner
                    excluded |= inner | inner_excluded if term.complement else inner_excluded
            found[path] = (direct, excluded - direct)
            return found[path]

        for path in self.paths:
            visit(path)
        return found

    def _looking_at(self, markers: frozenset[str], *, excluding: bool) -> Mask:
        called = {m.name for m in self.template.markers if {m.name.casefold(), *map(str.casefold, m.names)} & markers}
        return np.array([bool(called & self._looks_at[p][excluding]) for p in self.paths])

    @lru_cache(maxsize=256)  # noqa: B019 - as above
    def concerned(self, state: State) -> tuple[Mask, Mask]:
        """(n_rows,) rows that a state is about, and rows that rest on its markers by exclusion only."""
        by_role = [g.path for g in self.template.gates if g.role in state.roles or g.cell_ontology in state.cl_ids]
        at = np.zeros(len(self.paths), dtype=np.bool_)
        for path in by_role:
            at |= self.within(path) if state.below else np.array([p == path for p in self.paths])
        markers = frozenset(m.casefold() for m in state.markers)
        looking = self._looking_at(markers, excluding=False)
        excluded = self._looking_at(markers, excluding=True)
        rows = (at | looking)[self.pop] | looking[self.denom]
        return rows, (excluded[self.pop] | excluded[self.denom]) & ~rows


_LAYOUTS: dict[str, Layout] = {}


def layout_of(template: GatingTemplate) -> Layout:
    """The layout of a template, made once for each content."""
    if template.digest not in _LAYOUTS:
        _LAYOUTS[template.digest] = _lay_out(template)
    return _LAYOUTS[template.digest]


def _lay_out(template: GatingTemplate) -> Layout:
    place = {p: i for i, p in enumerate(template.paths)}
    pairs = [(p, d) for p, denominators in template.reported().items() for d in denominators]
    pairs.sort(key=lambda pair: (template.id_of(pair[0]), template.id_of(pair[1])))
    limits = dict(template.limits)

    def bounds(name: str) -> NDArray[np.float64]:
        values = [getattr(limits.get(p), name, None) for p, _ in pairs]
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)

    return Layout(
        template,
        template.paths,
        np.array([place[p] for p, _ in pairs], dtype=np.int64),
        np.array([place[d] for _, d in pairs], dtype=np.int64),
        bounds("warn_denominator_below"),
        bounds("not_evaluable_denominator_below"),
    )
