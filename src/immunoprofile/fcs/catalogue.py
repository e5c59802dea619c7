"""Every code of a finding or a refusal, with what it means and what a person can do: the one definition.

A *finding* is an oddity that leaves no doubt about the values, or only such doubt as its message states. An
*error* is one that does. Codes are stable.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from immunoprofile.errors import (
    FcsAccessError,
    FcsError,
    FcsFormatError,
    FcsLimitError,
    FcsTruncatedError,
    FcsUnsupportedError,
)

Severity = Literal["info", "warning", "error"]

FINDINGS: MappingProxyType[str, tuple[Severity, str]] = MappingProxyType(
    {
        "FCS-HEADER-BLANKS": ("warning", "bytes 6 to 9 of the HEADER are not blanks"),
        "FCS-HEADER-OFFSET": ("warning", "an offset of the HEADER is not a number, and is not needed"),
        "FCS-TEXT-UNTERMINATED": ("warning", "TEXT does not end with its delimiter"),
        "FCS-TEXT-STRAY": ("warning", "TEXT ends with a second, stray delimiter"),
        "FCS-TEXT-DANGLING": (
            "warning",
            "TEXT ends with something that is no keyword with a value; left out",
        ),
        "FCS-TEXT-EMPTY": (
            "warning",
            "doubled delimiters were read as empty values, which the standard forbids",
        ),
        "FCS-TEXT-KEYWORD": ("info", "a keyword holds an escaped delimiter"),
        "FCS-TEXT-ENCODING": ("warning", "a value is not UTF-8 and was read as Windows-1252"),
        "FCS-TEXT-DUPLICATE": ("warning", "a keyword stands twice; the first value counts"),
        "FCS-STEXT": ("warning", "supplemental TEXT cannot be read; its keywords are left out"),
        "FCS-STEXT-OVERRIDE": (
            "warning",
            "supplemental TEXT repeats a primary keyword; the primary value counts",
        ),
        "FCS-KEYWORD-UNKNOWN": ("info", "keywords begin with $ that the standard does not define"),
        "FCS-PAR-MORE": ("warning", "keywords describe channels beyond $PAR; $PAR counts, as $TOT and DATA prove"),
        "FCS-DIGITS-END": ("warning", "DATA of $DATATYPE A may end in a checksum that is not one of its numbers"),
        "FCS-KEYWORD-ABSENT": ("warning", "a required keyword that does not bear on the values is missing"),
        "FCS-OFFSETS-DISAGREE": ("warning", "HEADER and TEXT place DATA differently; only one fits $TOT"),
        "FCS-OFFSETS-TEXT": ("warning", "TEXT does not place DATA; the HEADER does"),
        "FCS-DATA-END": (
            "warning",
            "the end of DATA is unset or one byte off; $TOT and the row width give it",
        ),
        "FCS-DATA-REMAINDER": ("warning", "DATA has bytes left over that make no whole event"),
        "FCS-DATA-TOUCHES": ("warning", "the first byte of DATA is declared as the last of TEXT"),
        "FCS-ANALYSIS": ("warning", "the ANALYSIS segment cannot be read; it is not needed"),
        "FCS-TOT-ABSENT": (
            "info",
            "no $TOT (allowed in FCS 2.0): the size of DATA gives the number of events",
        ),
        "FCS-TRAILING": ("warning", "bytes after the last segment"),
        "FCS-TRAILING-BLANK": ("info", "blanks or zero bytes after the last segment"),
        "FCS-GAP": ("warning", "bytes that no segment claims stand before DATA"),
        "FCS-CRC": ("warning", "the checksum at the end of the data set is not that of its bytes"),
        "FCS-CONCATENATED": ("warning", "another FCS header follows that $NEXTDATA does not name"),
        "FCS-NEXTDATA": ("warning", "$NEXTDATA points to no data set"),
        "FCS-LMD": ("info", "an LMD file holds the same events twice; its FCS 3.0 set was read"),
        "FCS-BYTEORD": ("warning", "$BYTEORD is not one of the two forms of this version, and is clear"),
        "FCS-BYTEORD-MIXED": ("info", "$BYTEORD is neither rising nor falling; read byte by byte as it says"),
        "FCS-BITS-10": ("warning", "$PnB is 10 and DATA holds words of 16 bits, as $TOT proves"),
        "FCS-RANGE": ("warning", "$PnR is no bit range for its $PnB; nothing was masked"),
        "FCS-RANGE-UNKNOWN": ("warning", "$PnR of a floating-point channel is not a number"),
        "FCS-NAME": ("info", "no $PnN (allowed before FCS 3.1): the channel is named by its number"),
        "FCS-NAME-TWICE": ("warning", "two channels share a $PnN; the later one was numbered"),
        "FCS-GAIN": (
            "warning",
            "$PnG is not a positive number, or stands beside log amplification; it was not applied",
        ),
        "FCS-AMPLIFICATION": ("warning", "$PnE is not well formed; the message says how it was read"),
        "FCS-ACQUISITION": (
            "info",
            "a date, time, volume or count of the acquisition is not readable; it is not needed",
        ),
        "FCS-METADATA": ("info", "$PnD or $PnCALIBRATION is not readable; it is not needed"),
        "FCS-NONFINITE": ("warning", "NaN or infinite values in DATA; told by `check_data`, for it reads them all"),
        "FCS-TIME": ("warning", "more than one time channel"),
        "FCS-TIMESTEP": ("warning", "$TIMESTEP is not a positive number; time stays in its own units"),
        "FCS-TIMESTEP-ABSENT": ("info", "no $TIMESTEP; time stays in its own units"),
        "FCS-SPILL-BLANK": ("info", "a spillover keyword is blank"),
        "FCS-SPILL-FORMAT": ("error", "the spillover matrix is not readable; the file counts as having none"),
        "FCS-SPILL-NAMES": (
            "error",
            "the spillover matrix names detectors that the file has not; it counts as none",
        ),
        "FCS-SPILL-VALUES": (
            "error",
            "the spillover matrix cannot be inverted with sense; it counts as none",
        ),
        "FCS-SPILL-CHOICE": ("error", "two spillover keywords differ; none was chosen"),
        "FCS-SPILL-LABELS": (
            "warning",
            "the spillover matrix names channels by marker, number or padded name",
        ),
        "FCS-SPILL-DIAGONAL": ("warning", "the spillover matrix has a diagonal other than 1"),
        "FCS-SPILL-IDENTITY": ("info", "the spillover matrix is the identity: it changes nothing"),
        "FCS-SPILL-OLD": (
            "info",
            "$COMP or $DFC keywords record compensation at acquisition; not used unless asked for",
        ),
        "FCS-SALVAGED": ("error", "the file is cut short; its whole events were kept"),
    }
)
"""Code of each finding: its severity and what it means."""

_COPY_AGAIN = "Copy the file again from the cytometer, in binary mode."
_EXPORT_AGAIN = "Export the file again from the acquisition software."
_OTHER_FORMAT = "Export it as list mode with 8, 16, 32 or 64 bit integers or floating point."

ERRORS: MappingProxyType[str, tuple[type[FcsError], str, str]] = MappingProxyType(
    {
        "FCS-MISSING": (FcsAccessError, "there is no such file", "Check the path."),
        "FCS-PERMISSION": (FcsAccessError, "the file may not be read", "Ask for permission to read it."),
        "FCS-NOT-REGULAR": (FcsAccessError, "a folder, pipe or device", "Give the path of an FCS file."),
        "FCS-ACCESS": (
            FcsAccessError,
            "the system cannot read the file",
            "Check the disk or the network share.",
        ),
        "FCS-CHANGED": (
            FcsAccessError,
            "the file changed since it was opened",
            "Wait until it is written, read it again.",
        ),
        "FCS-URL": (
            FcsAccessError,
            "the store of a URL cannot be asked",
            "Check the URL, the network and your credentials; s3://, https:// and others need a package of their own.",
        ),
        "FCS-URL-SHORT": (
            FcsTruncatedError,
            "a store gave another number of bytes than it declares",
            "Run the same command again; if it stays so, copy the file to its store again.",
        ),
        "FCS-NOT-FCS": (FcsFormatError, "not an FCS file", "Give the FCS file that the cytometer wrote."),
        "FCS-EMPTY": (FcsTruncatedError, "the file ends within its HEADER", _COPY_AGAIN),
        "FCS-VERSION": (FcsUnsupportedError, "a version other than 2.0, 3.0, 3.1 or 3.2", _EXPORT_AGAIN),
        "FCS-HEADER-FIELD": (
            FcsFormatError,
            "an offset of the HEADER that is needed is not a number",
            _EXPORT_AGAIN,
        ),
        "FCS-TEXT-OFFSETS": (FcsFormatError, "the HEADER places TEXT where it cannot be", _EXPORT_AGAIN),
        "FCS-TEXT-TRUNCATED": (FcsTruncatedError, "the file ends within TEXT", _COPY_AGAIN),
        "FCS-TEXT-TOKENS": (FcsFormatError, "TEXT does not split into keywords and values", _EXPORT_AGAIN),
        "FCS-TEXT-LIMIT": (FcsLimitError, "TEXT is larger than any real file needs", _EXPORT_AGAIN),
        "FCS-KEYWORD-MISSING": (FcsFormatError, "a required keyword is missing", _EXPORT_AGAIN),
        "FCS-KEYWORD-VALUE": (
            FcsFormatError,
            "a required keyword has a value that it may not have",
            _EXPORT_AGAIN,
        ),
        "FCS-KEYWORD-TWICE": (
            FcsFormatError,
            "a keyword that decides the values stands twice and differs",
            _EXPORT_AGAIN,
        ),
        "FCS-PAR-LIMIT": (FcsLimitError, "$PAR is more than TEXT can describe", _EXPORT_AGAIN),
        "FCS-MODE": (
            FcsUnsupportedError,
            "histogram data",
            "Export list mode: single events, not histograms.",
        ),
        "FCS-WIDTH": (FcsUnsupportedError, "a $PnB that is not read", _OTHER_FORMAT),
        "FCS-BYTE-ORDER": (FcsFormatError, "a mixed $BYTEORD of another length than $PnB", _EXPORT_AGAIN),
        "FCS-COMP": (
            FcsFormatError,
            "compensation recorded at acquisition is not a matrix",
            "Give a spillover matrix yourself.",
        ),
        "FCS-INT-EXACT": (
            FcsUnsupportedError,
            "integers above 2**53 have no float64",
            "Use `values` or `column`.",
        ),
        "FCS-DTYPE-MIXED": (
            FcsUnsupportedError,
            "no single dtype holds all channels",
            "Use `column` for each channel.",
        ),
        "FCS-DATA-OFFSETS": (FcsFormatError, "HEADER and TEXT do not place DATA", _EXPORT_AGAIN),
        "FCS-DATA-AMBIGUOUS": (
            FcsFormatError,
            "HEADER and TEXT place DATA differently and both fit",
            _EXPORT_AGAIN,
        ),
        "FCS-DATA-OVERLAP": (FcsFormatError, "DATA overlaps another segment", _EXPORT_AGAIN),
        "FCS-DIGITS": (FcsFormatError, "DATA of $DATATYPE A holds something other than numbers", _EXPORT_AGAIN),
        "FCS-DATA-SIZE": (FcsFormatError, "DATA holds another number of events than $TOT says", _EXPORT_AGAIN),
        "FCS-TRUNCATED": (
            FcsTruncatedError,
            "DATA holds fewer events than $TOT says",
            _COPY_AGAIN + " Reading with strictness SALVAGE keeps the whole events.",
        ),
        "FCS-NEXTDATA-VALUE": (FcsFormatError, "$NEXTDATA lies within its own data set", _EXPORT_AGAIN),
        "FCS-DATASETS-LIMIT": (FcsLimitError, "more data sets than any real file holds", _EXPORT_AGAIN),
        "FCS-DATASETS": (
            FcsUnsupportedError,
            "the file holds several data sets",
            "Read them with read_fcs_datasets.",
        ),
    }
)
"""Code of each refusal: the error raised, what it means, what a person can do."""

PASSING = frozenset({"FCS-ACCESS", "FCS-CHANGED", "FCS-URL", "FCS-URL-SHORT"})
"""Codes of a file that is there, and may be read at the next try although nothing in it changed."""


def render_catalogue() -> str:
    """The page of the documentation that lists every code, in Markdown."""
    findings = [f"| `{code}` | {severity} | {meaning} |" for code, (severity, meaning) in FINDINGS.items()]
    errors = [
        f"| `{code}` | `{kind.__name__}` | {meaning} | {remedy} |" for code, (kind, meaning, remedy) in ERRORS.items()
    ]
    return "\n".join([*_PREFACE, *_FINDINGS_HEAD, *findings, *_ERRORS_HEAD, *errors, ""])


_PREFACE = (
    "# What the reader of FCS files finds and refuses",
    "",
    "Generated by `immunoprofile.fcs.catalogue.render_catalogue`; a test holds it current.",
    "",
)
_FINDINGS_HEAD = (
    "## Findings",
    "",
    "A finding is an oddity that leaves no doubt about the values, or only such doubt as its message states.",
    "It travels with the sample. With strictness `strict` every one that is not `info` refuses the file.",
    "",
    "| code | severity | meaning |",
    "|---|---|---|",
)
_ERRORS_HEAD = (
    "",
    "## Refusals",
    "",
    "A refusal is an `FcsError`: the file, the byte, what is wrong, and what to do.",
    "",
    "| code | error | meaning | what to do |",
    "|---|---|---|---|",
)
