"""Rules across samples: tubes of a draw, a subject's visits, subjects, equal data, bridging controls."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunoprofile.columns import POPULATIONS
from immunoprofile.gating import load_template
from immunoprofile.quality import (
    RuleSet,
    check_bridges,
    check_cohort,
    check_matrices,
    check_residual_spill,
    control_shifts,
    flag_populations,
    load_quality_rules,
)
from immunoprofile.quality.bridge import Reading, lot_of, score
from immunoprofile.quality.preparation import residual_spill
from immunoprofile.spillover import Spillover
from immunoprofile.tables import build_frame

TEMPLATE = load_template("immune14")
RULES = load_quality_rules()
PAIRS = [(p, "lymphocytes") for p in ("t", "cd4", "cd8", "b", "nk")] + [("treg", "cd4"), ("b_naive", "b")]
SHARES = {"t": 0.7, "cd4": 0.4, "cd8": 0.25, "b": 0.12, "nk": 0.15, "treg": 0.04, "b_naive": 0.6}


@dataclass(frozen=True)
class Row:
    """A row of the sample sheet."""

    sample_id: str
    subject_id: str | None = "A"
    visit: str | None = "BL"
    day: int | None = 0
    panel: str | None = "p"
    batch: str | None = None
    dataset: int | None = None
    note: str | None = None


def sample(
    row: Row, shares: dict[str, float] | None = None, *, n: int = 100_000, sha: str | None = None
) -> pd.DataFrame:
    """Rows of `populations`; `shares` differ from the usual ones."""
    return build_frame(POPULATIONS, list_rows(row, shares, n=n, sha=sha))


def list_rows(
    row: Row, shares: dict[str, float] | None = None, *, n: int = 100_000, sha: str | None = None
) -> list[dict]:
    wanted = {**SHARES, **(shares or {})}
    counts = {"lymphocytes": n}
    rows = []
    for pop, denom in PAIRS:
        counts[pop] = round(counts[denom] * wanted[pop])
        rows.append(
            {
                "sample_id": row.sample_id,
                "pop_id": pop,
                "pop_path": next(g.path for g in TEMPLATE.gates if g.id == pop),
                "denom_id": denom,
                "count": counts[pop],
                "denom_count": counts[denom],
                "frac": counts[pop] / counts[denom],
                "flags": "",
                "abs_method": "none",
                "template_sha256": TEMPLATE.digest,
                "fcs_sha256": sha or row.sample_id,
            }
        )
    return rows


def checked(*samples: tuple[Row, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    populations = pd.concat([frame for _, frame in samples])
    return asked([row for row, _ in samples], populations)


def asked(rows: list[Row], populations: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    checks = check_cohort(populations, rows, templates=[TEMPLATE])
    found = checks.rows.set_index(["rule_id", "sample_id", "item"])
    return found, checks.unanswered.set_index(["rule_id", "sample_id"])["reason"], populations


@pytest.mark.parametrize(
    ("second", "level"), [(0.730, "pass"), (0.731, "warn"), (0.750, "warn"), (0.751, "fail")], ids=str
)
def test_cd3_across_tubes__spread_of_the_tubes_of_a_draw(second: float, level: str) -> None:
    tubes = [Row("a"), Row("b", panel="q"), Row("c", panel="r")]
    # 0.7 and 0.730 in binary: a spread on the limit is made of counts, so give it the counts' own rounding.
    frames = [sample(tubes[0]), sample(tubes[1], {"t": second - 1e-5 * (level in {"pass", "warn"})}), sample(tubes[2])]
    rows, _, _ = checked(*zip(tubes, frames, strict=True))
    assert {rows.loc[("cd3_across_tubes", name, ""), "level"] for name in "abc"} == {level}


def test_cd3_across_tubes__one_tube_or_few_lymphocytes_cannot_answer() -> None:
    alone, few = Row("a"), Row("b", panel="q")
    _, reasons, _ = checked((alone, sample(alone)), (few, sample(few, n=499)))
    assert reasons["cd3_across_tubes", "a"] == "one tube of this draw tells T cells of lymphocytes"
    assert reasons["cd3_across_tubes", "b"] == "no T cells of at least 500 lymphocytes"


def test_identical_data__file_of_another_visit_fails_and_names_it() -> None:
    one, two = Row("a"), Row("b", visit="W4", day=28)
    rows, _, populations = checked((one, sample(one, sha="x")), (two, sample(two, {"t": 0.69}, sha="x")))
    found = rows.loc[("identical_data", "a", "")]
    assert (found["level"], found["value"]) == ("fail", 1.0)
    assert found["detail"].endswith("; b")
    flagged = flag_populations(populations, rows.reset_index(), [TEMPLATE], RULES)
    assert set(flagged["flags"]) == {"IDENTICAL_DATA"}


def test_identical_data__equal_counts_fail_even_where_the_bytes_differ() -> None:
    one, two = Row("a"), Row("b", subject_id="B")
    rows, _, _ = checked((one, sample(one)), (two, sample(two)))
    assert set(rows.loc["identical_data"]["level"]) == {"fail"}


def test_identical_data__one_file_may_serve_two_panels_of_a_draw() -> None:
    one, two = Row("a"), Row("b", panel="q")
    rows, _, _ = checked((one, sample(one, sha="x")), (two, sample(two, sha="x")))
    assert set(rows.loc["identical_data"]["level"]) == {"pass"}


def test_identical_data__data_sets_of_one_file_are_not_the_same_data() -> None:
    one, two = Row("a", dataset=1), Row("b", visit="W4", dataset=2)
    rows, _, _ = checked((one, sample(one, sha="x")), (two, sample(two, {"t": 0.69}, sha="x")))
    assert set(rows.loc["identical_data"]["level"]) == {"pass"}


def delta_of(ratio: float) -> pd.Series:
    one, two = Row("a"), Row("b", visit="W4", day=28)
    rows, _, _ = checked((one, sample(one)), (two, sample(two, {"treg": 0.04 * ratio})))
    return rows.loc[("delta_check", "b", "treg")]


def test_delta_check__value_is_the_log_ratio_over_its_deviation() -> None:
    # By hand: k = 1,600 and 2,400 Treg of 40,000 CD4+; CVi 0.13, CVa 0.05
    found = delta_of(1.5)
    sd = math.sqrt(2 * (math.log(1.0169) + math.log(1.0025)) + 1 / 1600.5 + 1 / 2400.5)
    assert found["value"] == pytest.approx(math.log(2400.5 / 1600.5) / sd, rel=1e-12)
    assert "x 1.50 since a" in found["detail"]


@pytest.mark.parametrize(("sds", "level"), [(1.95, "pass"), (1.97, "info"), (3.28, "info"), (3.30, "warn")], ids=str)
@pytest.mark.parametrize("sign", [-1, 1], ids=["fall", "rise"])
def test_delta_check__levels_at_the_reference_change(sds: float, level: str, sign: int) -> None:
    ratio = 1.0
    for _ in range(30):  # the counts of the later sample are part of the deviation
        sd = math.sqrt(2 * (math.log(1.0169) + math.log(1.0025)) + 1 / 1600.5 + 1 / (1600 * ratio + 0.5))
        ratio = math.exp(sign * sds * sd)
    assert delta_of(ratio)["level"] == level


def test_delta_check__goes_to_the_visit_before_by_day_and_flags_that_population_alone() -> None:
    rows = [Row("late", visit="W8", day=56), Row("first"), Row("mid", visit="W4", day=28)]
    frames = [sample(rows[0], {"nk": 0.6}), sample(rows[1]), sample(rows[2], {"t": 0.71})]
    found, reasons, populations = checked(*zip(rows, frames, strict=True))
    assert reasons["delta_check", "first"] == "the subject has no earlier visit with this panel"
    assert "since mid" in found.loc[("delta_check", "late", "nk"), "detail"]
    flagged = flag_populations(populations, found.reset_index(), [TEMPLATE], RULES)
    assert set(map(tuple, flagged.loc[flagged["flags"] == "DELTA", ["sample_id", "pop_id"]].to_numpy())) == {
        ("late", "nk")
    }


def simulated(rng: np.random.Generator, n_subjects: int, visits: int = 4) -> list[tuple[Row, dict[str, float]]]:
    """Subjects whose visits vary as the rules' table of variation says; between subjects as domain.md 8 says."""
    between = {"t": 0.09, "cd4": 0.14, "cd8": 0.18, "b": 0.35, "nk": 0.40, "treg": 0.35, "b_naive": 0.15}
    within = {v.pop_id: v.log_sd for v in RULES.variation}
    found = []
    for i in range(n_subjects):
        own = {p: SHARES[p] * math.exp(rng.normal(0, between[p])) for p in SHARES}
        for v in range(visits):
            now = {p: min(x * math.exp(rng.normal(0, within[p])), 0.99) for p, x in own.items()}
            found.append((Row(f"{i:02d}_{v}", subject_id=f"{i:02d}", visit=f"V{v}", day=28 * v), now))
    return found


