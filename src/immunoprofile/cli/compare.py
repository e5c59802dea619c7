"""``immunoprofile compare``: population tables and responses to change and association."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immunoprofile.cli.console import show, tell
from immunoprofile.cli.folder import Origin, claim_folder, write_tables
from immunoprofile.cli.options import file_argument, force_option, out_option, verbosity_options
from immunoprofile.cli.paths import PATH

if TYPE_CHECKING:
    import pandas as pd

_NEEDED = {
    "populations": ("subject_id", "visit", "pop_id"),
    "response": ("subject_id", "responder"),
    "response_counts": ("subject_id", "day", "platelets_1e9_per_l", "eligible"),
}


@click.command()
@file_argument("populations", "POPULATIONS.csv")
@click.option("--response", type=PATH, metavar="RESPONSE.csv", help="Who responded.")
@click.option("--baseline", required=True, metavar="VISIT", help="Visit before treatment.")
@click.option(
    "--window", required=True, multiple=True, metavar="VISIT",
    help="Visit after it; give the option again for more, their mean is compared.",
)  # fmt: skip
@click.option(
    "--primary", required=True, multiple=True, metavar="POP[/DENOM]",
    help="Primary population by pop_id and denom_id; may be given again.",
)  # fmt: skip
@click.option(
    "--secondary", multiple=True, metavar="POP[/DENOM]",
    help="Key secondary population, adjusted by Holm; may be given again.",
)  # fmt: skip
@click.option(
    "--ratio", multiple=True, metavar="POP/POP", help="Ratio of two populations of one tube; may be given again.",
)  # fmt: skip
@click.option("--counts", type=PATH, metavar="RESPONSE_COUNTS.csv", help="Platelet counts, judged.")
@click.option("--subjects", type=PATH, metavar="SUBJECTS.csv", help="Infusions and doses.")
@click.option("--treatments", type=PATH, metavar="TREATMENTS.csv", help="Needs --subjects.")
@click.option(
    "--measure", type=click.Choice(["logit_frac", "log_cells_per_ul", "log_mfi", "asinh_mfi"]), default="logit_frac",
    show_default=True, help="Scale of the comparison.",
)  # fmt: skip
@click.option("--hierarchy", is_flag=True, help="Test down the tree of populations as well (Meinshausen).")
@click.option("--predict", is_flag=True, help="Ask how well baseline cells predict response.")
@click.option("--definition", metavar="ID", help="Response definition.  [default: iwg-2009, else the first]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="For what is drawn by chance.")
@out_option("Folder for the tables.", required=True)
@force_option
@verbosity_options
def compare(
    *,
    populations: Path,
    response: Path | None,
    baseline: str,
    window: tuple[str, ...],
    primary: tuple[str, ...],
    secondary: tuple[str, ...],
    ratio: tuple[str, ...],
    counts: Path | None,
    subjects: Path | None,
    treatments: Path | None,
    measure: str,
    hierarchy: bool,
    predict: bool,
    definition: str | None,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Test change and its association with response.

    POPULATIONS.csv needs subject_id, visit, pop_id and count with denom_count (or value with scale). Where the response
    table has first_rescue_day, window samples from that day on are left out. A sensitivity analysis that these tables
    cannot answer is listed with the reason.
    """
    from immunoprofile.comparison import Plan, answer_plan, parents_of, read_facts
    from immunoprofile.tables import read_table

    if (hierarchy or predict) and response is None:
        raise click.UsageError("--hierarchy and --predict are about response: give --response as well")
    table = read_table("populations", populations, required=_NEEDED["populations"])
    responses = None if response is None else read_table("response", response, required=_NEEDED["response"])
    judged = None if counts is None else read_table("response_counts", counts, required=_NEEDED["response_counts"])
    sheets = [_sheet(path) for path in (subjects, treatments)]
    plan = Plan(
        baseline, window, tuple(_named(t, measure) for t in primary), tuple(_named(t, measure) for t in secondary),
        tuple(_divided(t) for t in ratio), measure=measure, definition=definition, seed=seed, predict=predict,
        hierarchy=_tree(table, parents_of) if hierarchy else None,
    )  # fmt: skip
    facts = read_facts(*sheets, response=responses, counts=judged, batches=_batches(table))
    change, association = answer_plan(table, plan, facts)
    options = {
        "baseline": baseline, "window": list(window), "measure": measure, "primary": list(plan.primary),
        "secondary": list(plan.secondary), "ratios": list(plan.ratios), "definition": definition, "seed": seed,
        "hierarchy": hierarchy, "predict": predict,
    }  # fmt: skip
    given = {
        "populations": populations, "response": response, "response_counts": counts, "subjects": subjects,
        "treatments": treatments,
    }  # fmt: skip
    inputs = {name: path for name, path in given.items() if path is not None}
    origin = Origin.of("compare", inputs, options)
    claim_folder(out, origin, force=force)
    write_tables({"change": change, "association": association}, out, origin)
    tell(f"Tables: {out}")
    _tell_unasked(association)
    _show(table, responses, change, association)


