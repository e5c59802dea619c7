"""Values of populations on the axes of rules, beside the plain way: compensate everything, scale, pick."""

import numpy as np
import pytest

import immunoprofile as ip
from immunoprofile.fcs import ChannelSpec, read_fcs, write_fcs
from immunoprofile.gating import Compensation, Marker
from immunoprofile.gating.automatic import values as module
from immunoprofile.gating.automatic.values import Wanted, read_values
from immunoprofile.gating.gates import Dimension, Ratio
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.scales import Identity, Logicle
from immunoprofile.spillover import Spillover

LOGICLE = Logicle(262144, 0.5, 4.5)
A, B = Dimension("A", LOGICLE), Dimension("B", LOGICLE)
TEMPLATE = GatingTemplate(
    "t", "1", "", "draft", tuple(Marker(n, (n,)) for n in "AB"), Compensation("file"), gates=()
)  # fmt: skip
# Sums of two products in another order.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    rng = np.random.default_rng(1)
    values = rng.lognormal(6, 1.5, (5_000, 2)).astype(np.float32)
    matrix = Spillover(("A", "B"), np.array([[1, 0.2], [0.1, 1]]))
    path = tmp_path_factory.mktemp("values") / "x.fcs"
    write_fcs(path, values, [ChannelSpec("A"), ChannelSpec("B")], spillover=matrix)
    return read_fcs(path)


@pytest.mark.parametrize("block", [7, 65_536])
def test_read_values__is_the_plain_way(events, monkeypatch, block):
    monkeypatch.setattr(module, "_BLOCK", block)
    mask = np.arange(events.n_events) % 3 == 0
    found = read_values(TEMPLATE, [Wanted((A, B), mask), Wanted((B,), ~mask)], events, None)
    plain = LOGICLE(ip.compensate(events, events.spillover))
    np.testing.assert_allclose(found[0], plain[mask].T, atol=ROUNDING)
    np.testing.assert_allclose(found[1][0], plain[~mask, 1], atol=ROUNDING)


def test_read_values__ratio_of_two_channels(events):
    axis = Dimension(Ratio("A", "B", 2.0, 1.0, 3.0), Identity(), "uncompensated")
    (found,) = read_values(TEMPLATE, [Wanted((axis,), np.ones(events.n_events, bool))], events, None)
    linear = events.linear()
    np.testing.assert_allclose(found[0], 2 * (linear[:, 0] - 1) / (linear[:, 1] - 3), rtol=ROUNDING)


def test_read_values__takes_even_steps_of_a_large_population(events):
    wanted = Wanted((Dimension("A", Identity(), "uncompensated"),), np.ones(events.n_events, bool), most=1_000)
    (found,) = read_values(TEMPLATE, [wanted], events, None)
    np.testing.assert_array_equal(found[0], events.linear()[::5, 0])


def test_read_values__nobody_gives_an_empty_array(events):
    (found,) = read_values(TEMPLATE, [Wanted((A, B), np.zeros(events.n_events, bool))], events, None)
    assert found.shape == (2, 0)


def test_read_values__top_of_the_range_is_left_out_where_asked(tmp_path):
    values = np.array([[10.0], [20.0], [262143.0], [np.nan]] * 25 + [[5.0]] * 500, dtype=np.float32)
    write_fcs(tmp_path / "x.fcs", values, [ChannelSpec("A", range=262144)])
    file = read_fcs(tmp_path / "x.fcs")
    axis, everyone = Dimension("A", Identity(), "uncompensated"), np.ones(600, bool)
    kept, counted = read_values(TEMPLATE, [Wanted((axis,), everyone), Wanted((axis,), everyone, False)], file, None)
    assert kept.max() == 20
    assert counted.max() == 262143
    assert kept.shape[1] == 550