def together(
    cohort: list[tuple[Row, dict[str, float]]], shares: list[dict[str, float]]
) -> tuple[list[Row], pd.DataFrame]:
    rows = [row for row, _ in cohort]
    listed = [r for row, own in zip(rows, shares, strict=True) for r in list_rows(row, own)]
    return rows, build_frame(POPULATIONS, listed)


def accused(cohort: list[tuple[Row, dict[str, float]]], shares: list[dict[str, float]]) -> pd.DataFrame:
    """Rows of `sample_swap` that warn, by sample."""
    rows = asked(*together(cohort, shares))[0]
    return rows.loc["sample_swap"].query("level == 'warn'").reset_index("item")


def exchange(cohort: list[tuple[Row, dict[str, float]]], one: int, two: int) -> list[dict[str, float]]:
    shares = [s for _, s in cohort]
    shares[one], shares[two] = shares[two], shares[one]
    return shares


@pytest.mark.parametrize("visits", [3, 4])
def test_sample_swap__exchanged_samples_are_found_and_others_seldom_accused(visits: int) -> None:
    rng = np.random.default_rng(20)
    found = false = 0
    for _ in range(12):
        cohort = simulated(rng, 8, visits)
        pair = [visits - 1, visits * int(rng.integers(1, 8)) + visits - 1]
        names = set(accused(cohort, exchange(cohort, *pair)).index)
        exchanged = {cohort[i][0].sample_id for i in pair}
        found += len(exchanged & names)
        false += len(names - exchanged)
    assert found / 24 >= 0.75
    assert false <= 2


