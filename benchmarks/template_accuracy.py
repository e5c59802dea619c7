"""How near the shipped templates come to the truth: simulated donors, each fraction against the labels of its events.

    python benchmarks/template_accuracy.py [--seeds 200] [--events 50000] [--only NAME ...] [--threads 2]

A seed is a donor with blood and brightness of its own, seen at two visits without a true shift; each visit has its own
run and run day. Asked of every reported fraction: a median absolute error under 3 % of its value where the population
has more than 1,000 events, and within 1.5 counting errors where it has fewer; and that a pair of visits moves by the
gates alone less than by counting in 95 % of donors, with the gates of the template and with automatic ones pooled by
subject.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from immunoprofile.fcs import read_fcs
from immunoprofile.gating import GatingTemplate, Membership, apply_template, load_template
from immunoprofile.gating.automatic import PoolSample, resolve_template
from immunoprofile.gating.gates import AutoRule, Gate, Rectangle
from immunoprofile.simulation import PANELS, SimulatedTube, load_panel, load_parameters, simulate_tube, write_tube
from immunoprofile.simulation.composition import build_tree

RESULTS = Path(__file__).with_name("results")

LARGE, LARGE_ERROR = 1000, 0.03
"""Above this many events the median absolute error must stay below this share of the value."""
RARE_ERROR = 1.5
"""Below it, within this many counting errors."""
STEADY_SHARE = 0.95
"""Of pairs without a true shift, those that gates may move by less than counting does."""
VALLEY_REACH = 0.12
"""How far from the template's own cut a careful user would let an automatic one look, units of the axis."""
NOTEWORTHY = 0.001
"""Median absolute errors that differ by less than this share of the value are taken for equal."""
VISITS = (0, 1)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reported fraction of one tube: gated and true counts, and the same with automatic gates."""

    population: str
    denominator: str
    count: int
    total: int
    true_count: int
    true_total: int
    pooled_count: int
    pooled_total: int


@dataclass(frozen=True, slots=True)
class Row:
    """One fraction over all donors. Errors are relative to the true fraction."""

    template: str
    population: str
    denominator: str
    median_events: float
    bias: float
    spread: float
    median_absolute_error: float
    median_absolute_error_pooled: float
    counting_error: float
    steady_pairs: float
    steady_pairs_pooled: float

    @property
    def is_accurate(self) -> bool:
        """True where the median absolute error is what is asked."""
        allowed = LARGE_ERROR if self.median_events > LARGE else RARE_ERROR * self.counting_error
        return self.median_absolute_error < allowed

    @property
    def is_steady(self) -> bool:
        """True where pairs without a true shift stay where they are, with both kinds of gates."""
        return min(self.steady_pairs, self.steady_pairs_pooled) >= STEADY_SHARE


def draw_visits(panel: str, seed: int, n_events: int) -> Iterator[SimulatedTube]:
    """Two tubes of one donor: the same blood, another run."""
    parameters, loaded = load_parameters(), load_panel(panel)
    donor = np.random.default_rng([seed, 1])
    blood = {}
    for split in build_tree(parameters, loaded).splits:
        logs = [
            math.log(part.share) + math.hypot(part.between, part.within) * donor.standard_normal()
            for part in split.parts
            if part.share > 0
        ]
        shares = np.exp(logs) / np.exp(logs).sum()
        blood |= dict(zip((p.name for p in split.parts if p.share > 0), shares.tolist(), strict=True))
    own = parameters.marker_shift_subject * donor.standard_normal(len(loaded.markers))
    for visit in VISITS:
        run = np.random.default_rng([seed, 2, visit])
        spread = math.hypot(parameters.marker_shift_run, parameters.marker_shift_batch)
        shift = own + spread * run.standard_normal(len(loaded.markers))
        yield simulate_tube(
            panel,
            n_events,
            2 * seed + visit,
            composition=blood,
            marker_shift=dict(zip(loaded.markers, shift.tolist(), strict=True)),
        )


def automatic(template: GatingTemplate) -> GatingTemplate:
    """The template with every cut on one axis left to a valley near it, pooled by subject, its own cut the fallback."""
    return replace(template, id=f"{template.id}_automatic", gates=tuple(map(_automatic, template.gates)))


def _automatic(gate: Gate) -> Gate:
    shape = gate.geometry
    if not isinstance(shape, Rectangle) or len(shape.dimensions) != 1 or shape.divider is not None:
        return gate
    low, high = shape.bounds[0]
    at = low if low is not None else high
    if at is None or None not in (low, high):
        return gate
    return replace(
        gate,
        auto=AutoRule(
            "valley",
            shape.dimensions,
            keep="below" if low is None else "above",
            between=(at - VALLEY_REACH, at + VALLEY_REACH),
            pool="subject",
            fit="all",
        ),
    )


@dataclass(frozen=True, slots=True)
class Donor:
    """The fractions of each visit, and how many automatic gates were asked for and found in the data."""

    visits: list[list[Reading]]
    found: int
    asked: int


def read_donor(name: str, seed: int, n_events: int, folder: Path) -> Donor:
    """Both visits of one donor through the template and through its automatic twin."""
    template = load_template(name)
    tubes = dict(zip(VISITS, draw_visits(name, seed, n_events), strict=True))
    files = {v: folder / f"{name}_{seed}_{v}.fcs" for v in VISITS}
    for visit, tube in tubes.items():
        write_tube(tube, files[visit], files[visit].with_suffix(".parquet"), name=files[visit].stem)
    events = {v: read_fcs(f) for v, f in files.items()}
    pool = [PoolSample(str(v), e, subject_id=str(seed), visit=str(v)) for v, e in events.items()]
    resolved = resolve_template(automatic(template), pool)
    readings = [
        list(
            read_fractions(
                template,
                apply_template(template, events[v]),
                apply_template(resolved[str(v)].template, events[v]),
                tubes[v],
            )
        )
        for v in VISITS
    ]
    for file in files.values():
        file.unlink()
        file.with_suffix(".parquet").unlink()
    gates = [g for g in resolved[str(VISITS[0])].template.gates if g.auto is not None]
    return Donor(readings, sum(g.origin == "auto" for g in gates), len(gates))


def read_fractions(
    template: GatingTemplate, members: Membership, pooled: Membership, tube: SimulatedTube
) -> Iterator[Reading]:
    """Every reported fraction that the tube's labels can answer."""
    for path, denominators in template.reported().items():
        population = template.id_of(path)
        if tube.count(population) == 0:
            continue
        for denominator in denominators:
            top = template.id_of(denominator)
            yield Reading(
                population,
                top,
                members.count(path),
                members.count(denominator),
                tube.count(population),
                tube.count(top),
                pooled.count(path),
                pooled.count(denominator),
            )


