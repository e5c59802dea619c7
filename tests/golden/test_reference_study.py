"""Real files as a trial's samples: `immunoprofile run` from a study.toml to the association table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from reference_template import write_reference_template

from immunoprofile.tables import read_table

pytestmark = pytest.mark.shared

# Four subjects of two files each: the antigen-free culture or a low dose as before, a high dose as after.
PAIRS = (("P1", 1, 5), ("P2", 2, 6), ("P3", 3, 7), ("P4", 4, 8))


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study over the reference files, which stay where they are."""
    home = tmp_path_factory.mktemp("reference")
    membership = shared_data / "membership"
    write_reference_template(membership, home / "reference.toml")
    files = membership / "fcs"
    rows = [
        f"{subject}_{visit},{files / f'Activation_{number}.fcs'},{subject},{visit},{day},act"
        for subject, before, after in PAIRS
        for visit, day, number in (("BL", -1, before), ("W4", 28, after))
    ]
    (home / "samples.csv").write_text("sample_id,file,subject_id,visit,day,panel\n" + "\n".join(rows) + "\n")
    (home / "subjects.csv").write_text(
        "subject_id,infusion_days,arm,last_observation_day,end_reason\n"
        + "".join(f"{s},0,single,84,\n" for s, _, _ in PAIRS)
    )
    counts = {"P1": (10, 40, 45), "P2": (8, 120, 130), "P3": (12, 14, 11), "P4": (9, 10, 12)}
    (home / "platelets.csv").write_text(
        "subject_id,day,platelets_1e9_per_l\n"
        + "".join(f"{s},{d},{v}\n" for s, values in counts.items() for d, v in zip((-1, 14, 28), values, strict=True))
    )
    (home / "study.toml").write_text(
        '[study]\nid = "REFERENCE"\nsamples = "samples.csv"\nsubjects = "subjects.csv"\nplatelets = "platelets.csv"\n'
        '[panels.act]\ntemplate = "./reference.toml"\n[visits]\nbaseline = "BL"\nwindow = ["W4"]\n[analysis]\n'
        'primary = [{ pop_id = "cd69_pos_cd4_t_cells", denom_id = "cd4_t_cells", measure = "logit_frac" }]\n'
    )
    return home


@pytest.fixture(scope="module")
def outcome(folder: Path):
    from click.testing import CliRunner

    from immunoprofile.cli import program

    return CliRunner().invoke(program, ["run", str(folder / "study.toml"), "--out", str(folder / "results")])


def test_run__finishes_on_real_files(outcome) -> None:
    assert outcome.exit_code == 0, outcome.output


def test_run__counts_are_the_stored_ones(outcome, folder: Path, shared_data: Path) -> None:
    found = read_table("populations", folder / "results" / "populations.csv")
    truth = pd.read_csv(shared_data / "membership" / "truth" / "counts.csv")
    number = {f"{s}_{v}": n for s, before, after in PAIRS for v, n in (("BL", before), ("W4", after))}
    checked = 0
    for row in found.rename(columns={"count": "n"}).itertuples():
        stored = truth[
            (truth["sample"] == f"Activation_{number[row.sample_id]}.fcs") & (truth["population"] == f"/{row.pop_path}")
        ].iloc[0]
        assert (row.n, row.denom_count) == (stored["count"], stored["parent_count"])
        checked += 1
    assert checked == 80


def test_run__four_pairs_are_described_and_not_tested(outcome, folder: Path) -> None:
    answers = read_table("association", folder / "results" / "association.csv")
    primary = answers[(answers["role"] == "primary") & (answers["question"] == "overall_change")].iloc[0]
    assert primary["n_total"] == 4
    assert pd.isna(primary["p_raw"])
    assert "TOO_FEW_PAIRS" in primary["flags"]
    assert "at least 5" in outcome.output


def test_run__response_follows_the_platelets(outcome, folder: Path) -> None:
    response = read_table("response", folder / "results" / "response.csv").query("definition_id == 'iwg-2009'")
    assert dict(zip(response["subject_id"], response["best_response"], strict=True)) == {
        "P1": "R", "P2": "CR", "P3": "NR", "P4": "NR",
    }  # fmt: skip
