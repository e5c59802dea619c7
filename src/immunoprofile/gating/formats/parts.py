"""The parts of a template file, well formed or not: what is well formed is judged for sense whatever else is wrong.

A misspelt key is read as the key it is most like, and a word that is none of those allowed as the nearest of them, so
that what stands beside and inside it is judged as well. Of a gate whose shape is ill-formed the names are kept, and
the markers it names: what refers to it is not complained of.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from immunoprofile.errors import Problem
from immunoprofile.gating.formats.complaints import allowed_words, keys_at, place_of, shape_problems
from immunoprofile.gating.formats.shape import (
    GEOMETRIES,
    CompensationShape,
    GateShape,
    IntensitiesShape,
    LimitShape,
    MarkerShape,
    ReportShape,
    TemplateShape,
    TestShape,
)
from immunoprofile.gating.formats.shape_scales import Model, ScaleShape

Shape = TypeVar("Shape", bound=BaseModel)
_SHAPES = frozenset({*GEOMETRIES, "auto", "fallback"})
_WHOLES: dict[str | int, type[GateShape] | type[TestShape]] = {"gate": GateShape, "test": TestShape}
_ROUNDS = 5
"""A misspelt key inside a misspelt key inside a misspelt key: deeper no template is nested."""
_DEEP = 3
"""Places longer than ``gate[3].label`` lie inside a shape, a rule or a table of their own."""


@dataclass(frozen=True, slots=True)
class IllGate:
    """A gate whose shape cannot be read.

    `populations` are the name and the id of each (the corners of a quadrant gate are one each), none where the parent
    cannot be read either; `axes` the markers it names with their places.
    """

    populations: tuple[tuple[str, str | None], ...]
    parent: str | None
    axes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything of a template file that is well formed, with its number in the file where parts are numbered.

    Attributes
    ----------
    whole
        The file, where nothing is ill-formed.
    problems
        What is ill-formed.
    known_markers, known_scales
        Their names, ill-formed ones as well.
    compensation
        None where it is ill-formed.
    all_named
        False where some gate has no readable name or parent: paths cannot be judged then.
    """

    whole: TemplateShape | None
    problems: tuple[Problem, ...]
    markers: Mapping[str, MarkerShape]
    known_markers: tuple[str, ...]
    scales: Mapping[str, Any]
    known_scales: tuple[str, ...]
    compensation: CompensationShape | None
    gates: tuple[tuple[int, GateShape | IllGate], ...]
    reports: tuple[tuple[int, ReportShape], ...]
    limits: Mapping[str, LimitShape]
    intensities: IntensitiesShape
    tests: tuple[tuple[int, TestShape], ...]
    all_named: bool = True


def read_parts(content: Mapping[str, Any], file: str) -> Parts:
    """Tell the well-formed parts of a template file from the others."""
    try:
        return _whole(TemplateShape.model_validate(content))
    except ValidationError as error:
        problems, mended = _mend(content, error, file)
    if not all(isinstance(mended.get(k), kind) for k, kind in (("markers", dict), ("scales", dict), ("gate", list))):
        return _nothing(problems)
    return _sound(mended, problems)


def _whole(shape: TemplateShape) -> Parts:
    return Parts(
        shape,
        (),
        shape.markers,
        tuple(shape.markers),
        shape.scales,
        tuple(shape.scales),
        shape.compensation,
        tuple(enumerate(shape.gate)),
        tuple(enumerate(shape.report)),
        shape.limits,
        shape.intensities,
        tuple(enumerate(shape.test)),
    )


def _nothing(problems: tuple[Problem, ...]) -> Parts:
    """Without markers, scales or gates there is nothing that could be judged."""
    return Parts(None, problems, {}, (), {}, (), None, (), (), {}, IntensitiesShape(), (), all_named=False)


def _sound(content: dict[str, Any], problems: tuple[Problem, ...]) -> Parts:
    markers, scales, limits = (_table(content.get(k)) for k in ("markers", "scales", "limits"))
    gates = tuple((i, _gate(raw)) for i, raw in enumerate(content["gate"]) if isinstance(raw, dict))
    return Parts(
        None,
        problems,
        {n: m for n, raw in markers.items() if (m := _read(MarkerShape, raw)) is not None},
        tuple(markers),
        {n: s.one for n, raw in scales.items() if (s := _read(_OneScale, {"one": raw})) is not None},
        tuple(scales),
        _read(CompensationShape, content.get("compensation", {})),
        gates,
        tuple(_numbered(ReportShape, content.get("report"))),
        {n: x for n, raw in limits.items() if (x := _read(LimitShape, raw)) is not None},
        _read(IntensitiesShape, content.get("intensities", {})) or IntensitiesShape(),
        tuple(_numbered(TestShape, content.get("test"))),
        all_named=len(gates) == len(content["gate"]) and all(map(_is_named, content["gate"])),
    )


class _OneScale(Model):
    one: ScaleShape


def _table(raw: object) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def _read(model: type[Shape], raw: object) -> Shape | None:
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None


def _numbered(model: type[Shape], raw: object) -> Iterator[tuple[int, Shape]]:
    for i, part in enumerate(raw if isinstance(raw, list) else []):
        shape = _read(model, part)
        if shape is not None:
            yield i, shape


