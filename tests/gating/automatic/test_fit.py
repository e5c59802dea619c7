"""Each method on populations that are known, and each reason why a fallback stands."""

import math

import numpy as np
import pytest
from automatic.rules import LOGICLE, Identity, axis, fallback, rule
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chi2, norm

from immunoprofile.gating.automatic import fit_rule, own_place
from immunoprofile.gating.automatic.lines import _pooled_quantile
from immunoprofile.gating.gates import Ellipsoid, Polygon
from immunoprofile.kernels.geometry import polygon_holds

# Sampling error of a place found from 20,000 events with spreads of 0.05: several times their standard error.
PLACE = 0.02


def normal(seed, *parts):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(m, s, n) for n, m, s in parts])[np.newaxis]


TWO = normal(1, (12_000, 0.2, 0.05), (8_000, 0.7, 0.05))
ONE = normal(2, (20_000, 0.3, 0.05))


def inside(shape, points):
    """(n,) plain even-odd twin for polygons, Mahalanobis for ellipses."""
    if isinstance(shape, Ellipsoid):
        away = points - np.array(shape.center)[:, np.newaxis]
        return np.einsum("in,ij,jn->n", away, np.linalg.inv(shape.covariance), away) <= shape.distance_square
    x, y = points
    odd = np.zeros(x.size, dtype=bool)
    for (ax, ay), (bx, by) in zip(shape.vertices, (*shape.vertices[1:], shape.vertices[0]), strict=True):
        if ay != by:
            odd ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return odd


@pytest.mark.parametrize(("keep", "bounds"), [("above", 0), ("below", 1)])
def test_valley__cut_bounds_the_side_that_is_kept(keep, bounds):
    fit = fit_rule(rule("valley", keep=keep), [TWO], fallback(None, None))
    assert fit.geometry.bounds[0][bounds] == fit.at == pytest.approx(0.45, abs=2 * PLACE)
    assert fit.geometry.bounds[0][1 - bounds] is None


def test_valley__other_bound_of_the_fallback_stays():
    fit = fit_rule(rule("valley"), [TWO], fallback(0.5, 0.9))
    assert fit.geometry.bounds == ((fit.at, 0.9),)


def test_valley__beyond_the_other_bound_is_refused():
    fit = fit_rule(rule("valley"), [TWO], fallback(0.1, 0.3))
    assert fit.geometry is None
    assert "beyond the other bound of the fallback" in fit.words


@pytest.mark.parametrize(
    ("values", "settings", "words"),
    [
        (ONE, {}, "one peak"),
        (TWO, {"between": (0.8, 0.9)}, "no valley between 0.8 and 0.9; the nearest is at 0.4"),
        (np.full((1, 500), 0.3), {}, "no two different values"),
    ],
    ids=["one peak", "valley elsewhere", "one value"],
)
def test_valley__says_why_there_is_none(values, settings, words):
    fit = fit_rule(rule("valley", **settings), [values], fallback())
    assert fit.geometry is None
    assert words in fit.words


def test_valley__between_takes_the_valley_that_is_meant():
    values = normal(3, (10_000, 0.1, 0.03), (10_000, 0.4, 0.03), (1_000, 0.8, 0.03))
    assert fit_rule(rule("valley"), [values], fallback()).at == pytest.approx(0.25, abs=0.05)
    assert fit_rule(rule("valley", between=(0.5, 0.7)), [values], fallback()).at == pytest.approx(0.6, abs=0.05)


def test_valley__negatives_split_by_the_scale_are_one_peak():
    # Noise of SD 2000 about zero on a logicle that is linear only within +-100: two peaks, one population.
    linear = np.random.default_rng(4).normal(0, 2000, 30_000)
    narrow = axis(scale=type(LOGICLE)(262144, 0.1, 4.5))
    fit = fit_rule(rule("valley", narrow), [narrow.scale(linear)[np.newaxis]], fallback(dimension=narrow))
    assert fit.geometry is None
    assert "noise of the negatives" in fit.words


