"""A rule file: what it holds, what it changes, and what is said of a wrong one."""

from __future__ import annotations

import hashlib
from importlib import resources

import pytest

from immunoprofile.errors import StudyError
from immunoprofile.platelets import REASONS, SUBJECT_FLAGS, load_rule

PACKAGED = resources.files("immunoprofile.platelets") / "rules" / "iwg-2009.toml"
TEXT = PACKAGED.read_text(encoding="utf-8")


def _write(folder, old="", new=""):
    assert old in TEXT
    path = folder / "lab.toml"
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    return path


def test_rule__packaged_says_what_the_criteria_say():
    rule = load_rule("iwg-2009")
    assert (rule.level.cr.min_1e9_per_l, rule.level.r.min_1e9_per_l, rule.level.r.min_fold) == (100, 30, 2)
    assert (rule.confirmation.days_apart, rule.loss.days_apart) == (7, 1)
    assert (rule.confirmation.onset_days, rule.confirmation.confirmed_until_day) == ((1, 84), 112)


def test_rule__digest_is_that_of_its_file():
    expected = hashlib.sha256(PACKAGED.read_bytes()).hexdigest()
    assert {d.sha256 for d in load_rule("iwg-2009").definitions()} == {expected}


def test_rule__of_a_laboratory_names_its_own_definitions(tmp_path, classify):
    path = _write(tmp_path, 'id = "iwg-2009"', 'id = "lab-7"')
    assert [d.id for d in load_rule(path).definitions()] == ["lab-7", "lab-7-lenient", "lab-7-policy"]
    row = classify([(14, "40"), (21, "40")], "lab-7", options={"rule": str(path)})
    assert row["best_response"] == "R"


CHANGES = [
    pytest.param("days_apart = 7", "days_apart = 6", [(14, "40"), (20, "40")], {}, "R", id="confirmed after 6 days"),
    pytest.param(
        "max_grade = 0", "max_grade = 1", [(14, "40"), (21, "40")], {"bleeding": [(14, 1)]}, "R", id="grade 1 tolerated"
    ),
    pytest.param('absent = "none"', 'absent = "unknown"', [(14, "40"), (21, "40")], {}, "NE", id="bleeding unknown"),
    pytest.param(
        'absent = "none"',
        'absent = "unknown"',
        [(14, "40"), (21, "40")],
        {"bleeding": None},
        "R",
        id="bleeding not recorded at all",
    ),
    pytest.param(
        "strict_between = true", "strict_between = false", [(14, "40"), (17, "9"), (21, "40")], {}, "R", id="lenient"
    ),
    pytest.param(
        "min_fold = 2", "min_fold = 1.5", [(14, "32"), (21, "32")], {"baseline": "20"}, "R", id="one and a half times"
    ),
]


@pytest.mark.parametrize(("old", "new", "counts", "course", "best"), CHANGES)
def test_rule__changed_settings_change_the_response(tmp_path, classify, old, new, counts, course, best):
    path = _write(tmp_path, old, new)
    assert classify(counts, options={"rule": path}, **course)["best_response"] == best


WRONG = [
    pytest.param(
        "max_grade = 0",
        "max_grde = 0",
        'bleeding.max_grde: key "max_grde" is not known. Did you mean "max_grade"?',
        id="unknown key",
    ),
    pytest.param(
        "max_grade = 0",
        "max_grade = -1",
        "bleeding.max_grade: Input should be greater than or equal to 0 (found -1). Correct the value.",
        id="below its limit",
    ),
    pytest.param("max_grade = 0", "", "bleeding.max_grade: is missing. Add max_grade.", id="missing key"),
    pytest.param('kind = "anti_d"', 'kind = "antid"', "exclusion[2].kind: Input should be", id="unknown treatment"),
    pytest.param(
        "days = [-7, 0]", "days = [-20, 0]", "baseline: fallback_days must come before days", id="days overlap"
    ),
    pytest.param(
        "onset_days = [1, 84]",
        "onset_days = [1, 184]",
        "confirmation: onset_days must run first to last",
        id="onset after the end",
    ),
    pytest.param(
        "min_1e9_per_l = 100",
        "min_1e9_per_l = 20",
        "level: cr.min_1e9_per_l must not be below r.min_1e9_per_l",
        id="CR below R",
    ),
    pytest.param('kind = "anti_d"', 'kind = "ivig"', "exclusion names a kind of treatment twice", id="kind twice"),
    pytest.param(
        "[variant.policy]",
        "[variant.policy]\nx = 1",
        'variant.policy.x: key "x" is not known. Known: "strict_between", "rescue_strategy".',
        id="unknown key in a table of tables",
    ),
    pytest.param("[units]", "[units", "is not TOML: Expected ']' at the end of a table declaration", id="not TOML"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_rule__wrong_files_are_explained(tmp_path, old, new, message):
    path = _write(tmp_path, old, new)
    with pytest.raises(StudyError) as caught:
        load_rule(path)
    assert message in str(caught.value)
    assert caught.value.path == str(path)


def test_rule__all_problems_are_reported_at_once(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_text(TEXT.replace("max_grade", "grade").replace("days_apart = 1", "days_apart = 0"), encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        load_rule(path)
    assert {p.where for p in caught.value.problems} == {"bleeding.grade", "bleeding.max_grade", "loss.days_apart"}


def test_rule__unknown_id_names_the_known_ones():
    with pytest.raises(StudyError) as caught:
        load_rule("iwg-2008")
    assert str(caught.value) == (
        'rule: no response rule "iwg-2008". Did you mean "iwg-2009"? Known: '
        '"ash-2019", "at-least-50-twice", "durable-weekly", "iwg-2009". '
        "Or give the path of a rule file."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"\xff\xfe", "is not UTF-8 (byte 0)"),
        (b"a=" + b"[" * 9000, "is nested too deeply"),
        (b"#" * 1_000_001, "is larger than 1000000 bytes"),
    ],
    ids=["missing", "encoding", "nesting", "size"],
)
def test_rule__file_that_cannot_be_read_is_explained(tmp_path, content, message):
    path = tmp_path / "lab.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError) as caught:
        load_rule(path)
    assert message in str(caught.value)


def test_rule__folder_is_not_a_file(tmp_path):
    with pytest.raises(StudyError, match="is not a file"):
        load_rule(tmp_path)


def test_flags__every_code_in_the_code_is_documented():
    # the codes are literals in the room: each must stand in the list that documentation and report show
    import re

    folder = resources.files("immunoprofile.platelets")
    text = "".join((folder / f"{m}.py").read_text(encoding="utf-8") for m in ("rows", "response", "scheduled"))
    codes = set(re.findall(r'"([A-Z]+(?:_[A-Z0-9]+)+)"', text)) - {"UNCONFIRMED_R"}
    assert codes == set(SUBJECT_FLAGS)
    assert set(re.findall(r'"((?:no|lack|rescue|observation)_[a-z_]+)"', text)) - {"rescue_any"} == set(REASONS)
