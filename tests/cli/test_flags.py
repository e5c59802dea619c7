"""--fail-on-flag: an exit code of its own for flags, below failures."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pandas as pd
import pytest

from immunoprofile.cli.flags import count_flags, outcome_with_flags
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.report.folder import load_results


@pytest.fixture(scope="module")
def results(finished):
    return load_results(finished)


def flagged(results, flags: dict[str, str], check: tuple[str, str, str] | None = None):
    """The results with these flags only, by sample, and one check: sample, level, flag."""
    populations = results.populations.assign(flags=results.populations["sample_id"].map(flags).fillna(""))
    qc = results.samples_qc.iloc[:0]
    if check is not None:
        sample, level, flag = check
        qc = results.samples_qc.iloc[:1].assign(sample_id=sample, level=level, flag=flag)
    return replace(results, populations=populations, samples_qc=qc, failures=results.failures.iloc[:0])


def two_samples(results) -> list[str]:
    return sorted(results.populations["sample_id"].unique())[:2]


def test_count_flags__counts_samples_not_rows(results):
    first, second = two_samples(results)
    changed = flagged(results, {first: "LOW_EVENTS;DELTA", second: "DELTA"}, (first, "fail", "DELTA"))
    assert count_flags(changed) == {"LOW_EVENTS": 1, "DELTA": 2}


@pytest.mark.parametrize(("level", "found"), [("warn", 1), ("fail", 1), ("info", 0), ("pass", 0)])
def test_count_flags__takes_checks_that_warned_or_failed(results, level, found):
    first, _ = two_samples(results)
    assert len(count_flags(flagged(results, {}, (first, level, "CLOG")))) == found


def test_outcome__flags_count_only_where_they_are_asked_about(results):
    first, _ = two_samples(results)
    changed = flagged(results, {first: "DELTA"})
    assert outcome_with_flags(changed, fail_on_flag=False) is Outcome.DONE
    assert outcome_with_flags(changed, fail_on_flag=True) is Outcome.FLAGGED
    assert outcome_with_flags(flagged(results, {}), fail_on_flag=True) is Outcome.DONE


def test_outcome__failures_come_before_flags(results):
    first, _ = two_samples(results)
    failures = pd.DataFrame([{"item_id": first, "code": "X"}])
    changed = replace(flagged(results, {first: "DELTA"}), failures=failures)
    assert outcome_with_flags(changed, fail_on_flag=True) is Outcome.PARTIAL


def test_run__fail_on_flag_ends_with_4_and_lists_flags(immunoprofile, cohort, finished, tmp_path):
    # Six subjects of 1,500 events a sample: denominators are small, and the tables say so.
    out = tmp_path / "results"
    shutil.copytree(finished, out)
    asked = immunoprofile("run", cohort / "study.toml", "--out", out, "--fail-on-flag")
    assert asked.exit_code == 4, asked.stderr
    assert "Flags, with the number of samples that carry them: " in asked.stderr
    assert "LOW_DENOMINATOR" in asked.stderr
