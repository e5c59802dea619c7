"""Spillover as FCS keywords hold it: ``n,name1..namen,f11,f12..fnn``, row by row.

Trouble with the matrix never costs the events, and is never swallowed: the file then counts as having no
matrix, and a finding of severity error says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from immunoprofile.errors import SpilloverError
from immunoprofile.fcs.channels import Channel
from immunoprofile.fcs.findings import Inspection, Strictness, quote
from immunoprofile.fcs.keywords import decimal_number, whole_number
from immunoprofile.spillover import Spillover

# The standard's keyword (FCS 3.1, 3.2.20) before BD's and its variants.
_KEYWORDS = ("$SPILLOVER", "SPILL", "$SPILL", "SPILLOVER")
_OLD = re.compile(r"\$COMP|\$DFC[0-9]+TO[0-9]+")
_OLD_PAIR = re.compile(r"\$DFC([0-9]{1,3})TO([0-9]{1,3})")
_BLANKS = ("", "NA", "N/A", "0", "NONE")
_MAX_DETECTORS = 1000


def read_spillover_text(
    keywords: Mapping[str, str], channels: Sequence[Channel], inspection: Inspection
) -> Spillover | None:
    """The spillover matrix that the file declares; None where it declares none, or none that can be used.

    Notes
    -----
    ``$COMP`` and ``$DFCiTOj`` hold percentages subtracted at acquisition, of detectors that only the cytometer's
    manual numbers: they are reported and not used. `recorded_spillover` reads them for a caller who knows.
    """
    if any(_OLD.fullmatch(key) for key in keywords):
        inspection.note("FCS-SPILL-OLD", "TEXT", "compensation at acquisition is recorded; no matrix was made of it")
    declared = _declared(keywords, inspection)
    if len(declared) > 1 and len({_normal(v) for v in declared.values()}) > 1:
        where = " and ".join(declared)
        inspection.note("FCS-SPILL-CHOICE", where, "hold different matrices; give the right one yourself")
        return None
    for key, text in declared.items():
        return _read_matrix(key, text, channels, inspection)
    return None


def _declared(keywords: Mapping[str, str], inspection: Inspection) -> dict[str, str]:
    declared: dict[str, str] = {}
    for key in _KEYWORDS:
        if key not in keywords:
            continue
        if keywords[key].strip().upper() in _BLANKS:
            inspection.note("FCS-SPILL-BLANK", key, "is blank")
        else:
            declared[key] = keywords[key]
    return declared


def _normal(text: str) -> tuple[str | float, ...]:
    """The same for two spellings of the same matrix: ``1.0`` and ``1``."""
    tokens = [t.strip() for t in text.split(",")]
    numbers = [decimal_number(t) for t in tokens]
    return tuple(t if n is None else n for t, n in zip(tokens, numbers, strict=True))


def _read_matrix(key: str, text: str, channels: Sequence[Channel], inspection: Inspection) -> Spillover | None:
    tokens = text.split(",")
    n = whole_number(tokens[0])
    if n is not None and 1 <= n <= _MAX_DETECTORS and len(tokens) > 1 + n + n * n:
        tokens = _with_commas_in_names(tokens, n, channels)
    if n is None or not 1 <= n <= _MAX_DETECTORS or len(tokens) != 1 + n + n * n:
        counted = "no number" if n is None else f"{n:,}"
        asked = "" if n is None or n > _MAX_DETECTORS else f" and asks for {1 + n + n * n:,}"
        inspection.note(
            "FCS-SPILL-FORMAT", key,
            f"begins with {counted} detectors{asked}, holds {len(tokens):,} parts; no matrix was read",
        )  # fmt: skip
        return None
    values = _numbers(tuple(tokens[1 + n :]))
    if isinstance(values, str):
        inspection.note("FCS-SPILL-FORMAT", key, f"holds {quote(values)}, not a number; no matrix was read")
        return None
    columns = _resolve(key, tokens[1 : 1 + n], channels, inspection)
    if columns is None:
        return None
    return _build(key, columns, np.array(values).reshape(n, n), inspection)


@lru_cache(maxsize=64)
def _numbers(tokens: tuple[str, ...]) -> tuple[float, ...] | str:
    """The numbers of a matrix, which the files of a day share; the first token that is none."""
    values = [decimal_number(t) for t in tokens]
    found = tuple(v for v in values if v is not None)
    return found if len(found) == len(values) else tokens[values.index(None)]


def _with_commas_in_names(tokens: list[str], n: int, channels: Sequence[Channel]) -> list[str]:
    """Tokens with the pieces of detector names put together again, where that can be done in one way only.

    Before FCS 3.1 a ``$PnN`` could hold a comma. The last n * n tokens are the matrix, so the names stand before.
    """
    names, matrix = tokens[1 : len(tokens) - n * n], tokens[len(tokens) - n * n :]
    detectors = {c.detector for c in channels}
    longest = max(d.count(",") for d in detectors) + 1
    ways: list[list[list[str]]] = [[[]], *([] for _ in names)]
    for end in range(1, len(names) + 1):
        for begin in range(max(0, end - longest), end):
            name = ",".join(names[begin:end])
            if name in detectors:
                ways[end] += [[*way, name] for way in ways[begin] if len(way) < n and name not in way][:2]
    found = [way for way in ways[-1] if len(way) == n]
    return [tokens[0], *found[0], *matrix] if len(found) == 1 else tokens


def _resolve(key: str, names: Sequence[str], channels: Sequence[Channel], inspection: Inspection) -> list[str] | None:
    """Detectors of the matrix: by ``$PnN``, else trimmed, else by a unique ``$PnS``, else by number."""
    detectors = [c.detector for c in channels]
    if all(n in detectors for n in names):
        return list(names)
    by_label = _by_trimmed_or_marker(names, channels)
    by_number = _by_number(names, channels)
    found = by_label or by_number
    if found is None:
        lost = [n for n in names if n.strip() not in detectors]
        known = ", ".join(map(quote, detectors[:12]))
        inspection.note(
            "FCS-SPILL-NAMES",
            key,
            f"names {', '.join(map(quote, lost[:5]))}; the file has {known}; no matrix was read",
        )
        return None
    inspection.note("FCS-SPILL-LABELS", key, f"names were read as {', '.join(map(quote, found[:12]))}")
    return found


def _by_trimmed_or_marker(names: Sequence[str], channels: Sequence[Channel]) -> list[str] | None:
    detectors = {c.detector.strip(): c.detector for c in channels}
    markers = [c.marker for c in channels]
    by_marker = {c.marker: c.detector for c in channels if c.marker is not None and markers.count(c.marker) == 1}
    found = [detectors.get(n.strip()) or by_marker.get(n.strip()) for n in names]
    return [f for f in found if f is not None] if None not in found else None


def _by_number(names: Sequence[str], channels: Sequence[Channel]) -> list[str] | None:
    numbers = [whole_number(n) or 0 for n in names]
    if not all(1 <= n <= len(channels) for n in numbers):
        return None
    return [channels[n - 1].detector for n in numbers]


def _build(key: str, detectors: list[str], matrix: np.ndarray, inspection: Inspection) -> Spillover | None:
    try:
        spillover = _made(tuple(detectors), matrix.tobytes())
    except SpilloverError as problem:
        code = "FCS-SPILL-NAMES" if problem.code == "SPILL-NAMES" else "FCS-SPILL-VALUES"
        inspection.note(code, key, f"{problem.problems[0].what}; no matrix was read")
        return None
    if not (np.diag(matrix) == 1).all():
        inspection.note("FCS-SPILL-DIAGONAL", key, "has a diagonal other than 1; used as it stands")
    if spillover.is_identity:
        inspection.note("FCS-SPILL-IDENTITY", key, "is the identity: it changes nothing")
    return spillover


@lru_cache(maxsize=64)
def _made(detectors: tuple[str, ...], values: bytes) -> Spillover:
    """A square matrix; the files of a day have the same, whose inverse and condition are then known."""
    n = len(detectors)
    return Spillover(detectors, np.frombuffer(values, dtype=np.float64).reshape(n, n))


def recorded_spillover(keywords: Mapping[str, str], detectors: Sequence[str], path: str) -> Spillover:
    """The matrix that ``$COMP`` (FCS 3.0) or ``$DFCiTOj`` (FCS 2.0) record of compensation at acquisition.

    Parameters
    ----------
    detectors
        ``$PnN`` of fluorescence detector 1, 2, ... as the cytometer numbers them; the file does not say. ``$COMP``
        needs as many as it has rows, in FCS 3.0 all channels.

    Raises
    ------
    FcsFormatError
        There is no such record, or it is not a matrix of percentages (code ``FCS-COMP``).
    SpilloverError
        The matrix cannot be inverted with sense.

    Notes
    -----
    The value at i, j is the percentage of detector i that was subtracted from detector j: row i, column j of the
    spillover matrix is that over 100, and its diagonal is 1. DATA is as a rule compensated with it already.
    """
    inspection = Inspection(path, Strictness.REPORT)
    n = len(detectors)
    matrix = np.eye(n)
    if "$COMP" in keywords:
        numbers = [decimal_number(t) for t in keywords["$COMP"].split(",")]
        if numbers[0] != n or len(numbers) != 1 + n * n or None in numbers:
            what = f"is {quote(keywords['$COMP'])}, not {n} and {n * n} percentages"
            raise inspection.error("FCS-COMP", "$COMP", what)
        matrix = np.array(numbers[1:], dtype=np.float64).reshape(n, n) / 100
    else:
        for key, i, j in _old_pairs(keywords):
            percent = decimal_number(keywords[key])
            if percent is None or not (1 <= i <= n and 1 <= j <= n):
                raise inspection.error("FCS-COMP", key, f"is {quote(keywords[key])}, for {n} detectors")
            matrix[i - 1, j - 1] = percent / 100
        if not _old_pairs(keywords):
            raise inspection.error("FCS-COMP", "TEXT", "holds neither $COMP nor $DFCiTOj")
    np.fill_diagonal(matrix, 1.0)
    return Spillover(tuple(detectors), matrix)


def _old_pairs(keywords: Mapping[str, str]) -> list[tuple[str, int, int]]:
    found = [_OLD_PAIR.fullmatch(key) for key in keywords]
    return [(f[0], int(f[1]), int(f[2])) for f in found if f is not None]