def _gate(raw: dict[str, Any]) -> GateShape | IllGate:
    """A gate without the plain keys that are ill-formed; where the shape itself is, what can be said of it."""
    kept = dict(raw)
    for _ in range(2):
        try:
            shape = GateShape.model_validate(kept)
        except ValidationError as error:
            wrong = {e["loc"][0] if e["loc"] else None for e in error.errors(include_url=False)}
            if wrong & {*_SHAPES, None, "name", "parent"}:
                break
            kept = {k: v for k, v in kept.items() if k not in wrong}
        else:
            given = raw.get("id")
            return shape.model_copy(update={"id": given}) if isinstance(given, str) else shape
    return IllGate(tuple(_populations(raw)) if _has_place(raw) else (), raw.get("parent"), tuple(_axes(raw)))


def _populations(raw: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    quadrant = raw.get("quadrant")
    if quadrant is None:
        found = [(raw.get("name"), raw.get("id"))]
    else:
        ids = _table(_table(quadrant).get("ids"))
        found = [(name, ids.get(corner)) for corner, name in _table(_table(quadrant).get("names")).items()]
    for name, given in found:
        if isinstance(name, str) and name:
            yield name, given if isinstance(given, str) else None


def _has_place(raw: dict[str, Any]) -> bool:
    parent = raw.get("parent")
    return parent is None or (isinstance(parent, str) and parent != "")


def _is_named(raw: object) -> bool:
    gate = _table(raw)
    return _has_place(gate) and next(_populations(gate), None) is not None


def _axes(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Markers that an ill-formed shape names, each with the place of the shape."""
    inside = [(k, _table(raw.get(k))) for k in (*GEOMETRIES, "auto") if k in raw]
    inside += [(f"fallback.{k}", _table(v)) for k, v in _table(raw.get("fallback")).items()]
    for place, shape in inside:
        if place.endswith("rectangle"):
            named: list[Any] = list(shape)
        else:
            listed = shape.get("dimensions")
            named = [shape.get("x"), shape.get("y"), *(listed if isinstance(listed, list) else [])]
        yield from ((place, n) for n in named if isinstance(n, str))


def _mend(content: Mapping[str, Any], error: ValidationError, file: str) -> tuple[tuple[Problem, ...], dict[str, Any]]:
    """Every complaint about the shape, and the content with the mistakes mended that can be guessed."""
    mended = deepcopy(dict(content))
    problems: dict[tuple[str | None, str], Problem] = {}
    found: ValidationError | None = error
    for _ in range(_ROUNDS):
        if found is None:
            break
        for problem in [*shape_problems(found, file, TemplateShape), *_hidden(found, mended, file)]:
            problems.setdefault((problem.where, problem.what), problem)
        # Backwards, so that the numbers of a list stay those of the file.
        guesses = [_guess(mended, dict(e)) for e in reversed(found.errors(include_url=False))]
        found = _complaints(mended) if any(guesses) else None
    return tuple(problems.values()), mended


def _complaints(content: dict[str, Any]) -> ValidationError | None:
    try:
        TemplateShape.model_validate(content)
    except ValidationError as error:
        return error
    return None


def _guess(content: dict[str, Any], complaint: dict[str, Any]) -> bool:
    """Mend one mistake in place; False where nothing can be guessed."""
    place = place_of(complaint)
    above: Any = content
    for part in place[:-1]:
        above = _inside(above, part)
    key = place[-1] if place else None
    if not isinstance(above, dict) or not isinstance(key, str) or key not in above:
        return False
    if complaint["type"] == "extra_forbidden":
        return _rename(above, key, keys_at(TemplateShape, place[:-1]), inside=len(place) > _DEEP)
    words = allowed_words(complaint)
    if complaint["type"] == "literal_error" and isinstance(above[key], str):
        above[key] = _nearest(above[key], words) or words[0]
        return True
    if complaint["type"] == "union_tag_invalid":
        above[key]["kind"] = _nearest(str(complaint["ctx"]["tag"]), words) or words[0]
        return True
    return False


def _inside(content: Any, part: str | int) -> Any:
    """What stands under a key or number; None where nothing does."""
    if isinstance(content, dict):
        return content.get(part)
    return content[part] if isinstance(content, list) and isinstance(part, int) else None


def _rename(above: dict[str, Any], key: str, known: list[str], *, inside: bool) -> bool:
    """Read an unknown key as the one it is most like; without such a one it says nothing, but inside a shape it may
    have said where that shape lies: it stays there, and the shape is ill-formed."""
    near = _nearest(key, known)
    if inside and near is None:
        return False
    value = above.pop(key)
    # A table is no name, and a name no shape: such a likeness is chance.
    if near is not None and ("range" not in known or isinstance(value, dict) == (near in _SHAPES)):
        above.setdefault(near, value)
    return True


def _nearest(word: str, known: list[str]) -> str | None:
    near = difflib.get_close_matches(word.casefold(), known, n=1, cutoff=0.6)
    return near[0] if near else None


def _hidden(error: ValidationError, content: dict[str, Any], file: str) -> Iterator[Problem]:
    """What a gate or a test as a whole would be told if pydantic looked at it although something inside is wrong."""
    inside = {loc[:2] for e in error.errors(include_url=False) if len(loc := e["loc"]) > 2 and loc[0] in _WHOLES}
    for block, number in sorted((str(b), int(n)) for b, n in inside):
        raw, model = content[block][number], _WHOLES[block]
        # A key that is not known may be the one that is missing.
        if all(k in model.model_fields for k in raw):
            what = model.model_construct(**raw).complaint()
            if what is not None:
                remedy = "Correct the block as a whole too."
                yield Problem(what, file, f"{block}[{number}]", remedy=remedy, code="VALUE")