def test_valley__positives_beside_spread_negatives_are_found():
    rng = np.random.default_rng(5)
    linear = np.concatenate([rng.normal(0, 300, 20_000), rng.lognormal(math.log(20_000), 0.5, 5_000)])
    fit = fit_rule(rule("valley", axis(scale=LOGICLE)), [LOGICLE(linear)[np.newaxis]], fallback())
    assert 1_000 < LOGICLE.inverse(fit.at) < 10_000


def test_valley__stragglers_are_no_population():
    values = normal(6, (100_000, 0.3, 0.05), (30, 0.9, 0.01))
    fit = fit_rule(rule("valley"), [values], fallback())
    assert fit.geometry is None
    assert "leaves almost no events on one side" in fit.words


def test_valley__order_of_samples_changes_nothing_after_sorting_by_id():
    parts = [normal(s, (3_000, 0.2, 0.05), (1_000 * s, 0.7, 0.05)) for s in (1, 2, 3)]
    assert fit_rule(rule("valley"), parts, fallback()) == fit_rule(rule("valley"), list(parts), fallback())


def test_valley__each_sample_of_a_pool_weighs_the_same():
    large = normal(7, (200_000, 0.2, 0.05), (200_000, 0.6, 0.05))
    small = normal(8, (1_000, 0.3, 0.05), (1_000, 0.7, 0.05))
    pooled = fit_rule(rule("valley"), [large, small], fallback()).at
    assert pooled == pytest.approx(0.45, abs=2 * PLACE)
    assert fit_rule(rule("valley"), [large], fallback()).at == pytest.approx(0.40, abs=PLACE)


@pytest.mark.parametrize(("keep", "sign"), [("above", 1), ("below", -1)])
def test_tail__holds_the_quantile_of_the_peak_whatever_lies_beyond(keep, sign):
    own = normal(9, (40_000, 0.4, 0.05))
    beyond = normal(10, (3_000, 0.4 + sign * 0.25, 0.03))
    fit = fit_rule(rule("tail", keep=keep, quantile=0.99), [np.hstack([own, beyond])], fallback(None, None))
    # The mode of 43,000 events is known to about a tenth of the spread, and the cut with it.
    assert fit.at == pytest.approx(0.4 + sign * norm.ppf(0.99) * 0.05, abs=0.012)


def test_quantile__is_numpy_s_lower_one():
    fit = fit_rule(rule("quantile", quantile=0.9), [ONE], fallback())
    assert fit.at == pytest.approx(np.quantile(ONE, 0.9, method="inverted_cdf"), abs=1e-6)


def test_quantile__samples_weigh_the_same():
    few, many = np.zeros((1, 100)), np.ones((1, 10_000))
    assert fit_rule(rule("quantile", quantile=0.5), [few, many], fallback(None, None)).at == 0.0
    assert fit_rule(rule("quantile", quantile=0.51), [few, many], fallback(None, None)).at == 1.0


def test_quantile__outside_between_is_refused():
    fit = fit_rule(rule("quantile", quantile=0.5, between=(0.6, 0.9)), [ONE], fallback())
    assert fit.geometry is None
    assert "which is not between 0.6 and 0.9" in fit.words


def test_mixture__cut_lies_where_components_are_equally_likely():
    fit = fit_rule(rule("mixture", components=2), [TWO], fallback())
    x = np.linspace(0.2, 0.7, 100_001)
    truth = x[np.argmin(np.abs(np.log(0.6 * norm.pdf(x, 0.2, 0.05)) - np.log(0.4 * norm.pdf(x, 0.7, 0.05))))]
    assert fit.at == pytest.approx(truth, abs=PLACE)


def test_mixture__overlapping_components_are_one_peak():
    fit = fit_rule(rule("mixture", components=2), [ONE], fallback())
    assert fit.geometry is None
    assert "one peak: the components overlap (Ashman's D" in fit.words


def test_mixture__target_chooses_the_component():
    values = normal(11, (8_000, 0.1, 0.03), (8_000, 0.4, 0.03), (8_000, 0.8, 0.03))
    lower = fit_rule(rule("mixture", components=3, target=(0.4,)), [values], fallback())
    upper = fit_rule(rule("mixture", components=3, target=(0.8,)), [values], fallback())
    assert lower.at == pytest.approx(0.25, abs=PLACE)
    assert upper.at == pytest.approx(0.60, abs=PLACE)


PLANE = (axis("CD25"), axis("CD127"))


