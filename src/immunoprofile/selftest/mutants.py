"""Damaged files by the thousand: good files with a few bytes changed, and what a reader may make of them.

A reader must give the same events, say that something is odd, or refuse. `UNDETECTABLE` names the few changes that no
reader can notice, because the file after them is as good as before.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from immunoprofile.errors import FcsError
from immunoprofile.fcs import Events, read_fcs_datasets
from immunoprofile.selftest.blueprint import Blueprint, Cell
from immunoprofile.selftest.zoo import chain

UNDETECTABLE = {
    "DATA": "a byte of an event; where numbers are text without columns, also a lost one, if the end moved with it",
    "$PnR": "the bits that count in an integer, and the range of log amplification",
    "$PnE": "amplification; where it may be missing, its loss too",
    "$PnG": "gain; it may be missing",
    "$TIMESTEP": "the unit of time; it may be missing, which is an info",
    "$PnN": "a name, which decides what is time",
    "$PnTYPE": "a declared type, which decides what is time",
    "$PnB": "widths exchanged between channels: an event has as many bytes as before",
    "$DATATYPE": "integers and floating point of one width",
    "$PnDATATYPE": "integers and floating point of one width",
    "$BYTEORD": "another order of as many bytes",
}
"""What may change events without a word, and why."""

_NAMED = re.compile(r"\$(?:P[0-9]+(?:R|E|G|N|TYPE|B|DATATYPE)|TIMESTEP|DATATYPE|BYTEORD)")
_BOUNDARIES = (
    b"0",
    b"1",
    b"-1",
    b"2147483648",
    b"4294967296",
    b"9223372036854775808",
    b"1000000000000",
    b"9" * 5000,
    b"",
)
_SLOW_SECONDS = 1.0
_IN_HEAD = 0.8  # most of what can go wrong is in HEADER and TEXT


@dataclass(frozen=True, slots=True)
class Specimen:
    """A good file, and what our reader makes of it."""

    raw: bytes = field(repr=False)
    sets: tuple[Events, ...] = field(repr=False)
    content: tuple[bytes, ...] = field(repr=False)

    @property
    def head(self) -> int:
        """Bytes before DATA."""
        return self.sets[0].place.begin


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged file, which specimen it was, and what was done to it."""

    raw: bytes = field(repr=False)
    specimen: int
    done: str


@dataclass(slots=True)
class Campaign:
    """What came of many mutants.

    Parameters
    ----------
    same, odd, refused, undetectable
        How many gave the same events, gave events with a new finding, were refused, or changed in a way that is named
        in `UNDETECTABLE`.
    escaped, silent, slow
        Those that may not be: another exception than `FcsError`; other events without a word; above a second.
    """

    n: int = 0
    same: int = 0
    odd: int = 0
    refused: int = 0
    undetectable: int = 0
    slowest_seconds: float = 0.0
    escaped: list[tuple[Mutant, str]] = field(default_factory=list)
    silent: list[tuple[Mutant, str]] = field(default_factory=list)
    slow: list[tuple[Mutant, str]] = field(default_factory=list)

    @property
    def flawless(self) -> bool:
        """True where nothing happened that may not."""
        return not (self.escaped or self.silent or self.slow)


