"""Tables on disk and back: CSV and Parquet with the same values, described by `columns`.

CSV is UTF-8 without BOM, comma, ``\\n``, one header row, ``NA`` for missing, ``TRUE``/``FALSE``, floats in their
shortest form that reads back equal, rows sorted by key, no index.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from immunoprofile.columns import TABLES, Dtype, Table
from immunoprofile.errors import InputError, printable
from immunoprofile.provenance import check_regular, write_bytes

_MAX_BYTES = 50_000_000_000
"""A table of a million samples is smaller."""
_MAX_HEADER = 100_000
"""Characters looked at for the divider of a CSV: the longest header here has fewer than 1,000."""
_PANDAS = {"str": "string", "int": "Int64", "float": "float64", "bool": "boolean"}
_DTYPES = {name: pd.api.types.pandas_dtype(dtype) for name, dtype in _PANDAS.items()}
_NUMPY: dict[str, Any] = {"str": object, "int": np.float64, "float": np.float64, "bool": np.float64}
_TRUTHS = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}
_QUOTED = re.compile('[,"\n\r]')
_CSV_ROWS = 50_000
"""Rows turned into text at a time: a table in the making takes little memory beside itself."""


def build_frame(table: Table, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame with the columns, types and order of a table, sorted by its key.

    Raises
    ------
    ValueError
        A row has a key that the table has no column for, or two rows share a key: a programmer's mistake.
    """
    listed = list(rows)
    unknown = {k for row in listed for k in row} - set(table.names)
    if unknown:
        raise ValueError(f"table {table.name} has no column {sorted(unknown)}")
    if not listed:
        return _without_rows(table).copy()
    plain = _plainly_sorted(table, listed)
    columns = {c.name: [row.get(c.name) for row in plain or listed] for c in table.columns}
    frame = pd.DataFrame({c.name: _listed(columns[c.name], c.dtype) for c in table.columns}, copy=False)
    return frame if plain else sort_frame(table, frame)


@cache
def _without_rows(table: Table) -> pd.DataFrame:
    """A frame without rows costs as much as one with some, and most tables of most samples have none."""
    return pd.DataFrame({c.name: pd.array([], dtype=_PANDAS[c.dtype]) for c in table.columns})


def _plainly_sorted(table: Table, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]] | None:
    """Rows in the order of their key where it is text throughout and none has it twice; pandas sorts all others."""
    keys = [tuple(row.get(k) for k in table.key) for row in rows]
    if not all(type(v) is str for key in keys for v in key) or len(set(keys)) < len(keys):
        return None
    return [rows[i] for i in sorted(range(len(keys)), key=keys.__getitem__)]


def _listed(values: list[Any], dtype: Dtype) -> Any:
    """A column from a list; the usual types past pandas, which looks at every value several times."""
    kinds = set(map(type, values)) - {type(None)}
    if dtype == "str" and kinds <= {str}:
        array = np.empty(len(values), dtype=object)
        array[:] = [pd.NA if v is None else v for v in values]
        return pd.arrays.StringArray(array)
    if dtype == "float" and kinds <= {float, int, np.float64}:
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return pd.array(values, dtype=_PANDAS[dtype])


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Rows of a table as whole columns, in the order of the key: what a frame is made of, at a tenth of its cost.

    Parameters
    ----------
    values
        Column to an array of `n_rows` values or to one value for all rows. Text is an object array with None where it
        is missing, integers and truths may be floats with NaN where they are missing. Columns not given are missing
        throughout.

    Raises
    ------
    ValueError
        A name that the table has no column for: a programmer's mistake.
    """

    table: Table
    values: Mapping[str, Any]
    n_rows: int

    def __post_init__(self) -> None:
        unknown = set(self.values) - set(self.table.names)
        if unknown:
            raise ValueError(f"table {self.table.name} has no column {sorted(unknown)}")

    @classmethod
    def of_rows(cls, table: Table, rows: Iterable[Mapping[str, Any]]) -> Columns:
        """The same from rows, whose keys are text.

        Raises
        ------
        ValueError
            Two rows share a key, or one is no text: a programmer's mistake.
        """
        listed = list(rows)
        plain = _plainly_sorted(table, listed)
        if plain is None:
            raise ValueError(f"rows of {table.name} have a key twice, or one that is no text")
        names = dict.fromkeys(name for row in plain for name in row)
        known = {c.name: c.dtype for c in table.columns}
        values = {n: np.array([row.get(n) for row in plain], dtype=_NUMPY[known.get(n, "str")]) for n in names}
        return cls(table, values, len(plain))

    def frame(self) -> pd.DataFrame:
        """The rows as a frame with the table's columns and types."""
        columns = {c.name: _column(self.values.get(c.name), c.dtype, self.n_rows) for c in self.table.columns}
        return pd.DataFrame(columns, copy=False)


