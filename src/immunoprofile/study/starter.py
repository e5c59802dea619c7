"""A study to start from: study.toml with comments, sheets with an example subject, a template chosen by panel."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from immunoprofile.errors import InputError, PanelMismatchError, StudyError, closest, printable
from immunoprofile.fcs import Channel, FcsFile, RemoteFile, locate_file, read_fcs
from immunoprofile.gating import GatingTemplate, load_template, template_ids
from immunoprofile.gating.template import Marker
from immunoprofile.provenance import refuse_existing, write_text

USUAL = "treg"
"""The template where nothing is said of a panel: the primary population of the trials this program is made for."""

_PREFERRED = (("treg", "cd4"),)
"""Populations and denominators that a new study proposes as its primary endpoint, where the template reports them."""

_FREE = re.compile(r"(FSC|SSC|Time)\b|(FSC|SSC)-", re.IGNORECASE)
"""Channels that every cytometer writes and nobody lists among the markers of a panel."""

SHEETS: Mapping[str, Sequence[Sequence[str]]] = {
    "samples": (
        ("sample_id", "file", "subject_id", "visit", "day", "panel", "batch", "control", "note"),
        ("EXAMPLE-01_BL", "fcs/EXAMPLE-01_BL.fcs", "EXAMPLE-01", "BL", "-1", "{panel}", "", "", "replace this row"),
        ("EXAMPLE-01_W4", "fcs/EXAMPLE-01_W4.fcs", "EXAMPLE-01", "W4", "28", "{panel}", "", "", "replace this row"),
    ),
    "subjects": (
        ("subject_id", "first_infusion_date", "infusion_days", "arm", "last_observation_day", "end_reason"),
        ("EXAMPLE-01", "2026-01-15", "0 7 14 21", "MSC", "112", "completed"),
    ),
    "platelets": (
        ("subject_id", "day", "platelets_1e9_per_l", "predose", "clumped"),
        ("EXAMPLE-01", "-1", "12", "TRUE", "FALSE"),
    ),
    "treatments": (
        ("subject_id", "day", "end_day", "kind", "role", "change", "dose", "dose_unit"),
        ("EXAMPLE-01", "10", "11", "ivig", "rescue", "start", "1", "g/kg"),
    ),
    "bleeding": (
        ("subject_id", "day", "scale", "grade"),
        ("EXAMPLE-01", "-1", "WHO", "1"),
    ),
}
"""The sheets of a new study: header, then what is to be replaced. Two samples, since a study needs both visits."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A template for a new study, how study.toml names it, and why it was chosen."""

    template: GatingTemplate
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class _Fit:
    """A template on a panel: markers found, those it needs and misses, those it can do without and misses."""

    template: GatingTemplate
    found: tuple[str, ...]
    missing: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def rank(self) -> tuple[int, int, str]:
        """The best comes first: nothing missing, then most markers used, then by id."""
        return len(self.missing), -len(self.found), self.template.id


def choose_template(panel: str | None = None, template: str | None = None) -> Choice:
    """The template of a new study.

    Parameters
    ----------
    panel
        An FCS file, or its URL, whose channels are the panel; or names of markers between commas or blanks.
    template
        Id or path, where it is known. A panel given beside it must have what it needs.

    Raises
    ------
    PanelMismatchError
        No template that is shipped, or not the one asked for, fits the panel; the nearest and what it lacks are named.
    """
    known = None if template is None else load_template(template)
    if panel is None:
        name = template or USUAL
        why = "as asked for" if template else "no panel was given; `immunoprofile gates list` shows the others"
        return Choice(known or load_template(name), name, why)
    path, names = _read_panel(panel)
    candidates = [known] if known is not None else [load_template(t) for t in template_ids()]
    fits = sorted((_fit(t, names, listed=path is None) for t in candidates), key=lambda f: f.rank)
    best = fits[0]
    if best.missing:
        raise _no_fit(best, path, names)
    return Choice(best.template, template or best.template.id, _reason(best, fits[1:]))


def _read_panel(panel: str) -> tuple[FcsFile | None, list[tuple[str, ...]]]:
    """The file, if it is one, and for each channel the names it can be found by, the marker first."""
    path = locate_file(panel)
    if isinstance(path, RemoteFile) or path.suffix.casefold() in {".fcs", ".lmd"} or path.is_file():
        return path, [_names(c) for c in read_fcs(path).channels]
    # A blank parts markers too, unless commas do: "HLA-DR CD3", "CD16+56, Live/Dead".
    parts = re.split(r"[,;]", panel) if re.search(r"[,;]", panel) else panel.split()
    names: list[tuple[str, ...]] = [(p.strip(),) for p in parts if p.strip()]
    if not names:
        raise InputError(
            "names no marker", path="--panel", code="PANEL-EMPTY",
            remedy='Give an FCS file, or markers such as "CD3, CD4, CD25, CD127".',
        )  # fmt: skip
    return None, names


def _names(channel: Channel) -> tuple[str, ...]:
    return tuple(n for n in (channel.marker, channel.detector) if n)


def _fit(template: GatingTemplate, panel: Sequence[tuple[str, ...]], *, listed: bool) -> _Fit:
    there = {n.strip().casefold() for names in panel for n in names}
    found, missing, optional = [], [], []
    for marker in template.markers:
        if there & {n.strip().casefold() for n in marker.names}:
            found.append(marker.name)
        elif marker.optional:
            optional.append(marker.name)
        elif not (listed and _is_free(marker)):
            missing.append(marker.name)
    return _Fit(template, tuple(found), tuple(missing), tuple(optional))


