"""Channels: what each column of events is called, and how its stored values become scale values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from immunoprofile.fcs.findings import Inspection, quote
from immunoprofile.fcs.keywords import decimal_number
from immunoprofile.fcs.layout import Layout, read_range

Kind = Literal["time", "scatter", "fluorescence"]

# FSC, SSC, BSC with anything after; FS, SS and FLS as words or with a number (Beckman "FS Lin", "SS0").
_SCATTER = re.compile(r"(?:[fsb]sc|(?:fs|ss)(?:$|[^a-z])|.*\bscatter\b)", re.IGNORECASE)
# Values of $PnTYPE in FCS 3.2 that are one of our kinds.
_TYPES: dict[str, Kind] = {
    "time": "time",
    "forward scatter": "scatter",
    "side scatter": "scatter",
    "raw fluorescence": "fluorescence",
    "unmixed fluorescence": "fluorescence",
}
_TIME = re.compile(r"time(?:$|[^a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Channel:
    """One column of events.

    Parameters
    ----------
    detector
        ``$PnN``; unique in a file (a second ``PE-A`` is called ``PE-A#2``, with a finding).
    marker
        ``$PnS``; None where absent or blank.
    index
        Column, from 0.
    range
        ``$PnR``: one above the largest value that was foreseen. NaN where it is not a number.
    bits
        ``$PnB``: width of the stored value; of numbers written as text 8 a character, 0 where they have no columns.
    kind
        Time, scatter or fluorescence: by ``$PnTYPE`` where the file has it, else by name.
    gain
        ``$PnG`` as it is applied: 1 where absent, unusable, or beside log amplification.
    amplification
        ``$PnE`` as it is applied, decades and offset; (0, 0) is linear.
    voltage
        ``$PnV``; None where absent or not a number.
    type
        ``$PnTYPE`` (FCS 3.2) as it stands.
    display
        ``$PnD``: ``Linear`` with lower and upper bound, or ``Logarithmic`` with decades and offset. Never applied.
    calibration
        ``$PnCALIBRATION``: slope, offset and unit, such as MESF. Never applied.
    """

    detector: str
    marker: str | None
    index: int
    range: int | float
    bits: int
    kind: Kind
    gain: float = 1.0
    amplification: tuple[float, float] = (0.0, 0.0)
    voltage: float | None = None
    type: str | None = None
    display: tuple[str, float, float] | None = None
    calibration: tuple[float, float, str] | None = None

    @property
    def saturation(self) -> float:
        """Linear value at which a channel is saturated: the largest that ``$PnR`` foresees, infinity where unknown."""
        decades, offset = self.amplification
        try:
            top = float(self.range) - 1.0
            # A range of 1 or less foresees no value but 0, and says nothing.
            if not 0 < top < math.inf:
                return math.inf
            return float(offset * 10.0 ** (decades * top / self.range) if decades > 0 else top / self.gain)
        except OverflowError:  # beyond all numbers
            return math.inf


@dataclass(frozen=True, slots=True)
class Scaling:
    """Stored value to scale value: ``10**(decades * x / range) * offset``, or ``x / gain * step``."""

    decades: float = 0.0
    offset: float = 0.0
    range: float = 1.0
    gain: float = 1.0
    step: float = 1.0

    @property
    def changes_nothing(self) -> bool:
        """True where the stored value is the scale value."""
        return self.decades == 0 and self.gain == 1 and self.step == 1


def read_channels(
    keywords: Mapping[str, str], version: str, layout: Layout, inspection: Inspection
) -> tuple[Channel, ...]:
    """Channels in the order ``$P1`` to ``$Pn``, whatever the order of the keywords.

    Raises
    ------
    FcsFormatError
        ``$PnE`` of an integer channel is missing (it is required from FCS 3.0) or not readable.
    """
    names = _read_names(keywords, len(layout.columns), inspection)
    channels = tuple(
        _read_channel(keywords, version, layout, index, name, inspection) for index, name in enumerate(names)
    )
    timed = [c.detector for c in channels if c.kind == "time"]
    if len(timed) > 1:
        inspection.note("FCS-TIME", "TEXT", f"{len(timed)} time channels: {', '.join(map(quote, timed[:5]))}")
    return channels


def _read_names(keywords: Mapping[str, str], count: int, inspection: Inspection) -> list[str]:
    names: list[str] = []
    seen: set[str] = set()
    for number in range(1, count + 1):
        key = f"$P{number}N"
        declared = keywords.get(key, "").strip() or f"P{number}"
        if not keywords.get(key, "").strip():
            inspection.note("FCS-NAME", key, f"is missing; the channel is called {declared}")
        name, copies = declared, 1
        while name in seen:
            copies += 1
            name = f"{declared}#{copies}"
        if name != declared:
            inspection.note("FCS-NAME-TWICE", key, f"{quote(declared)} stands twice; this one is called {quote(name)}")
        seen.add(name)
        names.append(name)
    return names


def _read_channel(
    keywords: Mapping[str, str], version: str, layout: Layout, index: int, name: str, inspection: Inspection
) -> Channel:
    number, column = index + 1, layout.columns[index]
    size = read_range(keywords[f"$P{number}R"])
    if size is None:
        shown = quote(keywords[f"$P{number}R"])
        inspection.note("FCS-RANGE-UNKNOWN", f"$P{number}R", f"is {shown}, not a number")
        size = float("nan")
    integers = column.dtype.kind == "u"
    amplification = _read_amplification(keywords, version, number, integers, inspection)
    kind = _kind_of(name, keywords.get(f"$P{number}TYPE", ""))
    return Channel(
        detector=name,
        marker=keywords.get(f"$P{number}S", "").strip() or None,
        index=index,
        range=size,
        bits=column.width * 8,
        kind=kind,
        gain=1.0 if kind == "time" else _read_gain(keywords, number, amplification, inspection),
        amplification=amplification,
        voltage=decimal_number(keywords.get(f"$P{number}V", "")),
        type=keywords.get(f"$P{number}TYPE", "").strip() or None,
        display=_read_display(keywords, number, inspection),
        calibration=_read_calibration(keywords, number, inspection),
    )


def _kind_of(name: str, declared: str) -> Kind:
    known = _TYPES.get(declared.strip().casefold())
    if known is not None:
        return known
    if _TIME.match(name):
        return "time"
    return "scatter" if _SCATTER.match(name) else "fluorescence"


def _read_display(keywords: Mapping[str, str], number: int, inspection: Inspection) -> tuple[str, float, float] | None:
    key = f"$P{number}D"
    text = keywords.get(key, "").strip()
    if not text:
        return None
    parts = [p.strip() for p in text.split(",")]
    numbers = [decimal_number(p) for p in parts[1:]]
    name = parts[0].capitalize()
    if name not in ("Linear", "Logarithmic") or len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
        inspection.note("FCS-METADATA", key, f"is {quote(text)}, no display scale")
        return None
    return name, numbers[0], numbers[1]


def _read_calibration(
    keywords: Mapping[str, str], number: int, inspection: Inspection
) -> tuple[float, float, str] | None:
    """``slope,unit`` of FCS 3.1, or ``slope,offset,unit`` of FCS 3.2."""
    key = f"$P{number}CALIBRATION"
    text = keywords.get(key, "").strip()
    if not text:
        return None
    *numbers, unit = text.split(",")
    values = [decimal_number(n) for n in numbers]
    slope, offset = (values[0], 0.0) if len(values) == 1 else values if len(values) == 2 else (None, None)
    if slope is None or offset is None or slope <= 0 or not unit.strip():
        inspection.note("FCS-METADATA", key, f"is {quote(text)}, no calibration")
        return None
    return slope, offset, unit.strip()


def _read_amplification(
    keywords: Mapping[str, str], version: str, number: int, integers: bool, inspection: Inspection
) -> tuple[float, float]:
    """``$PnE``: (0, 0) where linear; log amplification of integers only."""
    key = f"$P{number}E"
    if key not in keywords and (version == "FCS2.0" or not integers):
        if version != "FCS2.0":
            inspection.note("FCS-AMPLIFICATION", key, "is missing; floating point is linear")
        return 0.0, 0.0
    if key not in keywords:
        raise inspection.error("FCS-KEYWORD-MISSING", key, "is missing: linear or logarithmic is not known")
    numbers = [decimal_number(t) for t in keywords[key].split(",")]
    if len(numbers) == 4 and not any(n != 0 for n in numbers):
        inspection.note("FCS-AMPLIFICATION", key, f"is {quote(keywords[key])}, decimal commas; read as 0,0")
        return 0.0, 0.0
    decades, offset = numbers if len(numbers) == 2 else (None, None)
    if decades is None or offset is None or decades < 0 or offset < 0:
        if not integers:
            inspection.note("FCS-AMPLIFICATION", key, f"is {quote(keywords[key])}; floating point is linear")
            return 0.0, 0.0
        raise inspection.error(
            "FCS-KEYWORD-VALUE", key, f"is {quote(keywords[key])}, not two numbers of 0 or more",
            expected="0,0 or decades,offset", found=keywords[key],
        )  # fmt: skip
    return _effective(decades, offset, key, integers, inspection)


def _effective(decades: float, offset: float, key: str, integers: bool, inspection: Inspection) -> tuple[float, float]:
    if decades == 0:
        if offset != 0:
            inspection.note("FCS-AMPLIFICATION", key, f"is 0,{offset:g}; read as linear")
        return 0.0, 0.0
    if not integers:
        inspection.note("FCS-AMPLIFICATION", key, f"is {decades:g},{offset:g}; floating point was left linear")
        return 0.0, 0.0
    if offset == 0:
        inspection.note("FCS-AMPLIFICATION", key, f"is {decades:g},0; read as {decades:g},1")
    return decades, offset or 1.0


def _read_gain(
    keywords: Mapping[str, str], number: int, amplification: tuple[float, float], inspection: Inspection
) -> float:
    key = f"$P{number}G"
    text = keywords.get(key, "").strip()
    if not text:
        return 1.0
    gain = decimal_number(text)
    if gain is None or gain <= 0:
        inspection.note("FCS-GAIN", key, f"is {quote(text)}, not a number above 0; read as 1")
        return 1.0
    if amplification[0] > 0 and gain != 1:
        inspection.note("FCS-GAIN", key, f"is {gain:g} beside log amplification; not applied")
        return 1.0
    return gain


def read_scalings(
    keywords: Mapping[str, str], channels: Sequence[Channel], inspection: Inspection
) -> tuple[Scaling, ...]:
    """How each channel's stored values become scale values; time channels by ``$TIMESTEP``, never by gain.

    Notes
    -----
    A channel such as ``Time MSW`` is half of a number: only one called ``Time`` (or declared by ``$PnTYPE``)
    is multiplied by ``$TIMESTEP``.
    """
    clocks = {c.index for c in channels if _is_clock(keywords, c)}
    step = _read_time_step(keywords, inspection) if clocks else 1.0
    return tuple(_scaling(c, step if c.index in clocks else 1.0) for c in channels)


def _is_clock(keywords: Mapping[str, str], channel: Channel) -> bool:
    number = channel.index + 1
    declared = keywords.get(f"$P{number}TYPE", "").strip().casefold() == "time"
    return declared or keywords.get(f"$P{number}N", "").strip().casefold() == "time"


def _scaling(channel: Channel, step: float) -> Scaling:
    decades, offset = channel.amplification
    if decades > 0:
        return Scaling(decades=decades, offset=offset, range=float(channel.range))
    return Scaling(gain=channel.gain, step=step)


def _read_time_step(keywords: Mapping[str, str], inspection: Inspection) -> float:
    text = keywords.get("$TIMESTEP", "").strip()
    if not text:
        inspection.note("FCS-TIMESTEP-ABSENT", "$TIMESTEP", "is missing; time is in the file's own units")
        return 1.0
    step = decimal_number(text)
    if step is None or step <= 0:
        inspection.note("FCS-TIMESTEP", "$TIMESTEP", f"is {quote(text)}; time is in the file's own units")
        return 1.0
    return step
