"""report.html: one page that needs nothing but itself, made by Jinja with everything escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.provenance import digest_of_file, versions, write_text
from immunoprofile.report.folder import read_manifest
from immunoprofile.report.names import read_names
from immunoprofile.report.picture import draw_pictures
from immunoprofile.report.summary import summary_sections
from immunoprofile.report.tables import page_tables

REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the numbers come from: pairs of name and text, in groups; and what does not fit the manifest."""

    groups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    changed: tuple[str, ...]


def write_report(results: Results, folder: Path) -> Path:
    """Write ``report.html`` into a results folder and return its path.

    Parameters
    ----------
    folder
        With ``manifest.json`` the page shows where the numbers come from, and names tables that were changed since.

    Raises
    ------
    InputError
        manifest.json is not one of this program.
    OutputError
        The page cannot be written.

    Notes
    -----
    The page asks for nothing on the network, runs no script, and says so in its content security policy. Text from
    files enters through Jinja's escaping only.
    """
    path = folder / REPORT
    write_text(path, _render(results, read_provenance(folder)))
    return path


def _render(results: Results, provenance: Provenance) -> str:
    pages = Environment(
        loader=PackageLoader("immunoprofile.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    style = resources.files("immunoprofile.report").joinpath("templates/page.css").read_text(encoding="utf-8")
    names = read_names(results.populations)
    return pages.get_template("page.html.j2").render(
        title=f"Study {printable(results.study_id, 80)}" if results.study_id else "Results",
        # The style is our own file: the one text that is not escaped. Its digest is what the policy allows.
        style=Markup(style),
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        sections=summary_sections(results),
        pictures=draw_pictures(results, names),
        tables=page_tables(results, names),
        provenance=provenance,
        version=versions()["immunoprofile"],
    )


def read_provenance(folder: Path) -> Provenance:
    """What manifest.json says, safe to show, and the tables whose content is no longer what it says."""
    manifest = read_manifest(folder)
    if manifest is None:
        return Provenance((), ())
    named = (
        ("Plan, taken before the response was joined", "plan"), ("Options", "options"), ("Versions", "versions"),
        ("Times", "times"), ("Inputs, SHA-256", "inputs"), ("Outputs, SHA-256", "outputs"),
    )  # fmt: skip
    groups = ((title, _pairs(manifest.get(key, {}))) for title, key in named)
    changed = tuple(
        printable(name, 200) for name, digest in manifest.get("outputs", {}).items() if _differs(folder, name, digest)
    )
    return Provenance(tuple((t, p) for t, p in groups if p), changed)


def _pairs(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((printable(k, 200), printable(v, 400)) for k, v in values.items())


def _differs(folder: Path, name: str, digest: object) -> bool:
    """Is a table of the manifest gone, or other than it was? Names that lead out of the folder are not looked at."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        return True
    return not path.is_file() or digest_of_file(path) != digest
