"""``immunoprofile gates check``: everything that is wrong, doubtful or unfinished about a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.cli.console import show, show_json, show_table, tell
from immunoprofile.cli.options import json_option, verbosity_options
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.cli.paths import FCS, TEMPLATE
from immunoprofile.errors import InputError, Problem, printable

if TYPE_CHECKING:
    from immunoprofile.fcs import FcsFile
    from immunoprofile.gating import GatingTemplate
    from immunoprofile.gating.validation import Outside, Remark


@click.command("check")
@click.argument("path", type=TEMPLATE, metavar="ID|PATH")
@click.option(
    "--sample", "samples", type=FCS, multiple=True, metavar="FILE.fcs",
    help="Also: does it fit the panel of this file, and are there events just outside an outer edge? May be repeated.",
)  # fmt: skip
@json_option
@verbosity_options
@click.pass_context
def check_gates(context: click.Context, path: str, samples: tuple[FcsFile, ...], as_json: bool) -> None:
    """Check a template and name everything that is wrong with it.

    Errors (exit code 2) make wrong or empty results; warnings are most likely not meant; notes are unfinished. What is
    well formed is checked although something else is not.
    """
    from immunoprofile.gating.validation import Remark, worst

    template = None
    try:
        template, remarks = _judge(path)
    except InputError as error:
        if not as_json:
            raise
        remarks = [Remark("error", p) for p in error.problems]
    looks = [] if template is None else [_look(template, sample, remarks) for sample in samples]
    outside = [look for look in looks if look is not None]
    if as_json:
        show_json(_as_json(path, template, remarks, outside))
    else:
        _show(path, template, remarks, outside)
        if template is None and samples:
            tell("no sample was looked at: the template has errors")
    context.exit(Outcome.REFUSED if worst(remarks) == "error" else Outcome.DONE)


def _judge(path: str) -> tuple[GatingTemplate | None, list[Remark]]:
    """The template and what there is to say of it; None where it cannot be used."""
    from immunoprofile.gating.formats.toml import judge_toml
    from immunoprofile.gating.library import locate_template
    from immunoprofile.gating.validation import Remark, check_standing, check_template

    judged = judge_toml(locate_template(path))
    if judged.template is not None:
        return judged.template, list(check_template(judged.template))
    remarks = [Remark("error", p) for p in judged.problems]
    return None, remarks + ([] if judged.standing is None else list(check_standing(judged.standing)))


def _look(template: GatingTemplate, sample: FcsFile, remarks: list[Remark]) -> tuple[FcsFile, Sequence[Outside]] | None:
    """What lies just outside in one file; where it cannot be gated that is a remark."""
    from immunoprofile.fcs import read_fcs
    from immunoprofile.gating.validation import Remark, count_outside

    try:
        return sample, count_outside(template, read_fcs(sample))
    except InputError as error:
        remarks.extend(Remark("error", p if p.path else replace(p, path=str(sample))) for p in error.problems)
        return None


def _show(
    path: str,
    template: GatingTemplate | None,
    remarks: Sequence[Remark],
    outside: Sequence[tuple[FcsFile, Sequence[Outside]]],
) -> None:
    for remark in remarks:
        show(f"{remark.level}: {remark.problem}")
    for sample, found in outside:
        name = printable(sample.name)
        if not found:
            show(f"{name}: no events just outside an edge at the end of an axis")
            continue
        show("", f"{name}: events within 2 % of the axis outside an edge at its end")
        show_table(("Gate", "Edge", "Outside", "Inside"), [(o.path, o.edge, o.n_events, o.n_inside) for o in found])
    verdict = ", ".join(filter(None, (_counted(remarks, "error"), _counted(remarks, "warning")))) or "no problem found"
    if template is None:
        show(f"{printable(path, 400)}: {verdict}: it cannot be used")
        return
    notes = _counted(remarks, "note") or "no notes"
    size = f"{len(template.gates)} gates, {len(template.markers)} markers"
    show(f"{printable(path, 400)}: {verdict}: {size}, {notes}, content {template.digest[:16]}")


def _counted(remarks: Sequence[Remark], level: str) -> str:
    """``2 warnings``; empty where there are none."""
    number = sum(r.level == level for r in remarks)
    return f"{number} {level}{'' if number == 1 else 's'}" if number else ""


def _as_json(
    path: str,
    template: GatingTemplate | None,
    remarks: Sequence[Remark],
    outside: Sequence[tuple[FcsFile, Sequence[Outside]]],
) -> dict[str, Any]:
    return {
        "template": path,
        "template_sha256": None if template is None else template.digest,
        "remarks": [{"level": r.level, **_problem(r.problem)} for r in remarks],
        "outside": [
            {
                "sample": str(sample),
                "population": o.path,
                "edge": o.edge,
                "n_events": o.n_events,
                "n_inside": o.n_inside,
            }
            for sample, found in outside
            for o in found
        ],
    }


def _problem(problem: Problem) -> dict[str, str | None]:
    return {
        "code": problem.code,
        "file": problem.path,
        "where": problem.where,
        "what": problem.what,
        "remedy": problem.remedy,
    }
