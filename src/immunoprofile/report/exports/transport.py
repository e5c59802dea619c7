"""SAS transport (XPT version 5) and Stata files, through pyreadstat.

XPT 5 has names of 8 characters, labels of 40, ASCII text of 200 bytes, and floats only; a missing text is an empty one.
"""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from immunoprofile.columns import TABLES, Table

MAX_TEXT = 200
"""Bytes of a text in a SAS transport file of version 5."""
_LEFT_OUT = frozenset({"gates_resolved"})
"""Tables whose text does not fit: geometries are longer than 200 bytes, and nothing without their end."""
_SHORT: Mapping[str, str] = {
    "populations": "POPS",
    "intensities": "INTENS",
    "sample_states": "STATES",
    "samples_qc": "SAMPQC",
    "checks_unanswered": "UNANSW",
    "response_counts": "RESPCNT",
    "association": "ASSOC",
}
_GREEK = str.maketrans({"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "µ": "u", "μ": "u", "–": "-", "−": "-"})


def short_name(table: str) -> str:
    """Name of a table in at most eight characters."""
    return _SHORT.get(table, table.replace("_", "").upper()[:8])


def to_xpt(tables: Mapping[str, pd.DataFrame]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Each table as NAME.xpt with aliases for names and labels from the dictionary; and what was cut or replaced."""
    import pyreadstat

    files, notes = {}, []
    for name, frame in tables.items():
        if name in _LEFT_OUT:
            notes.append(f"{name} is not written: its text is longer than {MAX_TEXT} bytes")
            continue
        table = TABLES[name]
        plain, lost = flatten(frame, table)
        notes += lost
        renamed = plain.rename(columns={c.name: c.alias for c in table.columns})
        labels = {c.alias: c.label for c in table.columns}
        files[f"{short_name(name).lower()}.xpt"] = write_xpt(pyreadstat, renamed, short_name(name), labels)
    return files, tuple(notes)


def write_xpt(pyreadstat: Any, frame: pd.DataFrame, name: str, labels: Mapping[str, str]) -> bytes:
    """One XPT file of version 5 as bytes."""
    return _through_file(
        lambda path: pyreadstat.write_xport(
            frame, path, file_label=name, table_name=name, column_labels=dict(labels), file_format_version=5
        )
    )


def to_stata(tables: Mapping[str, pd.DataFrame]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Each table as NAME.dta (Stata 14 and later) with labels; booleans are 0 and 1."""
    import pyreadstat

    files = {}
    for name, frame in tables.items():
        table = TABLES[name]
        plain = _numbers_and_text(frame, table)
        labels = {c.name: c.meaning[:80] for c in table.columns}
        files[f"{name}.dta"] = _through_file(
            lambda path, f=plain, la=labels: pyreadstat.write_dta(f, path, column_labels=la, version=14)  # type: ignore[misc]
        )
    return files, ()


def _through_file(write: Callable[[str], None]) -> bytes:
    """The bytes of a file that a library insists on writing by itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        write(str(path))
        return path.read_bytes()


def flatten(frame: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, list[str]]:
    """Floats and short ASCII text, and a note for each column where text was replaced or cut."""
    plain, notes = _numbers_and_text(frame, table), []
    for column in table.columns:
        if column.dtype != "str":
            continue
        text = plain[column.name]
        ascii_text = text.map(to_ascii)
        if (ascii_text != text).any():
            notes.append(f"{table.name}.{column.name}: letters beyond ASCII were replaced")
        if (ascii_text.str.len() > MAX_TEXT).any():
            notes.append(f"{table.name}.{column.name}: text beyond {MAX_TEXT} bytes was cut")
        plain[column.name] = ascii_text.str.slice(0, MAX_TEXT)
    return plain, notes


def to_ascii(text: str) -> str:
    """Greek letters by name, accents dropped, the rest as question marks."""
    spelled = unicodedata.normalize("NFKD", text.translate(_GREEK))
    bare = "".join(c for c in spelled if not unicodedata.combining(c))
    return bare.encode("ascii", "replace").decode("ascii")


def _numbers_and_text(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for column in table.columns:
        values = frame[column.name]
        if column.dtype == "str":
            columns[column.name] = values.fillna("").astype(object)
        else:
            columns[column.name] = values.astype("Float64").to_numpy(dtype="float64", na_value=float("nan"))
    return pd.DataFrame(columns)