def clouds(seed, *parts):
    rng = np.random.default_rng(seed)
    return np.hstack([rng.multivariate_normal(m, c, n).T for n, m, c in parts])


def test_mixture__ellipse_holds_its_quantile_of_the_component():
    tilted = [[0.004, 0.002], [0.002, 0.003]]
    values = clouds(12, (6_000, (0.3, 0.3), tilted), (4_000, (0.8, 0.7), np.diag([0.002, 0.002])))
    settings = {"components": 2, "target": (0.35, 0.25), "quantile": 0.9}
    fit = fit_rule(rule("mixture", *PLANE, **settings), [values], fallback())
    assert fit.geometry.distance_square == pytest.approx(chi2.ppf(0.9, 2), abs=1e-6)
    # Binomial error of 0.9 of 6,000 is 0.004; the fitted covariance adds as much.
    assert inside(fit.geometry, values[:, :6_000]).mean() == pytest.approx(0.9, abs=0.015)
    assert inside(fit.geometry, values[:, 6_000:]).mean() < 0.01


def test_separate__parts_groups_that_neither_axis_parts():
    along = np.array([[0.02, 0.0195], [0.0195, 0.02]])
    values = clouds(13, (8_000, (0.45, 0.55), along), (4_000, (0.55, 0.45), along))
    for k in range(2):
        assert fit_rule(rule("valley"), [values[k : k + 1]], fallback()).geometry is None
    fit = fit_rule(rule("separate", *PLANE, target=(0.6, 0.4)), [values], fallback())
    assert isinstance(fit.geometry, Polygon)
    assert inside(fit.geometry, values[:, :8_000]).mean() < 0.01
    assert inside(fit.geometry, values[:, 8_000:]).mean() > 0.99


def test_separate__both_sides_share_one_line():
    values = clouds(14, (5_000, (0.3, 0.3), np.diag([0.003] * 2)), (5_000, (0.7, 0.7), np.diag([0.003] * 2)))
    sides = [fit_rule(rule("separate", *PLANE, target=t), [values], fallback()) for t in ((0, 0), (1, 1))]
    assert sides[0].split == sides[1].split
    assert (inside(sides[0].geometry, values) ^ inside(sides[1].geometry, values)).all()


def test_separate__one_group_is_refused():
    values = clouds(15, (10_000, (0.5, 0.5), np.diag([0.01, 0.01])))
    fit = fit_rule(rule("separate", *PLANE, target=(0, 0)), [values], fallback())
    assert fit.geometry is None
    assert fit.words == "one group: no line parts two peaks"


def test_singlets__band_keeps_single_cells_and_drops_pairs():
    rng = np.random.default_rng(16)
    area = rng.lognormal(math.log(60_000), 0.3, 20_000)
    height = 0.9 * area * (1 + 0.03 * rng.standard_normal(area.size))
    pairs = rng.integers(0, area.size, (2, 2_000))
    double = np.vstack([area[pairs].sum(axis=0), 1.05 * height[pairs].max(axis=0)])
    values = np.hstack([np.vstack([area, height]), double])
    axes = (axis("FSC-A", Identity()), axis("FSC-H", Identity()))
    fit = fit_rule(rule("singlets", *axes, width=4.0), [values], fallback())
    held = inside(fit.geometry, values)
    assert held[:20_000].mean() > 0.985
    assert held[20_000:].mean() < 0.05


def test_singlets__axes_that_do_not_rise_together_are_refused():
    values = clouds(17, (5_000, (0.5, 0.5), [[0.01, -0.005], [-0.005, 0.01]]))
    fit = fit_rule(rule("singlets", *PLANE, width=4.0), [values], fallback())
    assert fit.words == "no line: the second axis does not rise with the first"


@pytest.mark.parametrize("method", ["valley", "mixture"])
def test_own_place__follows_the_sample(method):
    settings = {"components": 2} if method == "mixture" else {}
    pooled = fit_rule(rule(method, **settings), [TWO], fallback())
    assert own_place(rule(method, **settings), pooled, TWO + 0.1) == pytest.approx(pooled.at + 0.1, abs=1e-3)


