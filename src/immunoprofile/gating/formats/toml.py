"""Our template file: TOML. Its shape and its sense are judged together, and all problems come at once.

What is well formed is judged for sense although something else is not: `formats.parts` tells the two apart.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from immunoprofile.errors import Problem, TemplateInvalidError, TemplateSyntaxError, closest, printable
from immunoprofile.gating.expectations import Expectation, TemplateTest
from immunoprofile.gating.formats.assembly import Assembled, assemble
from immunoprofile.gating.formats.parts import Parts, read_parts
from immunoprofile.gating.formats.sense import Sense
from immunoprofile.gating.formats.shape import TestShape
from immunoprofile.gating.formats.toml_gates import draft_gates
from immunoprofile.gating.template import Compensation, GatingTemplate, Intensities, Limit, Marker, Quality
from immunoprofile.provenance import read_regular

_MAX_BYTES = 5_000_000
_NEED_NAMES = frozenset({"PARENT-UNKNOWN", "PARENT-AMBIGUOUS", "POPULATION-UNKNOWN", "REPORT-DENOMINATOR"})
"""Complaints that are only certain where every gate has its name and its place."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A template file as judged.

    Attributes
    ----------
    template
        None where anything is wrong.
    standing
        Where something is wrong: the gates with nothing wrong about them, as a template of their own.
    """

    template: GatingTemplate | None
    standing: GatingTemplate | None
    problems: tuple[Problem, ...]
    well_formed: bool


def read_toml(path: Path) -> GatingTemplate:
    """Read a template file.

    Raises
    ------
    TemplateSyntaxError
        Missing, not TOML, unknown keys or wrong types, with all that is wrong about the rest.
    TemplateInvalidError
        Right in shape, wrong in sense: all problems.
    """
    judged = judge_toml(path)
    if judged.template is None:
        kind = TemplateInvalidError if judged.well_formed else TemplateSyntaxError
        raise kind.of(judged.problems)
    return judged.template


def judge_toml(path: Path) -> Judged:
    """Read a template file and name everything that is wrong with it.

    Raises
    ------
    TemplateSyntaxError
        Missing, or not TOML.
    """
    try:
        data = read_regular(path, _MAX_BYTES)
    except OSError as problem:
        raise TemplateSyntaxError(
            f"template cannot be read ({problem.strerror})",
            path=path,
            code="TEMPLATE-ACCESS",
            remedy="Check the path.",
        ) from problem
    try:
        parts = read_parts(tomllib.loads(data.decode("utf-8-sig")), str(path))
    except (ValueError, RecursionError) as problem:  # not TOML, not UTF-8, or a number with thousands of digits
        raise TemplateSyntaxError(
            f"is not TOML ({problem})", path=path, remedy="Mend the line it names.", code="TEMPLATE-TOML"
        ) from problem
    return judge_parts(parts, path)


def judge_parts(parts: Parts, path: Path) -> Judged:
    """A file's parts put together, or everything that is wrong with them."""
    sense = Sense(parts, path)
    comp = _compensation(sense, parts)
    assembled = _assemble(sense, parts)
    intensities = _intensities(sense, parts, assembled)
    found = [p for p in assembled.problems if parts.all_named or p.code not in _NEED_NAMES]
    problems = (*parts.problems, *sense.problems, *found)
    if parts.whole is None or problems:
        return Judged(None, _standing(parts, comp, assembled, path), problems, parts.whole is not None)
    head = parts.whole.template
    template = GatingTemplate(
        head.id,
        head.version,
        head.title,
        head.status,
        _markers(parts),
        comp,
        assembled.gates,
        assembled.reports,
        assembled.limits,
        path,
        quality=Quality(**parts.whole.quality.model_dump()),
        tests=assembled.tests,
        intensities=intensities,
    )
    return Judged(template, None, (), well_formed=True)


def _standing(parts: Parts, comp: Compensation, assembled: Assembled, path: Path) -> GatingTemplate:
    return GatingTemplate("standing", "0", "", "draft", _markers(parts), comp, assembled.standing(), source=path)


