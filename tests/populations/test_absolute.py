"""Cells per microlitre: by hand, by identity, and by coverage."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawn_blood import blood, drawn
from immunoprofile.errors import StudyError
from immunoprofile.populations import choose_references, default_settings, references_of, tabulate
from immunoprofile.populations.absolute import concentrate
from immunoprofile.populations.layout import layout_of

BEADS = {"sample_id": "s", "beads_added": 50_000.0, "sample_volume_ul": 50.0}
DUAL = {"sample_id": "s", "lymph_abs_1e9_per_l": 1.5}
# A product and a quotient of exact integers: a few units in the last place.
ROUNDING = 1e-12


def table(sample: dict, **counts: int) -> pd.DataFrame:
    return tabulate(drawn(blood(), **counts), sample).drop_duplicates("pop_id").set_index("pop_id")


def test_single_platform__is_the_formula_of_the_beads() -> None:
    """BD Trucount: 2,000 cells / 5,000 beads x 50,000 beads / 50 uL = 400 cells/uL."""
    rows = table(BEADS, beads=5000, t=2000, naive=500, rest=500, other=4000)
    assert rows.loc["t", "cells_per_ul"] == pytest.approx(400.0, rel=ROUNDING)
    assert rows.loc["b", "cells_per_ul"] == pytest.approx(200.0, rel=ROUNDING)
    assert rows.loc["leuk", "cells_per_ul"] == pytest.approx(1400.0, rel=ROUNDING)
    assert rows.loc["t", "abs_method"] == "single"


def test_dual_platform__is_the_share_of_lymphocytes_times_their_count() -> None:
    """1.5e9/L lymphocytes are 1,500/uL; 2,000 of 3,000 are T cells: 1,000/uL."""
    rows = table(DUAL, t=2000, naive=500, rest=500)
    assert rows.loc["t", "cells_per_ul"] == pytest.approx(1000.0, rel=ROUNDING)
    assert rows.loc["lymph", "cells_per_ul"] == pytest.approx(1500.0, rel=ROUNDING)
    assert rows.loc["t", "abs_method"] == "dual"


def test_dual_platform__by_leukocytes_reaches_all_of_them() -> None:
    rows = table({"sample_id": "s", "wbc_1e9_per_l": 6.0}, t=1000, naive=500, rest=500, other=1000)
    assert rows.loc["leuk", "cells_per_ul"] == pytest.approx(6000.0, rel=ROUNDING)
    assert rows.loc["t", "cells_per_ul"] == pytest.approx(2000.0, rel=ROUNDING)


@pytest.mark.parametrize(
    ("sample", "without"),
    [(DUAL, ["beads", "cells", "leuk"]), (BEADS, ["beads", "cells"])],
    ids=["dual", "single"],
)
def test_concentrations__only_of_populations_in_the_blood(sample: dict, without: list[str]) -> None:
    rows = table(sample, beads=2000, t=2000, naive=500, rest=500)
    assert rows.index[rows["cells_per_ul"].isna()].tolist() == sorted(without)
    assert set(rows.loc[without, "abs_method"]) == {"none"}


def test_concentrations__without_a_count_there_are_none() -> None:
    rows = table({"sample_id": "s"}, beads=2000, t=2000)
    assert rows["cells_per_ul"].isna().all()
    assert set(rows["abs_method"]) == {"none"}


def test_lymphocytes_themselves__carry_only_the_error_of_the_blood_count() -> None:
    row = table(DUAL, t=2000, naive=500, rest=500).loc["lymph"]
    spread = math.exp(1.959963984540054 * default_settings()["cv_lymph_abs"])
    assert row["cells_per_ul_hi"] == pytest.approx(1500 * spread, rel=ROUNDING)
    assert row["cells_per_ul_lo"] == pytest.approx(1500 / spread, rel=ROUNDING)


def test_no_event__is_zero_with_an_upper_limit() -> None:
    row = table(BEADS, beads=5000, t=2000).loc["naive"]
    assert (row["cells_per_ul"], row["cells_per_ul_lo"]) == (0.0, 0.0)
    # The upper limit of no event is 3.7 to 3.9 events (Poisson 3.69, Wilson z^2 = 3.84), 0.2 cells per event here.
    assert 3.6 * 0.2 < row["cells_per_ul_hi"] < 4.2 * 0.2


@pytest.mark.parametrize(
    ("beads", "flag"), [(499, "BEADS_TOO_FEW"), (500, "FEW_BEADS"), (999, "FEW_BEADS"), (1000, "")]
)
def test_beads__few_are_flagged_and_too_few_give_nothing(beads: int, flag: str) -> None:
    row = table(BEADS, beads=beads, t=2000, naive=500, rest=500).loc["t"]
    assert row["flags"] == flag
    assert pd.isna(row["cells_per_ul"]) == (flag == "BEADS_TOO_FEW")


def test_lymphocytes__too_few_give_no_concentration() -> None:
    row = table(DUAL, t=99).loc["t"]
    assert pd.isna(row["cells_per_ul"])
    assert "REFERENCE_TOO_SMALL" in row["flags"]


@pytest.mark.parametrize(("counted", "flagged"), [(0.49, True), (0.51, False), (1.99, False), (2.01, True)])
def test_platforms__that_disagree_twofold_are_flagged(counted: float, flagged: bool) -> None:
    """1,000 lymphocytes/uL by beads beside the blood count."""
    row = table(BEADS | {"lymph_abs_1e9_per_l": counted}, beads=3000, t=2000, naive=500, rest=500).loc["t"]
    assert ("PLATFORMS_DISAGREE" in row["flags"]) == flagged


@pytest.mark.parametrize(("counted", "flagged"), [(15.0, False), (15.1, True)])
def test_blood_count__that_looks_like_percent_is_flagged_and_used_as_written(counted: float, flagged: bool) -> None:
    row = table({"sample_id": "s", "lymph_abs_1e9_per_l": counted}, t=2000, naive=500, rest=500).loc["lymph"]
    assert ("UNIT_SUSPECT" in row["flags"]) == flagged
    assert row["cells_per_ul"] == pytest.approx(counted * 1000)


@given(
    counts=st.fixed_dictionaries({k: st.integers(0, 3000) for k in ("t", "naive", "rest", "other")}),
    beads=st.integers(500, 5000),
)
def test_concentrations__keep_the_proportions_of_the_counts(counts: dict[str, int], beads: int) -> None:
    """cells / count is one number in a tube, parents are the sum of their parts, limits hold the value between them."""
    rows = table(BEADS, beads=beads, **counts)
    known = rows[rows["cells_per_ul"].notna()]
    assert known["cells_per_ul"].to_numpy() == pytest.approx(known["count"] * (1000.0 / beads), rel=ROUNDING)
    parts = known.loc[["naive", "rest", "t"], "cells_per_ul"].sum()
    assert known.loc["lymph", "cells_per_ul"] == pytest.approx(parts, rel=ROUNDING)
    assert (known["cells_per_ul_lo"] <= known["cells_per_ul"]).all()
    assert (known["cells_per_ul"] <= known["cells_per_ul_hi"]).all()


@pytest.mark.parametrize(
    ("reference", "true_count"), [("beads", 20), ("beads", 200), ("lymph_abs", 20), ("lymph_abs", 400)]
)
def test_limits__cover_the_truth_in_95_percent(reference: str, true_count: int) -> None:
    """Counts of cells and reference are Poisson (or binomial), the known concentration is off by its stated error."""
    rng, settings, layout = np.random.default_rng(17), default_settings(), layout_of(blood())
    place = {p: i for i, p in enumerate(layout.paths)}
    n_draws, covered = 2000, 0
    total = 2000
    truth = true_count / total * 1000.0
    for _ in range(n_draws):
        counts = np.full(len(layout.paths), 0, dtype=np.int64)
        if reference == "beads":
            counts[place["Beads"]] = rng.poisson(total)
            counts[place["Cells/Leuk/Lymph/T"]] = rng.poisson(true_count)
            error = math.hypot(settings["cv_pipetting"], settings["cv_bead_lot"])
            sample = {"beads_added": 50_000.0 * math.exp(rng.normal(0, error)), "sample_volume_ul": 50.0}
        else:
            counts[place["Cells/Leuk/Lymph"]] = total
            counts[place["Cells/Leuk/Lymph/T"]] = rng.binomial(total, true_count / total)
            sample = {"lymph_abs_1e9_per_l": math.exp(rng.normal(0, settings["cv_lymph_abs"]))}
        found = concentrate(counts, layout, sample, reference, settings)
        i = place["Cells/Leuk/Lymph/T"]
        covered += found.low[i] <= truth <= found.high[i]
    # Four standard errors of a binomial share of 0.95 in 2,000 draws are 0.02.
    assert 0.93 <= covered / n_draws <= 0.975


def sheet(**amounts: dict) -> list[dict]:
    return [{"sample_id": v, "subject_id": "P1", "visit": v, "panel": "x"} | a for v, a in amounts.items()]


def test_references__the_single_platform_comes_first_where_all_visits_have_it() -> None:
    both = {"beads_added": 5e4, "sample_volume_ul": 50.0, "lymph_abs_1e9_per_l": 1.5}
    assert references_of(both, blood()) == ("beads", "lymph_abs")
    assert choose_references(sheet(BL=both, W4=both), {"x": blood()}) == {"BL": "beads", "W4": "beads"}


def test_references__a_series_uses_what_all_its_visits_have() -> None:
    both = {"beads_added": 5e4, "sample_volume_ul": 50.0, "lymph_abs_1e9_per_l": 1.5}
    assert set(choose_references(sheet(BL=both, W4={"lymph_abs_1e9_per_l": 1.2}), {"x": blood()}).values()) == {
        "lymph_abs"
    }


def test_references__a_visit_without_any_is_left_out() -> None:
    assert choose_references(sheet(BL={"lymph_abs_1e9_per_l": 1.2}, W4={}), {"x": blood()}) == {"BL": "lymph_abs"}


def test_references__methods_are_never_mixed_within_a_subject() -> None:
    mixed = sheet(BL={"beads_added": 5e4, "sample_volume_ul": 50.0}, W4={"lymph_abs_1e9_per_l": 1.2})
    with pytest.raises(StudyError, match=r"P1, panel x: absolute counts would mix methods \(BL beads, W4 lymph_abs\)"):
        choose_references(mixed, {"x": blood()})
    assert choose_references(mixed, {"x": blood(beads=False)}) == {"W4": "lymph_abs"}
