"""Results of single samples on disk, found again by what they rest on: what makes a run go on where it stopped.

`.work/samples/ab/KEY.result` holds the tables of one sample as Arrow batches behind a JSON header, and at the end the
SHA-256 of all of it and of the key, so that a result is found under its own key only. A file that is not whole is as
good as none: the sample is done again. Nothing in it can run.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from immunoprofile.columns import TABLES, Table
from immunoprofile.errors import OutputError
from immunoprofile.provenance import write_bytes
from immunoprofile.tables import Columns, build_frame, sort_frame

WORK = ".work"
_MAGIC = b"immunoprofile sample 3\n"
_DIGEST_BYTES = 32


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
        return {name: _to_arrow(self.columns[name]) for name in names if name in self.columns}


@dataclass(frozen=True, eq=False)
class Kept(Mapping[str, pd.DataFrame]):
    """The tables of one kept result by name; each is read from disk when it is asked for.

    A batch holds a path for each sample, not its tables: its memory does not grow with the number of samples.
    """

    path: Path
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self.names:
            raise KeyError(name)
        return sort_frame(TABLES[name], self.read((name,))[name].to_pandas())

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, names: Iterable[str]) -> dict[str, pa.RecordBatch]:
        """Some tables as Arrow has them, those of them that are kept.

        Raises
        ------
        OutputError
            The result is gone or not whole any more, though it was when the run began.
        """
        body = _whole(self.path)
        if body is None:
            raise OutputError(
                "was damaged or removed while the run went on",
                path=self.path,
                remedy="Run the same command again: this sample is done anew.",
                code="OUTPUT-KEPT",
            )
        return _batches(body, names)


def join_tables(names: Iterable[str], parts: Iterable[Made | Kept]) -> dict[str, pd.DataFrame]:
    """Tables of many samples, each sorted by its key, from results in memory or on disk; each result is read once."""
    batches: dict[str, list[pa.RecordBatch]] = {name: [] for name in names}
    for part in parts:
        for name, batch in part.read(batches).items():
            if batch.num_rows:
                batches[name].append(batch)
    return {name: _joined(TABLES[name], found) for name, found in batches.items()}


def _joined(table: Table, batches: Sequence[pa.RecordBatch]) -> pd.DataFrame:
    if not batches:
        return build_frame(table, [])
    first = table.key[0]
    ordered = sorted(batches, key=lambda batch: str(batch[first][0]))
    # One conversion for all of them: a frame for each costs a hundred times more.
    joined = pa.Table.from_batches(ordered, schema=_schema(table.name)).combine_chunks()
    return sort_frame(table, joined.to_pandas())


class Store:
    """Results of samples below one results folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / WORK / "samples"

    def is_new(self) -> bool:
        """Was nothing ever kept here?"""
        return not self._folder.exists()

    def path(self, key: str) -> Path:
        """Where the result of a key lies."""
        return self._folder / key[:2] / f"{key}.result"

    def load(self, key: str) -> tuple[dict[str, Any], Kept] | None:
        """Facts and tables kept under a key; None where there are none, or none that are whole."""
        body = _whole(self.path(key))
        if body is None:
            return None
        header, _ = _header(body)
        return header["facts"], Kept(self.path(key), tuple(name for name, _ in header["tables"]))

    def save(self, key: str, facts: Mapping[str, Any], tables: Made) -> Kept:
        """Keep a result under its key, whole or not at all.

        Raises
        ------
        OutputError
            The disk is full or the folder may not be written.
        """
        body = _pack(facts, tables.columns)
        write_bytes(self.path(key), body + _digest(body, key))
        return Kept(self.path(key), tuple(tables))


def _pack(facts: Mapping[str, Any], tables: Mapping[str, Columns]) -> bytes:
    batches = {name: _to_arrow(columns).serialize() for name, columns in tables.items()}
    sizes = [[name, batch.size] for name, batch in batches.items()]
    header = json.dumps({"facts": dict(facts), "tables": sizes}, ensure_ascii=False).encode()
    return b"".join([_MAGIC, len(header).to_bytes(8, "little"), header, *batches.values()])


def _digest(body: bytes, key: str) -> bytes:
    digest = hashlib.sha256(body)
    digest.update(key.encode())
    return digest.digest()


def _whole(path: Path) -> bytes | None:
    """What is kept in a file, without its digest; None where the file is not there or not whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    return body if body.startswith(_MAGIC) and _digest(body, path.stem) == digest else None


def _header(body: bytes) -> tuple[dict[str, Any], int]:
    """The header, and where the first table begins."""
    start = len(_MAGIC) + 8
    end = start + int.from_bytes(body[len(_MAGIC) : start], "little")
    return json.loads(body[start:end]), end


def _batches(body: bytes, names: Iterable[str]) -> dict[str, pa.RecordBatch]:
    (header, at), wanted, found = _header(body), set(names), {}
    whole = pa.py_buffer(body)
    for name, size in header["tables"]:
        if name in wanted:
            found[name] = pa.ipc.read_record_batch(whole.slice(at, size), _schema(name))
        at += size
    return found


def _to_arrow(columns: Columns) -> pa.RecordBatch:
    table, n = columns.table, columns.n_rows
    schema = _schema(table.name)
    arrays = [_array(columns.values.get(name), n, kind) for name, kind in zip(table.names, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(value: Any, n: int, kind: pa.DataType) -> pa.Array:
    """A column from an array, or from one value for all rows; None and NaN are missing."""
    if isinstance(value, np.ndarray):
        # What cannot be written to is what all samples of a template share.
        return _of_array(value, kind) if value.flags.writeable else _of_shared(_Shared(value), kind)
    # Numbers with a fraction are not looked up: 0.0 and -0.0 are one key.
    return (_repeat if isinstance(value, float) else _repeated)(value, n, kind)


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
    missing = value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
    return pa.nulls(n, kind) if missing else pa.array([value] * n, type=kind)


_repeated = lru_cache(maxsize=256, typed=True)(_repeat)


@cache
def _schema(name: str) -> pa.Schema:
    """A table's columns with what pandas has to know to read them back as they were."""
    return pa.Schema.from_pandas(build_frame(TABLES[name], []), preserve_index=False)
