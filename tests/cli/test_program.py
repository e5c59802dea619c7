"""The program as a whole: its verbs, its doors, and how a run can end."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from immunoprofile.cli import console, program
from immunoprofile.cli.outcomes import Outcome, outcome_of
from immunoprofile.errors import (
    FcsFormatError,
    ImmunoprofileError,
    InsufficientDataError,
    OutputError,
    Problem,
    StudyError,
)

VERBS = [
    "demo", "init", "inspect", "run", "profile", "respond", "compare", "report", "figures", "export", "gates",
    "spillover", "simulate", "verify", "reproduce", "selftest", "scan-phi", "doctor", "completion",
]  # fmt: skip


@pytest.fixture
def failing(monkeypatch):
    """Make the verb `report` raise an error."""

    def fail(error: BaseException) -> None:
        def callback(**_: object) -> None:
            raise error

        monkeypatch.setattr(program.commands["report"], "callback", callback)

    return fail


def test_help__lists_the_verbs_in_the_order_of_the_work(immunoprofile):
    listed = immunoprofile("--help").stdout.split("Commands:")[1]
    assert re.findall(r"^  ([\w-]+)  ", listed, re.MULTILINE) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_help__each_verb_has_one_and_fits_the_terminal(immunoprofile, verb):
    outcome = immunoprofile(verb, "--help")
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith(f"Usage: program {verb}")
    assert max(map(len, outcome.stdout.splitlines())) <= 80


def test_help__no_verb_is_cut_short_in_the_list(immunoprofile):
    assert "..." not in immunoprofile("--help").stdout.split("Commands:")[1]


@pytest.mark.parametrize(("word", "meant"), [("inpsect", "inspect"), ("rum", "run"), ("repond", "respond")])
def test_unknown_verb__is_a_mistake_with_the_closest_one(immunoprofile, word, meant):
    outcome = immunoprofile(word)
    assert outcome.exit_code == 2
    assert meant in outcome.stderr


def test_unknown_option__is_a_mistake_with_the_closest_one(immunoprofile):
    outcome = immunoprofile("simulate", "--sead", "3")
    assert outcome.exit_code == 2
    assert "--seed" in outcome.stderr


@pytest.mark.parametrize(
    "door",
    [["cli.py"], ["-m", "immunoprofile"], ["-c", "from immunoprofile.cli import main; main()"]],
    ids=["checkout", "module", "entry-point"],
)
def test_doors__are_one_program(checkout, door):
    run = subprocess.run([sys.executable, *door, "--version"], capture_output=True, text=True, cwd=checkout, check=True)
    assert re.fullmatch(r"immunoprofile \d+\.\d+\.\d+\S*\n", run.stdout)


def test_doors__the_name_in_usage_is_that_of_the_program(checkout):
    run = subprocess.run(
        [sys.executable, "cli.py", "nothing"], capture_output=True, text=True, cwd=checkout, check=False
    )
    assert run.returncode == 2
    assert run.stderr.startswith("Usage: immunoprofile [OPTIONS]")


def test_doors__a_terminal_that_cannot_show_a_letter_does_not_stop_the_run(checkout):
    run = subprocess.run(
        [sys.executable, "-m", "immunoprofile", "gates", "show", "immune14"],
        capture_output=True, text=True, cwd=checkout, check=False, env=os.environ | {"PYTHONIOENCODING": "latin-1"},
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert "\\u2514" in run.stdout


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StudyError("x"), Outcome.REFUSED),
        (FcsFormatError("x"), Outcome.REFUSED),
        (InsufficientDataError("x"), Outcome.REFUSED),
        (OutputError("x", code="OUTPUT-EXISTS"), Outcome.REFUSED),
        (OutputError("x", code="OUTPUT-LOCKED"), Outcome.REFUSED),
        (OutputError("x", code="OUTPUT-WRITE"), Outcome.UNFINISHED),
        (ImmunoprofileError("x"), Outcome.REFUSED),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_outcome__of_each_error(error, outcome):
    assert outcome_of(error) is outcome


def test_outcome__codes_are_those_that_other_programs_rely_on():
    assert [int(o) for o in Outcome] == [0, 1, 2, 3, 4, 5, 6, 7, 130]


def test_error__is_one_line_on_standard_error(immunoprofile, failing):
    failing(StudyError("is wrong", path="s.csv", where="row 3", remedy="Mend it."))
    outcome = immunoprofile("report", "x")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", "Error: s.csv: row 3: is wrong. Mend it.\n")


def test_error__several_problems_are_a_line_each(immunoprofile, failing):
    failing(StudyError.of([Problem(f"is wrong {i}", "s.csv", f"row {i}") for i in (2, 5)]))
    assert immunoprofile("report", "x").stderr.splitlines() == [
        "Error: s.csv: row 2: is wrong 2.",
        "Error: s.csv: row 5: is wrong 5.",
    ]


@pytest.mark.parametrize(("option", "n_lines"), [((), 101), (("-v",), 150)], ids=["normal", "verbose"])
def test_error__a_flood_of_problems_is_cut_unless_all_are_wanted(immunoprofile, failing, option, n_lines):
    failing(StudyError.of([Problem(f"is wrong {i}") for i in range(150)]))
    lines = immunoprofile("report", "x", *option).stderr.splitlines()
    assert len(lines) == n_lines
    assert option or lines[-1] == "... and 50 more problems; -v lists them all."


def test_error__text_from_files_cannot_drive_the_terminal(immunoprofile, failing):
    failing(StudyError("says \x1b[2J\u202e\x07"))
    assert immunoprofile("report", "x").stderr == "Error: says \\x1b[2J\\u202e\\x07.\n"


def test_interrupt__ends_with_130(immunoprofile, failing):
    failing(KeyboardInterrupt())
    outcome = immunoprofile("report", "x")
    assert outcome.exit_code == 130
    assert outcome.stderr == "Interrupted. Run the same command again.\n"


def test_system_error__names_the_file_and_is_no_bug(immunoprofile, failing):
    failing(OSError(5, "Input/output error", "results/\x1b.csv"))
    outcome = immunoprofile("report", "x")
    assert outcome.exit_code == 6
    assert outcome.stderr.startswith("Error: results/\\x1b.csv: cannot be used (Input/output error). Look at the disk")
    assert "Traceback" not in outcome.stderr


def test_memory__that_is_not_enough_is_no_bug(immunoprofile, failing):
    failing(MemoryError())
    outcome = immunoprofile("report", "x")
    assert outcome.exit_code == Outcome.UNFINISHED
    assert "Error: not enough memory. Run the same command again with fewer --jobs" in outcome.stderr


def test_bug__asks_for_a_report_without_a_traceback(immunoprofile, failing):
    failing(ZeroDivisionError("secret detail"))
    outcome = immunoprofile("report", "x")
    assert outcome.exit_code == 1
    assert "not foreseen (ZeroDivisionError)" in outcome.stderr
    assert "please report it" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert "secret detail" not in outcome.stderr


@pytest.mark.parametrize("arguments", [("report", "x", "-v"), ("-v", "report", "x")], ids=["verb", "program"])
def test_bug__shows_the_traceback_when_asked(immunoprofile, failing, arguments):
    failing(ZeroDivisionError("detail"))
    assert "Traceback (most recent call last)" in immunoprofile(*arguments).stderr


def test_progress__is_a_line_now_and_then_without_a_terminal(capsys):
    with console.show_progress("gating") as progress:
        for done in range(1, 41):
            progress(done, 40, f"S{done}\x1b")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "gating: 4 of 40 (S4\\x1b)"
    assert lines[-1] == "gating: 40 of 40 (S40\\x1b)"
    assert len(lines) == 10


def test_progress__of_one_sample_is_told(capsys):
    with console.show_progress("gating") as progress:
        progress(1, 1, "S1")
    assert capsys.readouterr().err == "gating: 1 of 1 (S1)\n"


def test_table__fits_the_terminal_and_shows_markup_as_text(capsys):
    console.show_table(("Name", "Text"), [("[red]x[/red] :smile:", "word " * 60)])
    shown = capsys.readouterr().out
    assert "[red]x[/red] :smile:" in shown
    assert max(map(len, shown.splitlines())) <= console.WIDTH


def test_json__is_ascii_and_has_no_nan(capsys):
    console.show_json({"a": float("nan"), "b": ["\u202e", (1.5, float("inf"))]})
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert [line.strip(" ,") for line in shown.splitlines()][1:6] == ['"a": null', '"b": [', '"\\u202e"', "[", "1.5"]
