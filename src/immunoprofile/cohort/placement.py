"""Every threshold of a population moved within its tolerance, and the population counted again.

Each file is read once: the gates that matter are few, so all placements together cost little more than one run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd

from immunoprofile.cohort.sample import Plans, read_sample
from immunoprofile.errors import FcsError, ImmunoprofileError, OutputError
from immunoprofile.fcs import Strictness
from immunoprofile.gating import Boolean, Ellipsoid, GatingTemplate, Polygon, Rectangle, run_plan
from immunoprofile.gating.gates import Dimension, Geometry
from immunoprofile.quality import RuleSet, load_quality_rules, remove_events, survey_events
from immunoprofile.spillover import read_spillover
from immunoprofile.study import Sample

TOLERANCE = 0.02
"""How far a threshold is moved, as a part of its scale from 0 to 1 (analysis plan: 1 to 3 %)."""

Work = Sequence[tuple[Sample, GatingTemplate]]


def moved_templates(
    template: GatingTemplate, pop_id: str, *, tolerance: float = TOLERANCE
) -> dict[str, GatingTemplate]:
    """Templates with one threshold of a population, or of what it lies in, moved up or down.

    Parameters
    ----------
    tolerance
        In units of scaled coordinates.

    Returns
    -------
    dict
        ``Treg: CD25 min +0.02`` to a template with the gates that this population needs and no more. A polygon
        or an ellipse moves as a whole along each axis. Boolean gates have no thresholds of their own.
    """
    small = needed_part(template, pop_id)
    found = {}
    for gate in small.gates:
        for what, geometry in _moves(gate.geometry, tolerance):
            gates = tuple(replace(g, geometry=geometry) if g.path == gate.path else g for g in small.gates)
            found[f"{gate.name}: {what}"] = replace(small, gates=gates)
    return found


def needed_part(template: GatingTemplate, pop_id: str) -> GatingTemplate:
    """The gates that one population needs, and no more of the template."""
    needed = _needed(template, template.find(pop_id))
    return replace(
        template, gates=tuple(g for g in template.gates if g.path in needed), reports=(), limits=(), tests=()
    )


def place_gates(
    work: Work,
    populations: pd.DataFrame,
    pop_id: str,
    denom_id: str,
    *,
    tolerance: float = TOLERANCE,
    strictness: Strictness = Strictness.REPORT,
    rules: RuleSet | None = None,
    jobs: int = 1,
) -> dict[str, pd.DataFrame]:
    """Placement to the rows of `populations` for one population, counted with the gates so placed.

    Parameters
    ----------
    work
        Samples with their templates, automatic gates found and overrides in place.
    populations
        The table of the run: whatever is not a count is taken from its rows.

    Raises
    ------
    OutputError
        A file that was read before cannot be read any more (``OUTPUT-INPUT``).

    Notes
    -----
    Samples whose panel lacks the population are left out; one that does not know a placement keeps its own counts
    there.
    """
    own = populations[(populations["pop_id"] == pop_id) & (populations["denom_id"] == denom_id)]
    wanted = set(own["sample_id"])
    tasks = [(s, t) for s, t in work if s.sample_id in wanted]
    templates = {id(t): moved_templates(t, pop_id, tolerance=tolerance) for _, t in tasks}
    return _count_again(
        [(s, templates[id(t)]) for s, t in tasks], own, pop_id, denom_id, strictness=strictness, rules=rules, jobs=jobs
    )


def place_otherwise(
    works: Mapping[str, Work],
    populations: pd.DataFrame,
    pop_id: str,
    denom_id: str,
    *,
    strictness: Strictness = Strictness.REPORT,
    rules: RuleSet | None = None,
    jobs: int = 1,
) -> dict[str, pd.DataFrame]:
    """As `place_gates`, with the gates that other rules give: name of the rule to samples with their templates."""
    own = populations[(populations["pop_id"] == pop_id) & (populations["denom_id"] == denom_id)]
    wanted = set(own["sample_id"])
    tasks: dict[str, tuple[Sample, dict[str, GatingTemplate]]] = {}
    for name, work in works.items():
        for sample, template in (w for w in work if w[0].sample_id in wanted):
            tasks.setdefault(sample.sample_id, (sample, {}))[1][name] = needed_part(template, pop_id)
    return _count_again(list(tasks.values()), own, pop_id, denom_id, strictness=strictness, rules=rules, jobs=jobs)


def _count_again(
    tasks: Sequence[tuple[Sample, Mapping[str, GatingTemplate]]], own: pd.DataFrame, pop_id: str, denom_id: str, *,
    strictness: Strictness, rules: RuleSet | None, jobs: int,
) -> dict[str, pd.DataFrame]:  # fmt: skip
    checked, plans = rules or load_quality_rules(), Plans()

    def count(task: tuple[Sample, Mapping[str, GatingTemplate]]) -> dict[str, tuple[int, int]]:
        return dict(_counted(*task, pop_id, denom_id, plans, strictness, checked))

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        counted = dict(zip([s.sample_id for s, _ in tasks], pool.map(count, tasks), strict=True))
    read = own[own["sample_id"].isin([s for s, found in counted.items() if found])]
    names = dict.fromkeys(name for found in counted.values() for name in found)
    return {name: _replaced(read, {s: found[name] for s, found in counted.items() if name in found}) for name in names}


def _counted(
    sample: Sample, templates: Mapping[str, GatingTemplate], pop_id: str, denom_id: str, plans: Plans,
    strictness: Strictness, rules: RuleSet,
) -> Iterator[tuple[str, tuple[int, int]]]:  # fmt: skip
    try:
        events = read_sample(sample, strictness)
        matrix = None if sample.spillover is None else read_spillover(sample.spillover)
        for name, template in templates.items():
            members = run_plan(plans.plan(template, events, matrix), events, threads=1)
            if "remove" in (template.quality.time, template.quality.margins, template.quality.doublets):
                members = remove_events(members, events, survey_events(members, events, rules)).members
            counts = members.counts()
            yield name, (counts[template.find(pop_id)], counts[template.find(denom_id)])
    except FcsError as problem:
        # Without it the range of placements would be that of other samples.
        raise lost_input(problem, str(sample.file)) from problem
    except ImmunoprofileError:
        # Its panel lacks the population.
        return


def lost_input(problem: FcsError, path: str) -> OutputError:
    """The error for a file that was read when it was gated, and cannot be read any more."""
    return OutputError(
        f"could be read when it was gated and cannot be now ({problem.problems[0].what})",
        path=path,
        remedy="Look at the disk or the network share, then run the same command again: what was done is kept.",
        code="OUTPUT-INPUT",
    )


def _replaced(rows: pd.DataFrame, counts: Mapping[str, tuple[int, int]]) -> pd.DataFrame:
    """The rows with new counts; a sample that does not know this placement keeps its own."""
    pairs = [
        counts.get(s, (k, n)) for s, k, n in zip(rows["sample_id"], rows["count"], rows["denom_count"], strict=True)
    ]
    return rows.assign(count=[k for k, _ in pairs], denom_count=[n for _, n in pairs])


def _needed(template: GatingTemplate, path: str) -> set[str]:
    """Paths of a gate, of all it lies in, and of what its Boolean gates refer to."""
    found, waiting = set[str](), [path]
    by_path = {g.path: g for g in template.gates}
    while waiting:
        gate = by_path.get(waiting.pop())
        if gate is None or gate.path in found:
            continue
        found.add(gate.path)
        waiting.append(gate.parent)
        waiting += [t.path for t in gate.geometry.terms] if isinstance(gate.geometry, Boolean) else []
    return found


def _moves(geometry: Geometry, tolerance: float) -> Iterator[tuple[str, Geometry]]:
    for by in (-tolerance, tolerance):
        if isinstance(geometry, Rectangle):
            yield from _moved_bounds(geometry, by)
        elif isinstance(geometry, Polygon):
            for axis, dimension in enumerate(geometry.dimensions):
                shifted = tuple((x + by * (axis == 0), y + by * (axis == 1)) for x, y in geometry.vertices)
                yield f"{_axis(dimension)} {by:+g}", replace(geometry, vertices=shifted)
        elif isinstance(geometry, Ellipsoid):
            for axis, dimension in enumerate(geometry.dimensions):
                center = tuple(c + by * (i == axis) for i, c in enumerate(geometry.center))
                yield f"{_axis(dimension)} {by:+g}", replace(geometry, center=center)


def _moved_bounds(geometry: Rectangle, by: float) -> Iterator[tuple[str, Geometry]]:
    for axis, (dimension, (low, high)) in enumerate(zip(geometry.dimensions, geometry.bounds, strict=True)):
        for name, moved in (
            ("min", None if low is None else (low + by, high)),
            ("max", None if high is None else (low, high + by)),
        ):
            if moved is not None:
                bounds = tuple(moved if i == axis else b for i, b in enumerate(geometry.bounds))
                yield f"{_axis(dimension)} {name} {by:+g}", replace(geometry, bounds=bounds)


def _axis(dimension: Dimension) -> str:
    return "/".join(dimension.channels)


def found_in_data(template: GatingTemplate, path: str) -> bool:
    """Is a gate of this population, or one that it lies in, found in the data rather than given?"""
    return any(g.auto is not None for g in template.gates if g.path in _needed(template, path))
