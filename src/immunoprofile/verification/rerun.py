"""The whole work once more, in a folder of its own, and the tables of both compared byte for byte."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from immunoprofile.cohort import Hands, profile_cohort, profile_samples, run_by_hands
from immunoprofile.cohort.declared import first_declared
from immunoprofile.cohort.hands import Progress
from immunoprofile.columns import TABLES
from immunoprofile.errors import InputError, printable
from immunoprofile.fcs import Strictness
from immunoprofile.provenance import NUMERICS_VERSION, digest_of_file, versions
from immunoprofile.study import Sample, Study
from immunoprofile.verification.manifest import Manifest, read_key_of, read_manifest

_SHOWN = 20
"""Rows of a table that are named; how many differ in all is said."""
_ANSWERS = ("response.csv", "association.csv")
Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rerun:
    """How the results of a second run differ from those in a folder.

    Parameters
    ----------
    n_files
        Files compared.
    differences
        Sentences, each with its file: rows that differ, files that are not there.
    reasons
        What is not the same as it was then, and may be why: inputs, options, versions.
    """

    folder: Path
    n_files: int
    differences: tuple[str, ...]
    reasons: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """True where every file came out with the same bytes."""
        return not self.differences


def reproduce_study(
    folder: Path, study: Study, *, jobs: int = 1, progress: Progress | None = None, deidentify: Path | None = None
) -> Rerun:
    """Run a study again in a temporary folder and compare it with its results.

    Parameters
    ----------
    folder
        What the verb ``run`` wrote.
    deidentify
        The key file that it was written with.

    Raises
    ------
    InputError
        The folder has no manifest, or the study cannot be run, or this is not the key.
    """
    manifest = read_manifest(folder)
    # A folder without response and association is what `profile_cohort` writes.
    whole = any(name in manifest.outputs for name in _ANSWERS)
    strictness = _strictness(manifest, folder)
    key = read_key_of(manifest, folder, deidentify)

    def again(out: Path) -> None:
        if whole:
            hands = Hands(jobs, progress=progress)
            run_by_hands(study, out, hands, strictness=strictness, declared=first_declared(folder), key=key)
        else:
            profile_cohort(study, out, jobs=jobs, progress=progress, strictness=strictness, deidentify=deidentify)

    return _compared(folder, manifest, again)


def reproduce_profile(
    folder: Path, samples: tuple[Sample, ...], template: str, hands: Hands | None = None,
    overrides: Path | None = None, deidentify: Path | None = None,
) -> Rerun:  # fmt: skip
    """Gate a list of samples again in a temporary folder and compare it with what the verb ``profile`` wrote.

    Parameters and errors as in `reproduce_study`.
    """
    manifest = read_manifest(folder)
    strictness = _strictness(manifest, folder)
    key = read_key_of(manifest, folder, deidentify)

    def again(out: Path) -> None:
        counts_only = manifest.options.get("counts_only") is True
        profile_samples(
            samples, template, out, hands, strictness=strictness, overrides=overrides, counts_only=counts_only, key=key
        )

    return _compared(folder, manifest, again)


def _strictness(manifest: Manifest, folder: Path) -> Strictness:
    said = manifest.options.get("strictness", Strictness.REPORT.value)
    try:
        return Strictness(said)
    except ValueError as problem:
        raise InputError(
            f'"{printable(said)}" is no strictness', path=folder, where="manifest.json", code="MANIFEST-FORMAT",
            remedy="The manifest was changed: ask the verb verify.",
        ) from problem  # fmt: skip


def _compared(folder: Path, manifest: Manifest, again: Callable[[Path], object]) -> Rerun:
    with TemporaryDirectory(prefix="immunoprofile-") as place:
        out = Path(place) / "results"
        again(out)
        now = read_manifest(out)
        differences = tuple(_differences(folder, manifest, out, now))
        reasons = tuple(_reasons(manifest, now)) if differences else ()
        return Rerun(folder, len(manifest.outputs.keys() | now.outputs.keys()), differences, reasons)


def _differences(folder: Path, then: Manifest, out: Path, now: Manifest) -> Iterator[str]:
    for name in sorted(then.outputs.keys() | now.outputs.keys()):
        if name not in now.outputs:
            yield f"{printable(name)}: was written then, and is not now"
        elif name not in then.outputs:
            yield f"{name}: is written now, and was not then"
        elif not (folder / name).is_file():
            yield f"{name}: is missing in the folder"
        elif digest_of_file(folder / name) != now.outputs[name]:
            yield from _of_file(name, folder / name, out / name)


def _of_file(name: str, then: Path, now: Path) -> Iterator[str]:
    stem, _, kind = name.partition(".")
    rows = list(_of_rows(then, now, len(TABLES[stem].key))) if kind == "csv" and stem in TABLES else []
    if not rows:
        yield f"{name}: other bytes"
    yield from (f"{name}: {row}" for row in rows[:_SHOWN])
    if len(rows) > _SHOWN:
        yield f"{name}: and {len(rows) - _SHOWN} more differences"


def _of_rows(then: Path, now: Path, n_key: int) -> Iterator[str]:
    """What differs between two tables, row by row; nothing where it is not in their rows."""
    try:
        (old_header, old), (new_header, new) = _read(then), _read(now)
    except (ValueError, csv.Error):
        return
    if old_header != new_header:
        yield f"columns {printable(', '.join(old_header))} are now {', '.join(new_header)}"
        return
    key = _key_columns(then, old_header, n_key)
    before, after = _by_key(old, key), _by_key(new, key)
    for place in sorted(before.keys() | after.keys()):
        shown = "row " + ", ".join(map(printable, place))
        if place not in after:
            yield f"{shown}: does not come out again"
        elif place not in before:
            yield f"{shown}: comes out, and is not in the folder"
        else:
            yield from _of_cells(shown, old_header, before[place], after[place])


def _of_cells(shown: str, header: Row, then: Row, now: Row) -> Iterator[str]:
    for name, old, new in zip(header, then, now, strict=False):
        if old != new:
            yield f"{shown}: {name} is {printable(old, 60)}, comes out as {printable(new, 60)}"


def _key_columns(path: Path, header: Row, n_key: int) -> list[int]:
    names = TABLES[path.name.partition(".")[0]].key
    found = [header.index(n) for n in names if n in header]
    return found if len(found) == n_key else list(range(len(header)))


def _read(path: Path) -> tuple[Row, list[Row]]:
    rows = [tuple(r) for r in csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))]
    return (rows[0], rows[1:]) if rows else ((), [])


def _by_key(rows: list[Row], key: list[int]) -> Mapping[Row, Row]:
    return {tuple(r[i] if i < len(r) else "" for i in key): r for r in rows}


def _reasons(then: Manifest, now: Manifest) -> Iterator[str]:
    for kind, old, new in (("input", then.inputs, now.inputs), ("plan", then.plan, now.plan)):
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                yield f"{kind} {printable(name)} is not what it was"
    if _plain(then.options) != _plain(now.options):
        yield "options are not what they were"
    if then.numerics_version != NUMERICS_VERSION:
        yield f"numerics version was {then.numerics_version}, is {NUMERICS_VERSION}: numbers may differ on purpose"
    for name, version in sorted(versions().items()):
        if then.versions.get(name) != version:
            yield f"{name} was {printable(then.versions.get(name, 'absent'), 40)}, is {version}"


def _plain(options: Mapping[str, Any]) -> Mapping[str, Any]:
    return {k: v for k, v in options.items() if k != "panels"}