def test_sample_swap__names_the_sample_it_was_exchanged_with() -> None:
    cohort = simulated(np.random.default_rng(22), 6, 3)
    rows = accused(cohort, exchange(cohort, 2, 8))
    assert set(rows.index) == {"00_2", "02_2"}
    assert rows.loc["00_2", "detail"].endswith("exchanged with 02_2")
    assert rows.loc["02_2", "detail"].endswith("exchanged with 00_2")
    assert rows["value"].nunique() == 1


def test_sample_swap__of_two_visits_each_all_four_are_named() -> None:
    cohort = simulated(np.random.default_rng(23), 6, 2)
    assert set(accused(cohort, exchange(cohort, 1, 5)).index) == {"00_0", "00_1", "02_0", "02_1"}


def test_sample_swap__a_second_sample_of_another_subject_moves_alone() -> None:
    rng = np.random.default_rng(24)
    cohort = simulated(rng, 6, 4)
    shares = [s for _, s in cohort]
    shares[3] = {p: x * math.exp(rng.normal(0, 0.03)) for p, x in shares[8].items()}
    rows = accused(cohort, shares)
    assert set(rows.index) == {"00_3"}
    assert rows.loc["00_3", "detail"].endswith("moved to 02")


def test_sample_swap__depletion_is_no_other_subject() -> None:
    cohort = simulated(np.random.default_rng(21), 10)
    shares = [{**s, "b": 0.001} if row.subject_id == "00" and row.day else s for row, s in cohort]
    rows = asked(*together(cohort, shares))[0]
    assert (rows.loc["sample_swap"]["level"] == "pass").all()


def test_sample_swap__without_another_visit_or_subject_it_cannot_be_asked() -> None:
    one = Row("a")
    _, reasons, _ = checked((one, sample(one)))
    assert reasons["sample_swap", "a"] == "the subject has no other visit with this panel"
    two = Row("b", visit="W4")
    _, reasons, _ = checked((one, sample(one)), (two, sample(two)))
    assert reasons["sample_swap", "a"] == "no other subject has this panel"


