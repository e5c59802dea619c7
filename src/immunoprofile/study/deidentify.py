"""A study without names: samples and subjects as keyed codes, dates moved within each subject, notes left out.

Codes are HMAC-SHA256 under a key file that stays in the laboratory: the same key gives the same codes, and who has no
key cannot try names until one fits. Every date of a subject moves by the same number of days, so that no day since the
first infusion changes, and no count with it.

References
----------
Krawczyk H, Bellare M, Canetti R (1997) HMAC: keyed-hashing for message authentication. RFC 2104.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from os import PathLike
from os.path import realpath
from pathlib import Path
from typing import Any

import pandas as pd

from immunoprofile.errors import StudyError
from immunoprofile.study.load import Study
from immunoprofile.study.overrides import Overrides
from immunoprofile.study.samples import Sample

MIN_KEY_BYTES = 32
"""As long as the digest: a shorter key weakens HMAC (RFC 2104, section 3)."""
_MAX_KEY_BYTES = 4096
_CODE_LETTERS = 12
"""60 bits: among a million samples two share a code with a probability below 1e-6, and that is refused."""
_LEAST_SHIFT, _SHIFTS = 28, 365
_DATES = ("date", "end_date", "first_infusion_date", "collection_date")
_LOT = re.compile(r"\blots?\b\s*[:=#]?\s*[A-Za-z0-9][\w./-]*", re.IGNORECASE)
QUOTING = ("residual_spill",)
"""Rules that answer with the words of an error."""
_WITHHELD = "Details are left out of a de-identified run: to read them, run without --deidentify into another folder."


def read_key(path: str | PathLike[str], results: str | PathLike[str] | None = None) -> bytes:
    """The key of a laboratory: a regular file of 32 bytes or more.

    Parameters
    ----------
    results
        The folder that is to be written under it.

    Raises
    ------
    StudyError
        It cannot be read, is too short to keep a secret, or lies in that folder: whoever has both has the names.
    """
    file = Path(path)
    remedy = "Make one with: head -c 32 /dev/urandom > lab.key. Keep it where the data are, and never beside results."
    try:
        if results is not None and Path(realpath(file)).is_relative_to(realpath(results)):
            what = "lies in the results folder that it is to protect"
            raise StudyError(what, path=file, code="KEY-ACCESS", remedy="Move it to where the data are.")
        if file.exists() and not file.is_file():
            raise StudyError("is no regular file", path=file, code="KEY-ACCESS", remedy=remedy)
        with file.open("rb") as stream:
            key = stream.read(_MAX_KEY_BYTES + 1)
    except OSError as problem:
        what = f"cannot be read ({problem.strerror})"
        raise StudyError(what, path=file, code="KEY-ACCESS", remedy=remedy) from problem
    if not MIN_KEY_BYTES <= len(key) <= _MAX_KEY_BYTES or len(set(key)) < MIN_KEY_BYTES // 4:
        what = f"is no key: {MIN_KEY_BYTES} to {_MAX_KEY_BYTES} random bytes are needed"
        raise StudyError(what, path=file, code="KEY-WEAK", remedy=remedy)
    return key


def code_of(key: bytes, kind: str, name: str) -> str:
    """The code of a sample, subject or batch: a letter for its kind and 12 letters and digits."""
    digest = hmac.new(key, f"{kind}\0{name}".encode(), hashlib.sha256).digest()
    return f"{kind[0].upper()}-{base64.b32encode(digest).decode()[:_CODE_LETTERS]}"


def mark_of(key: bytes) -> str:
    """What a manifest says of the key that its results were made with: enough to tell keys apart, and no more."""
    return code_of(key, "key", "")


def shift_of(key: bytes, subject: str) -> timedelta:
    """By how much the dates of a subject move: 28 to 392 days back."""
    digest = hmac.new(key, f"dates\0{subject}".encode(), hashlib.sha256).digest()
    return timedelta(days=-(_LEAST_SHIFT + int.from_bytes(digest, "big") % _SHIFTS))


def deidentify_study(study: Study, key: bytes) -> Study:
    """The study with codes for names, moved dates, and no notes.

    Raises
    ------
    StudyError
        Two names share a code.

    Notes
    -----
    Files are read from where they lie, so that `Sample.file` stays. Order in the tables follows the codes.
    """
    samples = deidentify_samples(study.samples, key)
    overrides = study.overrides
    _refuse_shared_codes(key, "person", (str(s) for s in study.subjects["subject_id"].dropna()))
    return replace(
        study,
        samples=samples,
        subjects=_coded_sheet(study.subjects, key),
        platelets=_coded_sheet(study.platelets, key),
        treatments=None if study.treatments is None else _coded_sheet(study.treatments, key),
        bleeding=None if study.bleeding is None else _coded_sheet(study.bleeding, key),
        overrides=None if overrides is None else _without_who(overrides, key),
        overridden=deidentify_overrides(study.overridden, study.samples, key),
    )


def deidentify_samples(samples: Iterable[Sample], key: bytes) -> tuple[Sample, ...]:
    """The samples with codes for names, moved dates, and notes cut down to the lot they name.

    Raises
    ------
    StudyError
        Two samples share a code.
    """
    listed = tuple(samples)
    _refuse_shared_codes(key, "sample", (s.sample_id for s in listed))
    return tuple(_coded_sample(s, key) for s in listed)


def _coded_sample(sample: Sample, key: bytes) -> Sample:
    subject = sample.subject_id
    when = sample.collection_date
    lot = _LOT.search(sample.note or "")
    return replace(
        sample,
        sample_id=code_of(key, "sample", sample.sample_id),
        subject_id=None if subject is None else code_of(key, "person", subject),
        batch=None if sample.batch is None else code_of(key, "batch", sample.batch),
        collection_date=None if when is None else when + shift_of(key, subject or ""),
        note=None if lot is None else f"lot {code_of(key, 'lot', lot[0].casefold())}",
    )


def _coded_sheet(frame: pd.DataFrame, key: bytes) -> pd.DataFrame:
    """A sheet with codes for its subjects, and each subject's dates moved."""
    subjects = frame["subject_id"]
    coded = _mapped(frame, "subject_id", lambda name: code_of(key, "person", name))
    for column in (c for c in _DATES if c in frame.columns):
        moved = [
            None if pd.isna(cell) or pd.isna(subject) else _moved(str(cell), shift_of(key, str(subject)))
            for subject, cell in zip(subjects, frame[column], strict=True)
        ]
        coded[column] = pd.array(moved, dtype="string")
    return coded


