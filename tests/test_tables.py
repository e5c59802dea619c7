"""Tables on disk: one form, read back equal, described from one definition."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunoprofile.columns import SAMPLES_QC, TABLES
from immunoprofile.datapackage import write_descriptions
from immunoprofile.errors import InputError
from immunoprofile.tables import _PANDAS, build_frame, read_table, to_csv, write_table


def row(**values):
    return {
        "sample_id": "s",
        "rule_id": "r",
        "item": "",
        "value": 1.5,
        "level": "pass",
        "flag": "",
        "detail": "d",
    } | values


def test_csv__form_of_the_contract() -> None:
    frame = build_frame(SAMPLES_QC, [row(rule_id="b", value=0.1 + 0.2), row(rule_id="a", flag='x,"y"')])
    assert to_csv(SAMPLES_QC, frame) == (
        "sample_id,rule_id,item,value,threshold,level,flag,detail\n"
        's,a,,1.5,NA,pass,"x,""y""",d\n'
        "s,b,,0.30000000000000004,NA,pass,,d\n"
    )


def test_csv__booleans_are_words() -> None:
    frame = build_frame(TABLES["response"], [{"subject_id": "a", "definition_id": "d", "responder": True}])
    assert ",TRUE," in to_csv(TABLES["response"], frame)


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_table__floats_come_back_to_the_last_bit(values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("t")
    frame = build_frame(SAMPLES_QC, [row(rule_id=f"{i:04d}", value=v) for i, v in enumerate(values)])
    write_table("samples_qc", frame, folder)
    for kind in ("csv", "parquet"):
        back = read_table("samples_qc", folder / f"samples_qc.{kind}")
        assert back["value"].tolist() == values
        pd.testing.assert_frame_equal(back, frame, check_exact=True)


def test_table__missing_and_empty_text_are_told_apart(tmp_path: Path) -> None:
    write_table("samples_qc", build_frame(SAMPLES_QC, [row(flag=""), row(rule_id="q", flag=None)]), tmp_path)
    back = read_table("samples_qc", tmp_path / "samples_qc.csv").set_index("rule_id")
    assert back.loc["r", "flag"] == ""
    assert pd.isna(back.loc["q", "flag"])
    assert math.isnan(back.loc["r", "threshold"])


def test_build_frame__two_rows_of_one_key_are_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"two rows for \['s', 'r', ''\]"):
        build_frame(SAMPLES_QC, [row(), row()])


def test_build_frame__unknown_column_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no column"):
        build_frame(SAMPLES_QC, [row(colour="blue")])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample_id,rule_id\ns,r\n", "column item, value, threshold, level, flag, detail missing"),
        ("sample_id,rule_id,item,value,threshold,level,flag,detail\ns,r,,high,NA,pass,,d\n", "column value: .*high"),
    ],
    ids=["column missing", "not a number"],
)
def test_read_table__what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_table("samples_qc", tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("cell", "means"),
    [("TRUE", True), ("false", False), ("yes", True), ("No", False), ("1", True), ("0", False), ("NA", None)],
)
def test_read_table__a_truth_may_be_written_in_several_ways(tmp_path: Path, cell: str, means: bool | None) -> None:
    (tmp_path / "t.csv").write_text(f"subject_id,responder\ns,{cell}\n")
    found = read_table("response", tmp_path / "t.csv", required=("responder",))["responder"].iloc[0]
    assert pd.isna(found) if means is None else bool(found) is means


@pytest.mark.parametrize("cell", ["maybe", "CR", "2", ""])
def test_read_table__a_truth_that_is_none_is_refused_and_not_taken_as_missing(tmp_path: Path, cell: str) -> None:
    (tmp_path / "t.csv").write_text(f"subject_id,responder\ns,TRUE\nr,{cell}\n")
    with pytest.raises(InputError, match=f'column responder: "{cell}" is neither TRUE nor FALSE'):
        read_table("response", tmp_path / "t.csv", required=("responder",))