def _is_free(marker: Marker) -> bool:
    return any(_FREE.match(n) for n in marker.names)


def _reason(best: _Fit, others: Sequence[_Fit]) -> str:
    markers = [n for n in best.found if not _FREE.match(n)]
    words = f"its {len(markers)} markers are all in the panel ({', '.join(map(printable, markers))})"
    if best.optional:
        words += f"; without {', '.join(map(printable, best.optional))}, which it can do without"
    also = [f.template.id for f in others if not f.missing]
    return words + (f"; {', '.join(also)} fit too and use fewer" if also else "; no other template fits")


def _no_fit(best: _Fit, path: FcsFile | None, names: Sequence[tuple[str, ...]]) -> PanelMismatchError:
    lacks = ", ".join(f'"{printable(m)}"' for m in best.missing)
    known = [n for channel in names for n in channel[:1]]
    wanted = next(m for m in best.template.markers if m.name == best.missing[0])
    return PanelMismatchError(
        f"no template fits; the nearest, {printable(best.template.id)}, lacks {lacks}",
        path=path or "--panel",
        expected=", ".join(best.missing),
        found=", ".join(known),
        remedy=f"{closest(wanted.names[0], known)} Give a template of your own with --template (copy the nearest and "
        "put your names into its [markers]).",
        code="PANEL-MISSING",
    )


def write_starter(folder: Path, choice: Choice) -> list[Path]:
    """Write study.toml and its sheets; the paths, study.toml first.

    Raises
    ------
    OutputError
        One of the files exists, or the folder cannot be written.
    """
    panel = _panel_name(choice.template)
    files = {folder / "study.toml": _study(folder, choice, panel)}
    files |= {folder / f"{name}.csv": _sheet(rows, panel) for name, rows in SHEETS.items()}
    refuse_existing(*files, remedy="Give another folder: nothing is written over.")
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def _panel_name(template: GatingTemplate) -> str:
    """The template's id as a bare TOML key."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", template.id) or "panel"


def _sheet(rows: Sequence[Sequence[str]], panel: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([cell.format(panel=panel) for cell in row] for row in rows)
    return text.getvalue()


def _endpoint(template: GatingTemplate) -> tuple[str, str]:
    """The primary endpoint that is proposed: a preferred one, else the last population, the deepest, over its parent.

    Raises
    ------
    StudyError
        The template reports nothing.
    """
    reported = {template.id_of(p): [template.id_of(d) for d in over] for p, over in template.reported().items()}
    for pop_id, denom_id in _PREFERRED:
        if denom_id in reported.get(pop_id, ()):
            return pop_id, denom_id
    if not reported:
        raise StudyError("reports no population", path=template.source, code="TEMPLATE-EMPTY",
                         remedy="Give a template with gates.")  # fmt: skip
    pop_id, over = list(reported.items())[-1]
    return pop_id, over[0]


def _study(folder: Path, choice: Choice, panel: str) -> str:
    pop_id, denom_id = _endpoint(choice.template)
    return _STUDY.format(
        id=_as_text(folder.resolve().name.upper() or "STUDY"),
        panel=panel,
        template=_as_text(_template_name(folder, choice)),
        pop_id=pop_id,
        denom_id=denom_id,
    )


def _template_name(folder: Path, choice: Choice) -> str:
    """An id as it is; a path as seen from the study's folder, not from here."""
    if choice.name in template_ids():
        return choice.name
    return Path(os.path.relpath(choice.name, folder)).as_posix()


def _as_text(value: str) -> str:
    """A TOML string."""
    import tomlkit

    return str(tomlkit.string(value).as_string())


_STUDY = """\
# A study: what was asked beforehand, and which files answer it. Paths are relative to this file; a key that is not
# known is an error. All keys: docs/reference/study.md.

[study]
id = {id}
# One row a tube. file: path of the FCS file. visit: names of your own, those under [visits] among them. day: days since
# the first infusion (that day is 0, the day before -1). panel: one under [panels]. batch: what was stained and measured
# together, may be empty. control: empty for a patient's sample, else unstained, bridge, single:MARKER or fmo:MARKER.
samples = "samples.csv"
# One row a patient. infusion_days: days between blanks. end_reason: completed, or why observation ended.
subjects = "subjects.csv"
# One row a count, in 10^9/L (12 is 12,000 per microlitre); "<10" may stand. predose: taken before that day's infusion.
platelets = "platelets.csv"
# One row a treatment. kind: platelet_transfusion, ivig, anti_d, steroid, tpo_ra, rituximab, splenectomy, anti_cd38,
# other. role: rescue, concomitant or prior. change: start, increase, decrease or stop.
treatments = "treatments.csv"
# One row an assessment; grade 0 is one that found no bleeding.
bleeding = "bleeding.csv"

[panels.{panel}]
# The gates: an id from `immunoprofile gates list`, or a path. Shipped templates are drafts: put your own cut points
# into a copy, test and lock it (`immunoprofile gates test`, `gates lock`) before the data are looked at.
template = {template}

[visits]
baseline = "BL"
window = ["W4"]               # visits after treatment whose mean is compared with the baseline

[response]
rule = "iwg-2009"
# data_cutoff_day = 112       # counts after this day are not used

[analysis]
# Decide these before the data are looked at. pop_id and denom_id: as `immunoprofile gates show` names them.
primary = [{{ pop_id = "{pop_id}", denom_id = "{denom_id}", measure = "logit_frac" }}]
# strata = ["arm"]            # columns of subjects.csv within which responders are relabeled
seed = 1                      # of whatever is drawn; any number, kept
"""
