"""Damage by the thousand: never another exception, never slow, never other events without a word."""

from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest

from immunoprofile.fcs import Events
from immunoprofile.selftest import UNDETECTABLE, mutants, run_campaign
from immunoprofile.selftest.mutants import Campaign, Mutant, judge_mutant, read_specimens, walk_mutants
from immunoprofile.selftest.zoo import _events_of, _same_events
from reference_reader import read as read_slowly

SEED = 20240501


def test_mutants__ten_thousand_change_nothing_without_a_word(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    campaign = run_campaign(tmp_path, 10_000, SEED)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert campaign.escaped == []
    assert campaign.silent == []
    assert campaign.slow == []
    assert campaign.flawless
    assert grown_kib < 64 * 1024  # reliability.md 1: each under 64 MB, so all of them after one another too
    assert campaign.n == 10_000
    assert campaign.n == campaign.same + campaign.odd + campaign.refused + campaign.undetectable
    assert min(campaign.same, campaign.odd, campaign.refused, campaign.undetectable) > 100  # all four do occur


def test_mutants__the_slow_reader_never_disagrees(tmp_path: Path) -> None:
    good = read_specimens(tmp_path)
    campaign, disagreed, read_by_both = Campaign(), [], 0
    for mutant in walk_mutants(good, 3000, SEED + 1):
        sets = judge_mutant(good[mutant.specimen], mutant, tmp_path / "mutant.fcs", campaign)
        if sets is None:
            continue
        try:
            slow = read_slowly(mutant.raw)
        except ValueError as problem:
            # what the slow reader refuses, ours may read only with a finding
            disagreed += [] if any(s.findings for s in sets) else [(mutant.done, str(problem))]
            continue
        read_by_both += 1
        ours = [_events_of(s) for s in sets]
        same = len(ours) == len(slow) and all(map(_same_events, slow, ours))
        disagreed += [] if same else [(mutant.done, "other events")]
    assert disagreed == []
    assert read_by_both > 300


def test_mutants__are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    good = read_specimens(tmp_path)
    first, second, other = (list(walk_mutants(good, 50, seed)) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def _judged(good: mutants.Specimen, path: Path, monkeypatch: pytest.MonkeyPatch, sets: object) -> Campaign:
    def read(_: Path) -> object:
        if isinstance(sets, Exception):
            raise sets
        return sets

    monkeypatch.setattr(mutants, "read_fcs_datasets", read)
    campaign = Campaign()
    judge_mutant(good, Mutant(good.raw, 0, "nothing"), path, campaign)
    return campaign


def test_campaign__notices_another_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = read_specimens(tmp_path)[0]
    campaign = _judged(good, tmp_path / "m.fcs", monkeypatch, KeyError("$TOT"))
    assert [why for _, why in campaign.escaped] == ["KeyError: '$TOT'"]
    assert not campaign.flawless


def test_campaign__notices_other_events_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = read_specimens(tmp_path)
    other: list[Events] = list(good[2].sets)
    campaign = _judged(good[0], tmp_path / "m.fcs", monkeypatch, other)
    assert [re.sub(r"\d+", "N", why) for _, why in campaign.silent] == ["DATA at N with N bytes, not at N with N"]
    assert not campaign.flawless


def test_undetectable__every_name_is_in_the_pattern_that_excuses_it() -> None:
    keywords = [k.replace("n", "7") if k.startswith("$Pn") else k for k in UNDETECTABLE if k != "DATA"]
    assert all(mutants._NAMED.fullmatch(k) for k in keywords)
    assert not any(
        mutants._NAMED.fullmatch(k) for k in ("$TOT", "$PAR", "$BEGINDATA", "$ENDDATA", "$NEXTDATA", "$MODE")
    )
