"""Settings in TOML become checked values; every unknown key and wrong value is named at once."""

from __future__ import annotations

import tomllib
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from immunoprofile.errors import Problem, StudyError, closest, printable

MAX_BYTES = 1_000_000
"""A settings file is a page of text; a megabyte is a mistake or an attack."""


class Strict(BaseModel):
    """A frozen table of a settings file; a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


ModelT = TypeVar("ModelT", bound=BaseModel)
ItemsT = TypeVar("ItemsT", bound=Collection[Any])


def not_empty(items: ItemsT) -> ItemsT:
    """The items, if there are any; runs after each was checked, so that a wrong item is not called a missing one."""
    if not items:
        raise ValueError("needs at least one entry")
    return items


def read_settings(path: Path, model: type[ModelT]) -> tuple[ModelT, bytes]:
    """The checked settings of a TOML file, and the bytes they were read from.

    Raises
    ------
    StudyError
        What `read_toml` and `check_settings` raise.
    """
    data, content = read_toml(path)
    return check_settings(data, model, path), content


def read_toml(path: Path) -> tuple[dict[str, Any], bytes]:
    """The content of a TOML file, and the bytes it was read from.

    Numbers with a point are read as decimals, so that 2 x 14.9 is 29.8 and no binary neighbour of it.

    Raises
    ------
    StudyError
        The file is missing, too large, not UTF-8 or not TOML.
    """
    content = _read_bytes(path)
    try:
        return tomllib.loads(content.decode("utf-8"), parse_float=Decimal), content
    except UnicodeDecodeError as problem:
        raise StudyError(
            f"is not UTF-8 (byte {problem.start})",
            path=path,
            remedy="Save it as UTF-8.",
            code="SETTINGS-ENCODING",
        ) from problem
    except ValueError as problem:  # TOMLDecodeError is one; so is that of a number with thousands of digits
        raise StudyError(
            f"is not TOML: {printable(problem)}",
            path=path,
            remedy="Correct the line named.",
            code="SETTINGS-TOML",
        ) from problem
    except RecursionError as problem:
        raise StudyError(
            "is nested too deeply", path=path, remedy="Write plain tables and lists.", code="SETTINGS-TOML"
        ) from problem


def check_settings(data: Mapping[str, Any], model: type[ModelT], path: Path) -> ModelT:
    """Settings as a checked value.

    Raises
    ------
    StudyError
        Some keys or values are wrong: all named.
    """
    try:
        return model.model_validate(data)
    except ValidationError as problem:
        raise StudyError.of([_problem(e, path, model) for e in problem.errors()]) from problem


def _read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise StudyError("is not a file", path=path, remedy="Name a TOML file.", code="SETTINGS-ACCESS")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise StudyError(
            f"cannot be read ({reason})",
            path=path,
            remedy="Check the path and its permissions.",
            code="SETTINGS-ACCESS",
        ) from problem
    if len(content) > MAX_BYTES:
        raise StudyError(
            f"is larger than {MAX_BYTES} bytes",
            path=path,
            remedy="Name a settings file.",
            code="SETTINGS-SIZE",
        )
    return content


def _problem(error: Mapping[str, Any], path: Path, model: type[BaseModel]) -> Problem:
    place = _place(error["loc"])
    if error["type"] == "extra_forbidden":
        key = str(error["loc"][-1])
        remedy = closest(key, _known_keys(model, error["loc"][:-1]))
        return Problem(
            f'key "{printable(key)}" is not known',
            str(path),
            place,
            found=key,
            remedy=remedy,
            code="SETTINGS-KEY",
        )
    if error["type"] == "missing":
        return Problem(
            "is missing",
            str(path),
            place,
            remedy=f"Add {printable(error['loc'][-1])}.",
            code="SETTINGS-MISSING",
        )
    found = printable(error["input"], 60)
    message = printable(str(error["msg"]).removeprefix("Value error, "))
    return Problem(
        f"{message} (found {found})",
        str(path),
        place,
        found=found,
        remedy="Correct the value.",
        code="SETTINGS-VALUE",
    )


def _place(loc: Sequence[int | str]) -> str:
    """``analysis.primary[0].measure`` for the keys and positions that lead to a value."""
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{printable(p)}" for p in loc)
    return text.removeprefix(".") or "top level"


def _known_keys(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """Keys that the table at a place may have."""
    place: Any = model
    for part in loc:
        place = _below(place, part)
    fields = place.model_fields if _is_model(place) else {}
    return [f.alias or name for name, f in fields.items()]


def _below(place: Any, part: int | str) -> Any:
    """The type one step down: of a table's key, of a list's or dictionary's item."""
    if _is_model(place):
        fields = {f.alias or name: f.annotation for name, f in place.model_fields.items()}
        return _without_none(fields.get(str(part)))
    items = [a for a in typing.get_args(place) if a is not Ellipsis]
    return _without_none(items[-1]) if items else None


def _without_none(annotation: Any) -> Any:
    if isinstance(annotation, types.UnionType):
        return next(a for a in typing.get_args(annotation) if a is not type(None))
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
