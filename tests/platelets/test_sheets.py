"""What is wrong in a sheet is named with file, row and remedy, all at once."""

from __future__ import annotations

import pandas as pd
import pytest

from immunoprofile.errors import StudyError
from immunoprofile.platelets import check_bleeding, check_platelets, check_subjects, check_treatments, classify_response

SUBJECTS = pd.DataFrame({"subject_id": ["S1", "S2"], "first_infusion_date": ["2024-03-01", None]})


def _platelets(**cells):
    return pd.DataFrame([{"subject_id": "S1", "day": "-1", "platelets_1e9_per_l": "5"} | cells])


def _said(frame, check=check_platelets, path="platelets.csv"):
    subjects, problems = check_subjects(SUBJECTS)
    assert problems == []
    return [str(p) for p in check(frame, subjects, path)[1]]


WRONG = [
    pytest.param(
        {"platelets_1e9_per_l": "12,5"},
        'platelets.csv: row 2, platelets_1e9_per_l: "12,5" is not a platelet count. '
        "Write a number with a decimal point, or a bound such as <10.",
        id="decimal comma",
    ),
    pytest.param(
        {"platelets_1e9_per_l": None},
        "platelets.csv: row 2, platelets_1e9_per_l: is blank. Fill it in, or remove the row.",
        id="blank",
    ),
    pytest.param(
        {"subject_id": "s1"},
        'platelets.csv: row 2, subject_id: subject "s1" is not among the subjects. '
        'Did you mean "S1"? Known: "S1", "S2".',
        id="unknown subject",
    ),
    pytest.param(
        {"subject_id": None},
        "platelets.csv: row 2, subject_id: is blank. Fill it in, or remove the row.",
        id="no subject",
    ),
    pytest.param(
        {"day": "1.5"}, 'platelets.csv: row 2, day: "1.5" is not a whole number. Write a whole number.', id="half a day"
    ),
    pytest.param(
        {"day": "soon"},
        'platelets.csv: row 2, day: "soon" is not a number. Write a number with a decimal point.',
        id="a word for a day",
    ),
    pytest.param(
        {"day": None}, "platelets.csv: row 2, day: neither day nor date is given. Give one of them.", id="no day"
    ),
    pytest.param({"day": "45352"}, None, id="a serial date is a day until it is impossible"),
    pytest.param(
        {"day": "20240301"},
        "platelets.csv: row 2, day: 20240301 is no day of a study. Count days from the first infusion.",
        id="a date for a day",
    ),
    pytest.param(
        {"day": None, "date": "01/03/2024"},
        'platelets.csv: row 2, date: "01/03/2024" is not a date. Write it as YYYY-MM-DD.',
        id="date not ISO",
    ),
    pytest.param(
        {"day": None, "date": "2024-02-30"},
        'platelets.csv: row 2, date: "2024-02-30" is not a date. Write it as YYYY-MM-DD.',
        id="no such date",
    ),
    pytest.param(
        {"day": "3", "date": "2024-03-05"},
        "platelets.csv: row 2, day: day 3 and date 2024-03-05 disagree: that date is day 4. Correct one of them.",
        id="day and date disagree",
    ),
    pytest.param(
        {"subject_id": "S2", "day": None, "date": "2024-03-05"},
        "platelets.csv: row 2, date: a date cannot become a day without the subject's first_infusion_date. "
        "Give first_infusion_date in the subjects, or the day here.",
        id="date without first infusion",
    ),
    pytest.param(
        {"clumped": "maybe"},
        'platelets.csv: row 2, clumped: "maybe" is neither TRUE nor FALSE. Write one.',
        id="clumped unclear",
    ),
    pytest.param(
        {"subject_id": "S1\u200b"},
        'platelets.csv: row 2, subject_id: "S1\\u200b" holds characters that cannot be seen. Remove them.',
        id="invisible character",
    ),
    pytest.param(
        {"unit": "g/L"},
        'platelets.csv: row 2, unit: unit "g/L" does not fit the column platelets_1e9_per_l. '
        "Write one of 10^9/L, 1e9/L, x10^9/L, G/L, 10^3/uL, K/uL, 10^6/mL, /uL, /mm3.",
        id="unit contradicts the column",
    ),
]


