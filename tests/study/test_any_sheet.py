"""Whatever bytes or cells a sheet holds, the answer is a table or a named problem, and nothing else."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from immunoprofile.errors import Problem, StudyError
from immunoprofile.platelets import check_bleeding, check_platelets, check_subjects, check_treatments
from immunoprofile.study import load_samples
from immunoprofile.study.sheet import read_sheet

ODD = [
    "",
    "NA",
    "-0",
    "1e99",
    "1e999999999",
    "9" * 400,
    "NaN",
    "2024-13-01",
    "١٤",
    "=1+1",
    "\x00",
    "\u202e",
    "TRUE",
    "5",
]
CELLS = st.sampled_from(ODD) | st.text(max_size=12)
BYTES = st.binary(max_size=80) | st.text(alphabet='sample_idf,;"\n\r\x00é1', max_size=80).map(str.encode)


@given(BYTES)
def test_sheet__any_bytes_are_a_frame_or_a_problem(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    problems: list[Problem] = []
    frame = read_sheet(path, problems)
    assert frame is not None or problems
    assert frame is None or frame.index.name == "line"


@given(BYTES)
def test_samples__any_bytes_are_samples_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"sample_id,file\n" + content)
    try:
        samples = load_samples(path)
    except StudyError as error:
        assert all(p.path == str(path) for p in error.problems)
    else:
        assert len({s.sample_id for s in samples}) == len(samples) > 0


@given(
    st.lists(
        st.fixed_dictionaries(dict.fromkeys(("day", "date", "platelets", "unit", "predose", "clumped"), CELLS)),
        min_size=1,
        max_size=3,
    )
)
def test_platelets__every_row_is_a_count_or_a_problem(rows):
    subjects, _ = check_subjects(pd.DataFrame({"subject_id": ["S"], "first_infusion_date": ["2024-01-01"]}))
    counts, problems = check_platelets(pd.DataFrame(rows).assign(subject_id="S"), subjects)
    spoken = {c.line for c in counts} | {int(p.where.split()[1].strip(",")) for p in problems if p.where}
    assert spoken == set(range(2, len(rows) + 2))


@given(
    st.lists(
        st.fixed_dictionaries(dict.fromkeys(("day", "end_day", "kind", "role", "change", "grade"), CELLS)),
        min_size=1,
        max_size=3,
    )
)
def test_treatments_and_bleeding__every_row_is_a_record_or_a_problem(rows):
    frame = pd.DataFrame(rows).assign(subject_id="S")
    subjects, _ = check_subjects(pd.DataFrame({"subject_id": ["S"]}))
    for check in (check_treatments, check_bleeding):
        records, problems = check(frame, subjects)
        assert len(records) + len({p.where.split(",")[0] for p in problems if p.where}) >= len(rows)
