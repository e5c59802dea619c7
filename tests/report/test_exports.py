"""Exports: read back by the libraries that others use, and checked against the rules of each format."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest
from click.testing import CliRunner
from frictionless import Package

from immunoprofile.cli.program import program
from immunoprofile.cohort import run_study
from immunoprofile.columns import TABLES
from immunoprofile.errors import InputError, OutputError
from immunoprofile.report import load_results
from immunoprofile.report.exports import FORMATS, export_results
from immunoprofile.report.exports.spreadsheet import defuse, shorten, widen
from immunoprofile.report.exports.transport import short_name, to_ascii
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study
from immunoprofile.tables import build_frame

READR = 1e-13
"""readr's own parser of numbers misses by 2e-14 of a value at most (readr 2.1.4, measured on a demo's tables)."""


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_cohort(tmp_path_factory.mktemp("cohort") / "c", seed=5, n_subjects=6, events_per_sample=3000)


@pytest.fixture(scope="module")
def folder(study_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(load_study(study_file), tmp_path_factory.mktemp("results"), jobs=2).folder


@pytest.fixture(scope="module")
def exported(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export")
    for name in ("wide", "xpt", "stata", "cp", "immport", "loaders"):
        export_results(load_results(folder), name, out)
    return out


def test_results_folder__is_accepted_by_the_frictionless_validator(folder: Path) -> None:
    report = Package(str(folder / "datapackage.json")).validate()
    assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "note"])[:10]


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_labels__fit_a_transport_file(table) -> None:
    for column in table.columns:
        assert 3 <= len(column.label) <= 40, column
        assert column.label.isascii()
        assert column.meaning.isascii()
    assert re.fullmatch(r"[A-Z][A-Z0-9]{0,7}", short_name(table.name))


def test_short_names__are_unique() -> None:
    assert len({short_name(n) for n in TABLES}) == len(TABLES)


@pytest.mark.parametrize("name", ["populations", "intensities", "samples_qc", "response", "change", "association"])
def test_xpt__reads_back_equal(folder: Path, exported: Path, name: str) -> None:
    """Numbers to the last bit that a float of IBM's format keeps; text cut at 200 bytes; missing text is empty."""
    table, ours = TABLES[name], getattr(load_results(folder), name)
    theirs, meta = pyreadstat.read_xport(str(exported / f"{short_name(name).lower()}.xpt"))
    assert meta.column_names == [c.alias for c in table.columns]
    assert meta.column_labels == [c.label for c in table.columns]
    assert len(theirs) == len(ours)
    for column in table.columns:
        back = theirs[column.alias]
        if column.dtype == "str":
            expected = ours[column.name].fillna("").map(lambda t: to_ascii(t)[:200].rstrip(" "))
            assert back.fillna("").tolist() == expected.tolist(), column.name
        else:
            # IBM floats have 56 bits of mantissa, of which up to 3 are lost: no fewer than 53.
            expected = ours[column.name].astype("Float64").to_numpy("float64", na_value=float("nan"))
            pd.testing.assert_series_equal(
                back.astype("float64"), pd.Series(expected), check_names=False, rtol=2**-52, atol=0
            )


@pytest.mark.parametrize("name", ["populations", "response"])
def test_stata__reads_back_equal(folder: Path, exported: Path, name: str) -> None:
    ours = getattr(load_results(folder), name)
    theirs, meta = pyreadstat.read_dta(str(exported / f"{name}.dta"))
    assert meta.column_names == list(TABLES[name].names)
    for column in TABLES[name].columns:
        if column.dtype == "str":
            assert theirs[column.name].fillna("").tolist() == ours[column.name].fillna("").tolist()
        else:
            expected = ours[column.name].astype("Float64").to_numpy("float64", na_value=float("nan"))
            pd.testing.assert_series_equal(
                theirs[column.name].astype("float64"), pd.Series(expected), check_names=False, check_exact=True
            )


def test_parquet__reads_back_equal_through_pyarrow(folder: Path) -> None:
    import pyarrow.parquet

    for name, frame in load_results(folder).tables().items():
        theirs = pyarrow.parquet.read_table(folder / f"{name}.parquet")
        assert theirs.column_names == list(TABLES[name].names)
        for column in TABLES[name].names:
            expected = [None if pd.isna(v) else v for v in frame[column]]
            found = [None if pd.isna(v) else v for v in theirs[column].to_pylist()]
            assert found == expected, (name, column)


