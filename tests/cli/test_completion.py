"""Shells complete verbs and options with the script that is printed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("shell", "hook"),
    [("bash", "complete -o nosort -F"), ("zsh", "#compdef immunoprofile"), ("fish", "complete --no-files")],
)
def test_completion__script_hooks_into_the_shell(immunoprofile, shell, hook):
    outcome = immunoprofile("completion", shell)
    assert outcome.exit_code == 0
    assert hook in outcome.stdout
    assert "_IMMUNOPROFILE_COMPLETE" in outcome.stdout


def test_completion__an_unknown_shell_is_refused(immunoprofile):
    assert immunoprofile("completion", "tcsh").exit_code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion__the_shell_itself_accepts_the_script(immunoprofile, tmp_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"shell not installed: {shell}")
    script = tmp_path / "complete"
    script.write_text(immunoprofile("completion", shell).stdout)
    subprocess.run([shell, "-n", script], check=True)


@pytest.mark.parametrize(
    ("words", "expected"), [("immunoprofile fig", "figures"), ("immunoprofile run --sched", "--scheduler")]
)
def test_completion__bash_is_given_words(words, expected):
    asked = {"_IMMUNOPROFILE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    run = subprocess.run(
        [sys.executable, "-c", "from immunoprofile.cli import main; main()"],
        env={**os.environ, **asked}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert expected in [line.partition(",")[2] for line in run.stdout.splitlines()]