def specimens() -> tuple[bytes, ...]:
    """Small good files of every version and type."""
    words = (Cell("FSC-A"), Cell("FL1", size="1024", amplification="4,1"), Cell("Time"))
    events = tuple((i * 7 % 1000, i * 31 % 1024, i) for i in range(12))
    floats = tuple(Cell(n, "F", 32, more={"G": "2"}) for n in ("FSC-A", "FL1-A"))
    values = tuple((i + 0.5, -1.25 * i) for i in range(12))
    mixed = (Cell("I", "I", 16), Cell("F", "F", 32, more={"DATATYPE": "F"}), Cell("D", "D", 64, more={"DATATYPE": "D"}))
    spill = {"$SPILLOVER": "2,FSC-A,FL1-A,1,0.1,0.2,1", "$COM": "a/b", "$DATE": "01-MAY-2024"}
    odd = (Cell("A", "I", 24), Cell("B", "I", 40), Cell("C", "I", 8))
    text = (Cell("A", "A", 4), Cell("B", "A", 6))
    numbers = tuple((i, i * 1000) for i in range(12))
    return (
        Blueprint(words, events, "FCS3.1", keywords={"$TIMESTEP": "0.25"}).raw,
        Blueprint(words, events, "FCS2.0", "4,3,2,1", keywords={"$TIMESTEP": "0.25"}).raw,
        Blueprint(floats, values, "FCS3.0", "4,3,2,1", "F", keywords=spill).raw,
        Blueprint(floats, values, "FCS3.1", datatype="F", keywords=spill, delimiter=b"|", analysis={"A": "b"}).raw,
        Blueprint(tuple(replace(c, kind="D", bits=64) for c in floats), values, "FCS3.1", datatype="D", far=True).raw,
        Blueprint(mixed, tuple((i, i + 0.5, -i * 1.5) for i in range(12)), "FCS3.2", drop=("$MODE",)).raw,
        Blueprint(odd, tuple((i * 70_000, i * 2**35, i) for i in range(12)), "FCS3.0", stext={"$OP": "me"}).raw,
        Blueprint(odd[:1], tuple((i * 70_000,) for i in range(12)), "FCS3.0", "3,2,1").raw,
        Blueprint(text, numbers, "FCS3.0", datatype="A").raw,
        Blueprint(tuple(replace(c, bits=0) for c in text), numbers, "FCS2.0", datatype="A").raw,
        chain(Blueprint(words, events), Blueprint(floats, values, "FCS3.0", datatype="F")),
    )  # fmt: skip


def read_specimens(folder: Path) -> tuple[Specimen, ...]:
    """The specimens, read from files in `folder`, which must stay."""
    found: list[Specimen] = []
    for number, raw in enumerate(specimens()):
        path = folder / f"specimen{number}.fcs"
        path.write_bytes(raw)
        sets = tuple(read_fcs_datasets(path))
        found.append(Specimen(raw, sets, _content(sets)))
    return tuple(found)


def walk_mutants(good: tuple[Specimen, ...], n: int, seed: int) -> Iterator[Mutant]:
    """`n` mutants; the same for the same seed."""
    generator = random.Random(seed)
    for _ in range(n):
        number = generator.randrange(len(good))
        raw, done = good[number].raw, []
        for _ in range(generator.choice((1, 1, 1, 2, 3))):
            name = generator.choice(tuple(_MUTATORS))
            raw = _MUTATORS[name](raw, good[number].head, generator)
            done.append(name)
        if "splice" in done:
            raw = _spliced(raw, good[generator.randrange(len(good))].raw, generator)
        yield Mutant(raw, number, "+".join(done))


def run_campaign(folder: Path, n: int, seed: int) -> Campaign:
    """Read `n` mutants and judge each; files lie in `folder`, one at a time."""
    good = read_specimens(folder)
    campaign = Campaign()
    for mutant in walk_mutants(good, n, seed):
        judge_mutant(good[mutant.specimen], mutant, folder / "mutant.fcs", campaign)
    return campaign


def judge_mutant(good: Specimen, mutant: Mutant, path: Path, campaign: Campaign) -> tuple[Events, ...] | None:
    """Read one mutant and enter in the campaign what came of it; its data sets where it was read."""
    path.write_bytes(mutant.raw)
    campaign.n += 1
    start = time.perf_counter()
    sets: tuple[Events, ...] | None = None
    content: tuple[bytes, ...] = ()
    try:
        sets = tuple(read_fcs_datasets(path))
        content = _content(sets)
    except FcsError:
        campaign.refused += 1
        sets = None
    except Exception as error:  # whatever else escapes is what this looks for
        campaign.escaped.append((mutant, f"{type(error).__name__}: {error}"))
        sets = None
    seconds = time.perf_counter() - start
    campaign.slowest_seconds = max(campaign.slowest_seconds, seconds)
    if seconds > _SLOW_SECONDS:
        campaign.slow.append((mutant, f"{seconds:.1f} s"))
    if sets is not None:
        _enter(good, mutant, sets, content, campaign)
    return sets


