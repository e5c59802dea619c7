"""The tables of one sample as they were made: columns, from which Arrow batches come, and frames for who asks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from immunoprofile.columns import TABLES
from immunoprofile.tables import Columns, build_frame


@dataclass(frozen=True, eq=False)
class Made(Mapping[str, pd.DataFrame]):
    """The tables of one sample as they were made, by name; a frame is built when it is asked for.

    Whoever keeps them needs no frame, and a frame costs more than the rest of a small table.
    """

    columns: Mapping[str, Columns] = field(default_factory=dict)

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.columns[name].frame()

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def read(self, names: Iterable[str]) -> dict[str, pa.RecordBatch]:
        """Some tables as Arrow has them, those of them that there are."""
        return {name: to_arrow(self.columns[name]) for name in names if name in self.columns}


def to_arrow(columns: Columns) -> pa.RecordBatch:
    """One table as Arrow has it."""
    table, n = columns.table, columns.n_rows
    schema = schema_of(table.name)
    arrays = [_array(columns.values.get(name), n, kind) for name, kind in zip(table.names, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(value: Any, n: int, kind: pa.DataType) -> pa.Array:
    """A column from an array, or from one value for all rows; None and NaN are missing."""
    if isinstance(value, np.ndarray):
        # What nobody can write to is what all samples of a template share; a view's base could be written to.
        is_shared = value.base is None and not value.flags.writeable
        return _of_shared(_Shared(value), kind) if is_shared else _of_array(value, kind)
    # Numbers with a fraction are not looked up: 0.0 and -0.0 are one key.
    return (_repeat if isinstance(value, (float, np.floating)) else _repeated)(value, n, kind)


def _of_array(value: NDArray[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(value, type=kind, from_pandas=True)


class _Shared:
    """An array as a key: the same only as itself."""

    __slots__ = ("array",)

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def __hash__(self) -> int:
        return id(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shared) and self.array is other.array


@lru_cache(maxsize=256)
def _of_shared(shared: _Shared, kind: pa.DataType) -> pa.Array:
    return _of_array(shared.array, kind)


def _repeat(value: Any, n: int, kind: pa.DataType) -> pa.Array:
    missing = value is None or value is pd.NA or (isinstance(value, (float, np.floating)) and math.isnan(value))
    return pa.nulls(n, kind) if missing else pa.array([value] * n, type=kind)


_repeated = lru_cache(maxsize=256, typed=True)(_repeat)


@cache
def schema_of(name: str) -> pa.Schema:
    """A table's columns with what pandas has to know to read them back as they were."""
    return pa.Schema.from_pandas(build_frame(TABLES[name], []), preserve_index=False)
