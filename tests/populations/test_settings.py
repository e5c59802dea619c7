"""Thresholds and states as data: sources, a laboratory's own files, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawn_blood import blood, drawn
from immunoprofile.errors import StudyError
from immunoprofile.intervals import clopper_pearson
from immunoprofile.populations import (
    default_settings,
    load_settings,
    population_flags,
    status_meanings,
    tabulate,
)


def test_thresholds__each_has_a_source() -> None:
    assert len(default_settings().thresholds) >= 20
    assert all(t.source for t in default_settings().thresholds.values())


def test_thresholds__of_a_laboratory_replace_ours_and_leave_the_others(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'lloq_events = { value = 10, source = "our validation" }\nlod_events = { value = 5, source = "it" }'
    )
    mine = load_settings(thresholds=file)
    assert (mine["lloq_events"], mine["min_denominator"]) == (10, default_settings()["min_denominator"])
    row = tabulate(drawn(blood(), t=15, naive=200, rest=200), {"sample_id": "s"}, settings=mine).set_index("pop_id")
    assert row.loc["t", "status"] == "ok"
    assert mine.digests["thresholds"] != default_settings().digests["thresholds"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('lloq_event = { value = 1, source = "x" }', r'"lloq_event" is not a threshold\. Did you mean "lloq_events"'),
        ("lloq_events = { value = 10 }", r"lloq_events\.source: Field required"),
        ('lloq_events = { value = -1, source = "x" }', r"lloq_events\.value: Input should be greater"),
        ("lloq_events = ", "is not TOML"),
    ],
    ids=["unknown", "no source", "negative", "not TOML"],
)
def test_thresholds__what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(StudyError, match=words):
        load_settings(thresholds=tmp_path / "t.toml")


def test_thresholds__missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"gone\.toml: cannot be read"):
        load_settings(thresholds=tmp_path / "gone.toml")


def test_states__two_of_one_id_are_refused(tmp_path: Path) -> None:
    one = '[[state]]\nid = "a"\nkind = "ivig"\neffect = "flag"\nflag = "A"\nmeaning = "m"\nsource = "s"\n'
    (tmp_path / "s.toml").write_text(one * 2)
    with pytest.raises(StudyError, match='two states have the id "a"'):
        load_settings(states=tmp_path / "s.toml")


def test_interval__exact_on_request() -> None:
    exact = load_settings(interval="clopper_pearson")
    table = tabulate(drawn(blood(), t=300, naive=60, rest=60), {"sample_id": "s"}, settings=exact)
    row = table[(table["pop_id"] == "t") & (table["denom_id"] == "lymph")].iloc[0]
    assert (row["frac_lo"], row["frac_hi"]) == tuple(float(v) for v in clopper_pearson(300, 420))
    assert row["ci_method"] == "clopper_pearson"


def test_flags__every_one_of_a_state_has_a_meaning() -> None:
    flags = population_flags()
    assert {s.flag for s in default_settings().states} <= set(flags)
    assert all(meaning and not meaning.endswith(".") for meaning in flags.values())
    assert set(status_meanings()) == {"ok", "below_lloq", "below_lod", "not_evaluable"}