def test_read_table__a_count_that_is_not_whole_is_refused_and_not_cut_off(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("pop_id,count\ntreg,870\ntreg,870.5\n")
    with pytest.raises(InputError, match=r"column count: 870\.5 is not a whole number\. Write"):
        read_table("populations", tmp_path / "t.csv", required=("count",))


def test_read_table__semicolons_divide_as_commas_do(tmp_path: Path) -> None:
    text = "sample_id,pop_id,denom_id,count,pop_label\nS1,treg,cd4,12,Treg; memory\n"
    (tmp_path / "comma.csv").write_text(text)
    (tmp_path / "semicolon.csv").write_text("\ufeff" + text.replace("Treg; memory", '"Treg; memory"').replace(",", ";"))
    comma, semicolon = (
        read_table("populations", tmp_path / f"{n}.csv", required=("count",)) for n in ("comma", "semicolon")
    )
    pd.testing.assert_frame_equal(comma, semicolon)


def test_read_table__missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv: cannot be read \(No such file or directory\)\. Check"):
        read_table("samples_qc", tmp_path / "gone.csv")


def test_descriptions__every_column_of_every_table(tmp_path: Path) -> None:
    write_descriptions(TABLES, tmp_path)
    package = json.loads((tmp_path / "datapackage.json").read_text())
    assert {r["name"]: [f["name"] for f in r["schema"]["fields"]] for r in package["resources"]} == {
        t.name: list(t.names) for t in TABLES.values()
    }
    dictionary = pd.read_csv(tmp_path / "data_dictionary.csv")
    assert len(dictionary) == sum(len(t.columns) for t in TABLES.values())


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abAB10"), st.sampled_from(["", "x", "é", "z"]), st.none() | st.floats(allow_nan=False)
        ),
        max_size=12,
        unique_by=lambda r: r[:2],
    )
)
def test_build_frame__plain_rows_come_out_as_pandas_sorts_them(found) -> None:
    rows = [{"sample_id": "s", "rule_id": r, "item": i, "value": v, "flag": None} for r, i, v in found]
    shuffled = pd.DataFrame(rows, columns=["sample_id", "rule_id", "item", "value", "flag"])
    for name in SAMPLES_QC.names:
        shuffled[name] = pd.array(
            list(shuffled.get(name, [None] * len(rows))),
            dtype="float64" if SAMPLES_QC.column(name).dtype == "float" else "string",
        )
    expected = shuffled[list(SAMPLES_QC.names)].sort_values(list(SAMPLES_QC.key), kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(build_frame(SAMPLES_QC, rows), expected)


_TEXT = st.one_of(
    st.none(), st.text(max_size=6), st.sampled_from(["NA", "", "a,b", 'say "x"', "two\nlines", "\r", " x ", "=1"])
)
_CELLS = {
    "str": _TEXT,
    "int": st.one_of(st.none(), st.integers(-(2**53), 2**53)),
    "float": st.floats(),
    "bool": st.one_of(st.none(), st.booleans()),
}


@settings(deadline=None, max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("name", ["populations", "response", "samples_qc"])
def test_to_csv__is_the_text_that_pandas_writes(name: str, data) -> None:
    table = TABLES[name]
    rows = [{c.name: data.draw(_CELLS[c.dtype]) for c in table.columns} for _ in range(data.draw(st.integers(0, 4)))]
    frame = pd.DataFrame({c.name: pd.array([r[c.name] for r in rows], dtype=_PANDAS[c.dtype]) for c in table.columns})
    plain = frame.copy()
    for c in table.columns:
        if c.dtype == "bool":
            plain[c.name] = plain[c.name].map({True: "TRUE", False: "FALSE"}).astype("string")
    # Quoted or not, a cell without a carriage return is what pandas writes; with one, pandas leaves it bare.
    expected = plain.replace({"\r": "\n"}, regex=True).to_csv(index=False, na_rep="NA", lineterminator="\n")
    assert to_csv(table, frame).replace("\r", "\n") == expected


@pytest.mark.parametrize("text", ["a\rb", "a\r\nb", "\n", '"', ",", 'x","y'])
def test_table__text_that_could_end_a_cell_comes_back(tmp_path: Path, text: str) -> None:
    write_table("samples_qc", build_frame(SAMPLES_QC, [row(flag=text), row(rule_id="q")]), tmp_path)
    back = read_table("samples_qc", tmp_path / "samples_qc.csv").set_index("rule_id")
    assert back.loc["r", "flag"] == text
