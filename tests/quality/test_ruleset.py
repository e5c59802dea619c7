"""Rules as data: where each level begins, and what a laboratory's own file may say."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from immunoprofile.errors import StudyError
from immunoprofile.quality import Rule, load_quality_rules
from immunoprofile.quality.judge import judge
from immunoprofile.quality.ruleset import EVERYTHING

RULES = load_quality_rules().rules

# Written down a second time, from the notes and not from the file: rule, limit, level beyond it, side.
EDGES = [
    ("lymphocyte_events", 2500, "warn", "below"),
    ("lymphocyte_events", 500, "fail", "below"),
    ("singlet_fraction", 0.85, "warn", "below"),
    ("viability", 0.90, "warn", "below"),
    ("viability", 0.80, "fail", "below"),
    ("viability_sheet", 0.90, "warn", "below"),
    ("viability_sheet", 0.80, "fail", "below"),
    ("lymphosum", 0.95, "warn", "below"),
    ("lymphosum", 1.05, "warn", "above"),
    ("lymphosum", 0.90, "fail", "below"),
    ("lymphosum", 1.10, "fail", "above"),
    ("cd4_cd8_of_t", -0.05, "warn", "below"),
    ("cd4_cd8_of_t", 0.05, "warn", "above"),
    ("cd4_cd8_of_t", -0.10, "fail", "below"),
    ("cd4_cd8_of_t", 0.10, "fail", "above"),
    ("b_events", 500, "warn", "below"),
    ("b_events", 100, "fail", "below"),
    ("bead_events", 1000, "warn", "below"),
    ("bead_events", 500, "fail", "below"),
    ("bead_flow", 0.10, "warn", "above"),
    ("bead_flow", 0.25, "fail", "above"),
    ("bead_spread", 0.15, "warn", "above"),
    ("time_affected", 0.10, "warn", "above"),
    ("time_affected", 0.30, "fail", "above"),
    ("flow_stopped", 0.05, "warn", "above"),
    ("flow_stopped", 0.30, "fail", "above"),
    ("time_order", 0, "warn", "above"),
    ("margin_events", 0.05, "warn", "above"),
    ("margin_events", 0.30, "fail", "above"),
    ("events_removed", 0.10, "warn", "above"),
    ("events_removed", 0.30, "fail", "above"),
    ("events_lost", 0.10, "warn", "above"),
    ("reader_warnings", 0, "warn", "above"),
    ("hours_to_stain", 24, "warn", "above"),
    ("hours_to_stain", 72, "fail", "above"),
    ("spillover_condition", 50, "warn", "above"),
    ("spillover_condition", 1000, "fail", "above"),
    ("spillover_diagonal", 1e-6, "warn", "above"),
    ("spillover_diagonal", 0.01, "fail", "above"),
    ("spillover_entries", 0.0, "warn", "below"),
    ("spillover_entries", 1.5, "warn", "above"),
    ("spillover_entries", -0.05, "fail", "below"),
    ("spillover_entries", 3.0, "fail", "above"),
    ("spillover_differs", 0.05, "warn", "above"),
    ("spillover_differs", 0.15, "fail", "above"),
    ("residual_spill", -0.01, "warn", "below"),
    ("residual_spill", 0.01, "warn", "above"),
    ("residual_spill", -0.05, "fail", "below"),
    ("residual_spill", 0.05, "fail", "above"),
    ("identical_data", 0, "fail", "above"),
    ("cd3_across_tubes", 0.03, "warn", "above"),
    ("cd3_across_tubes", 0.05, "fail", "above"),
    ("delta_check", -1.96, "info", "below"),
    ("delta_check", 1.96, "info", "above"),
    ("delta_check", -3.29, "warn", "below"),
    ("delta_check", 3.29, "warn", "above"),
    ("sample_swap", 15, "warn", "above"),
    ("bridge_control", -2, "warn", "below"),
    ("bridge_control", 2, "warn", "above"),
    ("bridge_control", -3, "fail", "below"),
    ("bridge_control", 3, "fail", "above"),
    ("bridge_2_2s", -2, "fail", "below"),
    ("bridge_2_2s", 2, "fail", "above"),
    ("lot_change", -3, "warn", "below"),
    ("lot_change", 3, "warn", "above"),
]
ORDER = ["pass", "info", "warn", "fail"]


@pytest.mark.parametrize(("rule_id", "limit", "level", "side"), EDGES, ids=str)
def test_rule__level_begins_just_outside_its_limit(rule_id: str, limit: float, level: str, side: str) -> None:
    rule = next(r for r in RULES if r.id == rule_id)
    outside = math.nextafter(limit, -math.inf if side == "below" else math.inf)
    assert judge(rule, outside) == (level, limit)
    assert ORDER.index(judge(rule, limit)[0]) < ORDER.index(level)


def test_rules__every_limit_has_its_edge_tested() -> None:
    sides = ("below", "above")
    found = {
        (r.id, limit, level, side)
        for r in RULES
        for level in ("info", "warn", "fail")
        for limit, side in zip(getattr(r, level), sides, strict=True)
        if math.isfinite(limit)
    }
    assert found == set(EDGES)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_rule__has_a_source_a_meaning_and_a_place_for_its_flag(rule: Rule) -> None:
    assert rule.source
    assert rule.meaning
    levels = {level for level in ("info", "warn", "fail") if getattr(rule, level) != EVERYTHING}
    assert levels
    if rule.concerns and rule.flags_from != "fail":
        assert rule.flags_from in levels


def write(folder: Path, text: str) -> Path:
    path = folder / "lab.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_own_rules__replace_key_by_key_and_leave_the_rest(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'off = ["bead_flow"]\n[[rule]]\nid = "viability"\nwarn = [0.7, inf]\nfail = [0.6, inf]\nsource = "SOP 12"\n'
        '[[rule]]\nid = "time_affected"\nsource = "SOP 13"\nsettings = { effect = 0.5 }\n'
        '[variation.t]\nof = "lymphocytes"\ncv_i = 0.1\ncv_a = 0.02\nstable = true\nsource = "own donors"\n',
    )
    own, packaged = load_quality_rules(path), load_quality_rules()
    viability, before = own.find("viability"), packaged.find("viability")
    assert viability is not None
    assert before is not None
    assert (viability.warn, viability.fail, viability.source) == ((0.7, math.inf), (0.6, math.inf), "SOP 12")
    assert (viability.flag, viability.meaning) == (before.flag, before.meaning)
    assert own.find("bead_flow") is None
    time = own.find("time_affected")
    assert time is not None
    assert time.settings == {"rate_ratio": 2.0, "rate_z": 5.0, "split_z": 6.0, "effect": 0.5}
    assert next(v for v in own.variation if v.pop_id == "t").cv_i == 0.1
    assert len(own.rules) == len(packaged.rules) - 1
    assert own.sha256 != packaged.sha256


def test_variation__log_sd_of_lognormal_coefficients() -> None:
    # numpy: exp(N(0, s1)) * exp(N(0, s2)) with CVs 0.13 and 0.05 has the variance of its log s1^2 + s2^2
    b = next(v for v in load_quality_rules().variation if v.pop_id == "b")
    assert (b.cv_i, b.cv_a) == (0.13, 0.05)
    assert b.log_sd == pytest.approx(math.sqrt(math.log(1.0169) + math.log(1.0025)), rel=1e-12)


WRONG = {
    "unknown rule": (
        '[[rule]]\nid = "viabilty"\nsource = "x"\n',
        'rule[0].id: no rule "viabilty". Did you mean "viability"?',
    ),
    "no source": ('[[rule]]\nid = "viability"\nwarn = [0.7, inf]\n', 'rule[0]: "source" is missing. Say where'),
    "unknown setting": (
        '[[rule]]\nid = "time_affected"\nsource = "x"\nsettings = { efect = 1.0 }\n',
        'rule[0]: no setting "efect". Did you mean "effect"?',
    ),
    "warn outside fail": (
        '[[rule]]\nid = "viability"\nwarn = [0.7, inf]\nsource = "x"\n',
        "info must lie inside warn, and warn inside fail",
    ),
    "unknown off": ('off = ["viabilty"]\n', 'off: no rule "viabilty". Did you mean "viability"?'),
    "unknown key": ('[[rule]]\nid = "viability"\nsource = "x"\nwarm = [0.7, inf]\n', 'unknown key "warm"'),
    "not toml": ("off = [\n", "is not TOML"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_own_rules__wrong_ones_are_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError) as found:
        load_quality_rules(write(tmp_path, text))
    assert str(found.value).startswith(str(tmp_path / "lab.toml"))
    assert message in str(found.value)


def test_own_rules__missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"none\.toml: quality rules cannot be read \(No such file"):
        load_quality_rules(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('item = "t/cd4"\ncentre = 70\ncv = 0.1\nsource = "s"', "the centre of a fraction lies between 0 and 1"),
        ('item = "t/cd4"\ncentre = 0.7\nsource = "s"', "cv"),
        ('item = "t"\ncentre = 0.7\ncv = 0.1\nsource = "s"', "item"),
        ('item = "t/cd4"\ncentre = 0.7\ncv = 0.1', "source"),
    ],
    ids=["percent", "no spread", "no denominator", "no source"],
)
def test_declared_centre__what_makes_no_sense_is_refused(tmp_path: Path, keys: str, message: str) -> None:
    (tmp_path / "lab.toml").write_text(f"[[bridge]]\n{keys}\n", encoding="utf-8")
    with pytest.raises(StudyError, match=message):
        load_quality_rules(tmp_path / "lab.toml")


def test_declared_centre__is_part_of_the_digest(tmp_path: Path) -> None:
    text = '[[bridge]]\nitem = "t/cd4"\ncentre = {}\ncv = 0.1\nsource = "s"\n'
    digests = {load_quality_rules().sha256}
    for centre in (0.6, 0.7):
        (tmp_path / "lab.toml").write_text(text.format(centre), encoding="utf-8")
        digests.add(load_quality_rules(tmp_path / "lab.toml").sha256)
    assert len(digests) == 3
