"""A sample sheet that stands alone, and the shapes that a CSV file may have."""

from __future__ import annotations

import pytest

from immunoprofile.errors import StudyError
from immunoprofile.study import load_samples


def _load(folder, content):
    path = folder / "sheet.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_samples(path)


def test_samples__need_only_an_id_and_a_file(tmp_path):
    (sample,) = _load(tmp_path, "sample_id,file\nS1,fcs/s1.fcs\n")
    assert (sample.sample_id, sample.file) == ("S1", tmp_path / "fcs" / "s1.fcs")
    assert (sample.subject_id, sample.visit, sample.day, sample.panel) == (None, None, None, None)


SHAPES = [
    pytest.param(b"sample_id,file,note\nS1,a.fcs,x\n", id="comma"),
    pytest.param(b"sample_id;file;note\nS1;a.fcs;x\n", id="semicolon"),
    pytest.param(b"\xef\xbb\xbfsample_id,file,note\r\nS1,a.fcs,x\r\n", id="BOM and CRLF"),
    pytest.param(b'"sample_id";"file";"note"\n"S1";"a.fcs";"x"\n', id="quoted"),
    pytest.param(b"\n\nsample_id , file,note\n S1,a.fcs ,x\n,,\n", id="blanks, empty lines and empty rows"),
    pytest.param(b"sample_id,file,note,,\nS1,a.fcs,x,,\n", id="trailing empty columns"),
    pytest.param(b"sample_id,file,note\rS1,a.fcs,x\r", id="old Mac line ends"),
]


@pytest.mark.parametrize("content", SHAPES)
def test_sheet__reads_the_same_in_every_shape(tmp_path, content):
    (sample,) = _load(tmp_path, content)
    assert (sample.sample_id, sample.file.name, sample.note) == ("S1", "a.fcs", "x")


def test_sheet__names_the_line_where_a_row_begins(tmp_path):
    content = 'sample_id,file,note,dataset\nS1,a.fcs,"two\nlines",1\n\nS2,b.fcs,,x\n'
    with pytest.raises(StudyError, match=r"sheet.csv: row 5, dataset: \"x\" is not a number"):
        _load(tmp_path, content)


def test_samples__optional_columns_are_typed(tmp_path):
    header = "sample_id,file,dataset,spillover,wbc_1e9_per_l,beads_added,sample_volume_ul,viability_frac,hours_to_stain"
    (sample,) = _load(tmp_path, f"{header}\nS1,a.fcs,2,m.csv,5.4,50000,100,0.93,4\n")
    assert (sample.dataset, sample.spillover) == (2, tmp_path / "m.csv")
    assert (sample.wbc_1e9_per_l, sample.beads_added, sample.viability_frac) == (5.4, 50000.0, 0.93)


WRONG = [
    pytest.param(
        "sample_id,file,viability_frac\nS1,a,93\n",
        "row 2, viability_frac: 93 is above 1. Write a fraction, not percent.",
        id="percent",
    ),
    pytest.param(
        "sample_id,file,beads_added\nS1,a,-1\n", "row 2, beads_added: -1 is below 0. Correct it.", id="negative"
    ),
    pytest.param(
        "sample_id,file,dataset\nS1,a,0\n", "row 2, dataset: 0 is below 1. Correct it.", id="data sets count from 1"
    ),
    pytest.param(
        "sample,file\nS1,a\n",
        'header: column sample_id is missing. Add it. Did you mean "sample"? Known: "sample", "file".',
        id="no id column",
    ),
    pytest.param("sample_id\tfile\nS1\ta\n", "header: column sample_id is missing.", id="tabs"),
    pytest.param(
        "sample_id,file\n\u212b,a\n\u00c5,b\n",
        'row 3, sample_id: "\u00c5" stands already in row 2.',
        id="ids equal once composed",
    ),
    pytest.param(
        "sample_id,file\nS\x1b[31m,a\n",
        'row 2, sample_id: "S\\x1b[31m" holds characters that cannot be seen. Remove them.',
        id="terminal escape",
    ),
]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_samples__wrong_sheets_are_explained(tmp_path, content, message):
    with pytest.raises(StudyError) as caught:
        _load(tmp_path, content)
    assert f"sheet.csv: {message}" in str(caught.value)


def test_samples__one_file_may_serve_two_panels(tmp_path):
    assert len(_load(tmp_path, "sample_id,file,panel\nS1,a.fcs,t\nS2,a.fcs,b\n")) == 2


@pytest.mark.parametrize("n_samples", [1, 40])
def test_samples__keep_the_order_of_the_sheet(tmp_path, n_samples):
    names = [f"S{n_samples - i}" for i in range(n_samples)]
    sheet = "sample_id,file\n" + "".join(f"{n},{n}.fcs\n" for n in names)
    assert [s.sample_id for s in _load(tmp_path, sheet)] == names
