"""Before and after, one number a subject."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from immunoprofile.columns import CHANGE
from immunoprofile.comparison import paired_change
from immunoprofile.errors import InputError, PairingError
from immunoprofile.tables import read_table, write_table

DOUBLE = 1e-12  # a handful of double-precision operations


def sheet(*rows: tuple[str, str, int, int], **columns: object) -> pd.DataFrame:
    """subject, visit, count and denom_count of one population."""
    frame = pd.DataFrame(rows, columns=["subject_id", "visit", "count", "denom_count"])
    return frame.assign(pop_id="treg", **columns)


def only(frame: pd.DataFrame, subject: str = "A") -> pd.Series:
    return frame[frame["subject_id"] == subject].iloc[0]


def test_paired_change__is_the_difference_of_empirical_logits():
    row = only(paired_change(sheet(("A", "BL", 60, 1000), ("A", "W4", 90, 1000)), baseline="BL", window="W4"))
    before, after = math.log(60.5 / 940.5), math.log(90.5 / 910.5)
    assert row["delta"] == pytest.approx(after - before, abs=DOUBLE)
    assert row["fold_or_odds_ratio"] == pytest.approx((90.5 / 910.5) / (60.5 / 940.5), abs=DOUBLE)
    assert row["delta_frac_pp"] == pytest.approx(3.0, abs=DOUBLE)
    assert (row["base_count"], row["post_count_min"], row["n_post"]) == (60, 90, 1)


def test_paired_change__window_is_the_mean_of_the_visits_there_are():
    rows = [("A", "BL", 60, 1000), ("A", "W4", 90, 1000), ("A", "W8", 120, 1000), ("B", "BL", 60, 1000),
            ("B", "W8", 120, 1000)]  # fmt: skip
    frame = paired_change(sheet(*rows), baseline="BL", window=["W4", "W8"])
    four, eight = math.log(90.5 / 910.5), math.log(120.5 / 880.5)
    assert only(frame, "A")["post_value"] == pytest.approx((four + eight) / 2, abs=DOUBLE)
    assert only(frame, "B")["post_value"] == pytest.approx(eight, abs=DOUBLE)
    assert list(frame["n_post"]) == [2, 1]
    assert set(frame["window"]) == {"W4+W8"}


def test_paired_change__has_the_columns_and_key_of_its_table(populations, tmp_path):
    frame = paired_change(populations(), baseline="BL", window=["W4", "W8"])
    assert tuple(frame.columns) == CHANGE.names
    written = write_table("change", frame, tmp_path)[0]
    pd.testing.assert_frame_equal(read_table("change", written)[["delta", "n_post"]], frame[["delta", "n_post"]])


def test_paired_change__does_not_depend_on_the_order_of_rows(populations):
    table = populations()
    there = paired_change(table, baseline="BL", window=["W4", "W8"])
    back = paired_change(table.sample(frac=1, random_state=3), baseline="BL", window=["W4", "W8"])
    pd.testing.assert_frame_equal(there, back)


def test_paired_change__swapping_pre_and_post_flips_the_sign(populations):
    there = paired_change(populations().drop(columns="day"), baseline="BL", window="W4")
    back = paired_change(populations().drop(columns="day"), baseline="W4", window="BL")
    assert np.array_equal(back["delta"], -there["delta"])


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        pytest.param([("A", "BL", 60, 1000)], "no_window", id="no window"),
        pytest.param([("A", "W4", 60, 1000)], "no_baseline", id="no baseline"),
        pytest.param([("A", "BL", 0, 0), ("A", "W4", 6, 100)], "baseline_denominator_zero", id="empty baseline"),
        pytest.param([("A", "BL", 6, 100), ("A", "W4", 0, 0)], "window_denominator_zero", id="empty window"),
        pytest.param([("A", "BL", 0, 0)], "baseline_denominator_zero;no_window", id="both"),
    ],
)
def test_paired_change__a_subject_that_does_not_pair_keeps_a_row_with_the_reason(rows, reason):
    others = [("Z", "BL", 60, 1000), ("Z", "W4", 60, 1000)]
    row = only(paired_change(sheet(*rows, *others), baseline="BL", window="W4"))
    assert row["exclude_reason"] == reason
    assert not row["include_primary"]
    assert np.isnan(row["delta"])


def test_paired_change__a_population_that_a_subject_lacks_is_a_row(populations):
    table = populations(4)
    table = table[~((table["subject_id"] == "S01") & (table["pop_id"] == "th17"))]
    frame = paired_change(table, baseline="BL", window="W4")
    missing = frame[(frame["subject_id"] == "S01") & (frame["pop_id"] == "th17")].iloc[0]
    assert len(frame) == 8
    assert missing["exclude_reason"] == "no_baseline;no_window"


def test_paired_change__not_evaluable_is_left_out_and_low_counts_stay():
    rows = [("A", "BL", 60, 1000), ("A", "W4", 90, 1000), ("B", "BL", 3, 150), ("B", "W4", 0, 1000)]
    table = sheet(*rows, status=["ok", "not_evaluable", "below_lod", "below_lloq"])
    frame = paired_change(table, baseline="BL", window="W4")
    assert only(frame, "A")["exclude_reason"] == "window_not_evaluable"
    assert only(frame, "B")["include_primary"]
    assert only(frame, "B")["flags"] == "LOW_EVENTS;LOW_PARENT;ZERO_COUNTS"


@pytest.mark.parametrize(
    ("count", "denominator", "flags"), [(49, 200, "LOW_EVENTS"), (50, 200, ""), (50, 199, "LOW_PARENT")]
)
def test_paired_change__low_counts_are_flagged_below_their_limits(count, denominator, flags):
    table = sheet(("A", "BL", 60, 1000), ("A", "W4", count, denominator))
    assert only(paired_change(table, baseline="BL", window="W4"))["flags"] == flags


def test_paired_change__carries_the_flags_of_the_samples():
    table = sheet(("A", "BL", 60, 1000), ("A", "W4", 90, 1000), flags=["AGED_BLOOD", "TIME_DRIFT;AGED_BLOOD"])
    assert only(paired_change(table, baseline="BL", window="W4"))["flags"] == "AGED_BLOOD;TIME_DRIFT"


def test_paired_change__window_samples_from_rescue_on_are_left_out():
    rows = [("A", "BL", 60, 1000), ("A", "W4", 90, 1000), ("A", "W8", 200, 1000), ("B", "BL", 60, 1000),
            ("B", "W4", 80, 1000), ("B", "W8", 80, 1000), ("C", "BL", 60, 1000), ("C", "W4", 70, 1000)]  # fmt: skip
    table = sheet(*rows, day=[-1, 28, 56, -1, 28, 56, -1, 28])
    days = {"A": 56, "B": 20, "C": pd.NA}
    frame = paired_change(table, baseline="BL", window=["W4", "W8"], first_rescue_day=days)
    one, none, free = (only(frame, s) for s in "ABC")
    assert (one["n_post"], one["post_rescue"], one["include_primary"]) == (1, True, True)
    assert one["post_value"] == pytest.approx(math.log(90.5 / 910.5), abs=DOUBLE)
    assert (none["n_post"], none["exclude_reason"]) == (0, "window_after_rescue")
    assert none["flags"] == "POST_RESCUE"
    assert (free["post_rescue"], free["include_primary"]) == (False, True)


def test_paired_change__without_rescue_days_nothing_is_known_of_rescue(populations):
    frame = paired_change(populations(3), baseline="BL", window="W4")
    assert frame["post_rescue"].isna().all()


def test_paired_change__a_window_sample_without_a_day_cannot_be_shown_to_precede_rescue():
    table = sheet(("A", "BL", 60, 1000), ("A", "W4", 90, 1000), day=[-1, None])
    row = only(paired_change(table, baseline="BL", window="W4", first_rescue_day={"A": 40}))
    assert (row["exclude_reason"], row["flags"]) == ("window_day_unknown", "DAY_UNKNOWN")


def test_paired_change__rescue_days_need_days_of_the_samples():
    table = sheet(("A", "BL", 60, 1000), ("A", "W4", 90, 1000))
    with pytest.raises(InputError, match="rescue days are given but no sample has a day"):
        paired_change(table, baseline="BL", window="W4", first_rescue_day={"A": 40})


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        ([3, 28], "baseline_after_day_0"),
        ([-1, -2], "window_not_after_baseline"),
        ([-1, -1], "window_not_after_baseline"),
    ],
)
def test_paired_change__days_that_contradict_the_visits_exclude(days, reason):
    table = sheet(("A", "BL", 60, 1000), ("A", "W4", 90, 1000), day=days)
    assert only(paired_change(table, baseline="BL", window="W4"))["exclude_reason"] == reason


def panels_sheet() -> pd.DataFrame:
    rows = [("A", "BL", 60, 1000), ("A", "W4", 90, 1000), ("A", "BL", 10, 1000), ("A", "W4", 10, 1000)]
    return sheet(*rows, panel=["treg", "treg", "tbnk", "tbnk"], sample_id=["1", "2", "3", "4"], denom_id="cd4")


def test_paired_change__of_two_panels_the_first_named_is_used():
    row = only(paired_change(panels_sheet(), baseline="BL", window="W4", panels=["tbnk", "treg"]))
    assert (row["panel"], row["delta"], row["baseline_sample_id"]) == ("tbnk", 0.0, "3")
    assert "PANEL_CHOSEN" not in row["flags"]


def test_paired_change__of_two_panels_without_an_order_the_first_seen_is_used_and_said():
    row = only(paired_change(panels_sheet(), baseline="BL", window="W4"))
    assert row["panel"] == "treg"
    assert "PANEL_CHOSEN" in row["flags"]


def test_paired_change__panels_are_never_mixed_within_a_pair():
    table = panels_sheet().iloc[[0, 3]]
    row = only(paired_change(table, baseline="BL", window="W4"))
    assert row["exclude_reason"] == "no_window"


def test_paired_change__several_samples_of_a_visit_are_named():
    table = panels_sheet().assign(panel="treg")
    with pytest.raises(PairingError) as refusal:
        paired_change(table, baseline="BL", window="W4")
    first = str(refusal.value).splitlines()[0]
    assert first == (
        "subject A, visit BL, panel treg: has 2 samples: 1, 3. "
        "Keep one sample a subject, visit and panel; cells or repeats are not subjects."
    )
    assert len(refusal.value.problems) == 2


def test_paired_change__cells_given_as_rows_are_refused():
    table = sheet(*[("A", "BL", 60, 1000)] * 3, ("A", "W4", 90, 1000))
    with pytest.raises(PairingError, match="several rows of population treg of unnamed"):
        paired_change(table, baseline="BL", window="W4")


def test_paired_change__denominators_without_a_name_are_refused():
    table = sheet(("A", "BL", 60, 1000), ("A", "BL", 60, 5000), ("A", "W4", 90, 1000))
    with pytest.raises(PairingError, match="treg has several denominators and no denom_id tells which") as refusal:
        paired_change(table, baseline="BL", window="W4")
    assert refusal.value.where == "subject A, visit BL"
    assert refusal.value.remedy == "Add the column denom_id."


def test_paired_change__a_denominator_nobody_named_is_not_invented():
    table = sheet(("A", "BL", 60, 1000), ("A", "W4", 90, 1000))
    assert only(paired_change(table, baseline="BL", window="W4"))["denom_id"] == "unnamed"


def test_paired_change__an_unknown_visit_is_refused_with_the_known_ones(populations):
    with pytest.raises(PairingError, match='no sample of visit "Bl"') as refusal:
        paired_change(populations(3), baseline="Bl", window="W4")
    assert 'Did you mean "BL"? Known: "BL", "W4", "W8".' in str(refusal.value)


def test_paired_change__a_window_visit_that_nobody_has_yet_is_said(populations):
    frame = paired_change(populations(3), baseline="BL", window=["W4", "W12"])
    assert set(frame["flags"]) == {"WINDOW_VISIT_ABSENT"}


@pytest.mark.parametrize(
    ("window", "message"), [([], "the window has no visit"), (["BL", "W4"], "the window holds the baseline visit BL")]
)
def test_paired_change__a_window_must_follow_baseline(populations, window, message):
    with pytest.raises(PairingError, match=message):
        paired_change(populations(3), baseline="BL", window=window)


@pytest.mark.parametrize(
    ("count", "denominator", "message"),
    [(11, 10, "count 11 of 10 is not a count"), (-1, 10, "count -1 of 10"), (1.5, 10, "count 1.5 of 10")],
)
def test_paired_change__impossible_counts_are_refused_with_their_place(count, denominator, message):
    table = sheet(("A", "BL", 60, 1000), ("A", "W4", count, denominator))
    with pytest.raises(InputError, match=message) as refusal:
        paired_change(table, baseline="BL", window="W4")
    assert refusal.value.where == "subject A, visit W4, population treg"


def test_paired_change__counts_that_are_no_numbers_are_refused():
    table = sheet(("A", "BL", 60, 1000)).assign(count="12 %")
    with pytest.raises(InputError, match="column count") as refusal:
        paired_change(table, baseline="BL", window="W4")
    assert refusal.value.code == "TABLE-VALUE"


def test_paired_change__values_given_as_text_keep_every_digit():
    generator = np.random.default_rng(1)
    numbers = [float(v) for v in generator.normal(-3, 1, 200)]
    table = pd.DataFrame(
        {
            "subject_id": [f"P{i:03d}" for i in range(100) for _ in range(2)],
            "visit": ["BL", "W4"] * 100,
            "pop_id": "treg",
            "value": [repr(v) for v in numbers],
            "scale": "logit_frac",
        }
    )
    frame = paired_change(table, baseline="BL", window="W4")
    assert list(frame["baseline_value"]) == numbers[::2]


def test_paired_change__missing_columns_are_named():
    with pytest.raises(InputError, match="header: column count missing from the populations table"):
        paired_change(sheet(("A", "BL", 6, 10)).drop(columns="count"), baseline="BL", window="W4")
    values = sheet(("A", "BL", 6, 10)).drop(columns="count").assign(value=0.6)
    with pytest.raises(InputError, match="header: column scale missing from the populations table"):
        paired_change(values, baseline="BL", window="W4")


@pytest.mark.parametrize("cell", ["40.1 %", "40,1", "n/a"])
def test_paired_change__a_value_that_is_no_number_is_named(cell):
    values = (
        sheet(("A", "BL", 6, 10), ("A", "W4", 6, 10)).drop(columns="count").assign(value=["40", cell], scale="percent")
    )
    with pytest.raises(InputError, match=f'column value: "{cell}" is not a number. Write plain numbers with a point'):
        paired_change(values, baseline="BL", window="W4")


def test_paired_change__rows_without_a_subject_are_refused():
    with pytest.raises(InputError, match="column subject_id of the populations table is empty in some rows"):
        paired_change(sheet(("A", "BL", 6, 10), (None, "W4", 6, 10)), baseline="BL", window="W4")


def test_paired_change__an_unknown_measure_is_refused(populations):
    with pytest.raises(InputError, match='no measure named "logit_fraction"') as refusal:
        paired_change(populations(3), baseline="BL", window="W4", measure="logit_fraction")
    assert 'Did you mean "logit_frac"?' in str(refusal.value)


def values(first: float, second: float, scale: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"subject_id": "A", "visit": ["BL", "W4"], "pop_id": "treg", "value": [first, second], "scale": scale}
    )


@pytest.mark.parametrize(
    ("scale", "measure", "expected", "denominator"),
    [
        ("percent", "logit_frac", math.log((9 / 91) / (6 / 94)), "unnamed"),
        ("frac", "logit_frac", math.log((9 / 91) / (6 / 94)), "unnamed"),
        ("cells_per_ul", "log_cells_per_ul", math.log(1.5), "none"),
        ("mfi", "log_mfi", math.log(1.5), "none"),
        ("log_mfi", "log_mfi", 3.0, "none"),
    ],
)
def test_paired_change__values_are_taken_on_their_scale(scale, measure, expected, denominator):
    factor = 0.01 if scale == "frac" else 1.0
    row = only(paired_change(values(6 * factor, 9 * factor, scale), baseline="BL", window="W4", measure=measure))
    assert row["delta"] == pytest.approx(expected, abs=DOUBLE)
    assert row["denom_id"] == denominator
    assert row["base_count"] is pd.NA


def test_paired_change__a_fraction_of_zero_without_counts_has_no_logit():
    row = only(paired_change(values(0.0, 0.1, "frac"), baseline="BL", window="W4"))
    assert row["exclude_reason"] == "baseline_value_without_logarithm"


def test_paired_change__a_percentage_given_as_fraction_is_refused():
    with pytest.raises(InputError, match="value 6 cannot be on the scale frac"):
        paired_change(values(6.0, 9.0, "frac"), baseline="BL", window="W4")


def test_paired_change__a_scale_of_another_measure_is_refused():
    with pytest.raises(InputError, match="no value is on a scale of logit_frac"):
        paired_change(values(6.0, 9.0, "mfi"), baseline="BL", window="W4")


def concentrations() -> pd.DataFrame:
    """Two populations in one tube, each against two denominators; one event stands for 0.02 cells per microlitre."""
    rows = [
        {"subject_id": "A", "visit": visit, "panel": "treg", "sample_id": f"A_{visit}", "pop_id": pop,
         "denom_id": denominator, "count": count, "denom_count": 5000, "cells_per_ul": 0.02 * count, "status": "ok"}
        for visit, treg in (("BL", 0), ("W4", 300))
        for pop, count in (("treg", treg), ("th17", 900))
        for denominator in ("cd4", "cd3")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_paired_change__a_concentration_is_one_row_whatever_its_denominators():
    frame = paired_change(concentrations(), baseline="BL", window="W4", measure="log_cells_per_ul")
    assert list(frame["pop_id"]) == ["treg", "th17"] or list(frame["pop_id"]) == ["th17", "treg"]
    assert set(frame["denom_id"]) == {"none"}


def test_paired_change__a_concentration_is_taken_from_a_row_that_is_evaluable():
    table = concentrations()
    table.loc[table["denom_id"] == "cd4", "status"] = "not_evaluable"
    frame = paired_change(table, baseline="BL", window="W4", measure="log_cells_per_ul")
    assert frame["include_primary"].all()


def test_paired_change__a_concentration_of_zero_is_half_an_event():
    frame = paired_change(concentrations(), baseline="BL", window="W4", measure="log_cells_per_ul")
    row = frame[frame["pop_id"] == "treg"].iloc[0]
    assert row["baseline_value"] == pytest.approx(math.log(0.5 * 0.02), abs=DOUBLE)
    assert "ZERO_COUNTS" in row["flags"]


def test_paired_change__a_concentration_of_zero_without_a_volume_is_left_out():
    table = concentrations().query("pop_id == 'treg'")
    frame = paired_change(table, baseline="BL", window="W4", measure="log_cells_per_ul")
    assert only(frame)["exclude_reason"] == "baseline_zero_concentration"


def test_paired_change__two_concentrations_of_one_population_are_refused():
    table = concentrations()
    table.loc[7, "cells_per_ul"] = 5.0
    with pytest.raises(PairingError, match="th17 has several values of cells_per_ul in one sample"):
        paired_change(table, baseline="BL", window="W4", measure="log_cells_per_ul")


def test_paired_change__many_problems_are_counted():
    rows = [(f"P{i:02d}", v, 6, 10) for i in range(20) for v in ("BL", "BL", "W4")]
    with pytest.raises(PairingError, match="and 8 more like these"):
        paired_change(sheet(*rows), baseline="BL", window="W4")