def _named(text: str, measure: str) -> dict[str, str]:
    """``treg/cd4`` as the analysis names it."""
    population, _, denominator = text.partition("/")
    named = {"pop_id": population.strip(), "measure": measure}
    return named | ({"denom_id": denominator.strip()} if denominator else {})


def _divided(text: str) -> dict[str, str]:
    """``th1/th2`` as a ratio."""
    above, _, below = text.partition("/")
    return {"numerator": above.strip(), "denominator": below.strip()}


def _tree(table: pd.DataFrame, parents_of: Callable[[pd.DataFrame], dict[str, str]]) -> dict[str, str]:
    """The tree of populations of a table that names denominators and their counts."""
    missing = [c for c in ("denom_id", "denom_count") if c not in table.columns]
    if missing:
        raise click.UsageError(f"--hierarchy needs a populations table with {' and '.join(missing)}")
    return parents_of(table)


def _tell_unasked(association: pd.DataFrame) -> None:
    """What these tables cannot answer, and why."""
    unasked = association[association["flags"].str.contains("NOT_AVAILABLE", na=False)]
    for row in unasked.itertuples():
        why = str(row.note).removeprefix("could not be asked: ").rstrip(".")
        tell(f"Not asked: {row.sensitivity} of {row.pop_id}: {why}.")


def _sheet(path: Path | None) -> pd.DataFrame | None:
    """A sheet of a study as text; None where none is given."""
    from immunoprofile.errors import Problem, StudyError
    from immunoprofile.study.sheet import read_sheet

    problems: list[Problem] = []
    frame = None if path is None else read_sheet(path, problems, may_be_empty=True)
    if problems:
        raise StudyError.of(problems)
    return frame


def _batches(populations: pd.DataFrame) -> dict[str, str] | None:
    """Sample to batch, where the table says."""
    if not {"sample_id", "batch"} <= set(populations.columns):
        return None
    known = populations.dropna(subset=["sample_id", "batch"])
    return dict(zip(known["sample_id"].astype(str), known["batch"].astype(str), strict=True))


def _show(table: pd.DataFrame, response: pd.DataFrame | None, change: pd.DataFrame, association: pd.DataFrame) -> None:
    from immunoprofile.cohort import Results
    from immunoprofile.columns import FAILURES, GATES_RESOLVED, SAMPLES_QC
    from immunoprofile.report import render_summary
    from immunoprofile.tables import build_frame

    results = Results(
        study_id="", folder=None, populations=table, samples_qc=build_frame(SAMPLES_QC, []),
        gates_resolved=build_frame(GATES_RESOLVED, []), failures=build_frame(FAILURES, []), n_samples=0,
        inputs={}, plan={}, response=response, change=change, association=association,
    )  # fmt: skip
    show(*render_summary(results))
