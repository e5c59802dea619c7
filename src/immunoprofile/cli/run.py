"""``immunoprofile run``: a study to population tables, response, change, association and report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.cli.console import complain, shortened, show, show_json, show_progress, tell
from immunoprofile.cli.options import (
    file_argument,
    force_option,
    jobs_option,
    json_option,
    out_option,
    strictness_option,
    verbosity_options,
    workers_option,
)
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.errors import printable

if TYPE_CHECKING:
    from immunoprofile.cohort import Results
    from immunoprofile.cohort.schedule import Workers


@click.command()
@file_argument("study", "STUDY.toml")
@out_option("Folder for the results.  [default: results, beside STUDY.toml]")
@jobs_option
@workers_option
@force_option
@strictness_option
@json_option
@verbosity_options
@click.pass_context
def run(
    context: click.Context,
    study: Path,
    out: Path | None,
    jobs: int | None,
    workers: Workers,
    force: bool,
    strictness: str,
    as_json: bool,
) -> None:
    """Profile a whole study: the main job.

    Gates every sample, classifies platelet response, pairs baseline and window, tests, and writes tables and a report.
    """
    folder = out or study.parent / "results"
    results = run_and_report(study, folder, jobs=jobs, workers=workers, force=force, strictness=strictness)
    tell(f"Tables: {folder}", f"Report: {folder / 'report.html'}")
    show_results(results, as_json=as_json)
    context.exit(outcome_of_results(results))


def run_and_report(
    study: Path,
    out: Path,
    *,
    jobs: int | None,
    force: bool,
    workers: Workers = "threads",
    strictness: str = "report",
) -> Results:
    """Run a study and write its report beside its tables."""
    from immunoprofile.cohort import run_study
    from immunoprofile.fcs import Strictness
    from immunoprofile.report import write_report
    from immunoprofile.study import load_study

    loaded = load_study(study)
    with show_progress("gating") as progress:
        results = run_study(
            loaded, out, jobs=jobs, workers=workers, progress=progress, force=force, strictness=Strictness(strictness)
        )
    write_report(results, out)
    return results


def show_results(results: Results, *, as_json: bool) -> None:
    """Print what a run gave, for people or for programs, and list its failures."""
    from immunoprofile.report import render_summary

    if as_json:
        show_json(describe_results(results))
    else:
        show(*render_summary(results))
    rows = results.failures.to_dict("records")
    failed = [f"failed: {printable(r['item_id'], 60)}: {printable(r['message'], 1_000)}" for r in rows]
    complain(*shortened(failed, "failures"))


def outcome_of_results(results: Results) -> Outcome:
    """Done, or finished with failures."""
    return Outcome.DONE if results.failures.empty else Outcome.PARTIAL


def describe_results(results: Results) -> dict[str, Any]:
    """A run as JSON-like values: counts, failures, and the primary and secondary rows of `association`."""
    described: dict[str, Any] = {
        "study_id": results.study_id,
        "folder": None if results.folder is None else str(results.folder),
        "n_samples": results.n_samples,
        "failures": _plain_rows(results.failures),
        "tables": {name: len(frame) for name, frame in results.tables().items()},
    }
    if results.association is not None:
        answers = results.association[results.association["role"] != "exploratory"]
        described["association"] = _plain_rows(answers)
    return described


def _plain_rows(frame: Any) -> list[dict[str, Any]]:
    """Rows of a table with missing cells as None and numbers as plain ones."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{k: v.item() if hasattr(v, "item") else v for k, v in row.items()} for row in rows]
