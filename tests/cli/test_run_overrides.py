"""``immunoprofile run`` with ``overrides.csv``: one gate of one sample, drawn by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

HEADER = "sample_id,gate,dx,dy,geometry,who,date,reason\n"


def with_overrides(study: Path, *rows: str) -> None:
    """Name the sheet in the study, and write it."""
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("[study]\n", '[study]\noverrides = "overrides.csv"\n', 1), encoding="utf-8")
    (study.parent / "overrides.csv").write_text(HEADER + "".join(f"{r}\n" for r in rows), encoding="utf-8")


def test_run__an_override_changes_its_sample_alone_and_is_listed(immunoprofile, study, finished, tmp_path):
    """0.3 of the axis upwards leaves hardly a CD4+ cell of that sample; every other row stays as it was."""
    sample = pd.read_csv(study.parent / "samples.csv")["sample_id"].iloc[1]
    with_overrides(study, f"{sample},CD4+,0.3,,,AB,2030-02-05,dim stain")
    outcome = immunoprofile("run", study, "--out", tmp_path / "moved")
    assert outcome.exit_code == 0, outcome.output
    gates = pd.read_csv(tmp_path / "moved" / "gates_resolved.csv")
    (gate,) = gates[gates["origin"] == "override"].to_dict("records")
    assert (gate["sample_id"], gate["pop_id"]) == (sample, "cd4")
    assert gate["reason"] == "dx 0.3; AB, 2030-02-05: dim stain"
    keys = ["sample_id", "pop_id", "denom_id"]
    before, after = (pd.read_csv(d / "populations.csv").set_index(keys) for d in (finished, tmp_path / "moved"))
    changed = before["count"].compare(after["count"]).index
    assert set(changed.get_level_values("sample_id")) == {sample}
    assert after.loc[(sample, "cd4", "t"), "count"] < before.loc[(sample, "cd4", "t"), "count"] / 10
    assert after.loc[(sample, "cd4", "t"), "gate_origin"] == "override"
    flagged = after[after["flags"].str.contains("GATE_OVERRIDE", na=False)].index.droplevel("denom_id")
    treg_and_cd4 = {"cd4", "cd4_naive", "cd4_cm", "cd4_em", "cd4_temra", "treg", "treg_naive", "treg_memory"}
    assert set(flagged) == {(sample, pop_id) for pop_id in treg_and_cd4}
    assert "dim stain" in (tmp_path / "moved" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{sample},CD4++,0.1,,,AB,2030-02-05,dim", 'overrides.csv: row 2, gate: no population named "CD4++"'),
        ("{sample},CD4+,0.1,,,AB,2030-02-05,", "overrides.csv: row 2, reason: is blank"),
        ("nobody,CD4+,0.1,,,AB,2030-02-05,dim", 'overrides.csv: row 2, sample_id: sample "nobody" is not among'),
    ],
    ids=["gate", "reason", "sample"],
)
def test_run__a_wrong_override_is_refused_before_anything_is_done(immunoprofile, study, tmp_path, row, words):
    sample = pd.read_csv(study.parent / "samples.csv")["sample_id"].iloc[1]
    with_overrides(study, row.format(sample=sample))
    outcome = immunoprofile("run", study, "--out", tmp_path / "refused")
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert not (tmp_path / "refused" / "populations.csv").exists()