def _markers(parts: Parts) -> tuple[Marker, ...]:
    return tuple(
        Marker(n, tuple(m.names or [n]), m.optional, m.by == "detector")
        for n, m in parts.markers.items()
        if m.ratio is None
    )


def _assemble(sense: Sense, parts: Parts) -> Assembled:
    drafts = [d for i, g in parts.gates for d in draft_gates(sense, i, g)]
    for i, test in parts.tests:
        _check_controls(sense, f"test[{i}].controls", test, parts)
    return assemble(
        drafts,
        [(f"report[{i}]", r.population, r.of) for i, r in parts.reports],
        [
            (f"limits.{n}", n, Limit(x.warn_denominator_below, x.not_evaluable_denominator_below))
            for n, x in parts.limits.items()
        ],
        str(sense.path),
        [(f"test[{i}]", _test(t)) for i, t in parts.tests],
        [(f"intensities.populations[{i}]", n) for i, n in enumerate(parts.intensities.populations)],
    )


def _intensities(sense: Sense, parts: Parts, assembled: Assembled) -> Intensities:
    """What ``[intensities]`` names, as paths and markers; only reported populations have intensities."""
    for i, name in enumerate(parts.intensities.markers):
        sense.axis(f"intensities.markers[{i}]", name)
    # A [[report]] that is wrong may have been the one that is missed.
    whole = parts.whole is not None and len(assembled.reports) == len(parts.reports)
    reported = {r.path for r in assembled.reports} or {g.path for g in assembled.gates}
    for where, path in assembled.named:
        if whole and path not in reported:
            what = f'"{printable(path)}" is not reported'
            sense.problem(where, what, "Add a [[report]] of it.", "POPULATION-UNREPORTED")
    return Intensities(tuple(p for _, p in assembled.named), tuple(parts.intensities.markers))


def _check_controls(sense: Sense, where: str, test: TestShape, parts: Parts) -> None:
    known = [*sense.known, *(n for m in parts.markers.values() for n in m.names or ())]
    folded = {n.casefold() for n in known}
    for name in test.controls:
        kind, _, marker = name.partition(":")
        if kind != "fmo":
            remedy = 'Write "fmo:MARKER": other controls have no part in finding gates.'
            sense.problem(where, f'"{printable(name)}" is no control of a test', remedy, "TEST-CONTROL")
        elif marker.strip().casefold() not in folded:
            what = f'no marker named "{printable(marker)}"'
            sense.problem(f"{where}.{printable(name)}", what, closest(marker, known), "MARKER-UNKNOWN")


def _test(shape: TestShape) -> TemplateTest:
    """A test as written: one expectation a number."""
    found: list[Expectation] = []
    for path, expect in shape.expect.items():
        slack = expect.tolerance or 0.0
        if expect.count is not None:
            found.append(Expectation(path, "count", expect.count, slack))
        if expect.frac_of_parent is not None:
            found.append(Expectation(path, "frac_of_parent", expect.frac_of_parent, slack))
        for whole, value in (expect.frac_of or {}).items():
            found.append(Expectation(path, "frac_of", value, slack, whole))
        if expect.f1 is not None:
            labels = (expect.label,) if isinstance(expect.label, str) else tuple(expect.label or ())
            found.append(Expectation(path, "f1", expect.f1, labels=labels))
    return TemplateTest(shape.sample, tuple(found), shape.labels, shape.label_column, tuple(shape.controls.items()))


def _compensation(sense: Sense, parts: Parts) -> Compensation:
    comp = parts.compensation
    if comp is None:
        return Compensation()
    if (comp.source == "matrix") != (comp.matrix is not None):
        sense.problem(
            "compensation.matrix",
            'goes with source = "matrix", and only with it',
            'Write source = "matrix" and matrix = "FILE.csv", or neither.',
            "COMPENSATION",
        )
    return Compensation(comp.source, comp.matrix, comp.missing, tuple(sense.matrices.items()))