def test_own_place__of_a_separation_lies_along_the_pool_s_normal():
    values = clouds(18, (5_000, (0.3, 0.3), np.diag([0.003] * 2)), (5_000, (0.7, 0.7), np.diag([0.003] * 2)))
    given = rule("separate", *PLANE, target=(0, 0))
    pooled = fit_rule(given, [values], fallback())
    moved = own_place(given, pooled, values + np.array([[0.1], [0.1]]))
    expected = 0.1 * (math.cos(math.radians(pooled.split.angle)) + math.sin(math.radians(pooled.split.angle)))
    assert moved - pooled.at == pytest.approx(expected, abs=5e-3)


def test_own_place__of_a_control_is_none():
    assert own_place(rule("fmo", quantile=0.99), fit_rule(rule("fmo", quantile=0.99), [ONE], fallback()), ONE) is None


def test_outline__twin_of_these_tests_agrees_with_the_kernel():
    values = clouds(19, (4_000, (0.2, 0.2), np.diag([0.002] * 2)), (4_000, (0.8, 0.6), np.diag([0.002] * 2)))
    fit = fit_rule(rule("separate", *PLANE, target=(0.6, 0.4)), [values], fallback())
    xs, ys = (np.array(v, dtype=float) for v in zip(*fit.geometry.vertices, strict=True))
    assert [polygon_holds(x, y, xs, ys) for x, y in values.T] == inside(fit.geometry, values).tolist()


def test_singlets__line_that_does_not_converge_is_refused(monkeypatch):
    from sklearn.linear_model import HuberRegressor

    def fail(*_args, **_kwargs):
        raise ValueError("HuberRegressor convergence failed")

    monkeypatch.setattr(HuberRegressor, "fit", fail)
    values = clouds(20, (1_000, (0.5, 0.5), [[0.01, 0.009], [0.009, 0.01]]))
    fit = fit_rule(rule("singlets", *PLANE, width=4.0), [values], fallback())
    assert fit.words == "no line: the fit did not converge"


@pytest.mark.parametrize("method", ["valley", "tail", "quantile", "mixture"])
@settings(max_examples=25)
@given(
    values=arrays(
        np.float64,
        st.integers(20, 80),
        elements=st.floats(-2, 2) | st.sampled_from([math.inf, -math.inf, 0.0, 0.5]),
    )
)
def test_cut__lies_among_the_events_or_says_why_not(method, values):
    given_ = {"tail": {"quantile": 0.99}, "quantile": {"quantile": 0.9}, "mixture": {"components": 2}}.get(method, {})
    fit = fit_rule(rule(method, **given_), [values[np.newaxis]], fallback(None, None))
    assert fit.words
    if fit.geometry is not None:
        assert math.isfinite(fit.at)
        # A tail may end beyond the last event: the mirror image of the far side is as long as that.
        finite = values[np.isfinite(values)]
        reach = 2 * np.ptp(finite) if method == "tail" else 0
        assert finite.min() - reach - 1e-6 <= fit.at <= finite.max() + reach + 1e-6


def sorted_quantile(samples, share):
    """The plain way: all values sorted, each sample's weight shared among its own."""
    values = np.concatenate(samples)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(np.concatenate([np.full(s.size, 1 / s.size) for s in samples])[order]) / len(samples)
    return values[order[min(int(np.searchsorted(reached, share - 1e-12)), values.size - 1)]]


@pytest.mark.parametrize("share", [0.0005, 0.3, 0.9, 0.995, 0.9999])
@pytest.mark.parametrize("kind", ["normal", "rounded", "rising", "ends", "one value"])
def test_quantile__of_many_events_is_that_of_all_sorted(kind, share):
    rng = np.random.default_rng(4)
    samples = [rng.normal(0.4, 0.1, n) for n in (30_000, 9_000, 500)]
    if kind == "rounded":
        samples = [np.round(s, 1) for s in samples]
    elif kind == "rising":
        samples = [np.sort(s) for s in samples]
    elif kind == "ends":
        samples = [np.where(s < 0.35, -np.inf, np.where(s > 0.5, np.inf, s)) for s in samples]
    elif kind == "one value":
        samples = [np.full(s.size, 0.25) for s in samples]
    assert _pooled_quantile(samples, share) == sorted_quantile(samples, share)
