"""What is installed: said in lines that fit, and never a reason to fail."""

from __future__ import annotations

import json

import pytest

from immunoprofile.cli import doctor as room


def test_doctor__lines_fit_the_terminal_and_end_with_a_verdict(immunoprofile):
    outcome = immunoprofile("doctor")
    assert outcome.exit_code == 0
    lines = outcome.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "Ready. What is missing is optional."


def test_doctor__json_has_the_same_items(immunoprofile):
    items = json.loads(immunoprofile("doctor", "--json").stdout)
    assert items["ready"] is True
    names = [i["name"] for i in items["items"]]
    assert {"Python", "numba", "numpy", "figures", "compiler cache", "templates"} <= set(names)
    assert {i["state"] for i in items["items"]} <= {"ok", "missing", "wrong"}


@pytest.fixture
def without(monkeypatch):
    """Make distributions look as if they were absent or of another version."""

    def change(**versions: str | None) -> None:
        known = room._version
        monkeypatch.setattr(room, "_version", lambda name: versions[name] if name in versions else known(name))

    return change


def test_doctor__an_absent_library_is_wrong_and_its_remedy_is_named(immunoprofile, without):
    without(scipy=None)
    outcome = immunoprofile("doctor")
    assert outcome.exit_code == 0
    line = next(line for line in outcome.stdout.splitlines() if " scipy " in line)
    assert line.startswith("wrong")
    assert "pip install 'scipy>=1.13'" in line
    assert outcome.stdout.splitlines()[-1] == "Not ready: mend what is wrong (1)."


def test_doctor__a_version_that_does_not_fit_is_wrong(immunoprofile, without):
    without(pandas="3.0.0")
    line = next(line for line in immunoprofile("doctor").stdout.splitlines() if " pandas " in line)
    assert line.startswith("wrong")
    assert "3.0.0 does not fit" in line


def test_doctor__an_absent_extra_is_missing_and_optional(immunoprofile, without):
    without(matplotlib=None)
    outcome = immunoprofile("doctor")
    assert "missing figures            for figures: pip install 'immunoprofile[figures]'" in outcome.stdout
    assert outcome.stdout.splitlines()[-1].startswith("Ready.")


@pytest.mark.parametrize(
    ("version", "bounds", "fits"),
    [
        ("2.2.0", ">=2.2,<3", True),
        ("2.10", ">=2.2,<3", True),
        ("3.0.0rc1", "<3,>=2.2", False),
        ("2.1.9", ">=2.2", False),
        ("1.0", "", True),
    ],
)
def test_version__within_bounds(version, bounds, fits):
    assert room._within(version, bounds) is fits


def test_doctor__an_unwritable_cache_has_a_remedy(immunoprofile, monkeypatch):
    monkeypatch.setattr(room.os, "access", lambda *_: False)
    told = immunoprofile("doctor").stdout
    assert "not writable; set NUMBA_CACHE_DIR to one that is" in told
    assert "not writable; set TMPDIR to one that is" in told