def summarise(template: str, donors: Iterable[Donor]) -> list[Row]:
    """Bias, spread, median absolute error and steady pairs of every fraction."""
    found: dict[tuple[str, str], list[list[Reading]]] = {}
    for donor in donors:
        for visit, readings in zip(VISITS, donor.visits, strict=True):
            for r in readings:
                found.setdefault((r.population, r.denominator), [[] for _ in VISITS])[visit].append(r)
    return [_summarise(template, key, visits) for key, visits in found.items()]


def _summarise(template: str, key: tuple[str, str], visits: Sequence[Sequence[Reading]]) -> Row:
    first = visits[0]
    true = np.array([r.true_count / r.true_total for r in first])
    error = np.array([r.count / max(r.total, 1) for r in first]) / true - 1
    pooled = np.array([r.pooled_count / max(r.pooled_total, 1) for r in first]) / true - 1
    # The standard error of a binomial count over its value.
    counting = np.sqrt((1 - true) / np.array([r.true_count for r in first]))
    pairs = list(zip(*visits, strict=True))
    return Row(
        template,
        *key,
        float(np.median([r.true_count for r in first])),
        float(error.mean()),
        float(error.std(ddof=1)) if error.size > 1 else 0.0,
        float(np.median(np.abs(error))),
        float(np.median(np.abs(pooled))),
        float(np.median(counting)),
        _steady(pairs, "count", "total"),
        _steady(pairs, "pooled_count", "pooled_total"),
    )


