"""``immunoprofile scan-phi``: what files would give away of persons, places and machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from immunoprofile.cli.console import WIDTH, Verbosity, show, show_json, verbosity
from immunoprofile.cli.options import json_option, verbosity_options
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.cli.paths import PATH
from immunoprofile.errors import InputError, printable

if TYPE_CHECKING:
    from immunoprofile.verification import Exposed

_HEADINGS = {
    "person": "Persons and their samples",
    "time": "Times",
    "place": "Places",
    "machine": "Machines",
    "text": "Free text, which may say anything: read it",
    "unread": "Not looked into",
    "code": "Codes, which name nobody to who has no key",
}
_SHOWN = 3
"""Values that are named of each, and files where they are no more; all of them with -v."""


@click.command("scan-phi")
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="DIR|FILE...")
@json_option
@verbosity_options
@click.pass_context
def scan_phi(context: click.Context, paths: tuple[Path, ...], as_json: bool) -> None:
    """List what files would give away of persons.

    FCS keywords, names of files, ids and other columns of sheets and tables, dates, mail addresses, paths, user and
    machine names in any text. In results under codes (--deidentify of run and profile) ids are listed as codes. The
    list shows what it found: treat it like the files. With -v it names every file.
    """
    from immunoprofile.verification import scan_files

    missing = next((p for p in paths if not p.exists() and not p.is_symlink()), None)
    if missing is not None:
        raise InputError("does not exist", path=missing, code="SCAN-MISSING", remedy="Check the path.")
    found = scan_files(paths)
    if as_json:
        show_json([asdict(e) for e in found])
    else:
        standing = [line for path in paths for line in _standing(path)]
        show(*standing, *([""] if standing else []), *render_exposed(found))
    context.exit(Outcome.DONE)


def _standing(path: Path) -> list[str]:
    """Whether a folder holds names or codes, where it is one of results."""
    from immunoprofile.cohort.coded import coded_folder_of, marks_of_folder

    shown, coded = printable(path), coded_folder_of(path)
    if coded is not None:
        standing = f"{shown}: de-identified results, written under the key with the mark {printable(coded[1])}"
        return wrap(standing, WIDTH, break_on_hyphens=False)
    named = path.is_dir() and marks_of_folder(path)
    return [f"{shown}: results with names"] if named else []


def render_exposed(found: Sequence[Exposed]) -> Iterator[str]:
    """What was found, for people: by kind, one entry for what stands at the same place of several files."""
    n_entries = 0
    for kind, heading in _HEADINGS.items():
        # Why a file was not looked into is told by its value; everything else by where it stands.
        places: dict[str, list[Exposed]] = {}
        for e in found:
            if e.kind == kind:
                places.setdefault(e.value if kind == "unread" else e.where, []).append(e)
        if places:
            yield heading
        for place, same in places.items():
            yield from _entry(place, same, told=kind != "unread")
            n_entries += kind != "code"
        if places:
            yield ""
    yield from wrap(_summary(found, n_entries), WIDTH)


def _entry(place: str, same: Sequence[Exposed], *, told: bool) -> list[str]:
    """``$SRC: Ada, Grace and 4 more, in 12 files``: what stands there, and in which files, as long as they are few."""
    values = list(dict.fromkeys(printable(e.value, 60) for e in same))
    number = max(len(values), *(e.n_values for e in same))
    files = list(dict.fromkeys(printable(e.path) for e in same))
    listed = f": {_some(values, number)}" if told else ""
    where = ", ".join(files) if len(files) <= _SHOWN or _all() else f"{len(files):,} files"
    return wrap(f"{place}{listed}, in {where}", WIDTH, initial_indent="  ", subsequent_indent="    ")


def _some(values: Sequence[str], number: int) -> str:
    shown = values if _all() else values[:_SHOWN]
    rest = number - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest else "")


def _all() -> bool:
    return verbosity() is Verbosity.VERBOSE


def _summary(found: Sequence[Exposed], n_entries: int) -> str:
    files = len({e.path for e in found if e.kind != "code"})
    counted = f"{n_entries} finding{'' if n_entries == 1 else 's'} in {files} file{'' if files == 1 else 's'}."
    kinds = {e.kind for e in found}
    if "code" in kinds and not kinds & {"person", "place", "machine", "unread"}:
        return f"{counted} No name, place or machine was found beside codes; free text is yours to read."
    if "person" in kinds and "code" not in kinds:
        return f"{counted} Results without names: --deidentify KEYFILE of run and profile."
    return counted
