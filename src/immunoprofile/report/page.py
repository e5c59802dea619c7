"""report.html: one page that needs nothing but itself, made by Jinja with everything escaped.

A study of more than `MOST_SAMPLES` samples gets an index, and its plots on pages of their own: one a subject, one a
gate.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from immunoprofile.cohort import Results
from immunoprofile.errors import printable
from immunoprofile.provenance import UNSEALED, digest_of_file, seal_page, versions, write_text
from immunoprofile.report.charts import (
    Chart,
    Step,
    Strip,
    draw_forests,
    draw_shifts,
    draw_thresholds,
    draw_trajectories,
    quality_strips,
    subject_flow,
)
from immunoprofile.report.charts.shifts import CAPTION as SHIFTS
from immunoprofile.report.charts.thresholds import CAPTION as THRESHOLDS
from immunoprofile.report.charts.trajectories import CAPTION as TRAJECTORIES
from immunoprofile.report.compensation import Matrix, residual_note, spillover_matrices, uncompensated
from immunoprofile.report.folder import read_manifest
from immunoprofile.report.gallery import Gallery, Sheet, build_gallery, empty_gallery, sheet_frames
from immunoprofile.report.meanings import explain_flag
from immunoprofile.report.names import Names, read_names
from immunoprofile.report.numbers import listed
from immunoprofile.report.page_table import PageTable
from immunoprofile.report.picture import Picture, draw_pictures
from immunoprofile.report.pictures import Picture as SamplePicture
from immunoprofile.report.pictures import read_pictures
from immunoprofile.report.sample_tables import sample_tables
from immunoprofile.report.sections import Section
from immunoprofile.report.summary import headline, summary_sections
from immunoprofile.report.tables import page_tables

REPORT = "report.html"
PAGES = "report"

MOST_SAMPLES = 150
"""Plots of more samples make a page slow to open: they go on pages of their own."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the numbers come from: pairs of name and text, in groups; and what does not fit the manifest."""

    groups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Filters:
    """What the selectors offer: value and words of each."""

    subjects: tuple[tuple[str, str], ...] = ()
    visits: tuple[tuple[str, str], ...] = ()
    populations: tuple[tuple[str, str], ...] = ()
    flags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Content:
    """Everything that a page may show; what is empty is left out."""

    title: str
    lead: str = ""
    answer: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    flow: tuple[Step, ...] = ()
    trajectories: tuple[Chart, ...] = ()
    pictures: tuple[Picture, ...] = ()
    shifts: tuple[Chart, ...] = ()
    forests: tuple[Chart, ...] = ()
    tables: Mapping[str, PageTable] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    strips: tuple[Strip, ...] = ()
    gallery: Gallery = field(default_factory=empty_gallery)
    thresholds: tuple[Chart, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    compensation: str = ""
    provenance: Provenance = Provenance((), ())
    filters: Filters = Filters()
    links: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    captions: Mapping[str, str] = field(
        default_factory=lambda: {"shifts": SHIFTS, "thresholds": THRESHOLDS, "trajectories": TRAJECTORIES}
    )


def write_report(results: Results, folder: Path) -> Path:
    """Write ``report.html`` into a results folder and return its path.

    Parameters
    ----------
    folder
        With ``manifest.json`` the page shows where the numbers come from, and names tables that were changed since.
        With ``pictures/`` it shows every gate in every sample.

    Raises
    ------
    InputError
        manifest.json, or a file of pictures/, is not one of this program.
    OutputError
        The page cannot be written.

    Notes
    -----
    The page asks for nothing on the network, and says so in its content security policy: the only script and the only
    style it runs are its own, known by their digests. Text from files enters through escaping only. With more than
    `MOST_SAMPLES` samples, pages of subjects and gates are written into ``report/`` beside it.
    """
    write = _Writer()
    drawn = read_pictures(folder, sorted(set(results.populations["sample_id"].astype(str))))
    content = _content(results, folder, drawn)
    if len(drawn) > MOST_SAMPLES:
        content = _split(content, folder, write)
    path = folder / REPORT
    write(path, content)
    return path


class _Writer:
    """The template with its style and script, read once for all pages."""

    def __init__(self) -> None:
        pages = Environment(
            loader=PackageLoader("immunoprofile.report"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        )  # fmt: skip
        self._page = pages.get_template("page.html.j2")
        self._style, self._script = (_own_text(name) for name in ("page.css", "page.js"))

    def __call__(self, path: Path, content: Content) -> None:
        text = self._page.render(
            page=content,
            # Our own files: with the drawings, which are escaped piece by piece, the only text that is not escaped.
            style=Markup(self._style),
            script=Markup(self._script),
            style_digest=_digest(self._style),
            script_digest=_digest(self._script),
            frames=sheet_frames(content.gallery.frames),
            version=versions()["immunoprofile"],
            seal=UNSEALED,
        )
        write_text(path, seal_page(text))


def _own_text(name: str) -> str:
    return resources.files("immunoprofile.report").joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """As a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _content(results: Results, folder: Path, drawn: Sequence[SamplePicture]) -> Content:
    names = read_names(results.populations)
    order = _tree_order(results, drawn)
    rules, strips = quality_strips(results)
    tables = [*page_tables(results, names), *sample_tables(results, names)]
    asked = Counter(map(str, results.samples_qc["rule_id"]))
    without = uncompensated(drawn)
    more = f" Without compensation: {listed(without, 8)}." if without else ""
    return Content(
        title=f"Study {printable(results.study_id, 80)}" if results.study_id else "Results",
        answer=tuple(headline(results)),
        sections=tuple(summary_sections(results)),
        flow=tuple(subject_flow(results, names)),
        trajectories=tuple(draw_trajectories(results)),
        pictures=tuple(draw_pictures(results, names)),
        shifts=tuple(draw_shifts(results, names, order)),
        forests=tuple(draw_forests(results, names, order)),
        tables={t.anchor: t for t in tables},
        rules=rules,
        strips=strips,
        gallery=build_gallery(drawn, results.populations),
        thresholds=tuple(draw_thresholds(results)),
        matrices=tuple(spillover_matrices(drawn)),
        compensation=residual_note(asked) + more,
        provenance=read_provenance(folder),
        filters=_filters(results, names, order, tables),
    )


def _tree_order(results: Results, drawn: Sequence[SamplePicture]) -> list[str]:
    """pop_ids as the templates list them; by path where there are no pictures."""
    found = [g.pop_id for p in drawn for plot in p.plots for g in plot.gates]
    if "pop_path" in results.populations.columns:
        rows = results.populations[["pop_path", "pop_id"]].dropna().drop_duplicates().sort_values("pop_path")
        found += list(map(str, rows["pop_id"]))
    return list(dict.fromkeys(found))


def _filters(results: Results, names: Names, order: Sequence[str], tables: Iterable[PageTable]) -> Filters:
    about = [a for t in tables for a in t.about]
    visits = _by_day(results)
    subjects = sorted({a.subject for a in about if a.subject})
    present = {p for a in about for p in a.population.split()}
    listed_first = [p for p in order if p in present]
    populations = [*listed_first, *sorted(present - set(listed_first))]
    flags = sorted({f for a in about for f in a.flags.split()})
    return Filters(
        tuple((s, s) for s in subjects),
        tuple((v, v) for v in visits if any(a.visit == v for a in about)),
        tuple((p, names.population(p)) for p in populations),
        tuple((f, explain_flag(f)[:90]) for f in flags),
    )


def _by_day(results: Results) -> list[str]:
    columns = [c for c in ("day", "visit") if c in results.populations.columns]
    if "visit" not in columns:
        return []
    rows = results.populations[columns].dropna(subset=["visit"]).sort_values(columns[0], kind="stable")
    return list(dict.fromkeys(printable(v, 400) for v in rows["visit"]))


def _split(content: Content, folder: Path, write: _Writer) -> Content:
    """Write a page a subject and a page a gate; give back the index that leads to them."""
    subjects = list(dict.fromkeys(p.subject_id for s in content.gallery.sheets for p in s.panels))
    lead = "One part of a report in several pages; report.html in the folder above is its index."
    by_subject, by_gate = [], []
    for number, subject in enumerate(subjects, start=1):
        name = f"{PAGES}/subject-{number:04d}.html"
        sheets = tuple(_only(s, subject) for s in content.gallery.sheets)
        own = tuple(c for c in content.trajectories if c.subject == subject)
        title = f"{content.title}, subject {subject or 'not named'}"
        kept = replace(content.gallery, sheets=tuple(s for s in sheets if s.panels))
        write(folder / name, Content(title, lead, gallery=kept, trajectories=own))
        by_subject.append((name, subject or "not named"))
    for number, sheet in enumerate(content.gallery.sheets, start=1):
        name = f"{PAGES}/gate-{number:03d}.html"
        write(
            folder / name,
            Content(f"{content.title}: {sheet.title}", lead, gallery=replace(content.gallery, sheets=(sheet,))),
        )
        by_gate.append((name, sheet.title))
    links = (("A page a subject", tuple(by_subject)), ("A contact sheet a gate", tuple(by_gate)))
    return replace(content, gallery=empty_gallery(), links=links)


def _only(sheet: Sheet, subject: str) -> Sheet:
    return replace(sheet, panels=tuple(p for p in sheet.panels if p.subject_id == subject))


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