@pytest.mark.parametrize(("cells", "message"), WRONG)
def test_platelets__wrong_cells_are_named(cells, message):
    assert _said(_platelets(**cells)) == ([] if message is None else [message])


def test_platelets__without_a_unit_ask_for_it():
    frame = _platelets().rename(columns={"platelets_1e9_per_l": "platelets"})
    (message,) = _said(frame)
    assert message.startswith("platelets.csv: header: column platelets has no unit. Add a column unit (10^9/L, ")


def test_platelets__missing_column_names_the_closest():
    (message,) = _said(_platelets().rename(columns={"subject_id": "subject"}))
    assert message.startswith('platelets.csv: header: column subject_id is missing. Add it. Did you mean "subject"?')


def test_platelets__all_rows_are_reported_at_once():
    rows = [
        {"subject_id": s, "day": d, "platelets_1e9_per_l": v}
        for s, d, v in [("S1", "x", "5"), ("S9", "1", "5"), ("S1", "2", "many"), ("S9", "3", "7")]
    ]
    messages = _said(pd.DataFrame(rows))
    assert len(messages) == 3
    assert "row 2, day" in messages[0]
    assert "row 4, platelets_1e9_per_l" in messages[1]
    assert 'row 3, subject_id: subject "S9" is not among the subjects (in 2 rows).' in messages[2]


def test_platelets__are_converted_by_the_unit_of_their_row():
    rows = [
        {"subject_id": "S1", "day": i, "platelets": v, "unit": u}
        for i, (v, u) in enumerate([("31000", "/uL"), ("31", "K/uL"), ("<31", "G/L")])
    ]
    counts, problems = check_platelets(pd.DataFrame(rows), check_subjects(SUBJECTS)[0])
    assert problems == []
    assert {c.value for c in counts} == {31}
    assert [(c.qualifier, c.unit_given) for c in counts] == [("", "/uL"), ("", "K/uL"), ("<", "G/L")]


def test_platelets__dates_become_days_by_the_calendar():
    counts, problems = check_platelets(_platelets(day=None, date="2024-02-29"), check_subjects(SUBJECTS)[0])
    assert problems == []
    assert counts[0].day == -1


@pytest.mark.parametrize("numeric", [29.8, 29], ids=["float", "int"])
def test_platelets__numeric_columns_keep_their_written_value(numeric):
    from decimal import Decimal

    counts, _ = check_platelets(_platelets(day=-1.0, platelets_1e9_per_l=numeric), check_subjects(SUBJECTS)[0])
    assert counts[0].value == Decimal(str(numeric))


def test_platelets__above_a_thousand_ask_for_the_unit():
    with pytest.raises(StudyError) as caught:
        classify_response(_platelets(platelets_1e9_per_l="8000"), SUBJECTS)
    assert str(caught.value) == (
        "platelets: row 2: 1 of 1 counts lie above 1000 x 10^9/L (the first: 8000 of subject S1, unit 10^9/L). "
        "Give the unit of the file: are these really counts in 10^9/L?"
    )
    assert caught.value.code == "PLATELETS-MAGNITUDE"


@pytest.mark.parametrize(("baseline", "wrong"), [("100", True), ("99", False)])
def test_baseline__of_a_hundred_asks_for_the_unit(baseline, wrong):
    frame = _platelets(platelets_1e9_per_l=baseline)
    if not wrong:
        assert len(classify_response(frame, SUBJECTS)) == 6
        return
    with pytest.raises(StudyError, match=r"1 of 1 baselines reach 100 x 10\^9/L \(the first: 100 of subject S1"):
        classify_response(frame, SUBJECTS)


