"""``immunoprofile respond``: platelet counts to responses, with every decision on every count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from immunoprofile.cli.console import complain, show, show_table, tell
from immunoprofile.cli.folder import Origin, claim_folder, write_tables
from immunoprofile.cli.options import file_argument, force_option, out_option, verbosity_options
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.cli.paths import PATH, TEMPLATE
from immunoprofile.errors import Problem, StudyError, printable

if TYPE_CHECKING:
    import pandas as pd

    from immunoprofile.platelets import Rule

_SHEET = PATH


def _print_rule(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is None or context.resilient_parsing:
        return
    from immunoprofile.platelets import rule_text

    click.echo(rule_text(value), nl=False)
    context.exit(Outcome.DONE)


@click.command()
@file_argument("platelets", "PLATELETS.csv")
@click.option("--subjects", type=_SHEET, required=True, metavar="SUBJECTS.csv", help="Who was treated, and when first.")
@click.option("--treatments", type=_SHEET, metavar="CSV", help="Rescue and other treatments.")
@click.option("--bleeding", type=_SHEET, metavar="CSV", help="Bleeding assessments.")
@click.option(
    "--rule", default="iwg-2009", show_default=True, type=TEMPLATE, metavar="ID|PATH", help="Response definition."
)
@click.option(
    "--also",
    multiple=True,
    type=TEMPLATE,
    metavar="ID|PATH",
    help="Definition beside it, once or more.  [default: ash-2019, at-least-50-twice]",
)
@click.option(
    "--print-rule",
    callback=_print_rule,
    is_eager=True,
    expose_value=False,
    metavar="ID",
    help="Print the file of a definition, to copy and change, and stop.",
)
@out_option("Folder for the tables.", required=True)
@force_option
@verbosity_options
@click.pass_context
def respond(
    context: click.Context,
    *,
    platelets: Path,
    subjects: Path,
    treatments: Path | None,
    bleeding: Path | None,
    rule: str,
    also: tuple[str, ...],
    out: Path,
    force: bool,
) -> None:
    """Classify platelet response.

    Writes the classes and, for every count, what was decided on it and why.
    """
    from immunoprofile.platelets import BESIDE, check_definitions, judge_platelets, load_rule

    given = {"platelets": platelets, "subjects": subjects, "treatments": treatments, "bleeding": bleeding}
    paths = {name: path for name, path in given.items() if path is not None}
    rules = [load_rule(r) for r in dict.fromkeys((rule, *(also or BESIDE)))]
    check_definitions(rules)
    frames = _read_sheets(paths, rules[0])
    digests = {"rule": rules[0].id, "rule_sha256": rules[0].sha256}
    origin = Origin.of("respond", paths, digests | {f"rule_sha256 {r.id}": r.sha256 for r in rules[1:]})
    claim_folder(out, origin, force=force)
    response, counts = judge_platelets(
        frames["platelets"], frames["subjects"], rules[0], frames.get("treatments"), frames.get("bleeding"),
        also=rules[1:],
    )  # fmt: skip
    write_tables({"response": response, "response_counts": counts}, out, origin)
    tell(f"Tables: {out}")
    context.exit(_show(response, rules[0].id))


def _read_sheets(paths: dict[str, Path], rule: Rule) -> dict[str, pd.DataFrame]:
    """The sheets as text, checked against each other: all problems at once."""
    from immunoprofile.platelets import check_courses
    from immunoprofile.study.sheet import read_sheet

    problems: list[Problem] = []
    optional = {"treatments", "bleeding"}
    frames = {n: read_sheet(p, problems, may_be_empty=n in optional) for n, p in paths.items()}
    found = {name: frame for name, frame in frames.items() if frame is not None}
    if "subjects" in found:
        _, wrong = check_courses(
            found.get("platelets"), found["subjects"], found.get("treatments"), found.get("bleeding"), rule,
            paths={n: str(p) for n, p in paths.items()},
        )  # fmt: skip
        problems += wrong
    if problems:
        raise StudyError.of(list(dict.fromkeys(problems)))
    return found


def _show(response: pd.DataFrame, own: str) -> Outcome:
    """The classes as a table, the rates, and the subjects that could not be judged."""
    from immunoprofile.report import render_response

    mine = response[response["definition_id"] == own]
    columns = ("subject_id", "best_response", "baseline_plt_1e9_per_l", "first_response_day", "loss_day", "reason")
    cells = mine[list(columns)].astype("string").fillna("").to_numpy().tolist()
    show_table(("Subject", "Response", "Baseline", "Onset", "Lost", "Reason"), cells)
    show("", *render_response(response, own))
    lost = mine.loc[mine["responder"].isna(), "subject_id"]
    complain(*(f"not evaluable: {printable(s, 60)}" for s in lost))
    return Outcome.PARTIAL if len(lost) else Outcome.DONE
