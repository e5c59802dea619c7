"""Counts without intensities and pictures: all else to the last byte, and nothing stale beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from immunoprofile.cohort import foresee_samples, profile_samples
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study
from immunoprofile.verification import reproduce_profile

SAME = ("populations.csv", "samples_qc.csv", "checks_unanswered.csv", "gates_resolved.csv", "sample_states.csv")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SAME}


def test_counts_only__leaves_two_things_out_and_changes_nothing_else(tmp_path: Path) -> None:
    study = load_study(simulate_cohort(tmp_path / "cohort", 1, 1, events_per_sample=500))
    samples = [replace(s, control=None) for s in study.samples][:2]
    out = tmp_path / "out"
    template = str(next(iter(study.panels.values())).template)
    whole = profile_samples(samples, template, out)
    before, drawn = contents(out), sorted(p.name for p in (out / "pictures").iterdir())
    few = profile_samples(samples, template, out, counts_only=True)
    assert contents(out) == before
    assert few.intensities is None and not few.again
    assert not list(out.glob("intensities.*")) and not list((out / "pictures").iterdir())
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["options"]["counts_only"] is True
    assert not [name for name in manifest["outputs"] if name.startswith(("intensities", "pictures"))]
    assert foresee_samples(samples, template, out, counts_only=True).finished
    assert not foresee_samples(samples, template, out).finished
    assert not reproduce_profile(out, tuple(samples), template).differences
    again = profile_samples(samples, template, out)
    assert again.intensities is not None and len(again.intensities) == len(whole.intensities)
    assert sorted(p.name for p in (out / "pictures").iterdir()) == drawn
    assert contents(out) == before
