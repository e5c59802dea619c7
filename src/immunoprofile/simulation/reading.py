"""Reading the simulation's own data: TOML checked against a model, every problem at once."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from immunoprofile.errors import InputError, Problem, printable

HERE = Path(__file__).parent
"""Where the data that the simulation brings along lies."""


class Strict(BaseModel):
    """A table of a data file: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


def read_data(path: Path, model: type[Model]) -> Model:
    """The file's values as this model.

    Raises
    ------
    InputError
        No such file, not TOML, or values that the model does not allow: a problem for each.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        # By way of JSON, whose lists may be tuples where nothing else is converted: "68" is not a number.
        return model.model_validate_json(json.dumps(data, default=str), strict=True)
    except OSError as error:
        raise _fail(path, f"cannot be read: {error.strerror}", "Name a file that can be read.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _fail(path, f"is not TOML: {printable(error)}", "Correct the file.") from error
    except ValidationError as error:
        raise InputError.of([_problem(path, dict(e)) for e in error.errors(include_url=False)]) from error


def _fail(path: Path, what: str, remedy: str) -> InputError:
    return InputError(what, path=path, remedy=remedy, code="SIMULATE-DATA")


def _problem(path: Path, error: dict[str, object]) -> Problem:
    place = error["loc"]
    where = ".".join(map(str, place)) if isinstance(place, tuple) else ""
    found = printable(error.get("input"), 60)
    what = printable(error["msg"])
    return Problem(
        f"{what} (found {found})", path=str(path), where=printable(where, 80),
        remedy="See the simulation's own file of this name for the keys and their units.", code="SIMULATE-DATA",
    )  # fmt: skip
