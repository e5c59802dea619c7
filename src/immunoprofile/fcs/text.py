"""TEXT: bytes to keywords and values.

The first byte is the delimiter. A doubled delimiter stands for itself; so a run of k delimiters after a token
holds k // 2 of them as text and, where k is odd, ends the token. Files that leave values empty break this
rule (``$COM//$SRC//``); such a TEXT is read a second way, and which way is right is decided by what comes
out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from immunoprofile.fcs.findings import Inspection, quote
from immunoprofile.fcs.keywords import is_structural

MAX_TEXT_BYTES = 64 * 1024 * 1024
MAX_TOKENS = 1_000_000

_PADDING = b" \0\r\n\t"
_KEYWORD_MARKS = (b"$", b"@", b"#", b"&")  # standard, Beckman, several, Becton Dickinson


class Keywords(Mapping[str, str]):
    """Keywords of a data set: upper case with their ``$``, values verbatim; read-only."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Keywords({self._values!r})"


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Keywords and values in turn; whether the last one was ended, and whether a delimiter was left over."""

    items: list[bytes]
    ended: bool
    stray: bool = False

    @property
    def keys(self) -> list[bytes]:
        return self.items[::2]


def read_text(
    raw: bytes,
    where: str,
    missing: Callable[[Mapping[str, str]], list[str]],
    inspection: Inspection,
    fits: Callable[[Mapping[str, str]], bool] = lambda _: True,
) -> dict[str, str]:
    """Keywords of a TEXT segment.

    Parameters
    ----------
    raw
        The segment with its leading delimiter.
    where
        The segment's name in messages, ``TEXT`` or ``supplemental TEXT``.
    missing
        Names the required keywords that a reading lacks; a reading that lacks some is not the right one.
    fits
        Tells whether DATA is where a reading says; asked only where two readings make sense.

    Raises
    ------
    FcsFormatError
        No delimiter, no pairs, or a keyword that decides the values stands twice with two values.
    FcsLimitError
        More tokens than any real file has.
    """
    delimiter = raw[:1]
    if not delimiter or not 1 <= delimiter[0] <= 126:
        raise inspection.error("FCS-TEXT-TOKENS", where, f"its first byte {quote(delimiter)} is no delimiter")
    body = raw[1:]
    if body.count(delimiter) > MAX_TOKENS:
        raise inspection.error("FCS-TEXT-LIMIT", where, f"it has more than {MAX_TOKENS:,} delimiters")
    tokens = _choose(body, delimiter, where, missing, inspection, fits)
    if not tokens.ended:
        inspection.note("FCS-TEXT-UNTERMINATED", where, f"{where} does not end with its delimiter {quote(delimiter)}")
    if tokens.stray:
        inspection.note("FCS-TEXT-STRAY", where, f"{where} ends with two delimiters")
    return _pair(tokens.items, where, inspection)


def _choose(
    body: bytes,
    delimiter: bytes,
    where: str,
    missing: Callable[[Mapping[str, str]], list[str]],
    inspection: Inspection,
    fits: Callable[[Mapping[str, str]], bool],
) -> _Tokens:
    """The reading by the rule, or the one with empty values where only that makes sense."""
    by_rule = _split(body, delimiter, empty_values=False)
    fault = _fault(by_rule, where, missing)
    swallowed = [k for k in by_rule.keys if delimiter in k]
    suspect = any(p.startswith(_KEYWORD_MARKS) for k in swallowed for p in k.split(delimiter)[1:])
    if fault is None and not suspect:
        return _note_swallowed(by_rule, swallowed, where, inspection)
    with_empty = _split(body, delimiter, empty_values=True)
    if delimiter * 2 in body and _fault(with_empty, where, missing) is None:
        if fault is None and not fits(_as_mapping(with_empty)):
            return _note_swallowed(by_rule, swallowed, where, inspection)
        empty = [k for k, v in zip(with_empty.keys, with_empty.items[1::2], strict=True) if not v]
        shown = ", ".join(quote(k) for k in empty[:5])
        inspection.note("FCS-TEXT-EMPTY", where, f"{len(empty)} keywords have empty values: {shown}")
        return with_empty
    if fault is None:
        return _note_swallowed(by_rule, swallowed, where, inspection)
    dangling = _Tokens(by_rule.items[:-1], ended=True)
    if not by_rule.ended and _fault(dangling, where, missing) is None:
        rest = quote(by_rule.items[-1])
        inspection.note("FCS-TEXT-DANGLING", where, f"{rest} at its end is no keyword with a value; left out")
        return dangling
    code, what = fault
    raise inspection.error(code, where, what)


def _note_swallowed(tokens: _Tokens, swallowed: list[bytes], where: str, inspection: Inspection) -> _Tokens:
    for key in swallowed:
        inspection.note("FCS-TEXT-KEYWORD", where, f"keyword {quote(key)} holds an escaped delimiter")
    return tokens


def _as_mapping(tokens: _Tokens) -> dict[str, str]:
    """Keywords and values of a reading, for a look at it; the first of two values counts."""
    pairs = zip(reversed(tokens.keys), reversed(tokens.items[1::2]), strict=True)
    return {k.upper().decode("latin-1"): v.decode("latin-1") for k, v in pairs}


def _fault(tokens: _Tokens, where: str, missing: Callable[[Mapping[str, str]], list[str]]) -> tuple[str, str] | None:
    """Why a reading cannot be right, as code and sentence; None where it can."""
    if not tokens.items:
        return "FCS-TEXT-TOKENS", f"{where} holds no keywords"
    if len(tokens.items) % 2:
        return "FCS-TEXT-TOKENS", f"{where} has keyword {quote(tokens.items[-1])} without a value"
    if any(not k.strip(_PADDING) for k in tokens.keys):
        return "FCS-TEXT-TOKENS", f"{where} has a keyword of no characters"
    lacking = missing(_as_mapping(tokens))
    if lacking:
        more = f" and {len(lacking) - 8} more" if len(lacking) > 8 else ""
        return "FCS-KEYWORD-MISSING", f"required keyword {', '.join(lacking[:8])}{more} is missing"
    return None


def _split(body: bytes, delimiter: bytes, *, empty_values: bool) -> _Tokens:
    """Tokens of TEXT without its first delimiter, in one pass.

    With `empty_values` a run right after a keyword is the end of the keyword and the end of an empty value;
    inside values a doubled delimiter still stands for itself.
    """
    parts = body.split(delimiter)
    if delimiter * 2 not in body and not body.startswith(delimiter):
        # No delimiter stands for itself: the usual case.
        return _end(parts[:-1], parts[-1], stray=False)
    items: list[bytes] = []
    pieces = [parts[0]]
    stray, i, last = False, 1, len(parts) - 1
    while i <= last:
        run = 1
        while i < last and not parts[i]:
            run, i = run + 1, i + 1
        following, at_end = parts[i], i == last and not parts[i].strip(_PADDING)
        i += 1
        if empty_values and run == 2 and len(items) % 2 == 0:
            items += [b"".join(pieces), b""]
            pieces = [following]
            continue
        stray = at_end and run % 2 == 0
        pieces.append(delimiter * ((run - stray) // 2))
        if run % 2 or stray:
            items.append(b"".join(pieces))
            pieces = []
        pieces.append(following)
    return _end(items, b"".join(pieces), stray)


def _end(items: list[bytes], rest: bytes, stray: bool) -> _Tokens:
    """Close a split: what follows the last delimiter is padding, or a value that was not ended."""
    padding = not rest.strip(_PADDING)
    if padding and (not rest or len(items) % 2 == 0):
        return _Tokens(items, ended=True, stray=stray)
    return _Tokens([*items, rest], ended=False)


def _pair(items: list[bytes], where: str, inspection: Inspection) -> dict[str, str]:
    keywords: dict[str, str] = {}
    for raw_key, raw_value in zip(items[::2], items[1::2], strict=True):
        key = _decode(raw_key.upper(), "keyword", inspection)
        value = _decode(raw_value, key, inspection)
        if key not in keywords:
            keywords[key] = value
        elif keywords[key] != value and is_structural(key):
            raise inspection.error(
                "FCS-KEYWORD-TWICE",
                quote(key),
                f"stands twice, as {quote(keywords[key])} and as {quote(value)}",
            )
        else:
            said = "twice" if keywords[key] == value else f"twice; {quote(value)} was ignored"
            inspection.note("FCS-TEXT-DUPLICATE", where, f"{quote(key)} stands {said}")
    return keywords


def _decode(raw: bytes, where: str, inspection: Inspection) -> str:
    """UTF-8, else Windows-1252, else Latin-1: no byte is ever dropped."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        inspection.note("FCS-TEXT-ENCODING", quote(where), f"{quote(raw)} is not UTF-8; read as Windows-1252")
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def merge_supplement(primary: dict[str, str], supplement: Mapping[str, str], inspection: Inspection) -> dict[str, str]:
    """Keywords of primary and supplemental TEXT; a primary keyword is never overridden."""
    merged = dict(primary)
    for key, value in supplement.items():
        if primary.get(key, value) != value:
            inspection.note(
                "FCS-STEXT-OVERRIDE",
                quote(key),
                f"supplemental TEXT has another value {quote(value)}, ignored",
            )
        merged.setdefault(key, value)
    return merged