def test_subjects__named_twice_clash_in_any_case():
    frame = pd.DataFrame({"subject_id": ["S1", "s1", "S1", "Ä", "Ä"]})
    messages = [str(p) for p in check_subjects(frame, "subjects.csv")[1]]
    assert messages == [
        'subjects.csv: row 3, subject_id: "s1" stands already in row 2 (as "S1", which differs in case only). '
        "Give each its own id.",
        'subjects.csv: row 4, subject_id: "S1" stands already in row 2. Give each its own id.',
        'subjects.csv: row 6, subject_id: "Ä" stands already in row 5. Give each its own id.',
    ]


@pytest.mark.parametrize("written", ["0;7;14;21", "0,7,14,21", "0 7 14 21", "[0, 7, 14, 21]"])
def test_subjects__infusion_days_are_a_list(written):
    subjects, problems = check_subjects(pd.DataFrame({"subject_id": ["S1"], "infusion_days": [written]}))
    assert problems == []
    assert subjects["S1"].infusion_days == (0, 7, 14, 21)


def test_subjects__infusion_days_that_are_none_are_named():
    (problem,) = check_subjects(pd.DataFrame({"subject_id": ["S1"], "infusion_days": ["weekly"]}), "s.csv")[1]
    assert (
        str(problem)
        == 's.csv: row 2, infusion_days: "weekly" is not a list of days. Write whole days such as 0;7;14;21.'
    )


TREATMENTS = [
    pytest.param({"kind": "IVIg"}, None, id="case does not matter"),
    pytest.param(
        {"kind": "ivgi"},
        't.csv: row 2, kind: "ivgi" is not one of its words. Did you mean "ivig"? Known:',
        id="unknown kind",
    ),
    pytest.param(
        {"role": "why"},
        't.csv: row 2, role: "why" is not one of its words. Known: "rescue", "concomitant", "prior".',
        id="unknown role",
    ),
    pytest.param({"role": None}, "t.csv: row 2, role: is blank.", id="no role"),
    pytest.param({"change": "up"}, 't.csv: row 2, change: "up" is not one of its words.', id="unknown change"),
    pytest.param(
        {"end_day": "2"},
        "t.csv: row 2, end_day: ends on day 2, before it starts on day 5. Correct one.",
        id="ends before it starts",
    ),
    pytest.param(
        {"end_date": "2024-03-03"},
        "t.csv: row 2, end_day: ends on day 2, before it starts on day 5. Correct one.",
        id="end date before start",
    ),
]


@pytest.mark.parametrize(("cells", "message"), TREATMENTS)
def test_treatments__wrong_cells_are_named(cells, message):
    frame = pd.DataFrame([{"subject_id": "S1", "day": "5", "kind": "ivig", "role": "rescue"} | cells])
    messages = _said(frame, check_treatments, "t.csv")
    assert len(messages) == (message is not None)
    assert message is None or messages[0].startswith(message)


def test_bleeding__grade_must_be_a_number_from_0():
    frame = pd.DataFrame(
        [{"subject_id": "S1", "day": "5", "scale": "WHO", "grade": g} for g in ("0", "-1", "S2", None)]
    )
    assert _said(frame, check_bleeding, "b.csv") == [
        "b.csv: row 3, grade: -1 is below 0. Correct it.",
        'b.csv: row 4, grade: "S2" is not a number. Write a number with a decimal point.',
        "b.csv: row 5, grade: is blank. Fill it in, or remove the row.",
    ]


def test_classify__reports_the_problems_of_all_sheets_at_once():
    treatments = pd.DataFrame([{"subject_id": "S1", "day": "5", "kind": "ivig", "role": "why"}])
    with pytest.raises(StudyError) as caught:
        classify_response(_platelets(day="x"), SUBJECTS, treatments=treatments)
    assert [p.path for p in caught.value.problems] == ["platelets", "treatments"]
