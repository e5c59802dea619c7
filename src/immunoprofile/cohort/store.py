"""Results of single samples on disk, found again by what they rest on: what makes a run go on where it stopped.

`.work/samples/ab/KEY.result` holds the tables of one sample as Arrow streams behind a JSON header, and at the end the
SHA-256 of all of it and of the key, so that a result is found under its own key only. A file that is not whole is as
good as none: the sample is done again. Nothing in it can run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from immunoprofile.columns import TABLES
from immunoprofile.errors import OutputError
from immunoprofile.provenance import write_bytes
from immunoprofile.tables import build_frame, join_frames, sort_frame

WORK = ".work"
_MAGIC = b"immunoprofile sample 2\n"
_DIGEST_BYTES = 32


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
        return sort_frame(TABLES[name], self.stream(name).to_pandas())

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def stream(self, name: str) -> pa.Table:
        """One table as Arrow has it.

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
        return _stream(body, name)


def join_tables(name: str, parts: Iterable[Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """One table of many samples, sorted by its key, from results in memory or on disk."""
    table, held = TABLES[name], [p for p in parts if name in p]
    kept = [p.stream(name) for p in held if isinstance(p, Kept)]
    frames = [p[name] for p in held if not isinstance(p, Kept)]
    first = table.key[0]
    kept = sorted((k for k in kept if k.num_rows), key=lambda k: str(k[first][0]))
    # One conversion for all of them: a frame for each costs a hundred times more.
    joined = [pa.concat_tables(kept).to_pandas()] if kept else []
    return join_frames(table, [*joined, *frames])


class Store:
    """Results of samples below one results folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / WORK / "samples"

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

    def save(self, key: str, facts: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Kept:
        """Keep a result under its key, whole or not at all.

        Raises
        ------
        OutputError
            The disk is full or the folder may not be written.
        """
        body = _pack(facts, tables)
        write_bytes(self.path(key), body + _digest(body, key))
        return Kept(self.path(key), tuple(tables))


def _pack(facts: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> bytes:
    streams = {name: _to_arrow(name, frame) for name, frame in tables.items()}
    sizes = [[name, len(stream)] for name, stream in streams.items()]
    header = json.dumps({"facts": dict(facts), "tables": sizes}, ensure_ascii=False).encode()
    return b"".join([_MAGIC, len(header).to_bytes(8, "little"), header, *streams.values()])


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


def _stream(body: bytes, name: str) -> pa.Table:
    header, at = _header(body)
    for held, size in header["tables"]:
        if held == name:
            with pa.ipc.open_stream(pa.py_buffer(body)[at : at + size]) as reader:
                return reader.read_all()
        at += size
    raise KeyError(name)


def _to_arrow(name: str, frame: pd.DataFrame) -> bytes:
    schema, types = _schema(name)
    if list(frame.columns) != schema.names:
        raise ValueError(f"{list(frame.columns)} are not the columns of {name}")
    # Column by column: the way for any frame finds the types out anew each time, at several times the cost.
    columns = [
        pa.array(_bare(c.array), type=t, from_pandas=True) for (_, c), t in zip(frame.items(), types, strict=True)
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return bytes(sink.getvalue())


def _bare(values: Any) -> Any:
    """Numbers out of pandas' wrapper, which Arrow would look at one by one."""
    return values.to_numpy() if isinstance(values, pd.arrays.NumpyExtensionArray) else values


@cache
def _schema(name: str) -> tuple[pa.Schema, tuple[pa.DataType, ...]]:
    """A table's columns with what pandas has to know to read them back as they were, and their types."""
    schema = pa.Schema.from_pandas(build_frame(TABLES[name], []), preserve_index=False)
    return schema, tuple(schema.types)
