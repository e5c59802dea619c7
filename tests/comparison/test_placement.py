"""The range of the primary answer over gates placed elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from immunoprofile.comparison import Facts, Plan, signed_rank
from immunoprofile.comparison.placement import gate_placement_range
from immunoprofile.comparison.selection import Key

N = 2000
KEY = Key("treg", "cd4", "logit_frac")
PLAN = Plan("BL", ("W4",), ({"pop_id": "treg", "denom_id": "cd4", "measure": "logit_frac"},))


def table(lift: int) -> pd.DataFrame:
    """Six subjects whose window count depends on where the gate lies."""
    rows = [
        {"subject_id": f"S{i}", "visit": v, "day": d, "pop_id": "treg", "denom_id": "cd4", "count": k, "denom_count": N}
        for i in range(6)
        for v, d, k in (("BL", -1, 100 + i), ("W4", 28, 100 + 2 * i + lift))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def logit(k: int) -> float:
    return float(np.log((k + 0.5) / (N - k + 0.5)))


def test_gate_placement_range__spans_the_estimates_of_all_placements():
    lifts = {"CD25 min -0.02": 10, "CD25 min +0.02": -5, "CD127 max +0.02": 0}
    row = gate_placement_range({name: table(n) for name, n in lifts.items()}, KEY, PLAN, Facts())[0]
    each = {
        n: signed_rank([logit(100 + 2 * i + n) - logit(100 + i) for i in range(6)]).estimate for n in lifts.values()
    }
    assert (row["ci_lo"], row["ci_hi"]) == pytest.approx((each[-5], each[10]))
    assert row["ci_method"] == "range_over_gate_placements"
    assert row["note"].startswith("3 placements; lowest at CD25 min +0.02, highest at CD25 min -0.02; p from")


def test_gate_placement_range__a_conclusion_that_depends_on_the_gate_is_flagged():
    # Lift 10: all six rise, p = 2/2^6; lift -5: they fall and rise.
    rows = gate_placement_range({"up": table(10), "down": table(-5)}, KEY, PLAN, Facts())
    assert "CONCLUSION_TURNS" in rows[0]["flags"]


def test_gate_placement_range__names_a_placement_without_anything_to_compare():
    rows = gate_placement_range({"up": table(10), "off": table(0).query("visit == 'W4'")}, KEY, PLAN, Facts())
    assert rows[0]["note"].endswith("nothing to compare at off")


def test_gate_placement_range__other_rules_have_rows_of_their_own():
    rows = gate_placement_range({"CD25 min +0.02": table(10), "gates fixed": table(3)}, KEY, PLAN, Facts())
    own = next(r for r in rows if r["sensitivity"] == "gates_fixed")
    wanted = signed_rank([logit(103 + 2 * i) - logit(100 + i) for i in range(6)])
    assert (own["estimate"], own["p_raw"], own["n_total"]) == (wanted.estimate, wanted.p, 6)
    assert rows[0]["note"].startswith("2 placements")


def test_gate_placement_range__a_rule_that_cannot_be_applied_is_listed():
    rows = gate_placement_range({"up": table(10), "gates pooled by batch": table(0).iloc[:0]}, KEY, PLAN, Facts())
    assert rows[-1]["sensitivity"] == "gates_pooled_by_batch"
    assert rows[-1]["flags"] == frozenset({"NOT_AVAILABLE"})
