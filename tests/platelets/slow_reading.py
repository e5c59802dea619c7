"""A second, slow reading of the response algorithm: day by day, by fractions, sharing no code with the package.

Covers the verdict, onset, confirmation, loss and duration of the confirmed definitions, with rescue, washouts, ended
attribution, bleeding and a baseline of two choices. Days up to `HORIZON` are looked at one by one.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

HORIZON = 400
WASHOUT = {"platelet_transfusion": 7, "ivig": 28, "anti_d": 28, "steroid": 28, "tpo_ra": 28, "other": 56}
ENDS = {"rituximab", "splenectomy", "anti_cd38"}


def read_slowly(history, *, strict, composite):
    """What the algorithm says of one history, as a dict."""
    blocked = _blocked(history["treatments"])
    baseline = _baseline(history["counts"], blocked)
    rescues = [t["day"] for t in history["treatments"] if t["role"] == "rescue" and t["day"] >= 0]
    rescue = min(rescues, default=None)
    if baseline is None:
        return {"best": "NE", "reason": "no_baseline"}
    speaks = _speaking(history, blocked)
    level = {d: _level(v, baseline, _bleeds(history["bleeding"], d)) for d, v in speaks.items()}
    response = _credited(level, 1, strict, rescue if composite else None)
    if response is not None:
        complete = _credited(level, 2, strict, rescue if composite else None)
        loss = _loss(level, 1, response[0], _breaks(history, composite))
        end = max(speaks) if loss is None else loss
        return {
            "best": "R" if complete is None else "CR",
            "onset": response[0],
            "confirmed": response[1],
            "cr": None if complete is None else complete[0],
            "loss": loss,
            "duration": end - response[0],
        }
    if composite and rescue is not None and rescue <= 84:
        return {"best": "NR", "reason": "rescue_before_response"}
    if not any(1 <= d <= 84 for d in speaks):
        return _empty(history, rescue)
    return {"best": "UNCONFIRMED_R" if _awaits(level, strict) else "NR"}


def _blocked(treatments):
    """Every day on which a count does not speak because of what was given."""
    days = set()
    for t in treatments:
        if t["kind"] in ENDS:
            if t["day"] >= 0:
                days |= set(range(t["day"], HORIZON))
        elif t["kind"] != "steroid" or t["role"] == "rescue":
            days |= set(range(t["day"], t["day"] + WASHOUT[t["kind"]] + 1))
    return days


def _baseline(counts, blocked):
    for first, last in ((-7, 0), (-14, -8)):
        for day in range(last, first - 1, -1):
            if day in counts and day not in blocked:
                return Fraction(counts[day])
    return None


def _speaking(history, blocked):
    return {d: Fraction(history["counts"][d]) for d in range(1, HORIZON) if d in history["counts"] and d not in blocked}


def _bleeds(bleeding, day):
    return any(bleeding.get(d, 0) > 0 for d in range(day - 3, day + 1))


def _level(value, baseline, bleeds):
    if bleeds:
        return 0
    if value >= 100:
        return 2
    return 1 if value >= 30 and value >= 2 * baseline else 0


def _credited(level, wanted, strict, rescue):
    for first in range(1, 85):
        if level.get(first, 0) < wanted:
            continue
        for second in range(first + 7, 113):
            if level.get(second, 0) < wanted:
                continue
            between = [level[d] for d in range(first + 1, second) if d in level]
            if strict and min(between, default=wanted) < wanted:
                continue
            return None if rescue is not None and rescue <= first else (first, second)
    return None


def _awaits(level, strict):
    """Is there a count at R in the days of onset that nothing later, up to day 112, speaks about?"""
    for first in range(1, 85):
        if level.get(first, 0) < 1:
            continue
        later = {d: level[d] for d in range(first + 1, 113) if d in level}
        told = any(d >= first + 7 or (strict and reached < 1) for d, reached in later.items())
        if not told:
            return True
    return False


def _breaks(history, composite):
    days = {d for d, grade in history["bleeding"].items() if grade > 0}
    if composite:
        days |= {t["day"] for t in history["treatments"] if t["role"] == "rescue"}
    ended = min((t["day"] for t in history["treatments"] if t["kind"] in ENDS and t["day"] >= 0), default=HORIZON)
    return {d for d in days if d <= ended}


def _loss(level, wanted, onset, breaks):
    """First day after onset that begins two neighbouring counts below the level, or that breaks the response."""
    days = sorted(d for d in level if d > onset)
    low = [a for a, b in pairwise(days) if level[a] < wanted and level[b] < wanted]
    return min([*low, *(d for d in breaks if d > onset)], default=None)


def _empty(history, rescue):
    ended = [t["day"] for t in history["treatments"] if t["kind"] in ENDS and t["day"] >= 0]
    if any(d <= 84 for d in [*ended, *([] if rescue is None else [rescue])]):
        return {"best": "NR", "reason": "no_eligible_count_rescue"}
    if history["end_reason"] == "lack of efficacy":
        return {"best": "NR", "reason": "lack_of_efficacy"}
    return {"best": "NE", "reason": "no_eligible_count"}
