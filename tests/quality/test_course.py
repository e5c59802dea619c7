"""The course of an acquisition: clock, rate, drift of signals, ends of the ranges; each fault where it was put."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from immunoprofile.fcs import Channel
from immunoprofile.gating import Quality, load_template
from immunoprofile.kernels.quality import begin_bins, count_bits, count_block, may_drift
from immunoprofile.quality import load_quality_rules, survey_events
from immunoprofile.quality.clock import read_clock, read_flow
from immunoprofile.quality.removal import outlying_ratio, remove_events
from immunoprofile.quality.segments import find_drift
from immunoprofile.quality.survey import CUTS, Watched, place_events

RULES = load_quality_rules()
N = 20_000


class Arrays:
    """Events in memory."""

    def __init__(self, **columns: np.ndarray) -> None:
        self.values = np.array(list(columns.values()), dtype=float)
        kinds = {"Time": "time", "FSC-A": "scatter", "FSC-H": "scatter"}
        self.channels = [
            Channel(name, None, i, 262144, 32, kinds.get(name, "fluorescence")) for i, name in enumerate(columns)
        ]

    @property
    def n_events(self) -> int:
        return self.values.shape[1]

    def linear_blocks(self, columns, size, start=0, stop=None):
        stop = self.n_events if stop is None else stop
        for first in range(start, stop, size):
            yield first, self.values[list(columns), first : min(first + size, stop)]

    def linear_sample(self, columns, starts, size):
        return np.hstack([self.values[list(columns), start : start + size] for start in starts])


def members_of(events: Arrays, **quality: str) -> SimpleNamespace:
    template = dataclasses.replace(load_template("immune14"), quality=Quality(**quality))
    columns = tuple(c.index for c in events.channels if c.kind != "time")
    return SimpleNamespace(plan=SimpleNamespace(template=template, columns=columns), n_events=events.n_events, paths=())


def survey(events: Arrays, **quality: str):
    return survey_events(members_of(events, **quality), events, RULES)


def steady(n: int = N, seed: int = 1) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).random(n)) * 100


def signals(n: int = N, seed: int = 2) -> dict[str, np.ndarray]:
    """Two populations in each of two detectors, and scatter."""
    rng = np.random.default_rng(seed)
    bright = rng.random((2, n)) < [[0.3], [0.1]]
    fluorescence = np.where(bright, rng.lognormal(9, 0.4, (2, n)), rng.normal(0, 100, (2, n)))
    return {"A": fluorescence[0], "B": fluorescence[1], "FSC-A": rng.lognormal(11, 0.2, n)}


def test_survey__steady_acquisition_has_nothing_odd() -> None:
    for seed in range(8):
        course = survey(Arrays(Time=steady(seed=seed), **signals(seed=seed + 100))).course
        assert (course.by_rate, course.by_signal, course.stopped, course.n_back) == (0, 0, 0, 0)


def test_survey__drift_of_one_detector_is_found_where_it_is() -> None:
    columns = signals()
    late = np.arange(N) >= 0.8 * N
    columns["A"] = columns["A"] * np.where(late, 1.5, 1.0)
    found = survey(Arrays(Time=steady(), **columns)).course
    assert found.detector == "A"
    assert found.by_signal == pytest.approx(0.2, abs=0.02)  # edges lie on bins of 1/200
    assert found.odd[late].mean() > 0.95
    assert found.odd[~late].mean() < 0.01


def test_survey__slow_drift_leaves_the_stretch_that_most_events_share() -> None:
    columns = signals()
    columns["A"] = columns["A"] * np.exp(np.clip(np.linspace(-2, 1, N), 0, None) * 0.8)
    found = survey(Arrays(Time=steady(), **columns)).course
    assert found.odd[: N // 2].mean() < 0.02
    assert found.odd[-N // 10 :].all()


def test_survey__clog_is_odd_by_rate_and_stops_the_flow() -> None:
    rng = np.random.default_rng(5)
    time = np.sort(np.concatenate([rng.random(N // 2) * 40, 40 + rng.random(50) * 20, 60 + rng.random(N // 2) * 40]))
    found = survey(Arrays(Time=time, **signals(time.size))).course
    assert found.stopped == pytest.approx(0.2, abs=0.03)  # bins are a fortieth of the time
    assert found.odd[(time > 43) & (time < 57)].all()
    assert found.by_rate == pytest.approx(50 / time.size, rel=0.5)


def test_survey__burst_is_odd_by_rate() -> None:
    rng = np.random.default_rng(6)
    time = np.sort(np.concatenate([rng.random(N) * 100, 50 + rng.random(N // 4) * 5]))
    found = survey(Arrays(Time=time, **signals(time.size))).course
    burst = (time > 51) & (time < 54)
    assert found.odd[burst].all()
    assert found.by_rate == pytest.approx(0.24, abs=0.05)  # (0.25 + 0.05) / 1.25 of the events lie in the burst


def test_survey__long_pause_holds_few_events_and_most_of_the_time() -> None:
    time = steady()
    time[N // 2 :] += 300
    found = survey(Arrays(Time=time, **signals())).course
    assert found.stopped == pytest.approx(0.75, abs=0.02)
    assert found.by_rate < 0.02


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1000.0])
@pytest.mark.parametrize("fault", [None, "clog", "drift"])
def test_survey__unit_of_time_does_not_matter(unit: float, fault: str | None) -> None:
    time, columns = np.floor(steady() * 1000), signals()
    if fault == "clog":
        time[N // 2 :] += 20_000
    if fault == "drift":
        columns["B"][: N // 4] *= 3
    one, other = (survey(Arrays(Time=time * u, **columns)).course for u in (1.0, unit))
    assert np.array_equal(one.odd, other.odd)
    assert one.stopped == pytest.approx(other.stopped, rel=1e-9)


def test_survey__counter_that_overflows_is_put_together_again() -> None:
    time = np.floor(steady() * 1000)
    plain, wrapped = (survey(Arrays(Time=t, **signals())).course for t in (time, time % 65_536))
    assert (plain.n_back, wrapped.n_back) == (0, 1)
    assert wrapped.by_rate == plain.by_rate == 0


def test_survey__order_of_the_events_does_not_matter() -> None:
    columns = {"Time": steady(), **signals()}
    columns["A"][: N // 5] *= 2
    order = np.random.default_rng(3).permutation(N)
    plain = survey(Arrays(**columns)).course
    shuffled = survey(Arrays(**{k: v[order] for k, v in columns.items()})).course
    # Cuts come from blocks of the file, so bins beside the edge may differ.
    assert (shuffled.odd != plain.odd[order]).mean() < 0.01
    assert shuffled.n_back > 0


NO_CLOCK = {
    "no channel": (signals(), "the file has no time channel"),
    "constant": ({"Time": np.full(N, 7.0), **signals()}, "the time channel never changes"),
    "few events": ({"Time": steady(999), **signals(999)}, "fewer than 1,000 events"),
    "not a number": ({"Time": np.where(np.arange(N) == 5, np.nan, steady()), **signals()}, "hold"),
    "few steps": ({"Time": np.floor(steady() / 25), **signals()}, "the time channel has fewer than 10 steps"),
}


@pytest.mark.parametrize(("columns", "reason"), NO_CLOCK.values(), ids=NO_CLOCK.keys())
def test_survey__clock_that_tells_nothing_is_a_reason_and_margins_are_still_looked_at(columns, reason: str) -> None:
    found = survey(Arrays(**columns))
    assert isinstance(found.course, str)
    assert reason in found.course
    assert found.at_margin.shape == (found.n_events,)


def test_survey__file_without_events_gives_reasons() -> None:
    found = survey(Arrays(Time=np.empty(0), A=np.empty(0)))
    assert found.course == found.at_margin == "the file holds no events"


def test_survey__margins_are_the_ends_of_the_range() -> None:
    columns = {"Time": steady(), **signals()}
    columns["A"][:100] = 262143.0
    columns["A"][100:150] = np.nextafter(262143.0, 0)
    columns["B"][:10] = -1e6  # a cell may be negative for a marker
    columns["FSC-A"][90:110] = 0.0
    columns["FSC-A"][110:120] = 1e-9
    found = survey(Arrays(**columns))
    assert found.margins == {"A": 100, "FSC-A": 20}
    assert np.array_equal(np.flatnonzero(found.at_margin), np.arange(110))


def test_survey__nan_signals_do_not_disturb() -> None:
    columns = {"Time": steady(), **signals()}
    columns["A"][::3] = np.nan
    columns["B"][:] = np.nan
    assert not survey(Arrays(**columns)).course.odd.any()


@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.45])
def test_drift__the_smaller_part_is_odd(fraction: float) -> None:
    columns = signals()
    columns["A"][: int(fraction * N)] *= 4
    found = survey(Arrays(Time=steady(), **columns)).course
    assert found.by_signal == pytest.approx(fraction, abs=0.015)


@pytest.mark.parametrize(("shift", "odd"), [(0.25, False), (0.35, True)], ids=["inside", "outside"])
def test_drift__effect_is_the_shift_of_a_cumulative_share(shift: float, odd: bool) -> None:
    """A normal signal whose median share moves by 0.3 of its SD: sqrt(p (1 - p)) of the whole."""
    n = 200_000
    late = np.arange(n) >= n // 2 + 1000
    # A share of 1/2 that moves by d sqrt(1/4): the quantile of 1/2 + d / 2.
    x = np.random.default_rng(4).normal(size=n) + np.where(late, stats.norm.ppf(0.5 + shift / 2), 0)
    found = survey(Arrays(Time=steady(n), A=x)).course
    assert (found.by_signal > 0) == odd


def test_flow__rate_at_the_ratio_is_usual_beyond_it_odd() -> None:
    seconds = np.concatenate([np.repeat(np.arange(50.0), 400), np.repeat(np.arange(50.0, 60), 200)])
    clock = read_clock(seconds)
    assert not isinstance(clock, str)
    assert not read_flow(clock, 2.0, 5.0).odd.any()
    assert read_flow(clock, 1.99, 5.0).odd.sum() == 2000
    # 44 bins are wanted, so they are 2 steps wide: (800 - 400) / sqrt(800) = 14.14
    assert read_flow(clock, 1.99, 14.1).odd.any()
    assert not read_flow(clock, 1.99, 14.2).odd.any()


def twin_counts(values, bins, cuts, n_bins):
    counts = np.zeros((n_bins, len(values), cuts.shape[1] + 1), dtype=np.int64)
    for c, row in enumerate(values):
        for x, b in zip(row, bins, strict=True):
            if not np.isnan(x):
                counts[b, c, np.searchsorted(cuts[c], x, side="right")] += 1
    return counts


@settings(deadline=None, max_examples=50)
@given(data=st.data(), n=st.integers(1, 60), n_channels=st.integers(1, 4))
def test_count_block__is_its_plain_twin(data, n: int, n_channels: int) -> None:
    number = st.one_of(st.integers(-3, 3).map(float), st.sampled_from([np.nan, np.inf, -np.inf]))
    rows = st.lists(st.lists(number, min_size=n, max_size=n), min_size=n_channels, max_size=n_channels)
    values = np.array(data.draw(rows))
    edges = st.lists(st.integers(-3, 3).map(float), min_size=len(CUTS), max_size=len(CUTS)).map(sorted)
    cuts = np.array([data.draw(edges) for _ in range(n_channels)])
    bins = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), dtype=np.int32)
    lows = st.sampled_from([-np.inf, -2.0, 2.0])
    low, high = np.array([data.draw(lows) for _ in range(n_channels)]), np.full(n_channels, 2.0)
    counts = np.zeros((3, n_channels, len(CUTS) + 1), dtype=np.int64)
    at_margin, margins = np.zeros(n, np.uint8), np.zeros(n_channels, np.int64)
    # In two blocks: what one holds is nothing to the other.
    for part in (slice(0, n // 2), slice(n // 2, n)):
        block = np.ascontiguousarray(values[:, part])
        count_block(block, bins[part], cuts, low, high, counts, at_margin[part], margins, np.empty(n + 1, np.int64))
    ends = (values <= low[:, None]) | (values >= high[:, None])
    assert np.array_equal(counts, twin_counts(values, bins, cuts, 3))
    assert np.array_equal(margins, ends.sum(axis=1))
    assert np.array_equal(at_margin.astype(bool), ends.any(axis=0))


@settings(deadline=None, max_examples=100)
@given(
    steps=st.lists(st.one_of(st.just(0.0), st.floats(0.0, 5.0)), min_size=1, max_size=80),
    start=st.floats(-100.0, 100.0),
    width=st.floats(0.01, 20.0),
)
def test_begin_bins__holds_the_events_that_division_puts_there(steps: list[float], start: float, width: float) -> None:
    time = start + np.cumsum(steps)
    places = np.floor((time - time[0]) / width + 1e-9).astype(np.int64)
    begins = np.empty(places[-1] + 2, dtype=np.int64)
    begin_bins(time, width, 1e-9, begins)
    assert np.array_equal(np.diff(begins), np.bincount(places))


@pytest.mark.parametrize("n", [0, 1, 99, 100, 199, 250, 1_001, 39_999, 40_000, 40_001, 123_457])
def test_place_events__bins_are_equal_to_one_event(n: int) -> None:
    n_bins = min(max(n // 100, 1), 400)
    assert np.array_equal(place_events(n), np.arange(n, dtype=np.int64) * n_bins // max(n, 1))


@settings(deadline=None, max_examples=50)
@given(n_bits=st.integers(1, 130), n=st.integers(0, 40), seed=st.integers(0, 2**16))
@example(n_bits=64, n=3, seed=0)
def test_count_bits__is_its_plain_twin(n_bits: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.random((n_bits, n)) < 0.4
    words = np.zeros(((n_bits + 63) // 64, n), dtype=np.uint64)
    for g in range(n_bits):
        words[g // 64] |= bits[g].astype(np.uint64) << np.uint64(g % 64)
    chosen, counts = rng.random(n) < 0.5, np.zeros(n_bits, dtype=np.int64)
    count_bits(words, chosen, counts)
    assert np.array_equal(counts, bits[:, chosen].sum(axis=1))


def largest_split(counts: np.ndarray, n_ends: int) -> float:
    """Standard errors of the largest difference of a cumulative share, bin after bin: the plain twin."""
    sizes, below = counts[:, 0].sum(axis=1), counts.cumsum(axis=2)[:, :, :-1]
    share = below.sum(axis=0) / sizes.sum()
    variance = share * (1 - share)
    largest = 0.0
    for at in range(n_ends, len(counts) - n_ends + 1):
        left, right = sizes[:at].sum(), sizes[at:].sum()
        gap = below[:at].sum(axis=0) / left - below[at:].sum(axis=0) / right
        errors = np.abs(gap)[variance >= 0.01] / np.sqrt(variance[variance >= 0.01] * (1 / left + 1 / right))
        largest = max(largest, errors.max(initial=0.0))
    return largest


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 60), st.integers(1, 4), st.floats(0, 0.4), st.integers(0, 10_000))
def test_may_drift__is_true_where_a_split_passes_the_limit_and_only_there(bins, channels, shift, seed) -> None:
    rng = np.random.default_rng(seed)
    chances = np.full((bins, channels, 6), 1 / 6)
    chances[rng.integers(bins) :, rng.integers(channels)] += np.array([-1, 0, 0, 0, 0, 1]) * shift / 6
    counts = np.array([rng.multinomial(120 + b % 2, of_bin) for b, of_bin in enumerate(chances)])
    room = np.empty((2, channels, 5))
    largest = largest_split(counts, 3)
    if largest == 0:
        assert not may_drift(counts, 3, 0.01, 1e-6, *room)
    else:
        assert may_drift(counts, 3, 0.01, largest * (1 - 1e-9), *room)
        assert not may_drift(counts, 3, 0.01, largest * (1 + 1e-9), *room)
    if not may_drift(counts, 3, 0.01, 6.0 * 0.999, *room):
        assert not find_drift(counts, 6.0, 0.0).odd.any()


def test_may_drift__does_not_know_where_a_channel_has_no_number() -> None:
    counts = np.full((40, 2, 6), 20)
    room = np.empty((2, 2, 5))
    assert not may_drift(counts, 3, 0.01, 6.0, *room)
    counts[7, 1, 2] -= 1
    assert may_drift(counts, 3, 0.01, 6.0, *room)


def test_find_drift__false_alarms_are_rarer_than_one_in_a_thousand_files() -> None:
    rng = np.random.default_rng(11)
    shares = np.diff([0.0, *CUTS, 1.0])
    alarms = 0
    for _ in range(300):
        counts = rng.multinomial(150, shares, size=(200, 10))
        alarms += bool(find_drift(counts, 6.0, 0.0001).odd.any())
    assert alarms == 0


def test_outlying_ratio__doublets_lie_beyond_four_robust_deviations() -> None:
    ratio = np.concatenate([np.linspace(0.9, 1.1, 1001), [1.0 + 4 * 1.4826 * 0.05 * 0.98, 1.31, np.nan, np.inf]])
    assert outlying_ratio(ratio)[-4:].tolist() == [False, True, False, True]


def test_remove_events__each_reason_is_counted_and_none_twice() -> None:
    columns = {"Time": steady(), **signals()}
    columns["A"][: N // 10] *= 5
    columns["A"][-50:] = 262143.0
    columns["A"][:20] = 262143.0
    events = Arrays(**columns)
    members = members_of(events, time="remove", margins="remove", doublets="remove")
    kept: list[np.ndarray] = []
    members.without = lambda out: kept.append(out) or members
    found = survey_events(members, events, RULES)
    cleaned = remove_events(members, events, found)
    n_ends = int(found.at_margin.sum())
    assert cleaned.removed == {"time": int(found.course.odd.sum()), "margins": n_ends}
    assert cleaned.n_removed == int((found.course.odd | found.at_margin).sum()) == int(kept[0].sum())
    assert cleaned.n_removed < sum(cleaned.removed.values())
    assert "FSC-H" in cleaned.unable["doublets"]


@pytest.mark.parametrize("shuffled", [False, True], ids=["in-order", "shuffled"])
def test_watched__whoever_walks_in_whatever_blocks_the_survey_is_the_same(shuffled: bool) -> None:
    time = steady()
    if shuffled:
        time = np.random.default_rng(4).permutation(time)
    events = Arrays(A=np.where(np.arange(N) < N // 4, 3.0, 1.0) * signals()["A"], Time=time, FSC=signals()["FSC-A"])
    members = members_of(events)
    watched, walked = Watched(members.plan, events, RULES), []
    for start, stop, size in ((N // 2, N, 999), (0, N // 2, 4096)):
        for first, block in watched.linear_blocks(members.plan.columns, size, start, stop):
            walked.append(np.array_equal(block, events.values[[0, 2], first : first + block.shape[1]]))
    assert all(walked)
    found, expected = watched.survey(), survey_events(members, events, RULES)
    assert np.array_equal(found.course.odd, expected.course.odd)
    assert (found.course.effect, found.margins) == (expected.course.effect, expected.margins)
    assert shuffled or found.course.by_signal > 0.2


def test_watched__half_a_walk_tells_nothing() -> None:
    events = Arrays(Time=steady(), **signals())
    watched = Watched(members_of(events).plan, events, RULES)
    list(watched.linear_blocks(members_of(events).plan.columns, 1000, 0, N // 2))
    with pytest.raises(ValueError, match="10000 of 20000 events"):
        watched.survey()
