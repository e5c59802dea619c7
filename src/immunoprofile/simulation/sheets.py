"""study.toml and its sheets, as a trial's data manager would hand them over.

Rows are mappings of column to text; an empty text is a blank cell. Nothing here tells what is true: the truth
is written beside, by `truth`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from immunoprofile.simulation.course import Course
from immunoprofile.simulation.panel import Panel
from immunoprofile.simulation.parameters import Parameters
from immunoprofile.simulation.subjects import Subject
from immunoprofile.simulation.visits import BASELINE, PlannedSample

Row = dict[str, str]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "samples": (
        "sample_id", "file", "subject_id", "visit", "day", "panel", "batch", "control", "collection_date",
        "wbc_1e9_per_l", "lymph_abs_1e9_per_l", "beads_added", "sample_volume_ul",
        "hours_to_stain", "viability_frac", "note",
    ),
    "subjects": (
        "subject_id", "first_infusion_date", "infusion_days", "dose", "last_observation_day", "end_reason",
        "prior_rituximab", "splenectomy",
    ),
    "platelets": ("subject_id", "day", "platelets_1e9_per_l", "predose", "clumped"),
    "treatments": ("subject_id", "day", "end_day", "kind", "role", "change", "dose", "dose_unit"),
    "bleeding": ("subject_id", "day", "scale", "grade"),
}  # fmt: skip
"""Columns of each sheet in order; a subset of what the study room knows."""

_WHERE_USED = ("batch", "control", "beads_added", "sample_volume_ul")
"""Columns of samples.csv that stand there only where some sample has a value in them."""

_WINDOW_DAYS = (21, 63)
"""Visits round the peak of the effect (weeks 3 to 9) make the window; all later ones where none is there."""


def list_sample(sample: PlannedSample, viability: float, hours_to_stain: float, beads: tuple[int, float] | None) -> Row:
    """A row of samples.csv: `viability` is a live fraction, `beads` a number and a volume of blood."""
    return {
        "sample_id": sample.sample_id,
        "file": f"fcs/{sample.sample_id}.fcs",
        "subject_id": sample.subject.subject_id,
        "visit": sample.visit,
        "day": str(sample.day),
        "panel": sample.panel.id,
        "batch": sample.batch or "",
        "collection_date": sample.collection_date.isoformat(),
        "wbc_1e9_per_l": f"{sample.wbc_1e9_per_l:.1f}",
        "lymph_abs_1e9_per_l": f"{sample.lymph_abs_1e9_per_l:.2f}",
        "beads_added": "" if beads is None else str(beads[0]),
        "sample_volume_ul": "" if beads is None else f"{beads[1]:g}",
        "hours_to_stain": f"{hours_to_stain:g}",
        "viability_frac": f"{viability:.3f}",
        "note": "simulated",
    }


def columns_of(name: str, rows: Sequence[Row]) -> tuple[str, ...]:
    """Columns of a sheet: those that no row uses are left out where they are optional and rare."""
    return tuple(c for c in COLUMNS[name] if c not in _WHERE_USED or any(row.get(c) for row in rows))


def list_subjects(p: Parameters, subjects: Sequence[Subject], end_day: int) -> list[Row]:
    """subjects.csv: a row a person, all observed to the end."""
    return [
        {
            "subject_id": s.subject_id,
            "first_infusion_date": s.first_infusion.isoformat(),
            "infusion_days": " ".join(map(str, p.infusion_days)),
            "dose": f"{s.dose:.1f}",
            "last_observation_day": str(end_day),
            "end_reason": "completed",
            "prior_rituximab": _truth_value(s.had_rituximab),
            "splenectomy": _truth_value(s.had_splenectomy),
        }
        for s in subjects
    ]


def list_platelets(p: Parameters, subjects: Sequence[Subject], courses: Sequence[Course]) -> list[Row]:
    """platelets.csv: weekly counts; the lowest count of one non-responder stands as ``<10``."""
    rows = [
        {
            "subject_id": s.subject_id,
            "day": str(day),
            "platelets_1e9_per_l": str(count),
            "predose": _truth_value(day <= 0 or day in p.infusion_days),
            "clumped": "FALSE",
        }
        for s, c in zip(subjects, courses, strict=True)
        for day, count in zip(c.days, c.counts, strict=True)
    ]
    return _censor_lowest(p, rows, {s.subject_id for s in subjects if not s.responder})


def _censor_lowest(p: Parameters, rows: list[Row], among: set[str]) -> list[Row]:
    """The analyser could not count the lowest value after treatment began: it reports a bound."""
    later = [r for r in rows if r["subject_id"] in among and int(r["day"]) > 0]
    if not later:
        return rows
    lowest = min(later, key=lambda r: int(r["platelets_1e9_per_l"]))
    bound = {"platelets_1e9_per_l": f"<{p.censor_below}"}
    low = int(lowest["platelets_1e9_per_l"]) < p.censor_below
    return [{**r, **bound} if low and r is lowest else r for r in rows]


def list_treatments(p: Parameters, subjects: Sequence[Subject], courses: Sequence[Course]) -> list[Row]:
    """treatments.csv: history before the trial, stable steroids, rescue."""
    rows: list[Row] = []
    for s, c in zip(subjects, courses, strict=True):
        if s.had_splenectomy:
            rows.append(_treatment(s, -700, -700, "splenectomy", "prior"))
        if s.had_rituximab:
            start = -150 if s.b_depleted else -540
            rows.append(_treatment(s, start, start + 21, "rituximab", "prior", "375", "mg/m2"))
        if s.had_tpo_ra:
            rows.append(_treatment(s, -300, -90, "tpo_ra", "prior", "50", "mg/d"))
        if s.on_steroids:
            rows.append(_treatment(s, -180, p.follow_up_days, "steroid", "concomitant", "5", "mg/d"))
        if c.rescue_day is not None:
            dose = ("1", "unit") if s.rescue == "platelet_transfusion" else ("1", "g/kg")
            rows.append(_treatment(s, c.rescue_day, c.rescue_day, s.rescue, "rescue", *dose))
    return rows


def _treatment(subject: Subject, day: int, end_day: int, kind: str, role: str, dose: str = "", unit: str = "") -> Row:
    values = (subject.subject_id, str(day), str(end_day), kind, role, "start", dose, unit)
    return dict(zip(COLUMNS["treatments"], values, strict=True))


def list_bleeding(subjects: Sequence[Subject], courses: Sequence[Course]) -> list[Row]:
    """bleeding.csv: the WHO grade at each visit; 0 is an assessment that found none."""
    return [
        {"subject_id": s.subject_id, "day": str(day), "scale": "WHO", "grade": str(grade)}
        for s, c in zip(subjects, courses, strict=True)
        for day, grade in zip(c.days, c.grades, strict=True)
    ]


def _truth_value(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def write_csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """A sheet as text: UTF-8, comma, one header row, ``\\n``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_study(seed: int, days: Mapping[str, int], end_day: int, panels: Sequence[Panel]) -> str:
    """study.toml of the cohort; its id says that it is simulated."""
    later = [v for v in days if v != BASELINE]
    low, high = _WINDOW_DAYS
    window = [v for v in later if low <= days[v] <= high] or later or list(days)
    baseline = BASELINE if BASELINE in days else next(iter(days))
    pop_id, denom_id = _primary(panels)
    return "\n".join(
        [
            "# Simulated: no person stands behind these numbers. The truth is in truth/.",
            "[study]",
            f'id = "SIMULATED-{seed}"',
            *(f'{name} = "{name}.csv"' for name in COLUMNS),
            "",
            *(line for p in panels for line in (f"[panels.{p.id}]", f'template = "{p.template}"', "")),
            "[visits]",
            f'baseline = "{baseline}"',
            f"window = [{', '.join(f'{chr(34)}{v}{chr(34)}' for v in window)}]",
            "",
            "[response]",
            'rule = "iwg-2009"',
            f"data_cutoff_day = {end_day}",
            "",
            "[analysis]",
            f'primary = [{{ pop_id = "{pop_id}", denom_id = "{denom_id}", measure = "logit_frac" }}]',
            "strata = []",
            f"seed = {seed}",
            "",
        ]
    )


def _primary(panels: Sequence[Panel]) -> tuple[str, str]:
    """Regulatory T cells of CD4+ where a panel shows them, else the first panel's last population."""
    if any("treg" in panel.denominators for panel in panels):
        return "treg", "cd4"
    pop_id, denominators = list(panels[0].denominators.items())[-1]
    return pop_id, denominators[0]
