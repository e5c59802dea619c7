"""What the gates of a Gating-ML file refer to: scales, ratios and spectrum matrices by their ids."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from immunoprofile.errors import ImmunoprofileError, closest, printable
from immunoprofile.gating.formats.gatingml_custom import SPACE
from immunoprofile.gating.formats.gatingml_words import (
    DATATYPES,
    FCS,
    RESTS,
    TRANSFORMS,
    UNCOMPENSATED_REF,
    RefusalError,
    attribute,
    bound,
    check_words,
    is_standard,
    local,
    number,
    only,
    truth,
)
from immunoprofile.gating.gates import FILE
from immunoprofile.scales import Asinh, Hyperlog, Identity, Linear, Log, Logicle, Scale
from immunoprofile.spillover import Spillover

if TYPE_CHECKING:
    from immunoprofile.gating.formats.gatingml_info import TemplateInfo

SCALES: dict[str, tuple[type[Scale], tuple[str, ...]]] = {
    "flin": (Linear, ("T", "A")),
    "flog": (Log, ("T", "M")),
    "fasinh": (Asinh, ("T", "M", "A")),
    "logicle": (Logicle, ("T", "W", "M", "A")),
    "hyperlog": (Hyperlog, ("T", "W", "M", "A")),
}
"""The standard's functions of one dimension: our scale, and its parameters in the order of ours."""

SCALE_MARK = f"{{{SPACE}}}scale"
"""Our attribute on a transformation: ``identity`` where a clipped identity is written as flin with T = 1, A = 0."""

# What a template calls the file's matrix and none at all: no matrix may have these names.
_TAKEN = {FILE, "none"}
# Hints compare names letter by letter: enough for a person, not so many that a hostile file costs minutes.
_HINTS = 20
_HINT_LENGTH = 100


@dataclass(frozen=True, slots=True)
class RatioDefinition:
    """``A * (numerator - B) / (denominator - C)``, clipped to its bounds."""

    numerator: str
    denominator: str
    a: float
    b: float
    c: float
    low: float
    high: float


