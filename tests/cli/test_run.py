"""``immunoprofile run`` on a whole simulated study, and on studies in which something is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from immunoprofile.report import load_results, render_summary, render_table


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def rewrite(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("\n".join(change(lines_of(path))) + "\n", encoding="utf-8")


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def own_template(study: Path, old: str, new: str) -> None:
    """Give the study a template of its own, with something changed in it."""
    from immunoprofile.gating.library import templates_folder

    (study.parent / "own.toml").write_bytes((templates_folder() / "immune14.toml").read_bytes())
    replace_in(study.parent / "own.toml", old, new)
    replace_in(study, 'template = "immune14"', 'template = "own.toml"')


def test_run__writes_every_table_and_the_report(finished):
    tables = {
        "populations",
        "samples_qc",
        "gates_resolved",
        "response",
        "response_counts",
        "change",
        "association",
        "failures",
    }
    written = {p.name for p in finished.iterdir()}
    assert {f"{t}.csv" for t in tables} | {f"{t}.parquet" for t in tables} <= written
    assert {"report.html", "manifest.json", "datapackage.json", "data_dictionary.csv"} <= written


def test_run__results_go_beside_the_study_unless_told(immunoprofile, study):
    outcome = immunoprofile("run", study)
    assert outcome.exit_code == 0
    assert (study.parent / "results" / "report.html").is_file()
    assert f"Tables: {study.parent / 'results'}" in outcome.stderr


def test_run__prints_the_summary_on_standard_output_and_the_rest_on_standard_error(immunoprofile, study, finished):
    outcome = immunoprofile("run", study)
    results = load_results(finished)
    assert outcome.stdout.splitlines() == [*render_summary(results), "", *render_table(results)]
    assert "gating: " in outcome.stderr
    assert "gating: " not in outcome.stdout


def test_run__quiet_says_nothing_beside_the_result(immunoprofile, study):
    outcome = immunoprofile("run", study, "-q")
    assert outcome.stderr == ""
    assert outcome.stdout.startswith("Study SIMULATED-3")


def test_run__verbose_names_every_sample(immunoprofile, study):
    n_samples = len(lines_of(study.parent / "samples.csv")) - 1
    stderr = immunoprofile("run", study, "-v").stderr
    assert len(re.findall(r"^gating: ", stderr, re.MULTILINE)) == n_samples


def test_run__json_holds_the_answers(immunoprofile, study):
    found = json.loads(immunoprofile("run", study, "--json", "-q").stdout)
    assert found["study_id"] == "SIMULATED-3"
    assert found["failures"] == []
    primary = [r for r in found["association"] if r["role"] == "primary"]
    assert [(r["pop_id"], r["denom_id"]) for r in primary] == [("treg", "cd4")]
    assert primary[0]["n_total"] + primary[0]["n_missing"] == 6
    assert primary[0]["effect"] > 0


@pytest.mark.parametrize("jobs", [1, 3])
def test_run__tables_do_not_depend_on_the_number_of_jobs(immunoprofile, study, finished, jobs):
    assert immunoprofile("run", study, "--jobs", jobs, "-q").exit_code == 0
    for path in finished.glob("*.csv"):
        assert (study.parent / "results" / path.name).read_bytes() == path.read_bytes(), path.name


def test_run__again_into_its_own_results_is_no_error(immunoprofile, study):
    assert immunoprofile("run", study, "-q").exit_code == 0
    assert immunoprofile("run", study, "-q").exit_code == 0


def test_run__does_not_write_into_a_folder_of_others(immunoprofile, study, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine", encoding="utf-8")
    outcome = immunoprofile("run", study, "--out", tmp_path / "other")
    assert outcome.exit_code == 2
    assert "holds files that are not results of immunoprofile. Give an empty folder with --out" in outcome.stderr
    assert immunoprofile("run", study, "--out", tmp_path / "other", "--force", "-q").exit_code == 0
    assert (tmp_path / "other" / "thesis.txt").read_text(encoding="utf-8") == "mine"


def test_run__a_folder_that_cannot_be_made_is_unfinished(immunoprofile, study, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    outcome = immunoprofile("run", study, "--out", tmp_path / "file" / "results")
    assert outcome.exit_code == 6
    assert "cannot be used as results folder" in outcome.stderr


def first_file(study: Path) -> Path:
    return min((study.parent / "fcs").glob("*.fcs"))


def lose(study: Path) -> None:
    first_file(study).unlink()


def make_text(study: Path) -> None:
    first_file(study).write_text("sample,count\nA,3\n" * 9, encoding="utf-8")


def cut(study: Path) -> None:
    first_file(study).write_bytes(first_file(study).read_bytes()[:-5_000])


def rename_marker(study: Path) -> None:
    """One file calls CD127 otherwise; the name is as long, so that every offset stays right."""
    raw = first_file(study).read_bytes()
    assert raw.count(b"CD127") == 1
    first_file(study).write_bytes(raw.replace(b"CD127", b"XY127"))


FAILURES = {
    "missing-file": (lose, "FCS-MISSING", "file does not exist. Check the path."),
    "text-file": (make_text, "FCS-NOT-FCS", "Give the FCS file that the cytometer wrote."),
    "marker-that-the-panel-lacks": (rename_marker, "PANEL-MISSING", "CD127"),
    "truncated": (cut, "FCS-TRUNCATED", "Copy the file again from the cytometer, in binary mode."),
}


@pytest.mark.parametrize(("spoil", "code", "message"), FAILURES.values(), ids=FAILURES)
def test_run__a_sample_that_fails_is_listed_and_the_others_are_done(immunoprofile, study, spoil, code, message):
    name = first_file(study).stem
    spoil(study)
    outcome = immunoprofile("run", study, "-q")
    assert outcome.exit_code == 3
    assert outcome.stderr.count("\n") == 1
    assert outcome.stderr.startswith(f"failed: {name}: ")
    assert message in outcome.stderr
    failures = load_results(study.parent / "results").failures
    assert failures[["item_id", "item_kind", "code"]].to_numpy().tolist() == [[name, "sample", code]]
    assert "; 1 failed." in outcome.stdout


def no_baseline(study: Path) -> None:
    """Take the counts before day 1 of the first subject away."""
    sheet = study.parent / "platelets.csv"
    rewrite(sheet, lambda lines: [x for x in lines if not re.match(r"SIM-001,(-\d+|0),", x)])


def test_run__a_subject_without_a_baseline_is_listed_and_the_others_are_done(immunoprofile, study):
    no_baseline(study)
    outcome = immunoprofile("run", study, "-q")
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith("failed: SIM-001: ")
    assert "no eligible platelet count before the first infusion" in outcome.stderr
    response = load_results(study.parent / "results").response
    judged = response[response["definition_id"] == "iwg-2009"].set_index("subject_id")
    assert judged.loc["SIM-001", "best_response"] == "NE"
    assert (judged.drop("SIM-001")["best_response"] != "NE").all()


def duplicate(study: Path) -> None:
    rewrite(study.parent / "samples.csv", lambda lines: [*lines, lines[1]])


def unknown_subject(study: Path) -> None:
    rewrite(
        study.parent / "samples.csv", lambda lines: [lines[0], lines[1].replace(",SIM-001,", ",SIM-01,"), *lines[2:]]
    )


def no_unit(study: Path) -> None:
    replace_in(study.parent / "platelets.csv", "platelets_1e9_per_l", "platelets")


def misspelt_key(study: Path) -> None:
    own_template(study, 'title = "T cells', 'titel = "T cells')


def unknown_parent(study: Path) -> None:
    own_template(study, 'parent = "CD45+"', 'parent = "CD45"')


def misspelt_study(study: Path) -> None:
    replace_in(study, "[visits]", "[visit]")


def unknown_visit(study: Path) -> None:
    replace_in(study, 'baseline = "BL"', 'baseline = "Bl"')


def no_study(study: Path) -> None:
    study.unlink()


def not_toml(study: Path) -> None:
    study.write_text("[study\n", encoding="utf-8")


def unknown_template(study: Path) -> None:
    replace_in(study, 'template = "immune14"', 'template = "immune15"')


REFUSALS = {
    "duplicate-sample": (duplicate, "samples.csv", "stands already in row 2"),
    "unknown-subject": (unknown_subject, "samples.csv", 'Did you mean "SIM-001"?'),
    "count-without-unit": (no_unit, "platelets.csv", "column platelets has no unit"),
    "misspelt-template-key": (misspelt_key, "own.toml", "titel"),
    "unknown-parent": (unknown_parent, "own.toml", 'Did you mean "CD45+"?'),
    "misspelt-study-key": (misspelt_study, "study.toml", "visit"),
    "unknown-visit": (unknown_visit, "study.toml", 'Did you mean "BL"?'),
    "missing-study": (no_study, "study.toml", "cannot be read"),
    "not-toml": (not_toml, "study.toml", "line 1"),
    "unknown-template": (unknown_template, "", 'Did you mean "immune14"?'),
}


@pytest.mark.parametrize(("spoil", "file", "words"), REFUSALS.values(), ids=REFUSALS)
def test_run__a_wrong_study_is_refused_before_anything_is_done(immunoprofile, study, spoil, file, words):
    spoil(study)
    outcome = immunoprofile("run", study)
    assert outcome.exit_code == 2, outcome.stderr
    assert outcome.stdout == ""
    assert any(line.startswith("Error: ") and file in line and words in line for line in outcome.stderr.splitlines())
    assert "Traceback" not in outcome.stderr
    assert not list((study.parent / "results").glob("*"))


def test_run__all_problems_of_all_sheets_are_named_at_once(immunoprofile, study):
    for spoil in (duplicate, no_unit):
        spoil(study)
    stderr = immunoprofile("run", study).stderr
    assert {"samples.csv", "platelets.csv"} <= set(re.findall(r"\w+\.csv", stderr))
