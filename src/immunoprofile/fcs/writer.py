"""Writing FCS: the same values and keywords always give the same bytes, and no file is ever overwritten."""

from __future__ import annotations

import contextlib
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from immunoprofile.errors import OutputError
from immunoprofile.fcs.header import HEADER_BYTES, VERSIONS
from immunoprofile.fcs.keywords import is_structural
from immunoprofile.provenance import existing_file_error
from immunoprofile.spillover import Spillover

_HEADER_MAX = 99_999_999  # the largest offset that 8 digits hold; beyond it the HEADER says 0 0
_OFFSET_DIGITS = 20
_CHUNK_EVENTS = 65_536
_NO_CHECKSUM = b"00000000"
_DATATYPES = {"u1": "I", "u2": "I", "u4": "I", "u8": "I", "f4": "F", "f8": "D"}
_MIXED_SINCE = "FCS3.2"
_DELIMITERS = "/|\\\x0c\x1e"  # the first that no value begins with: a value may hold its delimiter, not begin with it
_OURS = re.compile(r"\$P[1-9][0-9]*(?:[BENRSG]|DATATYPE)")


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """A channel to be written.

    Parameters
    ----------
    detector
        ``$PnN``: not blank, without comma, unique in the file.
    marker
        ``$PnS``; None leaves it out.
    range
        ``$PnR``: one above the largest value; for integers it decides how many bits count when read.
    gain
        ``$PnG``: a reader divides by it.
    amplification
        ``$PnE``: decades and offset; integers only.
    """

    detector: str
    marker: str | None = None
    range: int = 262_144
    gain: float = 1.0
    amplification: tuple[float, float] = (0.0, 0.0)


def write_fcs(
    path: str | PathLike[str],
    values: NDArray[np.generic] | Sequence[NDArray[np.generic]],
    channels: Sequence[ChannelSpec],
    *,
    keywords: Mapping[str, str] | None = None,
    spillover: Spillover | None = None,
    version: str = "FCS3.1",
) -> None:
    """Write events as an FCS file, whole or not at all.

    Parameters
    ----------
    values : (n_events, n_channels), or n_channels arrays of (n_events,)
        Stored values: uint8, uint16, uint32, uint64, float32 or float64; written little-endian. Given one by one,
        integer channels may differ in width, and in FCS 3.2 all channels in type (``$PnDATATYPE``).
    channels
        One a column.
    keywords
        More keywords, such as ``$CYT`` (required in FCS 3.2); not those that follow from `values`, `channels` and
        `spillover`.
    spillover
        Written as ``$SPILLOVER`` (``SPILL`` before FCS 3.1).
    version
        ``FCS2.0`` to ``FCS3.2``.

    Raises
    ------
    OutputError
        The file exists (``OUTPUT-EXISTS``), or cannot be written (``OUTPUT-WRITE``).
    ValueError
        What was given cannot be written so that it reads back the same.
    """
    target = Path(path)
    columns = _columns(values)
    _check(columns, channels, version)
    pairs = _keywords(columns, channels, spillover, version)
    extra = {k.upper(): v for k, v in (keywords or {}).items()}
    _check_extra(extra, pairs, version)
    head = _head(pairs | extra, sum(c.nbytes for c in columns), version)
    if target.exists() or target.is_symlink():
        raise _exists(target)
    _write_new(target, head, columns)


