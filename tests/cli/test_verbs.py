"""The other verbs: demo, profile, respond, compare, report, simulate, gates."""

from __future__ import annotations

import pytest

from immunoprofile.cli import program

demo_settings = __import__("sys").modules[program.commands["demo"].callback.__module__]


@pytest.fixture
def small_demo(monkeypatch, tmp_path):
    """A demonstration that takes a second, in a folder of its own."""
    monkeypatch.setattr(demo_settings, "_SUBJECTS", 6)
    monkeypatch.setattr(demo_settings, "_EVENTS", 500)
    monkeypatch.chdir(tmp_path)
    return tmp_path
