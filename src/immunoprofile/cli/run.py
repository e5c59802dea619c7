"""``immunoprofile run``: a study to population tables, response, change, association and report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.cli.console import complain, shortened, show, show_json, tell
from immunoprofile.cli.failures import describe_failures
from immunoprofile.cli.flags import outcome_with_flags
from immunoprofile.cli.hands import open_hands
from immunoprofile.cli.options import (
    deidentify_option,
    dry_run_option,
    fail_on_flag_option,
    file_argument,
    force_option,
    jobs_option,
    out_option,
    run_json_option,
    scheduler_option,
    strictness_option,
    verbosity_options,
    workers_option,
)

if TYPE_CHECKING:
    from immunoprofile.cohort import Forecast, Results
    from immunoprofile.cohort.schedule import Workers


@click.command()
@file_argument("study", "STUDY.toml")
@out_option("Folder for the results.  [default: results, beside STUDY.toml]", own_guard=True)
@jobs_option
@workers_option
@scheduler_option
@dry_run_option
@force_option
@strictness_option
@deidentify_option
@fail_on_flag_option
@run_json_option
@verbosity_options
@click.pass_context
def run(
    context: click.Context,
    study: Path,
    *,
    out: Path | None,
    jobs: int | None,
    workers: Workers,
    scheduler: str | None,
    dry_run: bool,
    force: bool,
    strictness: str,
    key: Path | None,
    fail_on_flag: bool,
    as_json: bool,
) -> None:
    """Profile a whole study: the main job.

    Gates every sample, classifies platelet response, pairs baseline and window, tests, and writes tables and a report.
    """
    folder = out or study.parent / "results"
    if dry_run:
        show_forecast(_foresee(study, folder, key, force=force, strictness=strictness), as_json=as_json)
        return
    results = run_and_report(
        study, folder, jobs=jobs, workers=workers, scheduler=scheduler, force=force, strictness=strictness,
        key=key, as_json=as_json,
    )  # fmt: skip
    shown = shown_folder(folder, key)
    tell(f"Tables: {shown}", f"Report: {shown / 'report.html'}")
    show_results(replace(results, folder=shown), as_json=as_json)
    context.exit(outcome_with_flags(results, fail_on_flag=fail_on_flag))


def shown_folder(folder: Path, key: Path | None) -> Path:
    """A results folder as it may be shown: of a de-identified one the last name."""
    return folder if key is None else Path(folder.name)


def _foresee(study: Path, out: Path, key: Path | None, *, force: bool, strictness: str) -> Forecast:
    from immunoprofile.cohort import foresee_study
    from immunoprofile.fcs import Strictness
    from immunoprofile.study import load_study
    from immunoprofile.study.deidentify import read_key

    secret = None if key is None else read_key(key, out)
    return foresee_study(load_study(study), out, force=force, strictness=Strictness(strictness), key=secret)


def run_and_report(
    study: Path,
    out: Path,
    *,
    jobs: int | None,
    force: bool,
    workers: Workers = "threads",
    scheduler: str | None = None,
    strictness: str = "report",
    key: Path | None = None,
    as_json: bool = False,
) -> Results:
    """Run a study and write its report beside its tables; where all of it is there, nothing is done."""
    from immunoprofile.cohort.lock import refuse_held

    refuse_held(out)
    from immunoprofile.cohort import run_by_hands
    from immunoprofile.fcs import Strictness
    from immunoprofile.study import load_study
    from immunoprofile.study.deidentify import read_key

    loaded, secret = load_study(study), None if key is None else read_key(key, out)
    with open_hands(jobs=jobs, workers=workers, scheduler=scheduler, as_json=as_json) as hands:
        results = run_by_hands(loaded, out, hands, force=force, strictness=Strictness(strictness), key=secret)
    tell_if_again(results)
    if not (results.again and is_newer(out / "report.html", out / "manifest.json")):
        from immunoprofile.report import write_report

        write_report(results, out)
    return results


def tell_if_again(results: Results) -> None:
    """Say so where nothing was done."""
    if results.again:
        tell("Nothing to do: these results rest on the same files, sheets, templates and options.")


def is_newer(file: Path, other: Path) -> bool:
    """Was a file written after another?"""
    return file.is_file() and file.stat().st_mtime_ns >= other.stat().st_mtime_ns


def show_forecast(forecast: Forecast, *, as_json: bool) -> None:
    """Print what a run would do."""
    from dataclasses import asdict

    if as_json:
        show_json(asdict(forecast))
        return
    if forecast.finished:
        show("Nothing to do: the results are there, and rest on the same files, sheets, templates and options.")
    said = {
        "done already": forecast.done,
        "to do": forecast.to_do,
        "to look at once automatic gates are settled": forecast.unsettled,
        "without a file": forecast.missing,
    }
    show(
        *(f"{len(names)} {'sample' if len(names) == 1 else 'samples'} {what}" for what, names in said.items() if names)
    )
    complain(*shortened([f"no file: {name}" for name in forecast.missing], "missing files"))


def show_results(results: Results, *, as_json: bool) -> None:
    """Print what a run gave, for people or for programs, and list its failures."""
    from immunoprofile.report import render_summary, render_table

    if as_json:
        show_json(describe_results(results))
    else:
        show(*render_summary(results))
        table = render_table(results)
        show(*([""] if table else []), *table)
    failed = describe_failures(results.failures.to_dict("records"))
    complain(*shortened(failed, "kinds of failures"))


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
