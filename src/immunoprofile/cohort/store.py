"""Results of samples on disk, found again by what they rest on: what makes a run go on where it stopped.

`.work/samples/NAME.results` holds the tables of a few samples that were done together: their keys in a line, a JSON
header, Arrow batches with the rows of one sample behind those of the other, and at the end the SHA-256 of all of it.
The name says which samples and which keys (`_name`), so that a listing of the folder finds what may be a sample's, and
a file under another's name shows. A file that is not whole is as good as none: its samples are done again. Nothing in
it can run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from immunoprofile.cohort.made import Made, schema_of, to_arrow
from immunoprofile.columns import TABLES, Table
from immunoprofile.errors import OutputError
from immunoprofile.provenance import open_regular, write_bytes
from immunoprofile.tables import build_frame, sort_frame

WORK = ".work"
SUFFIX = ".results"
_MAGIC = b"immunoprofile samples 4\n"
_DIGEST_BYTES = 32
MOST = 16
"""Samples in one file: its name would be too long with many more."""
_MARK = 6
"""Hexadecimal digits of a sample's digest in the names of files; those with the same are told apart by their keys."""
_NAMED = 16
"""Hexadecimal digits of the digest of the keys in the names of files."""
_LONGEST = 65 * MOST
"""Bytes of the line of keys."""


@dataclass(frozen=True, eq=False)
class Kept(Mapping[str, pd.DataFrame]):
    """The tables of one kept result by name; each is read from disk when it is asked for.

    A batch holds a path for each sample, not its tables: its memory does not grow with the number of samples.

    Parameters
    ----------
    number
        Which of the samples in the file, from 0.
    """

    path: Path
    number: int
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self.names:
            raise KeyError(name)
        return sort_frame(TABLES[name], _open_again(self.path).of_sample(self.number, (name,))[name].to_pandas())

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class Entry:
    """What is kept of one sample.

    Parameters
    ----------
    key
        Digest of all that the result rests on.
    facts
        What is kept beside its tables, as JSON has it.
    """

    key: str
    sample_id: str
    facts: Mapping[str, Any]
    tables: Made


def join_tables(names: Iterable[str], parts: Iterable[Made | Kept]) -> dict[str, pd.DataFrame]:
    """Tables of many samples, each sorted by its key, from results in memory or on disk.

    Raises
    ------
    OutputError
        A result is gone or not whole any more, though it was when the run began.
    """
    batches: dict[str, list[pa.RecordBatch]] = {name: [] for name in names}
    for found in _read_in_turn(parts, tuple(batches)):
        for name, batch in found.items():
            if batch.num_rows:
                batches[name].append(batch)
    return {name: _joined(TABLES[name], found) for name, found in batches.items()}


def _read_in_turn(parts: Iterable[Made | Kept], names: Sequence[str]) -> Iterator[dict[str, pa.RecordBatch]]:
    """Some tables of each, as far as there are any; a file is read once for those of its samples that lie together."""
    path, held = None, None
    for part in parts:
        if isinstance(part, Made):
            yield part.read(names)
            continue
        if held is None or part.path != path:
            path, held = part.path, _open_again(part.path)
        yield held.of_sample(part.number, names)


def _joined(table: Table, batches: Sequence[pa.RecordBatch]) -> pd.DataFrame:
    if not batches:
        return build_frame(table, [])
    first = table.key[0]
    ordered = sorted(batches, key=lambda batch: str(batch[first][0]))
    # One conversion for all of them: a frame for each costs a hundred times more.
    joined = pa.Table.from_batches(ordered, schema=schema_of(table.name)).combine_chunks()
    return sort_frame(table, joined.to_pandas())


class Store:
    """Results of samples below one results folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / WORK / "samples"
        self._last: Opened | None = None

    def is_new(self) -> bool:
        """Was nothing ever kept here?"""
        return not self._folder.exists()

    def paths(self) -> list[Path]:
        """Whatever lies here under the name of a kept result."""
        return sorted(self._folder.glob(f"*{SUFFIX}"))

    @cached_property
    def _by_mark(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.paths():
            for mark in _marks_in(path.name):
                found.setdefault(mark, []).append(path.name)
        return found

    def names_for(self, sample_id: str) -> tuple[str, ...]:
        """Names of files that may hold a sample's results, as the folder was when it was first asked."""
        return tuple(self._by_mark.get(_mark(sample_id), ()))

    def has(self, key: str, names: Iterable[str]) -> bool:
        """Does one of these files say that it holds a result under this key? It is not looked into further."""
        return any(key in (keys_in(self._folder / name) or ()) for name in names)

    def load(self, key: str, names: Iterable[str]) -> tuple[dict[str, Any], Kept] | None:
        """Facts and tables kept under a key in one of these files; None where none is whole and has them.

        Notes
        -----
        A file that is seen not to be whole is removed: its samples are done again, and may lie together otherwise.
        """
        for name in names:
            path, keys = self._folder / name, keys_in(self._folder / name)
            if keys is None or (key not in keys and _digest_of_keys(keys) == name[:_NAMED]):
                continue
            held = self._open(path)
            if held is not None and key in held.keys:
                return held.facts_and_tables(held.keys.index(key))
        return None

    def _open(self, path: Path) -> Opened | None:
        """A file, read once for samples that ask one after the other; None, and no file, where it is not whole."""
        if self._last is None or self._last.path != path:
            try:
                self._last = _opened(path)
            except OSError:
                return None
            if self._last is None:
                with contextlib.suppress(OSError):
                    path.unlink()
        return self._last

    def save(self, entries: Sequence[Entry]) -> list[Kept]:
        """Keep results of a few samples in one file, whole or not at all.

        Raises
        ------
        OutputError
            The disk is full or the folder may not be written.
        """
        if not entries:
            return []
        if len(entries) > MOST:
            raise ValueError(f"{len(entries)} samples in one file: at most {MOST}")
        body = _pack(entries)
        path = self._folder / _name([e.sample_id for e in entries], [e.key for e in entries])
        write_bytes(path, body + hashlib.sha256(body).digest())
        return [Kept(path, number, tuple(e.tables)) for number, e in enumerate(entries)]