def test_wide__is_a_row_a_sample_with_percent_of_named_denominators(folder: Path, exported: Path) -> None:
    raw = (exported / "populations_wide.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    wide = pd.read_csv(io.BytesIO(raw), float_precision="round_trip")
    populations = load_results(folder).populations
    assert wide["sample_id"].tolist() == sorted(populations["sample_id"].unique())
    row = populations[(populations["pop_id"] == "treg") & (populations["denom_id"] == "cd4")].iloc[0]
    found = wide.set_index("sample_id").loc[row["sample_id"]]
    # One multiplication by 100, printed and read back exactly.
    assert found["treg__pct_of_cd4"] == 100 * row["frac"]
    assert found["treg__count"] == row["count"]
    assert all(len(c) <= 32 for c in wide.columns)


@pytest.mark.parametrize(
    ("text", "safe"),
    [("=cmd()", "'=cmd()"), ("@x", "'@x"), ("-2+3", "'-2+3"), ("+x", "'+x"), ("\t=1", "'\t=1"), ("-2.5e3", "-2.5e3"),
     ("P1", "P1")],
    ids=repr,
)  # fmt: skip
def test_defuse__only_what_a_spreadsheet_would_run(text: str, safe: str) -> None:
    assert defuse(text) == safe


def test_wide__formulas_are_defused_and_the_tables_are_not(small) -> None:
    rows = [small.population("=HYPERLINK()", "BL", "treg", "cd4", 5, 1000)]
    populations = small.results(populations=[*small.populations(), *rows]).populations
    assert "=HYPERLINK()" in widen(populations)["subject_id"].tolist()
    from immunoprofile.report.exports.spreadsheet import to_spreadsheet_csv

    assert "'=HYPERLINK()" in to_spreadsheet_csv(populations).decode()


def test_shorten__names_stay_distinct() -> None:
    names = shorten(["a" * 40 + "1", "a" * 40 + "2", "b"], 8)
    assert names == ["aaaaaaaa", "aaaaaa_2", "b"]


def test_cp__obeys_the_rules_of_the_domain(folder: Path, exported: Path) -> None:
    frame = pd.read_csv(exported / "cp.csv", dtype=str, keep_default_na=False)
    populations = load_results(folder).populations
    assert set(frame["DOMAIN"]) == {"CP"}
    assert frame["CPTEST"].str.len().max() <= 40
    assert frame["CPTESTCD"].str.fullmatch(r"[A-Z][A-Z0-9]{0,7}").all()
    assert frame.groupby("CPTESTCD")["CPTEST"].nunique().max() == 1
    assert frame.groupby("CPTEST")["CPTESTCD"].nunique().max() == 1
    assert not frame.duplicated(["USUBJID", "CPSEQ"]).any()
    assert not frame.duplicated(["CPGRPID", "CPTESTCD"]).any()
    assert "0.0" not in set(frame["CPDY"])
    undone = frame["CPSTAT"] == "NOT DONE"
    assert (frame.loc[undone, "CPORRES"] == "").all()
    assert (frame.loc[undone, "CPREASND"] != "").all()
    fractions = frame[frame["CPRESTYP"] == "NUMBER FRACTION"]
    assert len(fractions) == len(populations)
    named = fractions[(fractions["CPTESTCD"] == "TLYHRLY") & (fractions["CPGRPID"] == populations["sample_id"].iloc[0])]
    row = populations[(populations["pop_id"] == "treg") & (populations["denom_id"] == "lymphocytes")].iloc[0]
    assert float(named["CPSTRESN"].iloc[0]) == 100 * row["frac"]
    assert named["CPTEST"].tolist() == ["TLym Help Reg/Lym"]


def test_cp__transport_file_reads_back(exported: Path) -> None:
    theirs, meta = pyreadstat.read_xport(str(exported / "cp.xpt"))
    frame = pd.read_csv(exported / "cp.csv", dtype=str, keep_default_na=False)
    assert meta.table_name == "CP"
    assert meta.column_names == list(frame.columns)
    assert theirs["CPTESTCD"].tolist() == frame["CPTESTCD"].tolist()


def test_immport__has_its_columns_and_short_definitions(exported: Path) -> None:
    frame = pd.read_csv(exported / "FCM_Derived_data.txt", sep="\t", dtype=str, keep_default_na=False)
    assert frame.columns[0] == "Expsample ID"
    assert frame["Gating Definition Reported"].str.len().max() <= 150
    required = [c for c in frame.columns if c not in {"Comments", "Parent Population Reported"}]
    assert (frame[required] != "").all(axis=None)
    assert frame["Population Statistic (count, percentile, etc)"].astype(float).notna().all()
    assert set(frame["Population Stat Unit Reported"]) == {"count", "percentage", "cells/uL", "MFI"}


def test_loader_for_python__gives_the_tables(folder: Path, exported: Path) -> None:
    scope: dict = {}
    exec((exported / "read_immunoprofile.py").read_text(), scope)
    found = scope["read_immunoprofile"](folder)
    for name, frame in load_results(folder).tables().items():
        pd.testing.assert_frame_equal(found[name], frame, check_exact=True)


def test_loader_for_r__names_every_column_with_its_type(exported: Path) -> None:
    text = (exported / "read_immunoprofile.R").read_text()
    assert text.count("(") == text.count(")")
    assert text.count("{") == text.count("}")
    block = text[text.index('read("populations"') : text.index('read("intensities"')]
    found = re.findall(r"(\w+) = readr::col_(\w+)\(\)", block)
    words = {"str": "character", "int": "integer", "float": "double", "bool": "logical"}
    assert found == [(c.name, words[c.dtype]) for c in TABLES["populations"].columns]


def test_loader_for_sas__has_lengths_that_hold_every_text(folder: Path, exported: Path) -> None:
    text = (exported / "read_immunoprofile.sas").read_text()
    step = text[text.index("data populations;") : text.index("run;", text.index("data populations;"))]
    lengths = {name: int(n) for name, n in re.findall(r"length (\w+) \$(\d+);", step)}
    populations = load_results(folder).populations
    for column in TABLES["populations"].columns:
        if column.dtype == "str":
            longest = populations[column.name].dropna().map(lambda t: len(t.encode())).max()
            assert lengths[column.name] >= (0 if pd.isna(longest) else longest)
    assert step.count("\n  label ") == len(TABLES["populations"].columns)


def guess(values: list[str]) -> str:
    """What readr's documented rules make of a column's first 1,000 values (NA aside)."""
    known = [v for v in values[:1000] if v != "NA"]
    if all(v in {"T", "F", "TRUE", "FALSE", "true", "false"} for v in known):
        return "logical"
    if all(re.fullmatch(r"[+-]?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?", v) and re.search(r"\d", v) for v in known):
        return "double"
    if all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", v) for v in known):
        return "date"
    return "character"


def test_readr__would_guess_the_declared_types_except_of_missing_columns(folder: Path) -> None:
    """Guesses may go wrong only where a column is all NA or all blank; the loader is for those."""
    expected = {"str": {"character"}, "int": {"double"}, "float": {"double"}, "bool": {"logical"}}
    wrong = []
    for name in load_results(folder).tables():
        text = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        for column in TABLES[name].columns:
            values = text[column.name].tolist()
            if any(v not in {"NA", ""} for v in values[:1000]) and guess(values) not in expected[column.dtype]:
                wrong.append((name, column.name, guess(values)))
    assert wrong == []


def test_export__does_not_overwrite(folder: Path, exported: Path) -> None:
    with pytest.raises(OutputError, match=r"populations_wide\.csv: exists already"):
        export_results(load_results(folder), "wide", exported)
    assert export_results(load_results(folder), "wide", exported, force=True).paths


def test_export__verb_writes_and_says_what_was_lost(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(program, ["export", str(folder), "--to", "xpt", "--out", str(tmp_path / "x")])
    assert done.exit_code == 0, done.output
    assert "gates_resolved is not written" in done.stderr
    assert (tmp_path / "x" / "pops.xpt").is_file()


def test_export__every_format_of_the_verb_is_there() -> None:
    from immunoprofile.cli.export import _FORMATS

    assert set(_FORMATS) == {*FORMATS, "h5ad"}


def test_h5ad__needs_the_study(folder: Path) -> None:
    done = CliRunner().invoke(program, ["export", str(folder), "--to", "h5ad"])
    assert done.exit_code == 2
    assert "--to h5ad needs --study" in done.stderr


def test_h5ad__has_channels_markers_matrix_and_populations(study_file: Path, folder: Path, tmp_path: Path) -> None:
    import anndata

    done = CliRunner().invoke(
        program, ["export", str(folder), "--to", "h5ad", "--study", str(study_file), "--out", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    study = load_study(study_file)
    sample = study.samples[0].sample_id
    data = anndata.read_h5ad(tmp_path / f"{sample}.h5ad")
    assert {"channel", "marker"} <= set(data.var.columns)
    assert "CD4" in data.var_names
    assert "FSC-A" in data.var_names
    populations = load_results(folder).populations
    row = populations[(populations["sample_id"] == sample) & (populations["pop_id"] == "treg")].iloc[0]
    assert int(data.obs["treg"].sum()) == row["count"]
    spill = data.uns["meta"]["spill"]
    names = list(spill.columns)
    # Undone twice over: what compensation took out, the matrix puts back, to rounding.
    again = data[:, names].layers["compensated"] @ spill.to_numpy()
    raw = data[:, names].X
    assert abs(again - raw).max() <= 1e-9 * abs(raw).max()
    assert json.dumps({k: str(v) for k, v in data.uns["sample"].items()})


@pytest.mark.parametrize("name", ["xpt", "cp", "stata"])
def test_export__missing_library_is_named_with_its_remedy(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    with pytest.raises(OutputError, match=r"needs pyreadstat, which is not installed\. Install it with: pip"):
        export_results(load_results(folder), name, tmp_path)


@pytest.mark.parametrize("name", ["wide", "cp", "immport"])
def test_export__without_populations_is_refused(small, tmp_path: Path, name: str) -> None:
    empty = replace(small.results(), populations=build_frame(TABLES["populations"], []))
    with pytest.raises(InputError, match="holds no populations to export"):
        export_results(empty, name, tmp_path)


def test_loader_for_r__gives_the_tables_in_r(folder: Path, exported: Path, tmp_path: Path) -> None:
    rscript = shutil.which("Rscript")
    probe = "quit(status = !requireNamespace('readr', quietly = TRUE))"
    if rscript is None or subprocess.run([rscript, "-e", probe], check=False, capture_output=True).returncode != 0:
        pytest.skip("Rscript with the package readr not found")
    # Every value back as text, floats in hexadecimal: nothing is rounded on the way.
    script = """
    options(warn = 2)
    arguments <- commandArgs(TRUE)
    source(arguments[1])
    results <- read_immunoprofile(arguments[2])
    for (name in names(results)) {
      table <- results[[name]]
      stopifnot(nrow(readr::problems(table)) == 0)
      text <- lapply(table, function(x) if (is.double(x)) sprintf("%a", x) else as.character(x))
      write.table(as.data.frame(text, optional = TRUE), file.path(arguments[3], paste0(name, ".csv")), sep = ",",
                  row.names = FALSE, qmethod = "double", na = "NA")
    }
    """
    (tmp_path / "check.R").write_text(script)
    command = [rscript, str(tmp_path / "check.R"), str(exported / "read_immunoprofile.R"), str(folder), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    for name, ours in load_results(folder).tables().items():
        theirs = pd.read_csv(tmp_path / f"{name}.csv", dtype=str, keep_default_na=False, na_values=["NA"])
        assert list(theirs.columns) == list(ours.columns)
        for column in TABLES[name].columns:
            text, values = theirs[column.name], ours[column.name]
            assert text.isna().tolist() == values.isna().tolist(), (name, column.name)
            known, text = values.dropna(), text.dropna()
            if column.dtype == "float":
                assert [float.fromhex(t) for t in text] == pytest.approx(known.tolist(), rel=READR), column.name
            else:
                assert text.str.lower().tolist() == known.astype(str).str.lower().tolist(), (name, column.name)
