"""Ticks where cytometrists look for them."""

from __future__ import annotations

import pytest

from immunoprofile.report.axes import nice_step, ticks_of
from immunoprofile.scales import Asinh, FlowJoBiex, Hyperlog, Identity, Linear, Log, Logicle

LOGICLE = Logicle(262144, 0.5, 4.5)
CLOSE = 1e-9
"""Ticks are places of the same scale: nothing but the last bits may differ."""


def labelled(scale, low=0.0, high=1.0, **more):
    return {t.label: t.place for t in ticks_of(scale, low, high, **more) if t.label}


def test_ticks__logicle_has_decades_zero_and_the_negative_side():
    found = labelled(LOGICLE, upright=True)
    assert list(found) == ["−10²", "0", "10²", "10³", "10⁴", "10⁵"]
    for label, value in (("0", 0.0), ("10³", 1e3), ("10⁵", 1e5), ("−10²", -1e2)):
        assert found[label] == pytest.approx(float(LOGICLE(value)), abs=CLOSE)


def test_ticks__level_axis_drops_what_would_touch_but_never_zero():
    assert list(labelled(LOGICLE)) == ["0", "10²", "10³", "10⁴", "10⁵"]


def test_ticks__linear_axis_counts_in_thousands():
    assert list(labelled(Linear(262144.0))) == ["0", "100K", "200K"]


def test_ticks__linear_axis_places_are_shares():
    assert labelled(Linear(200_000.0))["100K"] == pytest.approx(0.5, abs=CLOSE)


@pytest.mark.parametrize(
    "scale",
    [LOGICLE, Asinh(262144, 4.5, 1.0), Hyperlog(262144, 0.5, 4.5), Log(262144, 4.5), Linear(1000.0), Identity()],
    ids=lambda s: s.kind,
)
def test_ticks__lie_on_the_axis_in_order(scale):
    places = [t.place for t in ticks_of(scale, 0.0, 1.0)]
    assert places == sorted(places)
    assert all(0 <= p <= 1 for p in places)
    assert any(t.label for t in ticks_of(scale, 0.0, 1.0))


def test_ticks__flowjo_axis_is_read_in_its_own_units():
    found = labelled(FlowJoBiex(0.0, -10.0, 4.5, 262144.0), 0.0, 4096.0)
    assert found["10⁵"] > found["10⁴"] > found["10³"] > found["0"]


@pytest.mark.parametrize(("rough", "step"), [(1.0, 1), (1.1, 2), (2.0, 2), (2.1, 5), (7.0, 10), (0.03, 0.05)])
def test_nice_step__is_one_two_or_five(rough, step):
    assert nice_step(rough) == pytest.approx(step)