def _enter(
    good: Specimen, mutant: Mutant, sets: tuple[Events, ...], content: tuple[bytes, ...], campaign: Campaign
) -> None:
    if content == good.content:
        campaign.same += 1
    elif _codes(sets) - _codes(good.sets):
        campaign.odd += 1
    elif (why := _unexplained(good, mutant.raw, sets)) is None:
        campaign.undetectable += 1
    else:
        campaign.silent.append((mutant, why))


def _codes(sets: tuple[Events, ...]) -> set[tuple[str, str, str]]:
    return {(f.code, f.where, f.message) for s in sets for f in s.findings}


def _content(sets: tuple[Events, ...]) -> tuple[bytes, ...]:
    """Stored and scale values of every data set, as bytes."""
    parts: list[bytes] = []
    for events in sets:
        parts += [events.column(i).tobytes() for i in range(events.n_channels)]
        try:
            parts.append(events.linear().tobytes())
        except FcsError as error:
            if error.code != "FCS-INT-EXACT":
                raise
    return tuple(parts)


def _unexplained(good: Specimen, raw: bytes, sets: tuple[Events, ...]) -> str | None:
    """Why a change of events is not one of the named ones; None where it is."""
    if len(sets) != len(good.sets):
        return f"{len(sets)} data sets of {len(good.sets)}"
    for before, after in zip(good.sets, sets, strict=True):
        at, was = after.place, before.place
        data = raw[at.begin : at.begin + at.n_bytes]
        same_data = data == good.raw[was.begin : was.begin + was.n_bytes]
        damaged = at.begin == was.begin and data != good.raw[was.begin : was.begin + at.n_bytes]
        sized = at.n_bytes == was.n_bytes or not at.layout.row_bytes
        if not same_data and not (damaged and sized):
            return f"DATA at {at.begin} with {at.n_bytes} bytes, not at {was.begin} with {was.n_bytes}"
        keys = before.keywords.keys() | after.keywords.keys()
        changed = {k for k in keys if before.keywords.get(k) != after.keywords.get(k)}
        if same_data and not any(_NAMED.fullmatch(k) for k in changed) and _content((before,)) != _content((after,)):
            return f"changed keywords: {', '.join(sorted(changed)) or 'none'}; version {after.version}"
    return None


def _place(raw: bytes, head: int, generator: random.Random) -> int:
    """A byte to damage, most often before DATA."""
    head = min(head, len(raw))
    low, high = (0, head) if generator.random() < _IN_HEAD and head else (head, len(raw))
    return generator.randrange(low, high) if high > low else 0


def _flip_bit(raw: bytes, head: int, generator: random.Random) -> bytes:
    at = _place(raw, head, generator)
    return raw[:at] + bytes([(raw[at] if at < len(raw) else 0) ^ (1 << generator.randrange(8))]) + raw[at + 1 :]


def _set_byte(raw: bytes, head: int, generator: random.Random) -> bytes:
    at = _place(raw, head, generator)
    return raw[:at] + bytes([generator.randrange(256)]) + raw[at + 1 :]


def _change_digit(raw: bytes, head: int, generator: random.Random) -> bytes:
    digits = [i for i in range(min(head, len(raw))) if 48 <= raw[i] <= 57]
    if not digits:
        return raw
    at = generator.choice(digits)
    return raw[:at] + bytes([generator.randrange(48, 58)]) + raw[at + 1 :]


def _insert_delimiter(raw: bytes, head: int, generator: random.Random) -> bytes:
    at = _place(raw, head, generator)
    return raw[:at] + raw[58:59] + raw[at + generator.randrange(2) :]


def _delete(raw: bytes, head: int, generator: random.Random) -> bytes:
    at = _place(raw, head, generator)
    return raw[:at] + raw[at + generator.choice((1, 1, 2, 4, 16)) :]


def _insert(raw: bytes, head: int, generator: random.Random) -> bytes:
    at = _place(raw, head, generator)
    return raw[:at] + generator.randbytes(generator.choice((1, 1, 2, 4, 16))) + raw[at:]


