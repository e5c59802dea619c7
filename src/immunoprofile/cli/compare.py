"""``immunoprofile compare``: population tables and responses to change and association."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.cli.console import show, tell
from immunoprofile.cli.folder import Origin, claim_folder, write_tables
from immunoprofile.cli.options import file_argument, force_option, out_option, verbosity_options

if TYPE_CHECKING:
    import pandas as pd

_NEEDED = {"populations": ("subject_id", "visit", "pop_id"), "response": ("subject_id", "responder")}


@click.command()
@file_argument("populations", "POPULATIONS.csv")
@click.option("--response", type=click.Path(path_type=Path), metavar="RESPONSE.csv", help="Who responded.")
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
    "--measure", type=click.Choice(["logit_frac", "log_cells_per_ul", "log_mfi"]), default="logit_frac",
    show_default=True, help="Scale of the comparison.",
)  # fmt: skip
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
    measure: str,
    definition: str | None,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Test change and its association with response.

    POPULATIONS.csv needs subject_id, visit, pop_id and count with denom_count (or value with scale). Where the response
    table has first_rescue_day, window samples from that day on are left out.
    """
    from immunoprofile.comparison import associate, paired_change
    from immunoprofile.tables import read_table

    table = read_table("populations", populations, required=_NEEDED["populations"])
    responses = None if response is None else read_table("response", response, required=_NEEDED["response"])
    named = [_named(text, measure) for text in primary]
    rescue = None if responses is None else _rescue_days(responses)
    change = paired_change(table, baseline=baseline, window=window, measure=measure, first_rescue_day=rescue)
    association = associate(change, responses, primary=named, seed=seed, definition=definition)
    options = {
        "baseline": baseline, "window": list(window), "measure": measure, "primary": named, "definition": definition,
        "seed": seed,
    }  # fmt: skip
    inputs = {"populations": populations} | ({} if response is None else {"response": response})
    origin = Origin.of("compare", inputs, options)
    claim_folder(out, origin, force=force)
    write_tables({"change": change, "association": association}, out, origin)
    tell(f"Tables: {out}")
    _show(table, responses, change, association)


def _named(text: str, measure: str) -> dict[str, str]:
    """``treg/cd4`` as the analysis names it."""
    population, _, denominator = text.partition("/")
    named = {"pop_id": population.strip(), "measure": measure}
    return named | ({"denom_id": denominator.strip()} if denominator else {})


def _rescue_days(response: pd.DataFrame) -> dict[str, Any] | None:
    """Subject to the day of the first rescue; None where the table does not tell."""
    if "first_rescue_day" not in response.columns:
        return None
    known = response.dropna(subset=["first_rescue_day"])
    return dict(zip(known["subject_id"], known["first_rescue_day"], strict=True))


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