def test_flags__only_the_populations_concerned_carry_them() -> None:
    row = Row("a")
    populations = sample(row).assign(abs_method=pd.array(["dual", *["none"] * 6], dtype="string"))
    checks = pd.DataFrame(
        [
            {"sample_id": "a", "rule_id": "b_events", "item": "", "level": "fail", "flag": "FEW_B_CELLS"},
            {"sample_id": "a", "rule_id": "bead_events", "item": "", "level": "fail", "flag": "BEADS"},
            {"sample_id": "a", "rule_id": "lymphosum", "item": "", "level": "warn", "flag": "LYMPHOSUM"},
            {"sample_id": "z", "rule_id": "viability", "item": "", "level": "fail", "flag": "LOW_VIABILITY"},
        ]
    )
    flagged = flag_populations(populations, checks, [TEMPLATE], RULES).set_index("pop_id")["flags"]
    first = populations["pop_id"].iloc[0]
    expected = {name: {"FEW_B_CELLS"} if name in {"b", "b_naive"} else set() for name in SHARES}
    expected[first] = expected[first] | {"BEADS"}
    assert {name: set(filter(None, flags.split(";"))) for name, flags in flagged.items()} == expected


def runs(values: list[float], notes: list[str | None] | None = None) -> tuple[list[Row], pd.DataFrame]:
    """Runs of a bridging control with these T-cell fractions."""
    notes = notes or [None] * len(values)
    rows = [
        Row(f"r{i}", subject_id=None, visit=None, day=None, batch=f"run{i}", note=note) for i, note in enumerate(notes)
    ]
    return rows, pd.concat([sample(r, {"t": v}, n=1_000_000) for r, v in zip(rows, values, strict=True)])


CENTRE = [0.68, 0.70, 0.72, 0.69, 0.71]


def predicted(z: float) -> float:
    """The fraction that lies z standard deviations of prediction from the centre's runs."""
    logs = np.log([(round(v * 1e6) + 0.5) / (1e6 + 1) for v in CENTRE])
    t = stats.t.isf(stats.norm.sf(z), 4)
    return float(np.exp(logs.mean() + t * logs.std(ddof=1) * math.sqrt(1.2)))


@pytest.mark.parametrize(("z", "level"), [(1.99, "pass"), (2.01, "warn"), (2.99, "warn"), (3.01, "fail")], ids=str)
def test_bridge_control__westgard_limits_keep_their_probability(z: float, level: str) -> None:
    rows, bridges = runs([*CENTRE, predicted(z)])
    found = check_bridges(bridges, rows).rows.set_index(["rule_id", "sample_id", "item"])
    row = found.loc[("bridge_control", "r5", "t/lymphocytes")]
    assert row["value"] == pytest.approx(z, abs=2e-4)  # counts are whole
    assert row["level"] == level


def test_bridge_control__score_is_normal_whatever_the_number_of_runs() -> None:
    rng = np.random.default_rng(3)
    for n in (3, 5, 10):
        scores = []
        for _ in range(1500):
            values = rng.normal(0, 0.2, n + 1)
            scores.append(score(values[-1], 0.0, [Reading("s", "i", v) for v in values[:-1]], 1e-6))
        beyond = np.mean(np.abs(scores) > 2)
        assert beyond == pytest.approx(0.0455, abs=4 * math.sqrt(0.0455 / 1500))


def test_bridge_control__two_runs_beyond_two_on_one_side_fail() -> None:
    for signs, level in (((1, 1), "fail"), ((1, -1), "pass"), ((-1, -1), "fail")):
        rows, bridges = runs([*CENTRE, *(predicted(2.3 * s) for s in signs)])
        found = check_bridges(bridges, rows).rows.set_index(["rule_id", "sample_id", "item"])
        assert found.loc[("bridge_2_2s", "r6", "t/lymphocytes"), "level"] == level


def test_bridge_control__failure_stands_at_the_patients_samples_of_that_run() -> None:
    rows, bridges = runs([*CENTRE, 0.9])
    patients = [Row("in", batch="run5"), Row("elsewhere", batch="run4"), Row("panel", panel="q", batch="run5")]
    checks = check_bridges(bridges, rows, patients).rows
    found = checks[checks["sample_id"].isin(["in", "elsewhere", "panel"])]
    assert found["sample_id"].tolist() == ["in"]
    assert found["item"].tolist() == ["t/lymphocytes"]
    assert "bridging control r5" in found["detail"].iloc[0]
    flagged = flag_populations(sample(patients[0]), checks, [TEMPLATE], RULES).set_index("pop_id")["flags"]
    assert {name for name, flags in flagged.items() if flags} == {"t"}