def _truncate(raw: bytes, _: int, generator: random.Random) -> bytes:
    return raw[: generator.randrange(len(raw))] if raw else raw


def _leave(raw: bytes, _: int, __: random.Random) -> bytes:
    """Splicing needs another file: `walk_mutants` does it."""
    return raw


def _spliced(raw: bytes, other: bytes, generator: random.Random) -> bytes:
    """The front of one file, at least its HEADER, and the back of another: less would be the other file, whole."""
    at = generator.randrange(58, max(59, min(len(raw), len(other))))
    return raw[:at] + other[at:]


def _tokens(raw: bytes, head: int) -> tuple[list[bytes], bytes]:
    text = raw[58 : min(head, len(raw))]
    return text[1:].split(text[:1]) if text else [], text[:1]


def _rebuilt(raw: bytes, head: int, tokens: list[bytes], delimiter: bytes, *, keep_size: bool) -> bytes:
    """TEXT put together again; with its old size DATA stays where the file says, by blanks or by a cut."""
    text = delimiter + delimiter.join(tokens)
    if keep_size:
        text = text.ljust(min(head, len(raw)) - 58)[: min(head, len(raw)) - 58]
    return raw[:58] + text + raw[head:]


def _put_boundary(raw: bytes, head: int, generator: random.Random) -> bytes:
    tokens, delimiter = _tokens(raw, head)
    numbers = [i for i, t in enumerate(tokens) if t.isdigit()]
    if not numbers:
        return raw
    tokens[generator.choice(numbers)] = generator.choice(_BOUNDARIES)
    return _rebuilt(raw, head, tokens, delimiter, keep_size=generator.random() < 0.5)


def _nudge_number(raw: bytes, head: int, generator: random.Random) -> bytes:
    """A number of TEXT or HEADER plus or minus a little, as wide as before: offsets, counts, widths."""
    numbers = list(re.finditer(rb"[0-9]+", raw[10 : min(head, len(raw))]))
    if not numbers:
        return raw
    found = generator.choice(numbers)
    value = max(0, int(found[0][:30]) + generator.choice((-16, -8, -4, -2, -1, 1, 2, 4, 8, 16)))
    low, high = 10 + found.start(), 10 + found.end()
    return raw[:low] + (b"%0*d" % (high - low, value))[: high - low] + raw[high:]


def _edit_pairs(raw: bytes, head: int, generator: random.Random, edit: str) -> bytes:
    tokens, delimiter = _tokens(raw, head)
    pairs = [tokens[i : i + 2] for i in range(0, len(tokens) - 1, 2)]
    if len(pairs) < 2 or not delimiter:
        return raw
    first, second = generator.sample(range(len(pairs)), 2)
    if edit == "drop":
        del pairs[first]
    elif edit == "copy":
        pairs.append([pairs[first][0], pairs[second][-1]])
    else:
        pairs[first][-1], pairs[second][-1] = pairs[second][-1], pairs[first][-1]
    whole = [t for pair in pairs for t in pair] + [b""]
    return _rebuilt(raw, head, whole, delimiter, keep_size=edit != "copy" and generator.random() < 0.8)


def _drop_pair(raw: bytes, head: int, generator: random.Random) -> bytes:
    return _edit_pairs(raw, head, generator, "drop")


def _copy_key(raw: bytes, head: int, generator: random.Random) -> bytes:
    return _edit_pairs(raw, head, generator, "copy")


def _swap_values(raw: bytes, head: int, generator: random.Random) -> bytes:
    return _edit_pairs(raw, head, generator, "swap")


_MUTATORS = {
    "flip a bit": _flip_bit,
    "set a byte": _set_byte,
    "change a digit": _change_digit,
    "insert a delimiter": _insert_delimiter,
    "delete": _delete,
    "insert": _insert,
    "truncate": _truncate,
    "splice": _leave,
    "put a boundary": _put_boundary,
    "nudge a number": _nudge_number,
    "drop a keyword": _drop_pair,
    "copy a keyword": _copy_key,
    "swap values": _swap_values,
}
