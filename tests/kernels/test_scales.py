"""Scales against closed forms, FlowKit, R's published values, and their own inverses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunoprofile.scales import KINDS, Asinh, FlowJoBiex, Hyperlog, Identity, Linear, Log, Logicle
from strategies import scales

# Scaled values are of order one; both sides carry a few roundings of float64.
LAST_BITS = 4e-15
LOGICLES = [
    (262144, 0.5, 4.5, 0),
    (262144, 1, 4.5, 0.5),
    (4194304, 2, 4.5, 0.5),
    (262144, 0, 4.5, 0),
    (1000, 0.3, 4, -0.2),
]
GRID = np.concatenate([-np.logspace(-3, 7, 400)[::-1], [0.0], np.logspace(-3, 7, 400)])


@pytest.mark.oracle
@pytest.mark.parametrize("numbers", LOGICLES, ids=str)
def test_logicle__equals_flowkit(numbers: tuple[float, ...]) -> None:
    from flowkit import transforms

    expected = transforms.LogicleTransform(*numbers).apply(GRID.reshape(-1, 1).copy())[:, 0]
    np.testing.assert_allclose(Logicle(*numbers)(GRID), expected, rtol=0, atol=LAST_BITS)


@pytest.mark.oracle
@pytest.mark.parametrize("numbers", [n for n in LOGICLES if n[1] > 0], ids=str)
def test_hyperlog__equals_flowkit(numbers: tuple[float, ...]) -> None:
    from flowkit import transforms

    expected = transforms.HyperlogTransform(*numbers).apply(GRID.reshape(-1, 1).copy())[:, 0]
    np.testing.assert_allclose(Hyperlog(*numbers)(GRID), expected, rtol=0, atol=LAST_BITS)


@pytest.mark.shared
def test_logicle__equals_flowcore_grid(shared_data: Path) -> None:
    grid = pd.read_csv(shared_data / "transforms" / "flowcore_transform_grid.csv").query("transform == 'logicle'")
    for (t, w, m, a), rows in grid.groupby(["T", "W", "M", "A"]):
        np.testing.assert_allclose(Logicle(t, w, m, a)(rows["x"]) * m, rows["y"], rtol=0, atol=5 * LAST_BITS)


@pytest.mark.shared
def test_flowjo_biex__equals_flowjo_table(shared_data: Path) -> None:
    file = next((shared_data / "transforms" / "flowjo").glob("tr_biex_*.csv"))
    table = pd.read_csv(file)
    scale = FlowJoBiex(neg=1.0, width=-7.943282, pos=4.418540, max=262144.000029)
    # FlowJo writes six significant digits.
    np.testing.assert_allclose(scale.inverse(table["i"].astype(float)), table["lookup[i]"], rtol=6e-6, atol=6e-4)


@pytest.mark.oracle
def test_flowjo_biex__equals_flowkit() -> None:
    from flowkit import transforms

    theirs = transforms.WSPBiexTransform(negative=1.0, width=-7.943282, positive=4.41854, max_value=262144.000029)
    ours = FlowJoBiex(neg=1.0, width=-7.943282, pos=4.41854, max=262144.000029)
    # 4096 steps, so the last bits of order one are a few 1e-13 here.
    np.testing.assert_allclose(ours(GRID), theirs.apply(GRID.reshape(-1, 1).copy())[:, 0], rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("scale", "form"),
    [
        (Identity(), lambda x: x),
        (Linear(1000, 100), lambda x: (x + 100) / 1100),
        (Log(10000, 4), lambda x: math.log10(x / 10000) / 4 + 1 if x > 0 else -math.inf),
        (
            Asinh(10000, 4, 1),
            lambda x: (math.asinh(x * math.sinh(4 * math.log(10)) / 10000) / math.log(10) + 1) / 5,
        ),
    ],
    ids=["identity", "linear", "log", "asinh"],
)
def test_scale__equals_its_formula(scale, form) -> None:
    values = GRID if not isinstance(scale, Identity) else np.array([-5.0, 0.0, 7.5])
    np.testing.assert_allclose(scale(values), [form(x) for x in values], rtol=4e-16, atol=LAST_BITS)


def test_logicle__top_of_scale_is_one_and_zero_is_its_zero() -> None:
    scale = Logicle(262144, 0.5, 4.5, 0)
    assert scale([262144.0])[0] == pytest.approx(1.0, abs=LAST_BITS)
    assert scale([0.0])[0] == pytest.approx(0.5 / 4.5, abs=LAST_BITS)


@pytest.mark.parametrize("kind", [Logicle, Hyperlog], ids=["logicle", "hyperlog"])
def test_scale__odd_symmetry_about_its_zero(kind) -> None:
    scale = kind(262144, 0.5, 4.5, 0.3)
    zero = scale([0.0])[0]
    np.testing.assert_allclose(scale(-GRID) - zero, zero - scale(GRID), rtol=0, atol=LAST_BITS)


@pytest.mark.parametrize("name", [k for k in KINDS if k != "flowjo_biex"])
def test_scale__nan_stays_nan_and_infinity_is_extreme(name: str) -> None:
    numbers = {"identity": (), "linear": (100.0,), "log": (100.0, 3.0), "asinh": (100.0, 3.0)}.get(
        name, (100.0, 0.5, 3.0)
    )
    low, high, nan = KINDS[name](*numbers)(np.array([-math.inf, math.inf, math.nan]))
    assert (low, high) == (-math.inf, math.inf)
    assert math.isnan(nan)


@given(scale=scales(), x=st.floats(-1e7, 1e7))
def test_scale__inverse_comes_back(scale, x: float) -> None:
    y = scale([x])[0]
    if not (scale.low < y < scale.high) or y == -math.inf:
        return
    # Back in linear units an error of the last bits grows by the curve's slope, at most about m ln 10 e-folds.
    slack = 1e-12 * (abs(x) + abs(scale.inverse([y + 1e-3])[0] - scale.inverse([y - 1e-3])[0]) * 1e3)
    assert scale.inverse([y])[0] == pytest.approx(x, abs=max(slack, 1e-9))


@given(scale=scales(), bound=st.floats(-0.5, 1.5), strict=st.booleans())
def test_first_linear__is_the_first_that_passes(scale, bound: float, strict: bool) -> None:
    def passes(x: float) -> bool:
        y = float(np.floor(scale([x])[0] * 1e12 + 0.5) / 1e12) if abs(scale([x])[0]) < 4503 else scale([x])[0]
        edge = math.floor(bound * 1e12 + 0.5) / 1e12
        return y > edge if strict else y >= edge

    first = scale.first_linear(bound, strict=strict)
    if math.isnan(first):
        assert not passes(math.inf)
    else:
        assert passes(first)
        assert first == -math.inf or not passes(float(np.nextafter(first, -math.inf)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Logicle(0, 0.5, 4.5), "t > 0"),
        (lambda: Logicle(100, 3, 4.5), "w <= m / 2"),
        (lambda: Logicle(100, 0.5, 4.5, 4), "a <= m - 2 w"),
        (lambda: Hyperlog(100, 0, 4.5), "0 < w"),
        (lambda: Log(100, 0), "m > 0"),
        (lambda: Asinh(100, 4, 5), "a <= m"),
        (lambda: Linear(100, 200), "a <= t"),
        (lambda: FlowJoBiex(0, 0, 4, 100), "width < 0"),
    ],
)
def test_scale__impossible_parameters_are_refused(make, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_scale__any_shape_in_same_shape_out() -> None:
    assert Logicle(262144, 0.5, 4.5)(np.zeros((3, 2))).shape == (3, 2)
    assert Linear(100)(50).shape == ()
