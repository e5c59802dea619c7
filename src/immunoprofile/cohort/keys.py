"""What a result depends on, as one digest: the same key is the same result, whatever the day or the machine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from immunoprofile.provenance import NUMERICS_VERSION, digest_of_bytes, digest_of_value, versions


def digest_of_inputs(**inputs: Any) -> str:
    """SHA-256 of everything that a result rests on: values, frozen dataclasses, arrays, by name.

    Notes
    -----
    The version of this program and of its numerics are among them, so that no result outlives the code that made it.
    """
    return digest_of_value({"program": _program(), **{k: plain_value(v) for k, v in inputs.items()}})


@cache
def _program() -> list[int | str]:
    # Looked up once: it reads the metadata of what is installed, and a key is made for every sample.
    return [NUMERICS_VERSION, versions()["immunoprofile"]]


def plain_value(value: Any) -> Any:
    """A value as JSON has it, without loss: two values that differ in anything that counts come out different.

    Raises
    ------
    TypeError
        A kind of value that is not known here: a programmer's mistake.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, Enum):
        return value.name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain_value(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare}
        return {"type": type(value).__name__} | fields
    if isinstance(value, np.ndarray):
        return {"array": [str(value.dtype), list(value.shape), digest_of_bytes(np.ascontiguousarray(value).tobytes())]}
    if isinstance(value, np.generic):
        return plain_value(value.item())
    if isinstance(value, Mapping):
        return {str(k): plain_value(v) for k, v in value.items()}
    return _plain_collection(value)


def _plain_collection(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [plain_value(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted((plain_value(v) for v in value), key=repr)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "model_dump"):
        return plain_value(value.model_dump())
    if hasattr(value, "as_tuple") or hasattr(value, "isoformat"):
        return str(value)
    raise TypeError(f"no digest is known for {type(value).__name__}")
