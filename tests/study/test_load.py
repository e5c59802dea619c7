"""A study in order is loaded whole; one that is not names everything that is wrong, at once."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest

from immunoprofile.errors import StudyError
from immunoprofile.platelets import classify_response
from immunoprofile.study import PanelChoice, load_study


def _problems(path):
    with pytest.raises(StudyError) as caught:
        load_study(path)
    return [str(p).replace(f"{path.parent}/", "") for p in caught.value.problems]


def test_study__in_order_is_loaded_whole(spoil):
    path = spoil()
    study = load_study(path)
    assert (study.id, study.baseline, study.window) == ("TRIAL", "BL", ("W4", "W8"))
    assert (study.rule, study.data_cutoff_day) == ("iwg-2009", 112)
    assert study.panels == {"treg": PanelChoice("treg"), "b": PanelChoice(str(path.parent / "gates/b.toml"))}
    endpoint = study.analysis.primary[0]
    assert (endpoint.pop_id, endpoint.denom_id, endpoint.measure) == ("treg", "cd4", "logit_frac")
    assert (study.analysis.strata, study.analysis.seed) == (("dose",), 7)
    assert list(study.inputs) == ["study", "samples", "subjects", "platelets", "treatments", "bleeding"]
    assert study.overrides is None


def test_study__samples_are_typed_and_their_files_lie_beside_the_study(spoil):
    path = spoil()
    samples = {s.sample_id: s for s in load_study(path).samples}
    first = samples["A-BL"]
    assert first.file == path.parent / "fcs" / "a_bl.fcs"
    assert (first.subject_id, first.visit, first.day, first.panel, first.batch) == ("A", "BL", -1, "treg", "1")
    assert (samples["CTRL"].control, samples["CTRL"].subject_id) == ("fmo:CD25", None)


def test_study__day_of_a_sample_comes_from_its_date(spoil):
    sample = next(s for s in load_study(spoil()).samples if s.sample_id == "A-W8")
    assert (sample.day, sample.collection_date) == (56, date(2024, 4, 26))


def test_study__is_frozen(spoil):
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_study(spoil()).rule = "other"


def test_study__sheets_go_to_the_response_as_they_are(spoil):
    study = load_study(spoil())
    table = classify_response(
        study.platelets, study.subjects, study.rule, study.treatments, study.bleeding,
        data_cutoff_day=study.data_cutoff_day,
    )  # fmt: skip
    main = table[table["definition_id"] == study.rule].set_index("subject_id")
    assert main["best_response"].to_dict() == {"A": "R", "B": "NR"}
    assert main.loc["A", "baseline_day"] == -1


def test_study__subject_without_baseline_is_in_order(spoil):
    study = load_study(
        spoil(("platelets.csv", "B,-1,,<10\n", ""), ("samples.csv", "B-BL,", "B-X,"), ("samples.csv", "B,BL,", "B,W4,"))
    )
    assert len(study.samples) == 6


def test_study__optional_sheets_may_have_no_rows(spoil):
    study = load_study(spoil(treatments="subject_id,day,kind,role\n"))
    assert study.treatments is not None and len(study.treatments) == 0


def test_study__rule_file_lies_beside_the_study(spoil):
    from importlib import resources

    rule = (resources.files("immunoprofile.platelets") / "rules" / "iwg-2009.toml").read_text(encoding="utf-8")
    path = spoil(("study.toml", 'rule = "iwg-2009"', 'rule = "lab.toml"'))
    (path.parent / "lab.toml").write_text(rule.replace('id = "iwg-2009"', 'id = "lab"'), encoding="utf-8")
    study = load_study(path)
    assert study.rule == str(path.parent / "lab.toml")
    assert study.inputs["rule"] == path.parent / "lab.toml"


TOML = [
    pytest.param(
        "seed = 7",
        "sede = 7",
        ['study.toml: analysis.sede: key "sede" is not known. Did you mean "seed"?'],
        id="unknown key",
    ),
    pytest.param(
        'measure = "logit_frac"',
        'mesure = "logit_frac"',
        [
            "study.toml: analysis.primary[0].measure: is missing. Add measure.",
            'study.toml: analysis.primary[0].mesure: key "mesure" is not known. Did you mean "measure"?',
        ],
        id="unknown key in a list",
    ),
    pytest.param(
        'template = "treg"',
        'templat = "treg"',
        [
            "study.toml: panels.treg.template: is missing. Add template.",
            'study.toml: panels.treg.templat: key "templat" is not known. Did you mean "template"? Known: '
            '"template", "frozen".',
        ],
        id="unknown key in a panel",
    ),
    pytest.param('id = "TRIAL"\n', "", ["study.toml: study.id: is missing. Add id."], id="missing key"),
    pytest.param(
        "seed = 7",
        'seed = "7"',
        ["study.toml: analysis.seed: Input should be a valid integer (found 7). Correct the value."],
        id="text for a number",
    ),
    pytest.param(
        'window = ["W4", "W8"]',
        'window = ["BL"]',
        ["study.toml: visits: window holds the baseline visit"],
        id="baseline in the window",
    ),
    pytest.param(
        'window = ["W4", "W8"]',
        'window = ["W4", "W4"]',
        ["study.toml: visits: window names a visit twice"],
        id="visit twice",
    ),
    pytest.param(
        'window = ["W4", "W8"]',
        "window = []",
        ["study.toml: visits.window: needs at least one entry"],
        id="empty window",
    ),
    pytest.param(
        '"logit_frac"',
        '"percent"',
        ["study.toml: analysis.primary[0].measure: Input should be 'logit_frac', 'log_cells_per_ul' or 'log_mfi'"],
        id="unknown measure",
    ),
    pytest.param(
        'rule = "iwg-2009"',
        'rule = "iwg-2010"',
        ['rule: no response rule "iwg-2010". Did you mean "iwg-2009"?'],
        id="unknown rule",
    ),
    pytest.param(
        "gates/b.toml",
        "gates/c.toml",
        ['study.toml: panels.b.template: template "gates/c.toml" does not exist. Check the path'],
        id="missing template file",
    ),
    pytest.param(
        '"W8"]',
        '"W9"]',
        ['study.toml: visits.window: no sample has the visit "W9". Known: "BL", "W4", "W8".'],
        id="visit without samples",
    ),
    pytest.param(
        'strata = ["dose"]',
        'strata = ["dosis"]',
        ['subjects.csv: header: column dosis is missing. Add it. Did you mean "dose"?'],
        id="unknown stratum",
    ),
]


@pytest.mark.parametrize(("old", "new", "messages"), TOML)
def test_study__wrong_settings_are_explained(spoil, old, new, messages):
    found = _problems(spoil(("study.toml", old, new)))
    assert len(found) == len(messages)
    for message, start in zip(found, messages, strict=True):
        assert message.startswith(start)


SHEETS = [
    pytest.param(
        ("samples.csv", "A-W4,", "a-bl,"),
        'samples.csv: row 3, sample_id: "a-bl" stands already in row 2 (as "A-BL", which differs in case only).',
        id="sample ids clash in case",
    ),
    pytest.param(
        ("samples.csv", "A-W4,", "A-BL,"),
        'samples.csv: row 3, sample_id: "A-BL" stands already in row 2. Give each its own id.',
        id="sample id twice",
    ),
    pytest.param(
        ("samples.csv", "A,W4,28,treg", "C,W4,28,treg"),
        'samples.csv: row 3, subject_id: subject "C" is not among the subjects.',
        id="unknown subject of a sample",
    ),
    pytest.param(
        ("samples.csv", "28,treg", "28,tregs"),
        'samples.csv: row 3, panel: panel "tregs" is not declared in the study. Did you mean "treg"?',
        id="unknown panel",
    ),
    pytest.param(("samples.csv", "28,treg", "28,"), "samples.csv: row 3, panel: is blank.", id="blank panel"),
    pytest.param(("samples.csv", ",W4,28", ",,28"), "samples.csv: row 3, visit: is blank.", id="blank visit"),
    pytest.param(
        ("samples.csv", ",W4,28", ",W4,28.5"), 'samples.csv: row 3, day: "28.5" is not a whole number.', id="half a day"
    ),
    pytest.param(
        ("samples.csv", ",W4,28", ",W4,"),
        "samples.csv: row 3, day: neither day nor collection_date is given.",
        id="no day",
    ),
    pytest.param(
        ("samples.csv", "fcs/a_w4.fcs", "fcs/a_bl.fcs"),
        'samples.csv: row 3, file: file "fcs/a_bl.fcs" is used already in row 2.',
        id="file twice",
    ),
    pytest.param(("samples.csv", "fcs/a_w4.fcs", ""), "samples.csv: row 3, file: is blank.", id="no file"),
    pytest.param(
        ("samples.csv", "A,W8,,treg,1,,2024-04-26", "A,W4,28,treg,1,,"),
        "samples.csv: row 4, visit: subject A, visit W4 has this panel already in row 3.",
        id="visit twice",
    ),
    pytest.param(
        ("samples.csv", "fmo:CD25", "FMO CD25"),
        'samples.csv: row 7, control: "FMO CD25" is not a kind of control.',
        id="unknown control",
    ),
    pytest.param(
        ("samples.csv", "panel,batch", "panle,batch"),
        'samples.csv: header: column panel is missing. Add it. Did you mean "panle"?',
        id="missing column",
    ),
    pytest.param(
        ("platelets.csv", "A,21", "Q,21"),
        'platelets.csv: row 4, subject_id: subject "Q" is not among the subjects.',
        id="unknown subject of a count",
    ),
    pytest.param(
        ("platelets.csv", "B,-1,,<10", "B,-1,,9000"),
        "platelets.csv: row 5: 1 of 4 counts lie above 1000 x 10^9/L",
        id="wrong unit",
    ),
    pytest.param(
        ("treatments.csv", "B,3", "Q,3"),
        'treatments.csv: row 2, subject_id: subject "Q" is not among the subjects.',
        id="unknown subject of a treatment",
    ),
    pytest.param(
        ("bleeding.csv", "A,14", "Q,14"),
        'bleeding.csv: row 2, subject_id: subject "Q" is not among the subjects.',
        id="unknown subject of a bleeding",
    ),
    pytest.param(
        ("subjects.csv", "\nB,", "\na,"),
        'subjects.csv: row 3, subject_id: "a" stands already in row 2 (as "A"',
        id="subject ids clash in case",
    ),
    pytest.param(
        ("subjects.csv", "end_reason", "reason"),
        'subjects.csv: header: column end_reason is missing. Add it. Did you mean "reason"?',
        id="missing column of subjects",
    ),
]


@pytest.mark.parametrize(("change", "message"), SHEETS)
def test_study__wrong_sheets_are_explained(spoil, change, message):
    found = _problems(spoil(change))
    assert any(m.startswith(message) for m in found), found


def test_study__one_wrong_cell_is_one_problem(spoil):
    assert len(_problems(spoil(("samples.csv", "28,treg", "28.5,treg")))) == 1


def test_study__problems_of_all_files_are_reported_at_once(spoil):
    path = spoil(
        ("study.toml", '"W8"]', '"W9"]'),
        ("samples.csv", "28,treg", "28,tregs"),
        ("samples.csv", "A-W8,", "A-BL,"),
        ("platelets.csv", "A,21", "Q,21"),
        ("treatments.csv", "rescue", "resque"),
        ("bleeding.csv", ",0", ",none"),
        ("subjects.csv", "2024-03-01", "1 March"),
    )
    files = [m.split(":")[0] for m in _problems(path)]
    assert set(files) == {
        "study.toml",
        "samples.csv",
        "platelets.csv",
        "treatments.csv",
        "bleeding.csv",
        "subjects.csv",
    }
    assert files.count("samples.csv") >= 2


BROKEN = [
    pytest.param(None, "platelets.csv: does not exist. Check the path and its permissions.", id="missing"),
    pytest.param(b"", "platelets.csv: is empty. Write a header and rows.", id="empty"),
    pytest.param(b"subject_id,day,platelets_1e9_per_l\n\n", "platelets.csv: has no rows. Add them.", id="header only"),
    pytest.param(
        b"subject_id,day\nA\xff,1\n", 'platelets.csv: is not UTF-8 (byte 16). Save it as "CSV UTF-8".', id="encoding"
    ),
    pytest.param(
        b"subject_id,day,platelets_1e9_per_l\nA,1\n",
        "platelets.csv: row 2: has 2 cells, the header has 3.",
        id="short row",
    ),
    pytest.param(
        b'subject_id,day,platelets_1e9_per_l\n"A,1,5\n',
        "platelets.csv: is not a CSV table: unexpected end of data.",
        id="open quote",
    ),
    pytest.param(
        b"subject_id,day,\nA,1,5\n",
        "platelets.csv: header: column 3 has cells and no name. Name it.",
        id="unnamed column",
    ),
    pytest.param(
        b"subject_id,day,day,platelets_1e9_per_l\nA,1,1,5\n",
        'platelets.csv: header: column "day" stands twice. Keep one of them.',
        id="column twice",
    ),
]


@pytest.mark.parametrize(("content", "message"), BROKEN)
def test_study__broken_sheets_are_explained(spoil, content, message):
    found = _problems(spoil(platelets=content))
    assert any(m.startswith(message) for m in found), found


def test_study__folder_for_a_sheet_is_refused(spoil):
    found = _problems(spoil(("study.toml", '"platelets.csv"', '"gates"')))
    assert found == ["gates: is not a file. Check the path and its permissions."]


OVERRIDES = "sample_id,gate,dx,dy,who,date,reason\n"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("A-BL,Treg,0.1,0,me,2024-05-01,shift\n", None),
        (
            "A-BX,Treg,0.1,0,me,2024-05-01,shift\n",
            'overrides.csv: row 2, sample_id: sample "A-BX" is not among the samples.',
        ),
        ("A-BL,Treg,0.1,0,me,2024-05-01,\n", "overrides.csv: row 2, reason: is blank."),
    ],
    ids=["in order", "unknown sample", "no reason"],
)
def test_study__overrides_say_who_and_why(spoil, row, message):
    path = spoil(
        ("study.toml", "[panels.treg]", 'overrides = "overrides.csv"\n[panels.treg]'), overrides=OVERRIDES + row
    )
    if message is None:
        assert len(load_study(path).overrides) == 1
    else:
        (found,) = _problems(path)
        assert found.startswith(message)