def test_bridge_control__runs_of_the_centre_are_not_judged_by_themselves() -> None:
    rows, bridges = runs(CENTRE)
    checks = check_bridges(bridges, rows)
    assert checks.rows.empty
    reasons = checks.unanswered.set_index(["rule_id", "sample_id"])["reason"]
    assert reasons["bridge_control", "r4"] == "one of the first 5 runs, which make the centre"


DECLARED = """
[[bridge]]
item = "t/lymphocytes"
centre = 0.7
cv = 0.05
source = "certificate of lot 7"

[[bridge]]
item = "t:CD3"
panel = "{panel}"
centre = 1000
cv = 0.1
source = "20 runs of 2025"
"""


def declared(folder: Path, panel: str = "p") -> RuleSet:
    (folder / "lab.toml").write_text(DECLARED.format(panel=panel), encoding="utf-8")
    return load_quality_rules(folder / "lab.toml")


@pytest.mark.parametrize(("sds", "level"), [(-3.01, "fail"), (-2.01, "warn"), (1.99, "pass"), (2.01, "warn")], ids=str)
def test_bridge_control__declared_centre_judges_the_first_run(tmp_path: Path, sds: float, level: str) -> None:
    rows, bridges = runs([0.7 * math.exp(sds * math.sqrt(math.log1p(0.05**2)))])
    checks = check_bridges(bridges, rows, rules=declared(tmp_path))
    row = checks.rows.set_index(["rule_id", "item"]).loc[("bridge_control", "t/lymphocytes")]
    assert row["value"] == pytest.approx(sds, abs=1e-4)  # counts are whole
    assert row["level"] == level
    assert "declared centre 0.7, CV 0.05 (certificate of lot 7)" in row["detail"]
    assert len(checks.rows.query("rule_id == 'bridge_control'")) == 1  # the others wait for their centre


def test_bridge_control__declared_centres_of_another_panel_are_not_asked(tmp_path: Path) -> None:
    rows, bridges = runs([0.7])
    medians = pd.DataFrame({"sample_id": ["r0"], "pop_id": "t", "marker": "CD3", "median_fi": 2000.0})
    for panel, items in (("p", {"t/lymphocytes", "t:CD3"}), ("q", {"t/lymphocytes"})):
        found = check_bridges(bridges, rows, intensities=medians, rules=declared(tmp_path, panel)).rows
        assert set(found.query("rule_id == 'bridge_control'")["item"]) == items


def test_bridge_control__two_declared_runs_in_a_row_on_one_side_fail(tmp_path: Path) -> None:
    rows, bridges = runs([0.7 * math.exp(2.2 * math.sqrt(math.log1p(0.05**2)))] * 2)
    found = check_bridges(bridges, rows, rules=declared(tmp_path)).rows.set_index(["rule_id", "sample_id", "item"])
    assert found.loc[("bridge_2_2s", "r1", "t/lymphocytes"), "level"] == "fail"


def test_bridge_control__intensities_are_followed_too() -> None:
    rows, bridges = runs([*CENTRE, 0.7])
    medians = [1000, 1040, 980, 1010, 990, 2500]
    intensities = pd.DataFrame(
        {"sample_id": [r.sample_id for r in rows], "pop_id": "t", "marker": "CD3", "median_fi": medians}
    )
    found = check_bridges(bridges, rows, intensities=intensities).rows.set_index(["rule_id", "sample_id", "item"])
    assert found.loc[("bridge_control", "r5", "t:CD3"), "level"] == "fail"
    assert found.loc[("bridge_control", "r5", "t/lymphocytes"), "level"] == "pass"


@pytest.mark.parametrize(
    ("note", "lot"),
    [
        ("lot A12", "A12"),
        ("new Lot: 7-b", "7-b"),
        ("lot=x.1, fresh", "x.1"),
        ("a lot", None),
        ("plot 3", None),
        (None, None),
    ],
)
def test_lot_of__is_what_the_note_names(note: str | None, lot: str | None) -> None:
    assert lot_of(note) == lot


def test_lot_change__is_judged_against_the_lot_before() -> None:
    lots: list[str | None] = ["lot 1"] * 5 + ["lot 2"] * 2
    rows, bridges = runs([*CENTRE, 0.9, 0.9], lots)
    checks = check_bridges(bridges, rows)
    found = checks.rows.set_index(["rule_id", "sample_id", "item"])
    assert found.loc[("lot_change", "r5", "t/lymphocytes"), "level"] == "warn"
    assert "lot 1 to 2" in found.loc[("lot_change", "r5", "t/lymphocytes"), "detail"]
    reasons = checks.unanswered.set_index(["rule_id", "sample_id"])["reason"]
    assert reasons["lot_change", "r6"] == "the lot is that of the run before"