def _moved(cell: str, shift: timedelta) -> str:
    # The sheet was checked: a date is ISO text, perhaps with a time, which goes.
    moved: date = datetime.fromisoformat(cell).date() + shift
    return moved.isoformat()


def _without_who(frame: pd.DataFrame, key: bytes) -> pd.DataFrame:
    coded = _mapped(frame, "sample_id", lambda name: code_of(key, "sample", name))
    return coded.drop(columns=[c for c in ("who", "date", "reason") if c in frame.columns])


def _mapped(frame: pd.DataFrame, column: str, code: Callable[[str], str]) -> pd.DataFrame:
    return frame.assign(**{column: frame[column].map(code, na_action="ignore").astype("string")})


def deidentify_overrides(overridden: Overrides, samples: Iterable[Sample], key: bytes) -> Overrides:
    """Moved gates keep the move; who moved them is a code, why is left out.

    Parameters
    ----------
    samples
        With their names: whose gates they are says by how much the day of the move is shifted.
    """
    owners = {s.sample_id: s.subject_id for s in samples}
    return {
        code_of(key, "sample", name): tuple(
            replace(
                row,
                sheet="overrides",
                who=code_of(key, "operator", row.who),
                date=_moved(row.date, shift_of(key, owners.get(name) or "")) if row.date else "",
                reason="left out",
            )
            for row in rows
        )
        for name, rows in overridden.items()
    }


def _refuse_shared_codes(key: bytes, kind: str, names: Iterable[str]) -> None:
    taken: dict[str, str] = {}
    for name in names:
        if taken.setdefault(code_of(key, kind, name), name) != name:
            remedy = "Make another key; chance does this once in a million studies."
            raise StudyError("gives two of them one code", where=f"{kind} codes", code="KEY-CLASH", remedy=remedy)


def withhold_details(failures: pd.DataFrame) -> pd.DataFrame:
    """The table `failures` without its messages: they name files and quote what stands in them."""
    words = [withhold(row)["message"] for row in failures.to_dict("records")]
    return failures.assign(message=pd.array(words, dtype="string"))


def withhold(failure: Mapping[str, Any]) -> dict[str, Any]:
    """One failure without its message."""
    what = f"{failure['item_kind']} {failure['item_id']} failed at {failure['stage']} ({failure['code']})"
    return {**failure, "message": f"{what}. {_WITHHELD}"}


def withhold_reasons(unanswered: pd.DataFrame) -> pd.DataFrame:
    """The table `checks_unanswered` without what was said of single stains: it names files and quotes them."""
    quoting = unanswered["rule_id"].isin(QUOTING)
    return unanswered.assign(reason=unanswered["reason"].mask(quoting, f"a control cannot be used. {_WITHHELD}"))
