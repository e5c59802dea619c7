"""How often the tests of the plan are wrong, how often their intervals cover, what they can find; and four wrong ways.

Simulated cohorts with known truth: 18 patients, 8 of them responders; between patients a standard deviation of 0.35
logits, between samples of one patient 0.224 (staining and biology 0.20, batch 0.10), between the shifts of patients
0.15; one sample before and one after. The models that stand beside the plan are asked of 15 patients, 7 of them
responders, with two samples after, and shifts that differ twice as much between patients.
Prints a table and writes `results/operating_characteristics.json`; `--figure` draws it for the documentation.
The wrong ways are computed here and nowhere in the product, which refuses them.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu, norm, spearmanr

from immunoprofile.comparison import ancova, group_difference, holm, rank_sum, relabelings, signed_rank
from immunoprofile.comparison.counts_model import counts_contrast, fit_counts
from immunoprofile.comparison.marginal import gee
from immunoprofile.comparison.stepdown import relabeled_statistics, step_down_min_p

N, RESPONDERS = 18, 8
BETWEEN, WITHIN, SHIFT = 0.35, math.hypot(0.20, 0.10), 0.15
LEVEL = 0.05
GROUP = np.arange(N) < RESPONDERS
CELLS = 20_000
N_MODELS, RESPONDERS_MODELS, SHIFT_MODELS = 15, 7, 0.30
POWER_AT = (0.0, 0.15, 0.30, 0.40, 0.4733, 0.55, 0.70)
"""Differences of the change, log-odds; 0.4733 is an odds ratio of 1.6, 0.55 one of 1.73."""

Rates = dict[str, float]


def cohort(generator: np.random.Generator, effect: float = 0.0, common: float = 0.0) -> np.ndarray:
    """(2, n) logits before and after: all change by `common`, responders by `effect` more."""
    own = generator.normal(0.0, BETWEEN, N)
    logits = own + generator.normal(0.0, WITHIN, (2, N))
    logits[1] += common + effect * GROUP + generator.normal(0.0, SHIFT, N)
    return logits


def null_rates(runs: int, seed: int) -> Rates:
    """Type I error of each test where nothing happens."""
    generator = np.random.default_rng(seed)
    wrong = dict.fromkeys(("signed rank", "relabeling of change", "ANCOVA", "Mann-Whitney"), 0)
    for _ in range(runs):
        before, after = cohort(generator)
        change = after - before
        wrong["signed rank"] += signed_rank(change).p <= LEVEL
        wrong["relabeling of change"] += group_difference(change, GROUP).p <= LEVEL
        wrong["ANCOVA"] += ancova(after, before, GROUP).p <= LEVEL
        wrong["Mann-Whitney"] += rank_sum(change[GROUP], change[~GROUP]).p <= LEVEL
    return {f"type I error, {name}": n / runs for name, n in wrong.items()}


def coverage_rates(runs: int, seed: int) -> Rates:
    """Coverage of the intervals and bias of the estimates, common change 0.25, difference 0.55."""
    generator = np.random.default_rng(seed)
    covered, estimates = np.zeros(3), np.zeros((runs, 3))
    for i in range(runs):
        before, after = cohort(generator, 0.55, 0.25)
        same_before, same_after = cohort(generator, 0.0, 0.25)
        answers = (
            (signed_rank(same_after - same_before), 0.25), (group_difference(after - before, GROUP), 0.55),
            (ancova(after, before, GROUP), 0.55),
        )  # fmt: skip
        covered += [a.ci_lo <= truth <= a.ci_hi for a, truth in answers]
        estimates[i] = [a.estimate - truth for a, truth in answers]
    names = ("Hodges-Lehmann", "difference of changes", "ANCOVA")
    bias = {f"bias, {n}": float(b) for n, b in zip(names, estimates.mean(axis=0), strict=True)}
    return {f"coverage, {n}": float(c) / runs for n, c in zip(names, covered, strict=True)} | bias


def power_rates(runs: int, seed: int) -> Rates:
    """Share of cohorts in which the relabeling test finds a difference."""
    found = {}
    for i, effect in enumerate(POWER_AT):
        generator = np.random.default_rng([seed, i])
        hits = 0
        for _ in range(runs):
            before, after = cohort(generator, effect)
            hits += group_difference(after - before, GROUP).p <= LEVEL
        found[f"power at odds ratio {math.exp(effect):.2f}"] = hits / runs
    return found


def selection_rates(runs: int, seed: int) -> Rates:
    """Type I error where response depends on the true, or on the measured, baseline (log-odds 4 a sd)."""
    generator = np.random.default_rng(seed)
    wrong: dict[str, int] = {}
    for source in ("true", "measured"):
        for _ in range(runs):
            own = generator.normal(0.0, BETWEEN, N)
            before, after = own + generator.normal(0.0, WITHIN, (2, N))
            cause = own / BETWEEN if source == "true" else before / math.hypot(BETWEEN, WITHIN)
            group = np.zeros(N, dtype=bool)
            group[np.argsort(4.0 * cause + generator.logistic(size=N))[-RESPONDERS:]] = True
            for name, p in (
                ("relabeling of change", group_difference(after - before, group).p),
                ("ANCOVA", ancova(after, before, group).p),
            ):
                key = f"type I error, response by {source} baseline, {name}"
                wrong[key] = wrong.get(key, 0) + (p <= LEVEL)
    return {name: n / runs for name, n in wrong.items()}


def family_rates(runs: int, seed: int) -> Rates:
    """Family-wise error over 20 populations correlated by 0.5: raw, Holm, step-down min-p."""
    generator, labels = np.random.default_rng(seed), relabelings(np.arange(12) < 6).labels
    group, wrong = np.arange(12) < 6, np.zeros(3)
    for _ in range(runs):
        d = math.sqrt(0.5) * generator.normal(size=(12, 1)) + math.sqrt(0.5) * generator.normal(size=(12, 20))
        null, seen = relabeled_statistics(d, labels), relabeled_statistics(d, group[None, :])[0]
        raw = np.array([np.mean(null[:, j] >= seen[j] - 1e-12) for j in range(20)])
        wrong += [raw.min() <= LEVEL, holm(raw).min() <= LEVEL, step_down_min_p(null, seen).min() <= LEVEL]
    names = ("raw p", "Holm", "step-down min-p")
    return {f"family-wise error, {n}": float(w) / runs for n, w in zip(names, wrong, strict=True)}


def wrong_ways(runs: int, seed: int) -> Rates:
    """Error rates of four customary ways, none of which the product offers."""
    generator = np.random.default_rng(seed)
    wrong = dict.fromkeys(
        ("wrong way: cells as replicates", "wrong way: p below 0.05 in responders, not in the others",
         "wrong way: a test at each of five visits", "wrong way: change against baseline"), 0,
    )  # fmt: skip
    for _ in range(runs):
        logits = cohort(generator)
        counts = generator.binomial(CELLS, 1.0 / (1.0 + np.exp(2.75 - logits)))
        share, both = counts.sum(axis=1) / (N * CELLS), counts.sum() / (2 * N * CELLS)
        z = (share[1] - share[0]) / math.sqrt(2.0 * both * (1.0 - both) / (N * CELLS))
        wrong["wrong way: cells as replicates"] += 2.0 * norm.sf(abs(z)) <= LEVEL
        before, after = cohort(generator, 0.0, 0.25)
        inside = [signed_rank((after - before)[g]).p <= LEVEL for g in (GROUP, ~GROUP)]
        wrong["wrong way: p below 0.05 in responders, not in the others"] += inside[0] and not inside[1]
        own = generator.normal(0.0, BETWEEN, N)
        visits = own + generator.normal(0.0, WITHIN, (6, N))
        visits[1:] += generator.normal(0.0, SHIFT, N)
        p = [mannwhitneyu((v - visits[0])[GROUP], (v - visits[0])[~GROUP], method="exact").pvalue for v in visits[1:]]
        wrong["wrong way: a test at each of five visits"] += min(p) <= LEVEL
        wrong["wrong way: change against baseline"] += spearmanr(logits[0], logits[1] - logits[0]).pvalue <= LEVEL
    return {name: float(n) / runs for name, n in wrong.items()}


def model_rates(runs: int, seed: int) -> Rates:
    """Type I error of the models of all samples, on 15 patients whose shifts differ by 0.30 logits and mean nothing."""
    generator, n = np.random.default_rng(seed), N_MODELS
    group = (np.arange(n) < RESPONDERS_MODELS).astype(np.float64)
    who, post, own = np.tile(np.arange(n), 3), np.repeat([0.0, 1.0, 1.0], n), np.tile(group, 3)
    wide = np.column_stack([np.ones(3 * n), post, own, post * own])
    names = ("beta-binomial, change", "beta-binomial, by response", "estimating equations, change",
             "estimating equations, by response")  # fmt: skip
    wrong = np.zeros(len(names))
    for _ in range(runs):
        logits = generator.normal(0.0, BETWEEN, n) + generator.normal(0.0, WITHIN, (3, n))
        logits[1:] += generator.normal(0.0, SHIFT_MODELS, n)
        counts = generator.binomial(CELLS, 1.0 / (1.0 + np.exp(2.75 - logits)))
        change = (logits[1:] - logits[0]).ravel()
        start = np.tile(logits[0] - logits[0].mean(), 2)
        beside = np.column_stack([np.ones(2 * n), start, np.tile(group, 2)])
        answers = (
            counts_contrast(fit_counts(counts.ravel(), np.full(3 * n, CELLS), wide[:, :2], who), [0, 1], n),
            counts_contrast(fit_counts(counts.ravel(), np.full(3 * n, CELLS), wide, who), [0, 0, 0, 1], n),
            gee(change, beside[:, :2], who[: 2 * n], [1, 0]),
            gee(change, beside, who[: 2 * n], [0, 0, 1]),
        )
        wrong += [a.p <= LEVEL for a in answers]
    return {f"type I error, {name}": float(w) / runs for name, w in zip(names, wrong, strict=True)}


SCENARIOS: dict[str, Callable[[int, int], Rates]] = {
    "nothing happens": null_rates,
    "intervals": coverage_rates,
    "power": power_rates,
    "response by baseline": selection_rates,
    "families": family_rates,
    "wrong ways": wrong_ways,
    "models": model_rates,
}


def characteristics(runs: int, seed: int) -> Rates:
    """All rates, each scenario from its own stream of one seed."""
    found: Rates = {}
    for i, scenario in enumerate(SCENARIOS.values()):
        found |= scenario(runs, 1000 * seed + i)
    return found


def draw(rates: Rates, runs: int) -> str:
    """The power of the plan and the errors of the wrong ways, as SVG."""
    x0, y0, width, height = 60, 30, 300, 240
    bars = [(n, r) for n, r in rates.items() if n.startswith(("type I error", "family-wise", "wrong way"))]
    bottom = 45 + 19 * len(bars)
    power = [(e, rates[f"power at odds ratio {math.exp(e):.2f}"]) for e in POWER_AT]
    points = " ".join(f"{x0 + width * e / 0.75:.1f},{y0 + height * (1 - p):.1f}" for e, p in power)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 {bottom}" font-family="sans-serif" font-size="12">',
        f"<title>Power and error rates, {runs} simulated cohorts of 18</title>",
        f'<rect width="900" height="{bottom}" fill="white"/>',
        f'<text x="{x0}" y="18" font-weight="bold">Power of the relabeling test, 8 against 10</text>',
    ]
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        y = y0 + height * (1 - share)
        colour = "#b00" if share == 0.8 else "#ddd"
        lines.append(f'<line x1="{x0}" x2="{x0 + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>')
        lines.append(f'<text x="{x0 - 8}" y="{y + 4:.1f}" text-anchor="end">{100 * share:.0f} %</text>')
    for e, p in power:
        x = x0 + width * e / 0.75
        lines.append(f'<circle cx="{x:.1f}" cy="{y0 + height * (1 - p):.1f}" r="4" fill="#0072b2"/>')
        label = y0 + height + 16 + 14 * (abs(e - 0.4733) < 1e-9)
        lines.append(f'<text x="{x:.1f}" y="{label}" text-anchor="middle">{math.exp(e):.2f}</text>')
    lines += [
        f'<polyline points="{points}" fill="none" stroke="#0072b2" stroke-width="2"/>',
        f'<text x="{x0 + width / 2}" y="{y0 + height + 48}" text-anchor="middle">true ratio of odds ratios</text>',
        '<text x="430" y="18" font-weight="bold">Wrong where nothing is there (nominal 5 %)</text>',
    ]
    for i, (name, rate) in enumerate(bars):
        y = 32 + 19 * i
        colour = "#d55e00" if name.startswith("wrong way") or "raw" in name else "#0072b2"
        short = name.removeprefix("type I error, ").removeprefix("family-wise error, ").removeprefix("wrong way: ")
        lines.append(f'<text x="690" y="{y + 11}" text-anchor="end">{short}</text>')
        lines.append(f'<rect x="698" y="{y}" width="{150 * rate:.1f}" height="14" fill="{colour}"/>')
        lines.append(f'<text x="{702 + 150 * rate:.1f}" y="{y + 11}">{100 * rate:.1f} %</text>')
    lines.append(f'<line x1="705.5" x2="705.5" y1="28" y2="{bottom - 10}" stroke="#666" stroke-dasharray="3 3"/>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path, help="Draw the rates as SVG.")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "operating_characteristics.json"
    )
    options = parser.parse_args()
    rates = characteristics(options.runs, options.seed)
    print(f"{options.runs} simulated cohorts of {N} patients, {RESPONDERS} responders; seed {options.seed}")
    for name, rate in rates.items():
        print(f"{name:75s} {rate:8.4f}")
    content = {"runs": options.runs, "seed": options.seed, "rates": rates}
    options.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if options.figure is not None:
        options.figure.write_text(draw(rates, options.runs), encoding="utf-8")


if __name__ == "__main__":
    main()
