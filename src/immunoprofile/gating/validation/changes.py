"""What differs between two templates: their definitions, and where the events of a file go."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs import Events
from immunoprofile.gating.gates import Geometry
from immunoprofile.gating.membership import Membership
from immunoprofile.gating.paths import ROOT, split_path
from immunoprofile.gating.template import GatingTemplate, canonical, describe_geometry, describe_rule
from immunoprofile.gating.validation.mutants import name_of
from immunoprofile.gating.validation.verdicts import gate_alone


@dataclass(frozen=True, slots=True)
class Shift:
    """One population under two templates.

    Attributes
    ----------
    before, after
        Events; None where a template has no such population, or leaves it out for this file.
    gained, lost
        Events that only the second holds, and that only the first holds.
    """

    path: str
    before: int | None
    after: int | None
    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Events whose deepest population changed, from one path to another."""

    before: str
    after: str
    n_events: int


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the events of one file.

    Attributes
    ----------
    shifts
        Populations that changed, in the order of the first template, then those of the second alone.
    moves
        Most events first.
    """

    n_events: int
    shifts: tuple[Shift, ...]
    moves: tuple[Moved, ...]

    @property
    def n_moved(self) -> int:
        """Events whose deepest population changed."""
        return sum(m.n_events for m in self.moves)


def compare_definitions(one: GatingTemplate, other: GatingTemplate) -> list[str]:
    """Lines that differ between two templates: ``-`` in the first only, ``+`` in the second only."""
    lines = difflib.unified_diff(_definition(one), _definition(other), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _definition(template: GatingTemplate) -> list[str]:
    """Everything that can change a number, a thing a line."""
    whole = canonical(template)
    lines = [
        f"{key}: {_text(whole[key])}" for key in sorted(whole) if key not in {"gates", "reports", "limits", "markers"}
    ]
    lines += [f"marker {row[0]}: {_text(row[1:])}" for row in whole["markers"]]
    for gate in template.gates:
        shape, place = gate.template_geometry, f"gate {gate.path}"
        named = [gate.id, gate.label, gate.cell_ontology, gate.name_hipc, gate.role]
        lines += [f"{place}: {shape.kind} {words}" for words in _parts(shape)]
        lines.append(f"{place}: named {_text([n for n in named if n])}")
        if gate.auto is not None:
            lines.append(f"{place}: auto {_text(describe_rule(gate.auto))}")
    lines += [f"report {path}: of {_text(of)}" for path, of in whole["reports"]]
    return lines + [f"limit {row[0]}: {_text(row[1:])}" for row in whole["limits"]]


def _parts(shape: Geometry) -> list[str]:
    """A geometry in lines short enough to compare by eye: an axis, a bound, a vertex each."""
    whole = describe_geometry(shape)
    axes = [name_of(d) for d in shape.dimensions]
    lines = [f"axis {_text(d)}" for d in whole.pop("dimensions", [])]
    lines += [f"{name} {_text(pair)}" for name, pair in zip(axes, whole.pop("bounds", []), strict=False)]
    lines += [f"vertex {_text(vertex)}" for vertex in whole.pop("vertices", [])]
    return lines + [f"{key} {_text(value)}" for key, value in whole.items()]


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def compare_events(one: GatingTemplate, other: GatingTemplate, events: Events) -> Change:
    """Gate a file with both templates and say which events went elsewhere.

    Raises
    ------
    PanelMismatchError, SpilloverError
        One of them does not fit the file.

    Notes
    -----
    An event's deepest population is the one with the longest path that holds it; of several alike the one that comes
    last in the template. Automatic gates are found in this file alone.
    """
    before, after = (gate_alone(t, events) for t in (one, other))
    paths = dict.fromkeys((*before.paths, *after.paths))
    shifts = [s for p in paths if (s := _shift(p, before, after)) is not None]
    names = list(paths)
    codes = {p: i for i, p in enumerate(names)}
    pairs = np.stack([_deepest(before, codes), _deepest(after, codes)])
    changed = pairs[:, pairs[0] != pairs[1]]
    kinds, counts = np.unique(changed, axis=1, return_counts=True)
    moves = [Moved(names[a], names[b], int(n)) for (a, b), n in zip(kinds.T.tolist(), counts.tolist(), strict=True)]
    moves.sort(key=lambda m: (-m.n_events, codes[m.before], codes[m.after]))
    return Change(events.n_events, tuple(shifts), tuple(moves))


def _shift(path: str, before: Membership, after: Membership) -> Shift | None:
    held = [m.mask(path) if path in m.paths else None for m in (before, after)]
    if held[0] is None or held[1] is None:
        counts = [None if h is None else int(np.count_nonzero(h)) for h in held]
        return Shift(path, counts[0], counts[1], counts[1] or 0, counts[0] or 0)
    gained, lost = int(np.count_nonzero(held[1] & ~held[0])), int(np.count_nonzero(held[0] & ~held[1]))
    return Shift(path, before.count(path), after.count(path), gained, lost) if gained or lost else None


def _deepest(members: Membership, codes: dict[str, int]) -> NDArray[np.int64]:
    """(n_events,) the code of the deepest population that holds each event."""
    found = np.full(members.n_events, codes[ROOT], dtype=np.int64)
    ordered: Sequence[str] = sorted(members.paths[1:], key=lambda p: len(split_path(p)))
    for path in ordered:
        found[members.mask(path)] = codes[path]
    return found
