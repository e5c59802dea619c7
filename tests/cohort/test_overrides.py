"""overrides.csv through `profile` and `run`: applied, listed, refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from immunoprofile.cohort import profile_samples
from immunoprofile.errors import StudyError
from immunoprofile.study import load_samples

HEADER = "sample_id,gate,dx,dy,geometry,who,date,reason\n"


@pytest.fixture
def sheet(tmp_path: Path, checkout: Path) -> Path:
    for name in ("one", "two"):
        shutil.copy(checkout / "fixtures" / "fcs" / "grid.fcs", tmp_path / f"{name}.fcs")
    (tmp_path / "samples.csv").write_text("sample_id,file\none,one.fcs\ntwo,two.fcs\n")
    return tmp_path / "samples.csv"


def profiled(sheet: Path, checkout: Path, rows: str):
    (sheet.parent / "overrides.csv").write_text(HEADER + rows)
    return profile_samples(
        load_samples(sheet),
        checkout / "fixtures" / "gates" / "grid.toml",
        sheet.parent / "out",
        overrides=sheet.parent / "overrides.csv",
    )


def test_overrides__change_the_sample_they_name_and_are_listed(sheet: Path, checkout: Path) -> None:
    gates = profiled(sheet, checkout, "").gates_resolved
    path = str(gates.loc[gates["kind"] == "polygon", "pop_path"].iloc[0])
    shutil.rmtree(sheet.parent / "out")
    results = profiled(sheet, checkout, f"two,{path},40,,,A. Author,2026-01-02,late stain\n")
    listed = results.gates_resolved.query("pop_path == @path").set_index("sample_id")
    assert listed["origin"].to_dict() == {"one": "template", "two": "override"}
    assert listed.loc["two", "reason"] == "dx 40; A. Author, 2026-01-02: late stain"
    counts = results.populations.query("pop_path == @path").set_index("sample_id")["count"]
    assert counts["one"] == 66  # worked by hand in fixtures/build.py
    assert counts["two"] == 0  # the grid is 20 wide
    assert "overrides" in results.inputs


def test_overrides__that_fit_no_gate_are_all_refused_before_anything_is_done(sheet: Path, checkout: Path) -> None:
    rows = "one,Nobody,1,,,me,2026-01-02,x\ntwo,Nothing,1,,,me,2026-01-02,x\n"
    with pytest.raises(StudyError) as error:
        profiled(sheet, checkout, rows)
    assert [p.where for p in error.value.problems] == ["row 2, gate", "row 3, gate"]
    assert not (sheet.parent / "out").exists()


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("three,X,1,,,me,2026-01-02,x\n", 'sample "three" is not among the samples'),
        ("one,X,,,,me,2026-01-02,x\n", "gives neither a move nor a geometry"),
        ("one,X,1,,{},me,2026-01-02,x\n", "gives a move and a geometry"),
        ("one,X,a,,,me,2026-01-02,x\n", '"a" is not a number'),
        ("one,X,1,,,me,yesterday,x\n", '"yesterday" is not a date'),
        ("one,X,1,,,,2026-01-02,x\n", "row 2, who: is blank"),
    ],
    ids=["sample", "nothing", "both", "number", "date", "who"],
)
def test_overrides__rows_that_cannot_be_read_are_refused(sheet: Path, checkout: Path, row: str, what: str) -> None:
    with pytest.raises(StudyError) as error:
        profiled(sheet, checkout, row)
    assert what in str(error.value)