def _steady(pairs: Sequence[tuple[Reading, ...]], count: str, total: str) -> float:
    """Share of pairs whose log odds ratio the gates move by less than its standard error by counting."""
    moved = []
    for pair in pairs:
        gated = [_log_odds(getattr(r, count), getattr(r, total)) for r in pair]
        true = [_log_odds(r.true_count, r.true_total) for r in pair]
        variance = sum(1 / (r.true_count + 0.5) + 1 / (r.true_total - r.true_count + 0.5) for r in pair)
        moved.append(abs((gated[1] - gated[0]) - (true[1] - true[0])) < math.sqrt(variance))
    return float(np.mean(moved))


def _log_odds(count: int, total: int) -> float:
    """With half an event on either side, so that none and all have one."""
    return math.log((count + 0.5) / (total - count + 0.5))


def run(name: str, seeds: int, n_events: int, threads: int) -> list[Donor]:
    """All donors of one template; a donor depends on its seed alone."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(threads) as pool:
        place = Path(folder)
        return list(pool.map(lambda seed: read_donor(name, seed, n_events, place), range(1, seeds + 1)))


def render(found: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """The table, a line a fraction."""
    yield (
        f"{'population':<26}{'of':<26}{'events':>8}{'bias':>9}{'spread':>9}{'error':>9}"
        f"{'counting':>10}{'steady':>8}{'pooled':>8}"
    )
    for name, rows in found.items():
        yield f"-- {name}"
        for r in rows:
            words = [w for w, good in (("ERROR", r.is_accurate), ("MOVES", r.is_steady)) if not good]
            yield (
                f"{r.population:<26}{r.denominator:<26}{r.median_events:>8.0f}{r.bias:>+9.2%}{r.spread:>9.2%}"
                f"{r.median_absolute_error:>9.2%}{r.counting_error:>10.2%}{r.steady_pairs:>8.1%}"
                f"{r.steady_pairs_pooled:>8.1%} {' '.join(words)}"
            )


def main() -> None:
    """Draw, gate, compare; print the table and write it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=200)
    arguments.add_argument("--events", type=int, default=50_000)
    arguments.add_argument("--only", nargs="+", choices=PANELS, default=list(PANELS))
    arguments.add_argument("--threads", type=int, default=2)
    options = arguments.parse_args()
    donors = {n: run(n, options.seeds, options.events, options.threads) for n in options.only}
    found = {name: summarise(name, d) for name, d in donors.items()}
    for line in render(found):
        print(line)
    rows = [r for part in found.values() for r in part]
    summary = {
        "fractions": len(rows),
        "accurate": sum(r.is_accurate for r in rows),
        "nearer_with_automatic_gates": sum(
            r.median_absolute_error - r.median_absolute_error_pooled > NOTEWORTHY for r in rows
        ),
        "nearer_with_fixed_gates": sum(
            r.median_absolute_error_pooled - r.median_absolute_error > NOTEWORTHY for r in rows
        ),
        "steady": sum(r.steady_pairs >= STEADY_SHARE for r in rows),
        "steady_pooled": sum(r.steady_pairs_pooled >= STEADY_SHARE for r in rows),
        "automatic_gates_asked": sum(d.asked for ds in donors.values() for d in ds),
        "automatic_gates_found": sum(d.found for ds in donors.values() for d in ds),
    }
    print(json.dumps(summary))
    whole = options.seeds >= 200 and set(options.only) == set(PANELS)
    if whole:
        result = {
            "benchmark": "template_accuracy",
            "seeds": options.seeds,
            "events": options.events,
            "summary": summary,
            "rows": [asdict(r) for r in rows],
            "versions": {
                "python": platform.python_version(),
                **{p: version(p) for p in ("immunoprofile", "numba", "numpy")},
            },
            "machine": {"system": platform.system(), "machine": platform.machine()},
        }
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "template_accuracy.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(summary["accurate"] < len(rows))


if __name__ == "__main__":
    main()
