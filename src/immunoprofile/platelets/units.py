"""Platelet counts as written become decimals in 10^9/L; a unit is converted only when it is named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

CANONICAL = "10^9/L"

_ONE = Decimal(1)
_THOUSANDTH = Decimal("0.001")
# 1 x 10^9/L = 1 x 10^3/uL = 1 x 10^6/mL = 1,000/mm3. Keys are spelled as `_plain` leaves them.
_FACTORS = {
    **dict.fromkeys(("10^9/l", "1e9/l", "gpt/l", "giga/l", "/nl", "1/nl"), _ONE),
    **dict.fromkeys(("10^3/ul", "1e3/ul", "k/ul", "1000/ul", "thou/ul", "tsd/ul"), _ONE),
    **dict.fromkeys(("10^3/mm3", "1e3/mm3", "k/mm3", "1000/mm3", "thou/mm3"), _ONE),
    **dict.fromkeys(("10^6/ml", "1e6/ml"), _ONE),
    **dict.fromkeys(("/ul", "1/ul", "cells/ul", "/mm3", "1/mm3", "cells/mm3", "/cumm", "10^6/l", "1e6/l"), _THOUSANDTH),
}
UNITS = ("10^9/L", "1e9/L", "x10^9/L", "G/L", "10^3/uL", "K/uL", "10^6/mL", "/uL", "/mm3")
"""The spellings named in messages; others of the same units are read too."""

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_COUNT = re.compile(r"(?P<qualifier><=|≤|<)?\s*(?P<number>[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?)")


@dataclass(frozen=True, slots=True)
class Amount:
    """A count as written: its number, or the bound of a censored one (``<10``, ``<=5``)."""

    value: Decimal
    qualifier: str


def unit_factor(unit: str) -> Decimal | None:
    """What a count in this unit is multiplied by to be in 10^9/L; None for a unit that is not known.

    Notes
    -----
    ``G/L`` is giga per litre only with a capital G (``g/L`` is a mass). ``10e9/L`` is not read: it is 10^10 by
    the letter and 10^9 in the mouths of many.
    """
    plain = _plain(unit)
    return _ONE if plain == "G/L" else _FACTORS.get(plain.lower())


def _plain(unit: str) -> str:
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: "^" + m.group().translate(_SUPERSCRIPTS), unit)
    text = re.sub(r"\s+", "", text).replace("µ", "u").replace("μ", "u").replace("mcL", "uL").replace("mm^3", "mm3")
    text = re.sub(r"^1?[x×X*·](?=1)", "", text)
    return re.sub(r"^10(\*\*|\*)(?=\d)", "10^", text)


def read_amount(text: str) -> Amount | None:
    """The number or censored number that a cell holds; None where it holds neither.

    A decimal comma, a thousands separator, a sign, ``>`` and words are not read: they would have to be
    guessed.
    """
    match = _COUNT.fullmatch(text.strip())
    if match is None:
        return None
    qualifier = (match["qualifier"] or "").replace("≤", "<=")
    return Amount(Decimal(match["number"]), qualifier)


def plain_number(value: Decimal) -> str:
    """A decimal as people write it: no exponent, no zeros at the end of a fraction."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
