"""Reproduce: the same work gives the same bytes, and what does not is named by row and column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from immunoprofile.errors import InputError
from immunoprofile.study import load_study
from immunoprofile.verification import reproduce_study


@pytest.mark.requirement("R-PROOF-03")
def test_reproduce__names_the_row_that_was_changed(spoilable: Path, immunoprofile) -> None:
    table = spoilable / "results" / "response.csv"
    lines = table.read_text().splitlines(keepends=True)
    changed = [line.replace(",NR,FALSE", ",CR,TRUE") if line.startswith("K3,iwg-2009,") else line for line in lines]
    assert changed != lines
    table.write_text("".join(changed))
    (spoilable / "results" / "change.parquet").unlink()
    rerun = reproduce_study(spoilable / "results", load_study(spoilable / "study.toml"))
    assert rerun.differences == (
        "change.parquet: is missing in the folder",
        "response.csv: row K3, iwg-2009: best_response is CR, comes out as NR",
        "response.csv: row K3, iwg-2009: responder is TRUE, comes out as FALSE",
    )
    assert not any(reason.startswith("input") for reason in rerun.reasons)


@pytest.mark.requirement("R-PROOF-03")
def test_verb__same_results_come_out_again(known: Path, immunoprofile) -> None:
    outcome = immunoprofile("reproduce", known / "results", "--study", known / "study.toml", "--json", "-q")
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.stdout)
    assert found["same"]
    assert found["n_files"] == len(json.loads((known / "results" / "manifest.json").read_text())["outputs"])


def test_verb__changed_input_is_given_as_reason(spoilable: Path, immunoprofile) -> None:
    sheet = spoilable / "platelets.csv"
    sheet.write_text(sheet.read_text().replace("K2,14,120", "K2,14,20"))
    outcome = immunoprofile("reproduce", spoilable / "results", "--study", spoilable / "study.toml", "-q")
    assert outcome.exit_code == 7
    assert "response.csv: row K2, iwg-2009: best_response is CR, comes out as" in outcome.stdout
    assert "perhaps because input platelets is not what it was" in outcome.stdout


def test_verb__a_profile_comes_out_again(known: Path, tmp_path: Path, immunoprofile) -> None:
    template = known / "known_answers.toml"
    done = immunoprofile("profile", known / "samples.csv", "--template", template, "--out", tmp_path / "p", "-q")
    assert done.exit_code == 0, done.output
    again = ("reproduce", tmp_path / "p", "--samples", known / "samples.csv", "--template")
    assert immunoprofile(*again, template, "-q").exit_code == 0
    other = tmp_path / "other.toml"
    other.write_text(template.read_text().replace("min = 1000", "min = 9000"))
    outcome = immunoprofile(*again, other, "-q")
    assert outcome.exit_code == 7
    assert "populations.csv: row K1_BL, last, cd4: count is 60, comes out as 0" in outcome.stdout
    assert "perhaps because plan template known_answers is not what it was" in outcome.stdout


def test_verb__asks_for_the_study_or_the_samples(known: Path, immunoprofile) -> None:
    outcome = immunoprofile("reproduce", known / "results")
    assert outcome.exit_code == 2
    assert "Give --study, or --samples with --template." in outcome.stderr


def test_reproduce__strictness_that_is_none_is_refused(spoilable: Path) -> None:
    path = spoilable / "results" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["options"]["strictness"] = "lax"
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match='"lax" is no strictness'):
        reproduce_study(spoilable / "results", load_study(spoilable / "study.toml"))
