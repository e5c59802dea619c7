"""How often the limits of a fraction hold the true proportion: exactly, by summing over all counts, and by drawing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from drawn_blood import blood, drawn
from immunoprofile.intervals import clopper_pearson, wilson
from immunoprofile.populations import tabulate

TOTALS = [20, 100, 1000]
PROPORTIONS = np.linspace(0.01, 0.99, 197)


def coverage(interval, total: int, p: float) -> float:
    """Probability that the limits of a binomial count hold p."""
    counts = np.arange(total + 1)
    low, high = interval(counts, np.full(total + 1, total))
    return float(binom.pmf(counts, total, p)[(low <= p) & (p <= high)].sum())


@pytest.mark.parametrize("total", TOTALS)
def test_clopper_pearson__never_covers_less_than_it_says(total: int) -> None:
    # 1e-9: summing a thousand probabilities.
    assert min(coverage(clopper_pearson, total, p) for p in PROPORTIONS) >= 0.95 - 1e-9


@pytest.mark.parametrize("total", [100, 1000])
def test_wilson__covers_as_it_says_on_average(total: int) -> None:
    """Agresti and Coull (Am Stat 1998;52:119-126): close to 95 % on average; seldom below 93 % from 100 events on."""
    found = np.array([coverage(wilson, total, p) for p in PROPORTIONS])
    assert 0.945 <= found.mean() <= 0.96
    assert (found < 0.93).mean() <= 0.05


def test_table__limits_cover_the_truth_of_simulated_tubes() -> None:
    """300 tubes whose T cells are 4 % of 1,000 lymphocytes in truth."""
    rng, truth, n_tubes = np.random.default_rng(23), 0.04, 300
    covered = 0
    for t in rng.binomial(1000, truth, n_tubes).tolist():
        table = tabulate(drawn(blood(), t=t, rest=1000 - t), {"sample_id": "s"})
        row = table[(table["pop_id"] == "t") & (table["denom_id"] == "lymph")].iloc[0]
        covered += row["frac_lo"] <= truth <= row["frac_hi"]
    # Four standard errors of a share of 0.95 in 300 tubes are 0.05.
    assert covered / n_tubes >= 0.90
