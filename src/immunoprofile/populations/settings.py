"""Thresholds and treatment states: data with a source beside each, replaceable by a laboratory's own file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from immunoprofile.errors import Problem, StudyError, closest, printable
from immunoprofile.provenance import digest_of_bytes, read_regular

Method = Literal["wilson", "clopper_pearson"]
_HERE = Path(__file__).parent
THRESHOLDS = _HERE / "thresholds.toml"
STATES = _HERE / "states.toml"
_MAX_BYTES = 1_000_000
"""A settings file is a page of text."""


class Threshold(BaseModel):
    """One threshold and where it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    source: Annotated[str, Field(min_length=1)]


class State(BaseModel):
    """A treatment within so many days before the draw, the populations it concerns, and what it does to them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    kind: Annotated[str, Field(min_length=1)]
    from_day: Annotated[int, Field(ge=0)] = 0
    to_day: Annotated[int, Field(ge=0)] | None = None
    when: Literal["always", "b_not_depleted"] = "always"
    markers: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    cl_ids: tuple[str, ...] = ()
    below: bool = True
    concentrations: bool = False
    effect: Literal["flag", "invalidate"]
    flag: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    meaning: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]


class _States(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    state: tuple[State, ...]


def _default_thresholds() -> Mapping[str, Threshold]:
    return load_thresholds()


def _default_states() -> tuple[State, ...]:
    return load_states()


@dataclass(frozen=True)
class TableSettings:
    """How tables are made: the interval of fractions, the thresholds, the treatment states.

    `digests` names the files that they were read from with their SHA-256, for the manifest.
    """

    interval: Method = "wilson"
    thresholds: Mapping[str, Threshold] = field(default_factory=_default_thresholds)
    states: tuple[State, ...] = field(default_factory=_default_states)
    digests: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        """The value of a threshold."""
        return self.thresholds[name].value


@cache
def default_settings() -> TableSettings:
    """The settings that ship with the program."""
    files = {"thresholds": THRESHOLDS, "treatment states": STATES}
    return TableSettings(digests={name: digest_of_bytes(file.read_bytes()) for name, file in files.items()})


def load_settings(
    *,
    interval: Method = "wilson",
    thresholds: str | PathLike[str] | None = None,
    states: str | PathLike[str] | None = None,
) -> TableSettings:
    """Settings from a laboratory's own files; what a thresholds file leaves out keeps its default.

    Raises
    ------
    StudyError
        A file is missing, not TOML, or holds unknown keys or wrong values: all problems of a file at once.
    """
    files = {
        "thresholds": Path(thresholds) if thresholds is not None else THRESHOLDS,
        "treatment states": Path(states) if states is not None else STATES,
    }
    digests = {name: digest_of_bytes(_read(file)) for name, file in files.items()}
    loaded = load_thresholds(files["thresholds"]), load_states(files["treatment states"])
    return TableSettings(interval, *loaded, digests)


@cache
def load_thresholds(path: Path = THRESHOLDS) -> Mapping[str, Threshold]:
    """Thresholds by name; those that a file of a laboratory leaves out are the program's.

    Raises
    ------
    StudyError
        As in `load_settings`.
    """
    given = _parse(path, TypeAdapter(dict[str, Threshold]))
    if path == THRESHOLDS:
        return dict(given)
    known = load_thresholds()
    problems = [
        Problem(
            f'"{printable(name)}" is not a threshold',
            str(path),
            printable(name),
            remedy=closest(name, known),
            code="THRESHOLD-UNKNOWN",
        )
        for name in given
        if name not in known
    ]
    if problems:
        raise StudyError.of(problems)
    return {**known, **given}


@cache
def load_states(path: Path = STATES) -> tuple[State, ...]:
    """Treatment states in the order of the file.

    Raises
    ------
    StudyError
        As in `load_settings`; two states with one id.
    """
    states: tuple[State, ...] = _parse(path, TypeAdapter(_States)).state
    twice = sorted({s.id for s in states if sum(o.id == s.id for o in states) > 1})
    if twice:
        raise StudyError(
            f'two states have the id "{twice[0]}"', path=path, where="state.id", remedy="Rename one.", code="STATE-ID"
        )
    return states


def _parse(path: Path, shape: TypeAdapter[Any]) -> Any:
    try:
        return shape.validate_python(tomllib.loads(_read(path).decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise StudyError(
            f"is not TOML: {printable(problem)}", path=path, remedy="Correct the line named.", code="SETTINGS-TOML"
        ) from problem
    except ValidationError as problem:
        raise StudyError.of(
            [
                Problem(
                    printable(e["msg"]),
                    str(path),
                    ".".join(printable(p) for p in e["loc"]),
                    remedy=f"The program's own file is the example: {path.name} beside its code.",
                    code="SETTINGS-VALUE",
                )
                for e in problem.errors()
            ]
        ) from problem


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, _MAX_BYTES)
    except OSError as problem:
        raise StudyError(
            f"cannot be read ({problem.strerror or problem})",
            path=path,
            remedy="Check the path and its permissions.",
            code="SETTINGS-ACCESS",
        ) from problem
