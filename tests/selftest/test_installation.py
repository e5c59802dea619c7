"""The installation check: it passes here, it fails where a number is wrong, and says what was checked."""

from __future__ import annotations

import json
import time

import pytest
from click.testing import CliRunner

from immunoprofile.cli import program
from immunoprofile.selftest import installation, known
from immunoprofile.selftest.installation import check_installation, render_certificate
from immunoprofile.selftest.known import Answer

# Seconds that the check may take once its kernels are compiled.
LIMIT = 60


@pytest.fixture(scope="module")
def certificate():
    begun = time.process_time()
    found = check_installation()
    return found, time.process_time() - begun


@pytest.mark.requirement("R-PROOF-04")
def test_check__passes_in_less_than_a_minute(certificate) -> None:
    found, seconds = certificate
    assert [c.wrong for c in found.checks] == [(), (), ()]
    assert found.passed
    assert [c.n > 40 for c in found.checks] == [True, True, True]
    assert seconds < LIMIT


def test_check__text_names_versions_and_outcome(certificate) -> None:
    text = render_certificate(certificate[0])
    assert "result        PASSED" in text
    assert "numpy         " in text
    assert f"digest        {certificate[0].digest}" in text
    assert "signature ____" in text


def test_known_answers__p_is_that_of_wilcoxons_table() -> None:
    # SciPy 1.17: scipy.stats.wilcoxon([1, 2, 3, 4, 5, 6], mode="exact").pvalue == 0.03125
    assert known.P_SIGNED_RANK == 0.03125


@pytest.mark.requirement("R-PROOF-04")
@pytest.mark.parametrize(
    ("name", "value"),
    [("RESPONSE", known.RESPONSE | {"K5": "R"}), ("P_SIGNED_RANK", 0.0313), ("FILES_SHA256", "0" * 64)],
)
def test_check__a_wrong_answer_fails_and_is_named(monkeypatch, name, value) -> None:
    monkeypatch.setattr(known, name, value)
    monkeypatch.setattr(installation, "_zoo", lambda _: installation.Check("", 1, ()))
    found = check_installation()
    assert not found.passed
    assert sum(len(c.wrong) for c in found.checks) == 1
    assert "came out" in "".join(found.checks[1].wrong)
    assert "FAILED: do not use this installation" in render_certificate(found)


def test_check__an_error_is_an_outcome(monkeypatch) -> None:
    def fail(_):
        raise ValueError("no")

    monkeypatch.setattr(installation, "_zoo", fail)
    monkeypatch.setattr(installation, "check_answers", fail)
    found = check_installation()
    assert [c.wrong[:1] for c in found.checks[:2]] == [("ValueError: no",), ("ValueError: no",)]
    assert not found.passed


@pytest.mark.parametrize(
    ("found", "right"), [(0.1, True), (0.1 + 1e-14, True), (0.1 + 1e-9, False), (1, False), (None, False)]
)
def test_answer__floats_are_equal_to_the_last_places(found, right) -> None:
    assert Answer("x", 0.1, found).right is right


def test_verb__writes_the_text_and_ends_with_its_code(tmp_path, certificate, monkeypatch) -> None:
    monkeypatch.setattr(installation, "check_installation", lambda *_: certificate[0])
    run = CliRunner().invoke
    file = tmp_path / "check.txt"
    done = run(program, ["selftest", "--out", str(file), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["passed"]
    assert file.read_text() == render_certificate(certificate[0])
    assert run(program, ["selftest", "--out", str(file)]).exit_code == 2
    bad = installation.Certificate((installation.Check("x", 2, ("y",)),), "now", "0")
    monkeypatch.setattr(installation, "check_installation", lambda *_: bad)
    failed = run(program, ["selftest"])
    assert failed.exit_code == 7
    assert "  wrong: y" in failed.stdout