def _columns(values: NDArray[np.generic] | Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    if isinstance(values, np.ndarray):
        if values.ndim != 2:
            raise ValueError(f"values of shape {values.shape} are not events by channels")
        return list(values.T)
    columns = [np.asarray(v) for v in values]
    if any(c.ndim != 1 or len(c) != len(columns[0]) for c in columns):
        raise ValueError("channels given one by one must be as long as each other")
    return columns


def _check(columns: Sequence[NDArray[np.generic]], channels: Sequence[ChannelSpec], version: str) -> None:
    if version not in VERSIONS:
        raise ValueError(f"version {version!r} is none of {', '.join(VERSIONS)}")
    if len(columns) != len(channels) or not channels:
        raise ValueError(f"values of {len(columns)} channels do not fit {len(channels)} channels")
    for column in columns:
        if column.dtype.str[1:] not in _DATATYPES:
            raise ValueError(f"dtype {column.dtype} cannot be stored: use uint8 to uint64, float32 or float64")
    if len({_datatype(c) for c in columns}) > 1 and version != _MIXED_SINCE:
        raise ValueError(f"channels of different types need {_MIXED_SINCE}, not {version}")
    names = [c.detector for c in channels]
    if len(set(names)) < len(names) or any(not n.strip() or "," in n for n in names):
        raise ValueError("detectors must be unique, not blank and without commas")
    for column, channel in zip(columns, channels, strict=True):
        _check_channel(column, channel)


def _datatype(column: NDArray[np.generic]) -> str:
    return _DATATYPES[column.dtype.str[1:]]


def _check_channel(column: NDArray[np.generic], channel: ChannelSpec) -> None:
    integers = column.dtype.kind == "u"
    if channel.gain <= 0 or not math.isfinite(channel.gain) or channel.range < 1:
        raise ValueError(f"{channel.detector}: gain and range must be above 0")
    if channel.amplification != (0.0, 0.0) and (not integers or min(channel.amplification) <= 0):
        raise ValueError(f"{channel.detector}: log amplification needs integers, and two numbers above 0")
    if not integers:
        return
    bits = (channel.range - 1).bit_length()
    largest = int(column.max(initial=0))
    if bits == 0 or bits > column.dtype.itemsize * 8 or largest >= 1 << bits:
        raise ValueError(f"{channel.detector}: range {channel.range} does not hold {largest} in {column.dtype}")


def _keywords(
    columns: Sequence[NDArray[np.generic]], channels: Sequence[ChannelSpec], spillover: Spillover | None, version: str
) -> dict[str, str]:
    """Keywords that follow from the data, in a fixed order; offsets still 0, as wide as they will be."""
    zero = "0" * _OFFSET_DIGITS
    common = _datatype(columns[0])
    pairs = dict.fromkeys(("$BEGINANALYSIS", "$ENDANALYSIS", "$BEGINSTEXT", "$ENDSTEXT", "$NEXTDATA"), "0")
    pairs |= {"$BEGINDATA": zero, "$ENDDATA": zero, "$BYTEORD": "1,2,3,4", "$MODE": "L"}
    pairs |= {"$DATATYPE": common, "$PAR": str(len(columns)), "$TOT": str(len(columns[0]))}
    for number, (column, channel) in enumerate(zip(columns, channels, strict=True), start=1):
        pairs |= _channel_keywords(number, channel, column.dtype.itemsize * 8)
        if _datatype(column) != common:
            pairs[f"$P{number}DATATYPE"] = _datatype(column)
    if spillover is not None:
        key = "$SPILLOVER" if version in ("FCS3.1", "FCS3.2") else "SPILL"
        pairs[key] = _spillover_text(spillover, [c.detector for c in channels])
    return pairs


def _channel_keywords(number: int, channel: ChannelSpec, bits: int) -> dict[str, str]:
    p = f"$P{number}"
    decades, offset = channel.amplification
    pairs = {f"{p}B": str(bits), f"{p}E": f"{_number(decades)},{_number(offset)}", f"{p}N": channel.detector}
    pairs[f"{p}R"] = str(channel.range)
    if channel.marker is not None:
        pairs[f"{p}S"] = channel.marker
    if channel.gain != 1:
        pairs[f"{p}G"] = _number(channel.gain)
    return pairs


def _spillover_text(spillover: Spillover, detectors: Sequence[str]) -> str:
    n = len(spillover.detectors)
    if spillover.matrix.shape != (n, n):
        raise ValueError("FCS holds square spillover matrices only")
    lost = [d for d in spillover.detectors if d not in detectors]
    if lost:
        raise ValueError(f"spillover names detectors that are not written: {', '.join(lost)}")
    return ",".join([str(n), *spillover.detectors, *map(_number, spillover.matrix.ravel().tolist())])


def _number(value: float) -> str:
    """Shortest decimal that reads back as the same float; integers without a point."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _check_extra(extra: Mapping[str, str], pairs: Mapping[str, str], version: str) -> None:
    if version == "FCS3.2" and "$CYT" not in extra:
        raise ValueError("FCS3.2 requires $CYT: give it among the keywords")
    taken = [k for k in extra if k in pairs or is_structural(k) or _OURS.fullmatch(k)]
    if taken:
        raise ValueError(f"keywords follow from the data and may not be given: {', '.join(taken)}")
    for key, value in extra.items():
        if not key.strip() or not key.isascii() or not value:
            raise ValueError(f"keyword {key!r} with value {value!r}: keys are ASCII and no value may be empty")


def _head(pairs: Mapping[str, str], data_bytes: int, version: str) -> bytes:
    """HEADER and TEXT; the offsets in TEXT have a fixed width, so that they do not move what they count."""
    delimiter = _choose_delimiter(pairs)
    begin = HEADER_BYTES + len(_text(pairs, delimiter))
    end = begin + data_bytes - 1
    if begin > _HEADER_MAX:
        raise ValueError("TEXT does not fit the first 99,999,999 bytes")
    offsets = {"$BEGINDATA": begin, "$ENDDATA": end} if data_bytes else {"$BEGINDATA": 0, "$ENDDATA": 0}
    placed = {**pairs, **{k: f"{v:0{_OFFSET_DIGITS}d}" for k, v in offsets.items()}}
    in_header = (begin, end) if data_bytes and end <= _HEADER_MAX else (0, 0)
    fields = (HEADER_BYTES, begin - 1, *in_header, 0, 0)
    header = f"{version}    " + "".join(f"{f:8d}" for f in fields)
    return header.encode("ascii") + _text(placed, delimiter)


def _choose_delimiter(pairs: Mapping[str, str]) -> str:
    for delimiter in _DELIMITERS:
        if not any(t.startswith(delimiter) for pair in pairs.items() for t in pair):
            return delimiter
    raise ValueError("values begin with every delimiter that could separate them")


def _text(pairs: Mapping[str, str], delimiter: str) -> bytes:
    tokens = (token.replace(delimiter, delimiter * 2) for pair in pairs.items() for token in pair)
    return (delimiter + delimiter.join(tokens) + delimiter).encode("utf-8")


def _chunks(columns: Sequence[NDArray[np.generic]]) -> Iterator[bytes]:
    """Events as bytes: the channels of each event one after the other, without padding."""
    fields = [(f"c{i}", c.dtype.newbyteorder("<")) for i, c in enumerate(columns)]
    for first in range(0, len(columns[0]), _CHUNK_EVENTS):
        parts = [c[first : first + _CHUNK_EVENTS] for c in columns]
        rows = np.empty(len(parts[0]), dtype=fields)
        for (name, _), part in zip(fields, parts, strict=True):
            rows[name] = part
        yield rows.tobytes()


def _write_new(target: Path, head: bytes, columns: Sequence[NDArray[np.generic]]) -> None:
    """Stream to a temporary file beside the target, then give it the name unless that is taken."""
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", suffix=".tmp", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(head)
            for chunk in _chunks(columns):
                stream.write(chunk)
            stream.write(_NO_CHECKSUM)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        _publish(temporary, target)
    except FileExistsError as problem:
        raise _exists(target) from problem
    except OSError as problem:
        raise OutputError(
            f"cannot be written ({problem.strerror or problem})",
            path=target,
            remedy="Make room or check the folder's permissions, then run the same command again.",
            code="OUTPUT-WRITE",
        ) from problem
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _publish(temporary: Path, target: Path) -> None:
    """A hard link fails where the name is taken, a rename does not; some disks have only the rename."""
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:
        temporary.rename(target)


def _exists(target: Path) -> OutputError:
    return existing_file_error(target, "Choose another name, or remove the file first.")
