"""Errors: one sentence from data, several at once, safe to print, and able to travel between processes."""

from __future__ import annotations

import pickle

import pytest

from immunoprofile import errors
from immunoprofile.errors import InputError, Problem, StudyError, closest, printable


def test_error__message_is_file_place_problem_remedy() -> None:
    error = StudyError("is blank", path="samples.csv", where="row 3", remedy="Write the sample's id.")
    assert str(error) == "samples.csv: row 3: is blank. Write the sample's id."
    assert (error.path, error.where, error.code) == ("samples.csv", "row 3", "STUDY")


def test_error__several_problems_are_several_lines() -> None:
    error = StudyError.of([Problem("a", "f", code="X"), Problem("b", "f", code="Y")])
    assert str(error).splitlines() == ["f: a.", "f: b."]
    assert isinstance(error, StudyError)


def test_error__survives_pickling_with_all_problems() -> None:
    error = InputError.of([Problem("a", "f", "row 1", code="X"), Problem("b")])
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is InputError
    assert back.problems == error.problems
    assert str(back) == str(error)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("x\ny", "x\\x0ay"),
        ("r\u202etl", "r\\u202etl"),
        ("é≥", "é≥"),
        ("a" * 300, "a" * 199 + "…"),
    ],
    ids=["escape", "newline", "bidi", "letters stay", "cut"],
)
def test_printable__nothing_from_a_file_drives_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_closest__names_the_nearest_and_what_is_known() -> None:
    assert closest("CD33", ["CD3", "CD19"]) == 'Did you mean "CD3"? Known: "CD3", "CD19".'


def test_tree__every_error_is_drawn_in_the_docstring() -> None:
    classes = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.ImmunoprofileError)]
    assert len(classes) == 17
    for kind in classes:
        assert kind.__name__ in errors.__doc__
        assert kind.__doc__


def test_printable__no_unsafe_character_passes_as_plain_text() -> None:
    assert not [hex(c) for c in errors._UNSAFE if printable(f"a{chr(c)}b") == f"a{chr(c)}b"]
