"""Keywords that the reader rests on: which are required in which version, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from immunoprofile.fcs.findings import Inspection, quote

MAX_PARAMETERS = 10_000

_BYTES_PER_PARAMETER = 8  # each needs at least four keywords: a lower bound that no real TEXT comes near

_WHOLE = re.compile(r"\s*([0-9]{1,20})\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)\s*", re.ASCII)
_MOST_CHARACTERS = 64  # of a decimal number: far more than any that means something
_STRUCTURAL = re.compile(
    r"\$(?:TOT|PAR|BYTEORD|DATATYPE|MODE|NEXTDATA|(?:BEGIN|END)(?:DATA|STEXT|ANALYSIS)"
    r"|P[1-9][0-9]{0,4}(?:B|R|E|N|DATATYPE))"
)

# FCS 2.0, 3.0, 3.1 and 3.2, lists of required keywords. Those that do not bear on the values are in
# _EXPECTED.
_REQUIRED = {
    "FCS2.0": ("$BYTEORD", "$DATATYPE", "$PAR", "$MODE"),
    "FCS3.0": ("$BYTEORD", "$DATATYPE", "$PAR", "$MODE", "$TOT"),
    "FCS3.1": ("$BYTEORD", "$DATATYPE", "$PAR", "$MODE", "$TOT"),
    "FCS3.2": ("$BYTEORD", "$DATATYPE", "$PAR", "$TOT"),
}
_REQUIRED_EACH = {"FCS2.0": "BR", "FCS3.0": "BR", "FCS3.1": "BRN", "FCS3.2": "BRN"}
_SEGMENTS = ("$BEGINANALYSIS", "$ENDANALYSIS", "$BEGINSTEXT", "$ENDSTEXT")
_EXPECTED = {
    "FCS2.0": ("$NEXTDATA",),
    "FCS3.0": ("$NEXTDATA", *_SEGMENTS),
    "FCS3.1": ("$NEXTDATA", *_SEGMENTS),
    "FCS3.2": ("$NEXTDATA", "$CYT"),
}

# Names that any version of the standard from 2.0 to 3.2 defines; each $Pn, $Gn and $Rn with a number in its place.
_DEFINED = re.compile(
    r"\$(?:ABRT|ASC|(?:BEGIN|END)(?:ANALYSIS|DATA|STEXT|DATETIME)|BTIM|BYTEORD|CARRIERID|CARRIERTYPE|CELLS|COM|COMP|CSMODE"
    r"|CSTOT|CSV[0-9]+FLAG|CSVBITS|CYT|CYTSN|DATATYPE|DATE|DFC[0-9]+TO[0-9]+|ETIM|EXP|FIL|FLOWRATE|GATE|GATING|INST"
    r"|LAST_MODIFIED|LAST_MODIFIER|LOCATIONID|LOST|MODE|NEXTDATA|OP|ORIGINALITY|PAR|PKN?[0-9]+|PLATEID|PLATENAME|PROJ"
    r"|SMNO|SPILLOVER|SRC|SYS|TIMESTEP|TOT|TR|UNICODE|UNSTAINEDCENTERS|UNSTAINEDINFO|VOL|WELLID"
    r"|P[0-9]+(?:ANALYTE|B|CALIBRATION|D|DATATYPE|DET|E|F|FEATURE|G|L|N|O|P|R|S|T|TAG|TYPE|V)"
    r"|G[0-9]+[EFNPRSTV]|R[0-9]+[IW])"
)
_OF_CHANNEL = re.compile(r"\$P([0-9]{1,9})[A-Z]+")


def is_structural(key: str) -> bool:
    """True for a keyword that decides how DATA is read: two values for it leave the events in doubt."""
    return _STRUCTURAL.fullmatch(key) is not None


def whole_number(text: str) -> int | None:
    """A value of 1 to 20 ASCII digits, blanks around them allowed; None where it is anything else."""
    found = _WHOLE.fullmatch(text)
    return int(found[1]) if found else None


def decimal_number(text: str) -> float | None:
    """A finite decimal number in ASCII with a point; None where it is anything else (also NaN and Inf)."""
    return _decimal(text) if len(text) <= _MOST_CHARACTERS else None


@lru_cache(maxsize=4096)
def _decimal(text: str) -> float | None:
    # The files of a panel have the same matrix, and many of its numbers are alike.
    found = _DECIMAL.fullmatch(text)
    number = float(found[1]) if found else None
    return number if number is not None and abs(number) < float("inf") else None


def missing_keywords(version: str, keywords: Mapping[str, str]) -> list[str]:
    """Required keywords that decide how DATA is read and are not there."""
    missing = [k for k in _REQUIRED[version] if k not in keywords]
    declared = whole_number(keywords.get("$PAR", "")) or 0
    count = declared if declared <= MAX_PARAMETERS else 0  # read_parameter_count refuses more
    each = [f"$P{i}{letter}" for i in range(1, count + 1) for letter in _REQUIRED_EACH[version]]
    return missing + [k for k in each if k not in keywords]


def check_expected(version: str, keywords: Mapping[str, str], inspection: Inspection) -> None:
    """Note required keywords that are not there though the values do not rest on them."""
    for key in _EXPECTED[version]:
        if key not in keywords:
            inspection.note("FCS-KEYWORD-ABSENT", "TEXT", f"{key} is missing; read as 0")


def check_known(keywords: Mapping[str, str], inspection: Inspection) -> None:
    """Note keywords that begin with ``$`` and are not the standard's (vendors' own, or damaged), or beyond ``$PAR``."""
    strange = [k for k in keywords if k.startswith("$") and not _DEFINED.fullmatch(k)]
    if strange:
        more = f" and {len(strange) - 8} more" if len(strange) > 8 else ""
        inspection.note(
            "FCS-KEYWORD-UNKNOWN", "TEXT", f"{', '.join(map(quote, strange[:8]))}{more} not in the standard"
        )
    count = whole_number(keywords.get("$PAR", "")) or 0
    beyond = [k for k in keywords if (found := _OF_CHANNEL.match(k)) is not None and int(found[1]) > count]
    if beyond:
        inspection.note("FCS-PAR-MORE", quote(beyond[0]), f"is about a channel beyond $PAR, which is {count}")


def read_whole(keywords: Mapping[str, str], key: str, inspection: Inspection, default: int | None = None) -> int:
    """The value of a keyword that must be a whole number.

    Raises
    ------
    FcsFormatError
        It is missing without a default, or is something else.
    """
    if key not in keywords and default is not None:
        return default
    number = whole_number(keywords.get(key, ""))
    if number is None:
        raise inspection.error(
            "FCS-KEYWORD-VALUE", key, f"is {quote(keywords.get(key, ''))}, not a whole number",
            expected="1 to 20 digits", found=keywords.get(key, ""),
        )  # fmt: skip
    return number


def read_parameter_count(keywords: Mapping[str, str], text_bytes: int, inspection: Inspection) -> int:
    """``$PAR``, checked against what TEXT can describe.

    Raises
    ------
    FcsFormatError
        Not a whole number, or 0.
    FcsLimitError
        More parameters than TEXT has room for, or than 10,000.
    """
    count = read_whole(keywords, "$PAR", inspection)
    if count == 0:
        raise inspection.error("FCS-KEYWORD-VALUE", "$PAR", "is 0: the file describes no channels")
    if count > min(MAX_PARAMETERS, text_bytes // _BYTES_PER_PARAMETER):
        raise inspection.error(
            "FCS-PAR-LIMIT",
            "$PAR",
            f"says {count:,} channels, more than TEXT of {text_bytes:,} bytes describes",
        )
    return count