def shared_texts(columns: Mapping[str, Sequence[str | None]]) -> dict[str, NDArray[np.object_]]:
    """Columns of text that many samples have alike: nobody can write to them, so that each need be looked at once."""
    arrays = {name: np.array(values, dtype=object) for name, values in columns.items()}
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def _column(value: Any, dtype: Dtype, n_rows: int) -> Any:
    if isinstance(value, np.ndarray):
        array = value
    else:
        missing = value is None or value is pd.NA
        array = np.full(n_rows, (np.nan if dtype != "str" else pd.NA) if missing else value, dtype=_NUMPY[dtype])
    if dtype == "str":
        absent = pd.isna(array)
        # The constructor checks that all else is text; pandas' way from a sequence converts, at several times the cost.
        return pd.arrays.StringArray(np.where(absent, pd.NA, array) if absent.any() else array.copy())
    if dtype == "float":
        return array.astype(np.float64)
    absent = np.isnan(array) if array.dtype.kind == "f" else np.zeros(n_rows, dtype=np.bool_)
    if dtype == "int":
        return pd.arrays.IntegerArray(np.where(absent, 1, array).astype(np.int64), absent)
    return pd.arrays.BooleanArray(np.where(absent, False, array).astype(np.bool_), absent)


def join_frames(table: Table, parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The rows of several frames of one table, sorted by its key.

    Notes
    -----
    Frames that are each about one sample and sorted are put in order whole, which is what makes large cohorts fast.
    """
    listed = [p for p in parts if len(p)]
    if not listed:
        return build_frame(table, [])
    first = table.key[0]
    if first == "sample_id" and all(p[first].iloc[0] == p[first].iloc[-1] for p in listed):
        listed.sort(key=lambda p: str(p[first].iloc[0]))
    frame = listed[0].reset_index(drop=True) if len(listed) == 1 else pd.concat(listed, ignore_index=True, copy=False)
    return frame if _in_order(table, frame) else sort_frame(table, frame)


def _in_order(table: Table, frame: pd.DataFrame) -> bool:
    """Are the rows strictly ascending by the key, all of it text?"""
    if any(table.column(name).dtype != "str" or frame[name].hasnans for name in table.key):
        return False
    before, equal = np.zeros(max(len(frame) - 1, 0), dtype=np.bool_), np.ones(max(len(frame) - 1, 0), dtype=np.bool_)
    for name in table.key:
        values = frame[name].to_numpy(dtype=object)
        before |= equal & (values[:-1] < values[1:]).astype(np.bool_)
        equal &= (values[:-1] == values[1:]).astype(np.bool_)
    return bool(before.all())


def sort_frame(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the table's columns and types, sorted by its key, which must be unique.

    Notes
    -----
    The same frame, not a copy, where it is that already: copying costs as much as all else that is done to a table.
    """
    typed = _typed_frame(table, frame)
    if _in_order(table, typed):
        return typed if typed.index.equals(pd.RangeIndex(len(typed))) else typed.reset_index(drop=True)
    ordered = typed.sort_values(list(table.key), kind="stable", ignore_index=True)
    if ordered.duplicated(list(table.key)).any():
        twice = ordered[ordered.duplicated(list(table.key))].iloc[0]
        raise ValueError(f"table {table.name} has two rows for {[twice[k] for k in table.key]}")
    return ordered


def _typed_frame(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """The table's columns in their order and types; what has its type already is not converted."""
    if list(frame.columns) == list(table.names) and all(
        have == _DTYPES[c.dtype] for have, c in zip(frame.dtypes, table.columns, strict=True)
    ):
        return frame
    return pd.DataFrame({c.name: frame[c.name].astype(_PANDAS[c.dtype]) for c in table.columns})


def to_csv(table: Table, frame: pd.DataFrame) -> str:
    """The CSV text of a table, by the rules of this module."""
    lines = [",".join(table.names)]
    for first in range(0, len(frame), _CSV_ROWS):
        part = frame.iloc[first : first + _CSV_ROWS]
        lines += map(",".join, zip(*(_cells(part[c.name], c.dtype) for c in table.columns), strict=True))
    return "\n".join(lines) + "\n"


def _cells(values: pd.Series[Any], dtype: Dtype) -> list[str]:
    """A column as it is written: text quoted where it must be, and the shortest number that reads back equal."""
    cells = values.to_numpy(dtype=object, na_value=None).tolist()
    if dtype == "float":
        return ["NA" if v is None else repr(v) for v in cells]
    # Most columns say the same in many rows.
    written = {v: "NA" if v is None else _written(v) for v in set(cells)}
    return [written[v] for v in cells]


def _written(value: Any) -> str:
    text = str(value).upper() if isinstance(value, bool) else str(value)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def write_table(name: str, frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Write one table as ``NAME.csv`` and ``NAME.parquet``; both hold the same values."""
    table = TABLES[name]
    ordered = sort_frame(table, frame)
    paths = [folder / f"{name}.csv", folder / f"{name}.parquet"]
    write_bytes(paths[0], to_csv(table, ordered).encode("utf-8"))
    write_bytes(paths[1], _to_parquet(ordered))
    return paths


def _to_parquet(frame: pd.DataFrame) -> bytes:
    # Here and not above: who only reads CSV waits for no Arrow.
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    # One thread: starting more takes longer than the columns of most tables.
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False, nthreads=1), buffer)
    return buffer.getvalue()


def read_table(name: str, path: str | os.PathLike[str], *, required: Iterable[str] | None = None) -> pd.DataFrame:
    """Read a table written here, or one with at least the `required` columns, from CSV or Parquet.

    Columns that the table does not define are kept as text; optional ones that are absent are left out. A CSV may have
    semicolons for commas, as spreadsheets write it in much of Europe.

    Raises
    ------
    InputError
        The file is missing, is not such a table, or lacks required columns: all problems named.
    """
    table, file = TABLES[name], Path(path)
    try:
        check_regular(file, _MAX_BYTES)
    except (OSError, ValueError) as problem:
        raise _unreadable(file, problem) from problem
    frame = _read_parquet(file) if file.suffix == ".parquet" else _read_text(file)
    needed = tuple(required if required is not None else table.names)
    missing = [c for c in needed if c not in frame.columns]
    if missing:
        raise InputError(
            f"column {', '.join(missing)} missing from this {name} table",
            path=file,
            where="header",
            expected=", ".join(needed),
            found=", ".join(map(str, frame.columns)),
            remedy="Give a table written by immunoprofile, or add the column.",
            code="TABLE-COLUMNS",
        )
    for column in table.columns:
        if column.name in frame.columns and frame[column.name].dtype != _DTYPES[column.dtype]:
            frame[column.name] = _typed(frame[column.name], column.dtype, file)
    return frame


def _read_parquet(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file, engine="pyarrow")
    except OSError as problem:
        raise _unreadable(file, problem) from problem
    except ValueError as problem:
        raise InputError("is not a Parquet file", path=file, code="TABLE-FORMAT") from problem


def _read_text(file: Path) -> pd.DataFrame:
    try:
        with file.open(encoding="utf-8-sig") as stream:
            header = stream.readline(_MAX_HEADER)
        divider = ";" if header.count(";") > header.count(",") else ","
        return pd.read_csv(
            file, sep=divider, dtype="string", na_values=["NA"], keep_default_na=False, encoding="utf-8-sig"
        )
    except OSError as problem:
        raise _unreadable(file, problem) from problem
    except (ValueError, pd.errors.ParserError) as problem:
        raise InputError(
            f"is not a CSV table ({problem})",
            path=file,
            remedy="Write it as CSV, UTF-8, comma.",
            code="TABLE-FORMAT",
        ) from problem


def _unreadable(file: Path, problem: OSError | ValueError) -> InputError:
    return InputError(
        f"cannot be read ({getattr(problem, 'strerror', None) or problem})",
        path=file,
        remedy="Check the path and its permissions.",
        code="TABLE-ACCESS",
    )


def _typed(values: pd.Series[Any], dtype: Dtype, file: Path) -> pd.Series[Any]:
    if dtype == "bool":
        return _truths(values, file)
    try:
        if dtype in {"int", "float"} and values.dtype == "string":
            # Through Float64, whose parser is exact; pandas' own to_numeric is off in the last bit at times.
            values = values.astype("Float64")
        if dtype == "int":
            _check_whole(values, file)
        return values.astype(_PANDAS[dtype])
    except (ValueError, TypeError) as problem:
        raise _not_of_type(file, values.name, str(problem), dtype) from problem


def _truths(values: pd.Series[Any], file: Path) -> pd.Series[Any]:
    """TRUE and FALSE in any case, yes and no, 1 and 0; whatever else stands there is refused, not taken as missing."""
    known = values.isna()
    read = values.map(lambda v: _TRUTHS.get(str(v).strip().lower(), pd.NA), na_action="ignore")
    strange = sorted({printable(v) for v in values[~known & read.isna()]})
    if strange:
        told = f"{', '.join(strange[:3])}{' and others' if len(strange) > 3 else ''}"
        raise _not_of_type(file, values.name, f'"{told}" is neither TRUE nor FALSE', "TRUE, FALSE, yes, no, 1 or 0")
    return read.astype("boolean")


def _check_whole(values: pd.Series[Any], file: Path) -> None:
    """Refuse numbers that are not whole: a cast would cut them off without a word."""
    if pd.api.types.is_float_dtype(values.dtype):
        known = values.dropna()
        broken = known[known % 1 != 0]
        if len(broken):
            raise _not_of_type(file, values.name, f"{broken.iloc[0]:g} is not a whole number", "whole numbers")


def _not_of_type(file: Path, column: Any, what: str, wanted: str) -> InputError:
    return InputError(
        what, path=file, where=f"column {printable(column)}", expected=wanted, code="TABLE-VALUE",
        remedy=f"Write every value of this column as {wanted}, or NA where it is missing.",
    )  # fmt: skip