def _mark(sample_id: str) -> str:
    return hashlib.sha256(sample_id.encode()).hexdigest()[:_MARK]


def _name(sample_ids: Iterable[str], keys: Iterable[str]) -> str:
    """The file's name: a digest of the keys, then a mark for each sample; one long number, which looks like no date."""
    return f"{_digest_of_keys(keys)}{''.join(map(_mark, sample_ids))}{SUFFIX}"


def _digest_of_keys(keys: Iterable[str]) -> str:
    return hashlib.sha256(" ".join(keys).encode()).hexdigest()[:_NAMED]


def _marks_in(name: str) -> list[str]:
    marks = name.removesuffix(SUFFIX)[_NAMED:]
    return [marks[i : i + _MARK] for i in range(0, len(marks), _MARK)]


def _pack(entries: Sequence[Entry]) -> bytes:
    names = list(dict.fromkeys(name for e in entries for name in e.tables))
    batches = {name: _merged([to_arrow(e.tables.columns[name]) for e in entries if name in e.tables]) for name in names}
    header = {
        "samples": [
            {
                "sample_id": e.sample_id,
                "facts": dict(e.facts),
                "rows": {name: columns.n_rows for name, columns in e.tables.columns.items()},
            }
            for e in entries
        ],
        "tables": [[name, batch.size] for name, batch in batches.items()],
    }
    keys, text = " ".join(e.key for e in entries).encode(), json.dumps(header, ensure_ascii=False).encode()
    return b"".join([_MAGIC, keys, b"\n", len(text).to_bytes(8, "little"), text, *batches.values()])


def _merged(batches: Sequence[pa.RecordBatch]) -> pa.Buffer:
    """One batch of them all, as bytes."""
    if len(batches) == 1:
        return batches[0].serialize()
    # Arrow drops batches without rows, all of them where there is no other.
    joined = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return (joined or batches)[0].serialize()


@dataclass(frozen=True, eq=False)
class Opened:
    """A file of kept results that was found to be whole."""

    path: Path
    keys: tuple[str, ...]
    header: Mapping[str, Any]
    body: pa.Buffer

    def name(self) -> str:
        """What the file is called where a run has put it."""
        return _name([s["sample_id"] for s in self.header["samples"]], self.keys)

    @cached_property
    def tables(self) -> dict[str, pa.RecordBatch]:
        """The tables of all its samples."""
        at, found = 0, {}
        for name, size in self.header["tables"]:
            found[name] = pa.ipc.read_record_batch(self.body.slice(at, size), schema_of(name))
            at += size
        return found

    def facts_and_tables(self, number: int) -> tuple[dict[str, Any], Kept]:
        """What is kept of one sample; its tables wait in the file."""
        sample = self.header["samples"][number]
        return sample["facts"], Kept(self.path, number, tuple(sample["rows"]))

    def of_sample(self, number: int, names: Iterable[str]) -> dict[str, pa.RecordBatch]:
        """Some tables of one sample, those of them that are kept."""
        rows = [s["rows"] for s in self.header["samples"][: number + 1]]
        return {
            name: self.tables[name].slice(sum(r.get(name, 0) for r in rows[:-1]), rows[-1][name])
            for name in names
            if name in rows[-1]
        }


def keys_in(path: Path) -> tuple[str, ...] | None:
    """The keys of what a file says that it holds, which is not looked into further; None where it cannot be read."""
    try:
        with open_regular(path) as stream:
            begins = stream.read(len(_MAGIC)) == _MAGIC
            return tuple(stream.readline(_LONGEST).decode("ascii", errors="replace").split()) if begins else ()
    except OSError:
        return None


def open_kept(path: Path) -> Opened | None:
    """What a file holds; None where it is not there or not whole."""
    try:
        return _opened(path)
    except OSError:
        return None


def _opened(path: Path) -> Opened | None:
    with open_regular(path) as stream:
        content = stream.read()
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        return None
    at = body.index(b"\n", len(_MAGIC)) + 1
    start = at + 8
    end = start + int.from_bytes(body[at:start], "little")
    keys = tuple(body[len(_MAGIC) : at].decode().split())
    return Opened(path, keys, json.loads(body[start:end]), pa.py_buffer(body).slice(end))


def _open_again(path: Path) -> Opened:
    """What a file holds that was whole when the run began, or that this run wrote."""
    held = open_kept(path)
    if held is None:
        raise OutputError(
            "was damaged or removed while the run went on",
            path=path,
            remedy="Run the same command again: its samples are done anew.",
            code="OUTPUT-KEPT",
        )
    return held