def test_control_shifts__stand_beside_the_subjects_shift() -> None:
    rows, bridges = runs([0.70, 0.77])
    first, later = Row("a", batch="run0"), Row("b", visit="W4", day=28, batch="run1")
    populations = pd.concat([sample(first), sample(later, {"t": 0.8})])
    found = control_shifts(populations, [first, later], bridges, rows).set_index("pop_id").loc["t"]
    assert found["log_ratio"] == pytest.approx(math.log(0.8 / 0.7), rel=1e-4)  # half an event
    assert found["control_log_ratio"] == pytest.approx(math.log(0.77 / 0.70), rel=1e-5)
    assert found["expected_sd"] == pytest.approx(math.sqrt(1 / 700_000 + 1 / 770_000), rel=1e-5)
    within = control_shifts(populations, [first, replace(later, batch="run0")], bridges, rows)
    assert within.empty


def test_residual_spill__is_what_the_matrix_in_use_leaves() -> None:
    fitted = Spillover(("A", "B"), np.array([[1.0, 0.10], [0.05, 1.0]]))
    used = Spillover(("A", "B"), np.array([[1.0, 0.12], [0.05, 1.0]]))
    # By hand: (1, 0.10) compensated is ((1 - 0.05 * 0.10), (0.10 - 0.12)) / det; their ratio -0.02 / 0.995
    found = residual_spill(fitted, used)
    assert found["A"].value == pytest.approx(-0.02 / 0.995, rel=1e-12)
    assert found["A"].note == "in B"
    assert found["B"].value == pytest.approx(0.0, abs=1e-15)


def test_residual_spill__detectors_without_a_stain_count_as_seen() -> None:
    whole = np.array([[1.0, 0.10, 0.30], [0.05, 1.0, 0.20], [0.0, 0.1, 1.0]])
    used = Spillover(("A", "B", "C"), whole)
    found = residual_spill(Spillover(("A", "B", "C"), whole[:2], ("A", "B")), used)
    assert {name: abs(m.value) < 1e-12 for name, m in found.items()} == {"A": True, "B": True}
    assert residual_spill(Spillover(("A", "B"), whole[:2, :2]), used) == {}


def test_residual_spill__levels_and_reasons() -> None:
    fitted = Spillover(("A", "B"), np.array([[1.0, 0.2], [0.0, 1.0]]))
    used = Spillover(("A", "B"), np.eye(2))
    checks = check_residual_spill({"sa": "A", "sb": "B", "sc": "C"}, RULES, fitted, used)
    assert checks.rows.set_index("sample_id")["level"].to_dict() == {"sa": "fail", "sb": "pass"}
    assert checks.unanswered["reason"].tolist() == ["its detector, or one of the matrix in use, is not known to both"]


def test_spillover_differs__transposed_matrix_of_one_sample_is_found() -> None:
    rng = np.random.default_rng(9)
    base = np.array([[1.0, 0.2, 0.05], [0.02, 1.0, 0.1], [0.0, 0.03, 1.0]])
    names = ("A", "B", "C")
    used = {f"s{i}": Spillover(names, base + (1 - np.eye(3)) * rng.normal(0, 0.005, (3, 3))) for i in range(5)}
    used["odd"] = Spillover(names, base.T)
    order = [2, 0, 1]
    used["permuted"] = Spillover(tuple(names[i] for i in order), base[np.ix_(order, order)])
    checks = check_matrices({"p": used}, RULES)
    levels = checks.rows.set_index("sample_id")["level"].to_dict()
    assert levels == {**dict.fromkeys(used, "pass"), "odd": "fail"}
    detail = checks.rows.set_index("sample_id").loc["odd", "detail"]
    assert "A in B: 0.020, median 0." in detail or "B in A: 0.200, median 0." in detail


def test_spillover_differs__two_matrices_have_no_median() -> None:
    used = {"a": Spillover(("A", "B"), np.eye(2)), "b": Spillover(("A", "C"), np.eye(2))}
    reasons = check_matrices({"p": used}, RULES).unanswered["reason"]
    assert set(reasons) == {"fewer than 3 samples of the panel have a matrix of these detectors"}