@dataclass(slots=True)
class Definitions:
    """Everything by id; `refused` are ids of definitions that are there and cannot be used."""

    template: TemplateInfo | None
    scales: dict[str, Scale] = field(default_factory=dict)
    ratios: dict[str, RatioDefinition] = field(default_factory=dict)
    matrices: dict[str, tuple[str, Spillover]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    _hints: int = _HINTS

    def find(self, element: Any, kind: str, reference: str, known: dict[str, Any]) -> Any:
        """What an id stands for.

        Raises
        ------
        RefusalError
            Nothing of that kind, or something that was itself refused.
        """
        if reference in known:
            return known[reference]
        if reference in self.refused:
            what = f'rests on the {kind} "{printable(reference)}", which is refused'
            raise RefusalError(element, what, code=RESTS)
        raise RefusalError(element, f'no {kind} with id "{printable(reference)}"', self.hint(reference, known))

    def hint(self, name: str, known: Iterable[str]) -> str | None:
        """The closest names, for the first unknown ones of a file."""
        self._hints -= 1
        if self._hints < 0 or len(name) > _HINT_LENGTH:
            return None
        return closest(name, (k for k in known if len(k) <= _HINT_LENGTH))


def read_definitions(
    elements: Iterable[Any], template: TemplateInfo | None, refuse: Callable[[RefusalError], None]
) -> Definitions:
    """Read transformations and matrices, wherever they stand in the file; those that cannot be used are reported."""
    found = Definitions(template)
    seen: set[tuple[str, str]] = set()
    for element in elements:
        key = local(element.tag), element.get(f"{TRANSFORMS}id", "")
        try:
            if key in seen:
                raise RefusalError(element, f'the id "{printable(key[1])}" is used twice', "Ids are unique.")
            seen.add(key)
            check_words(element)
            _read(element, found)
        except RefusalError as refusal:
            found.refused.add(key[1])
            for kind in (found.scales, found.ratios, found.matrices):
                kind.pop(key[1], None)
            refuse(refusal)
    return found


def _read(element: Any, found: Definitions) -> None:
    name = attribute(element, f"{TRANSFORMS}id")
    if element.tag == f"{TRANSFORMS}spectrumMatrix":
        title = _matrix_name(element, name, found)
        found.matrices[name] = title, _matrix(element, name)
        return
    functions = [c for c in element if is_standard(c.tag) and c.tag.startswith(TRANSFORMS)]
    if len(functions) != 1:
        raise RefusalError(element, f'transformation "{printable(name)}" holds no one function of Gating-ML 2.0')
    function = functions[0]
    low, high = (_clip(element, function, *b) for b in (("boundMin", "-INF"), ("boundMax", "INF")))
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    if low > high:
        raise RefusalError(element, f'transformation "{printable(name)}": boundMin {low} is above boundMax {high}')
    if local(function.tag) == "fratio":
        found.ratios[name] = _ratio(function, name, low, high)
    else:
        found.scales[name] = _scale(element, function, name, low, high)


def _clip(element: Any, function: Any, name: str, infinity: str) -> float | None:
    places = [e for e in (element, function) if e.get(TRANSFORMS + name) is not None]
    if len(places) == 2:
        raise RefusalError(function, f"{name} is given twice", "Give it on the transformation.")
    return bound(places[0], TRANSFORMS + name, infinity) if places else None


def _scale(element: Any, function: Any, name: str, low: float, high: float) -> Scale:
    make, keys = SCALES[local(function.tag)]
    numbers = [number(function, TRANSFORMS + k) for k in keys]
    mark = element.get(SCALE_MARK)
    if mark is not None:
        if (mark, make, numbers) != ("identity", Linear, [1.0, 0.0]):
            raise RefusalError(element, f'transformation "{printable(name)}" is no identity', code="GATINGML-CUSTOM")
        return Identity(low=low, high=high)
    try:
        return make(*numbers, low=low, high=high)
    except ValueError as problem:
        raise RefusalError(element, f'transformation "{printable(name)}": {problem}') from None


def _ratio(function: Any, name: str, low: float, high: float) -> RatioDefinition:
    ends = _dimension_names(function)
    if len(ends) != 2:
        raise RefusalError(function, f'ratio "{printable(name)}" needs two channels')
    a, b, c = (number(function, TRANSFORMS + k) for k in "ABC")
    return RatioDefinition(ends[0], ends[1], a, b, c, low, high)


def clip_before(scale: Scale, low: float, high: float) -> Scale:
    """The scale of values that are clipped in linear units first: a scale rises, so it can clip its output instead."""
    own_low, own_high = scale.low, scale.high
    scaled_low = float(scale(low)) if math.isfinite(low) else -math.inf
    scaled_high = float(scale(high)) if math.isfinite(high) else math.inf
    return replace(scale, low=min(max(scaled_low, own_low), own_high), high=max(min(scaled_high, own_high), own_low))


def _matrix_name(element: Any, name: str, found: Definitions) -> str:
    if name in {FCS, UNCOMPENSATED_REF}:
        raise RefusalError(element, f'a matrix may not have the id "{name}"', "The standard gives it another meaning.")
    ours = found.template.compensation.matrices if found.template else {}
    title = ours.get(name) or (f"{name} (matrix)" if name in _TAKEN else name)
    if title in {other for other, _ in found.matrices.values()}:
        raise RefusalError(element, f'two matrices are called "{printable(title)}"', "Names are unique.")
    return title


def _matrix(element: Any, name: str) -> Spillover:
    rows = [
        [number(c, f"{TRANSFORMS}value") for c in row.findall(f"{TRANSFORMS}coefficient")]
        for row in element.findall(f"{TRANSFORMS}spectrum")
    ]
    fluorochromes, detectors = (
        _dimension_names(only(element, TRANSFORMS + tag)) for tag in ("fluorochromes", "detectors")
    )
    inverted = truth(element, f"{TRANSFORMS}matrix-inverted-already")
    shape = (len(detectors), len(fluorochromes)) if inverted else (len(fluorochromes), len(detectors))
    if len(rows) != shape[0] or any(len(r) != shape[1] for r in rows):
        raise RefusalError(
            element,
            f'matrix "{printable(name)}" has {len(rows)} rows of {_lengths(rows)} numbers; '
            f"its names ask for {shape[0]} of {shape[1]}",
            "Give one row a fluorochrome and one number a detector (the other way round where inverted already).",
        )
    try:
        # The (pseudo-)inverse of a (pseudo-)inverse is the matrix itself, whatever its shape.
        values = np.linalg.pinv(np.array(rows)) if inverted else np.array(rows)
        return Spillover(tuple(detectors), values, tuple(fluorochromes))
    except ImmunoprofileError as problem:
        raise RefusalError(element, f'matrix "{printable(name)}": {problem.problems[0].what}', problem.remedy) from None
    except np.linalg.LinAlgError:
        raise RefusalError(element, f'matrix "{printable(name)}" cannot be inverted') from None


def _lengths(rows: list[list[float]]) -> str:
    return " or ".join(str(n) for n in sorted({len(r) for r in rows})[:3]) or "no"


def _dimension_names(element: Any) -> list[str]:
    return [attribute(d, f"{DATATYPES}name") for d in element.findall(f"{DATATYPES}fcs-dimension")]
