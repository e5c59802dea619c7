"""Results of single samples on disk, found again by what they rest on: what makes a run go on where it stopped.

`.work/samples/ab/KEY.result` holds the tables of one sample as Arrow streams behind a JSON header, with the SHA-256 of
all of it at the end. A file that is not whole is as good as none: the sample is done again. Nothing in it can run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from immunoprofile.columns import TABLES
from immunoprofile.provenance import write_bytes
from immunoprofile.tables import sort_frame

WORK = ".work"
_MAGIC = b"immunoprofile sample 1\n"
_DIGEST_BYTES = 32


class Store:
    """Results of samples below one results folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / WORK / "samples"

    def path(self, key: str) -> Path:
        """Where the result of a key lies."""
        return self._folder / key[:2] / f"{key}.result"

    def load(self, key: str) -> tuple[dict[str, Any], dict[str, pd.DataFrame]] | None:
        """Facts and tables kept under a key; None where there are none, or none that are whole."""
        try:
            content = self.path(key).read_bytes()
        except OSError:
            return None
        body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
            return None
        return _unpack(body)

    def save(self, key: str, facts: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> None:
        """Keep a result under its key, whole or not at all.

        Raises
        ------
        OutputError
            The disk is full or the folder may not be written.
        """
        body = _pack(facts, tables)
        write_bytes(self.path(key), body + hashlib.sha256(body).digest())


def _pack(facts: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> bytes:
    streams = {name: _to_arrow(frame) for name, frame in tables.items()}
    sizes = [[name, len(stream)] for name, stream in streams.items()]
    header = json.dumps({"facts": dict(facts), "tables": sizes}, ensure_ascii=False).encode()
    return b"".join([_MAGIC, len(header).to_bytes(8, "little"), header, *streams.values()])


def _unpack(body: bytes) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    start = len(_MAGIC) + 8
    end = start + int.from_bytes(body[len(_MAGIC) : start], "little")
    header = json.loads(body[start:end])
    tables = {}
    for name, size in header["tables"]:
        tables[name] = _from_arrow(name, body[end : end + size])
        end += size
    return header["facts"], tables


def _to_arrow(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _from_arrow(name: str, stream: bytes) -> pd.DataFrame:
    with pa.ipc.open_stream(stream) as reader:
        return sort_frame(TABLES[name], reader.read_pandas())
