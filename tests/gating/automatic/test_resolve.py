"""Templates resolved over pools of files: who shares a gate, who decides it, and what changes nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import immunoprofile as ip
from immunoprofile.fcs import ChannelSpec, read_fcs, write_fcs
from immunoprofile.gating.automatic import PoolSample, check_gates, freeze, resolve_template, thaw
from immunoprofile.gating.automatic.frozen import FrozenFile
from immunoprofile.scales import Logicle

LOGICLE = Logicle(262144, 0.5, 4.5)
# Several standard errors of a cut from 4,000 events a population with spreads of 0.05.
PLACE = 0.03
TEMPLATE = """
[template]
id = "auto"
version = "1"
[markers]
CD3 = {{ scale = "f" }}
CD4 = {{ scale = "f" }}
[scales]
f = {{ kind = "logicle", t = 262144, w = 0.5, m = 4.5, a = 0 }}
[compensation]
source = "none"
[[gate]]
name = "T"
auto = {{ method = "valley", x = "CD3", keep = "above"{pool} }}
fallback = {{ range = {{ x = "CD3", min = 0.5 }} }}
[[gate]]
name = "CD4+"
parent = "T"
auto = {{ method = "{inner}", x = "CD4", keep = "above"{pool} }}
fallback = {{ range = {{ x = "CD4", min = 0.44 }} }}
"""


@pytest.fixture
def load(tmp_path):
    def _load(pool="", inner="valley"):
        file = tmp_path / "auto.toml"
        file.write_text(TEMPLATE.format(pool=f", {pool}" if pool else "", inner=inner))
        return ip.load_template(file)

    return _load


@pytest.fixture
def tube(tmp_path):
    numbers = itertools.count()

    def _tube(shift=0.0, n=8_000, low=0.3, high=0.7, seed=None):
        """Negatives and T cells in CD3; among T cells CD4 low and high; all moved by `shift` on the axis."""
        number = next(numbers)
        rng = np.random.default_rng(number if seed is None else seed)
        t, cd4 = rng.random(n) < 0.5, rng.random(n) < 0.6
        cd3 = np.where(t, high, low) + 0.05 * rng.standard_normal(n) + shift
        helper = np.where(t & cd4, high, low) + 0.05 * rng.standard_normal(n) + shift
        values = LOGICLE.inverse(np.column_stack([cd3, helper])).astype(np.float32)
        path = tmp_path / f"tube{number}.fcs"
        write_fcs(path, values, [ChannelSpec("B1-A", "CD3"), ChannelSpec("B2-A", "CD4")])
        return read_fcs(path)

    return _tube


def sample(name, events, subject="S1", visit="BL", **more):
    return PoolSample(name, events, None, subject, visit, **more)


def cut(resolved, path="T"):
    return resolved.template.gate(path).geometry.bounds[0][0]


def test_resolve__child_is_found_among_the_events_of_its_resolved_parent(load, tube):
    found = resolve_template(load(), [sample("a", tube())])["a"]
    assert cut(found) == pytest.approx(0.5, abs=PLACE)
    # Among all events 70 % are low in CD4; among T cells 40 %. The reason names the pool's sample.
    assert cut(found, "T/CD4+") == pytest.approx(0.5, abs=PLACE)
    gate = found.template.gate("T/CD4+")
    assert gate.origin == "auto"
    assert "pool subject S1, found in a" in gate.reason


def test_resolve__digest_stays_that_of_the_declared_template(load, tube):
    template = load()
    found = resolve_template(template, [sample("a", tube())])["a"].template
    assert found.digest == template.digest
    assert found != template


def test_resolve__subject_shares_the_cut_of_its_baseline(load, tube):
    samples = [sample("a", tube()), sample("b", tube(0.1), visit="W4"), sample("c", tube(0.05), subject="S2")]
    found = resolve_template(load(), samples, baseline="BL")
    assert cut(found["a"]) == cut(found["b"]) == pytest.approx(0.5, abs=PLACE)
    assert cut(found["c"]) == pytest.approx(0.55, abs=PLACE)


def test_resolve__a_later_visit_changes_no_earlier_result(load, tube):
    first = [sample("a", tube()), sample("b", tube(0.1), visit="W4")]
    before = resolve_template(load(), first, baseline="BL")
    after = resolve_template(load(), [*first, sample("0", tube(0.2), visit="W8")], baseline="BL")
    assert all(before[name].template == after[name].template for name in before)


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ('pool = "sample"', (0.5, 0.6, 0.55)),
        ('pool = "subject", fit = "all"', (0.55, 0.55, 0.55)),
        ('pool = "visit"', (0.525, 0.6, 0.525)),
        ('pool = "batch"', (0.5, 0.575, 0.575)),
    ],
)
def test_resolve__pools(load, tube, pool, expected):
    samples = [
        sample("a", tube(0.0), batch="1"),
        sample("b", tube(0.1), visit="W4", batch="2"),
        sample("c", tube(0.05), subject="S2", batch="2"),
    ]
    if "batch" in pool:
        samples = [samples[0], *(sample(s.sample_id, s.events, "S3", "W4", batch="2") for s in samples[1:])]
    found = resolve_template(load(pool), samples, baseline="BL")
    assert [cut(found[n]) for n in "abc"] == pytest.approx(expected, abs=PLACE)


@pytest.fixture(scope="module")
def ordered(tmp_path_factory):
    """A template that fits mixtures to all of four samples, and these."""
    folder = tmp_path_factory.mktemp("order")
    (folder / "t.toml").write_text(TEMPLATE.format(pool=', fit = "all"', inner="mixture"))
    rng, samples = np.random.default_rng(0), []
    for k in range(4):
        level = np.where(rng.random((1_500, 2)) < 0.5, 0.3, 0.7) + 0.05 * rng.standard_normal((1_500, 2))
        values = LOGICLE.inverse(level).astype(np.float32)
        write_fcs(folder / f"{k}.fcs", values, [ChannelSpec("B1-A", "CD3"), ChannelSpec("B2-A", "CD4")])
        samples.append(sample(f"s{k}", read_fcs(folder / f"{k}.fcs"), visit="BL" if k < 2 else "W4"))
    template = ip.load_template(folder / "t.toml")
    return template, samples, resolve_template(template, samples, baseline="BL")


@settings(max_examples=8)
@given(order=st.permutations(range(4)))
def test_resolve__order_of_samples_and_jobs_change_nothing(ordered, order):
    template, samples, plain = ordered
    turned = resolve_template(template, [samples[i] for i in order], baseline="BL", jobs=2)
    assert all(turned[s.sample_id].template == plain[s.sample_id].template for s in samples)


def test_resolve__subject_without_baseline_has_its_earliest_sample(load, tube):
    samples = [sample("a", tube(0.1), visit="W8", day=56), sample("b", tube(0.0), visit="W4", day=28)]
    found = resolve_template(load(), samples, baseline="BL")
    assert cut(found["a"]) == cut(found["b"]) == pytest.approx(0.5, abs=PLACE)
    assert "no baseline sample, the earliest" in found["a"].template.gates[0].reason


def test_resolve__sample_that_cannot_be_read_takes_no_part(load, tube):
    samples = [sample("a", None), sample("b", tube(0.1), visit="W4", day=28)]
    found = resolve_template(load(), samples, baseline="BL")
    assert cut(found["b"]) == pytest.approx(0.6, abs=PLACE)


def test_resolve__wrong_panel_leaves_the_fallback_with_its_reason(load, tube, tmp_path):
    write_fcs(tmp_path / "x.fcs", np.ones((500, 1), np.float32), [ChannelSpec("B1-A", "CD8")])
    found = resolve_template(load(), [sample("a", read_fcs(tmp_path / "x.fcs"))])["a"].template
    assert found.gates[0].origin == "fallback"
    assert "a cannot be gated (PANEL-MISSING)" in found.gates[0].reason


def test_resolve__few_events_leave_the_fallback(load, tube):
    found = resolve_template(load(), [sample("a", tube(n=150))])["a"].template
    assert cut_of(found) == 0.5
    assert "a has 150 events in the parent" in found.gates[0].reason


def cut_of(template, path="T"):
    return template.gate(path).geometry.bounds[0][0]


def test_resolve__one_peak_leaves_the_fallback_and_flags_the_populations(load, tube):
    events = tube(low=0.5, high=0.5)
    resolved = resolve_template(load(), [sample("a", events)])["a"]
    assert resolved.template.gate("T").origin == "fallback"
    assert "one peak" in resolved.template.gate("T").reason
    members = ip.apply_template(resolved.template, events)
    table = ip.tabulate(members, {"sample_id": "a"}).set_index("pop_id")
    assert (table["gate_origin"] == "fallback").all()
    assert table["flags"].str.contains("GATE_FALLBACK").all()
    assert members.count("T") > 0


def test_resolve__fmo_takes_the_quantile_of_the_control_in_the_same_parent(load, tube):
    # Of the same subject, so nearer than the other one; its marker is found whatever its case.
    controls = [sample("fmo", without_cd4(tube), control="fmo:cd4"), sample("z", tube(), "S2", control="fmo:CD4")]
    found = resolve_template(load(inner="fmo"), [sample("a", tube()), *controls], baseline="BL")["a"]
    members = ip.apply_template(found.template, controls[0].events)
    assert members.count("T/CD4+") / members.count("T") == pytest.approx(0.005, abs=0.001)
    assert "found in fmo (control fmo:CD4)" in found.template.gate("T/CD4+").reason


def without_cd4(tube):
    """A tube of T cells and others, all of them low in CD4."""
    events = tube(seed=99)
    rng = np.random.default_rng(98)
    values = events.linear().copy()
    values[:, 1] = LOGICLE.inverse(0.3 + 0.05 * rng.standard_normal(len(values)))
    path = events.path.with_name("fmo.fcs")
    write_fcs(path, values.astype(np.float32), [ChannelSpec("B1-A", "CD3"), ChannelSpec("B2-A", "CD4")])
    return read_fcs(path)


def test_resolve__fmo_of_another_subject_is_none(load, tube):
    controls = [sample("other", tube(), subject="S2", control="fmo:CD4")]
    found = resolve_template(load(inner="fmo"), [sample("a", tube()), *controls])["a"].template
    assert found.gate("T/CD4+").origin == "fallback"
    assert "no control fmo:CD4" in found.gate("T/CD4+").reason


def test_resolve__pile_up_at_the_top_of_the_range_is_left_out(load, tmp_path):
    rng = np.random.default_rng(1)
    cd3 = np.concatenate([LOGICLE.inverse(0.3 + 0.05 * rng.standard_normal(5_000)), np.full(200, 262143.0)])
    values = np.column_stack([cd3, np.ones(5_200)]).astype(np.float32)
    write_fcs(tmp_path / "x.fcs", values, [ChannelSpec("B1-A", "CD3"), ChannelSpec("B2-A", "CD4")])
    found = resolve_template(load(), [sample("a", read_fcs(tmp_path / "x.fcs"))])["a"].template
    assert found.gates[0].origin == "fallback"
    assert "one peak" in found.gates[0].reason


def test_check__drift_beyond_the_limit_is_a_finding(load, tube):
    samples = [sample("a", tube()), sample("b", tube(0.1), visit="W4"), sample("c", tube(0.01), visit="W8")]
    found = resolve_template(load(), samples, baseline="BL")
    checks = {}
    for s in samples:
        members = ip.apply_template(found[s.sample_id].template, s.events)
        checks[s.sample_id] = {c.path: c for c in check_gates(found[s.sample_id], members, s.events, None)}
    assert [checks[n]["T"].level for n in "abc"] == ["pass", "warn", "pass"]
    assert checks["b"]["T"].flag == "GATE_DRIFT"
    assert checks["b"]["T"].value == pytest.approx(0.1, abs=PLACE)
    assert "pool subject S1" not in checks["b"]["T"].detail
    assert "subject S1 at 0." in checks["b"]["T"].detail


def test_check__fallback_and_unbridged_batches_are_findings(load, tube):
    samples = [sample("a", tube(low=0.5, high=0.5), batch="1"), sample("b", tube(), visit="W4", batch="2")]
    found = resolve_template(load(), samples, baseline="BL")["a"]
    members = ip.apply_template(found.template, samples[0].events)
    flags = {(c.path, c.flag): c for c in check_gates(found, members, samples[0].events, None)}
    assert ("T", "GATE_FALLBACK") in flags
    assert "spans batches without a bridging control: 1, 2" in flags["T", "POOL_NOT_BRIDGED"].detail


def test_check__bridging_controls_answer_for_their_batches(load, tube):
    samples = [sample("a", tube(), batch="1"), sample("b", tube(), visit="W4", batch="2")]
    bridges = [sample(f"x{b}", tube(0.02), None, None, batch=b, control="bridge") for b in "12"]
    found = resolve_template(load(), [*samples, *bridges], baseline="BL")
    members = ip.apply_template(found["a"].template, samples[0].events)
    assert not [c for c in check_gates(found["a"], members, samples[0].events, None) if c.rule_id == "pool_bridge"]
    # The control's runs share the gate of the first, whatever the patients' gates are.
    assert cut(found["x1"]) == cut(found["x2"]) != cut(found["a"])


def _frozen(template, found, names):
    content = freeze(template, "S1", "p", {n: found[n] for n in names})
    return FrozenFile.model_validate(content)


def test_frozen__gates_come_back_as_they_were(load, tube):
    template, samples = load(), [sample("a", tube()), sample("b", tube(0.1), visit="W4")]
    found = resolve_template(template, samples, baseline="BL")
    cold = thaw(_frozen(template, found, "ab"), template, ["a", "b", "new"], "p.S1.json")
    moved = [sample("a", tube(0.2)), samples[1], sample("new", tube(0.3), visit="W8")]
    again = resolve_template(template, moved, baseline="BL", frozen=cold)
    assert {cut(again[n]) for n in ("a", "b", "new")} == {cut(found["a"])}
    gate = again["a"].template.gate("T")
    assert gate.origin == "frozen"
    assert gate.reason.startswith("p.S1.json: valley: valley at")


def test_frozen__freezing_again_writes_the_same(load, tube):
    template, samples = load(), [sample("a", tube())]
    found = resolve_template(template, samples)
    first = freeze(template, "S1", "p", found)
    cold = thaw(FrozenFile.model_validate(first), template, ["a"], "p.S1.json")
    assert freeze(template, "S1", "p", resolve_template(template, samples, frozen=cold)) == first


def test_frozen__fallback_stays_a_fallback(load, tube):
    template, samples = load(), [sample("a", tube(low=0.5, high=0.5))]
    cold = thaw(_frozen(template, resolve_template(template, samples), "a"), template, ["a"], "p.S1.json")
    again = resolve_template(template, [sample("a", tube())], frozen=cold)["a"].template
    assert again.gate("T").origin == "fallback"
    assert cut_of(again) == 0.5


def test_resolve__optional_marker_that_is_missing_leaves_its_gates_out(load, tube, tmp_path):
    file = tmp_path / "auto.toml"
    load()
    file.write_text(file.read_text().replace("CD4 = {", "CD4 = { optional = true,"))
    template = ip.load_template(file)
    events = tube()
    write_fcs(tmp_path / "x.fcs", events.linear()[:, :1].astype(np.float32), [ChannelSpec("B1-A", "CD3")])
    lacking = read_fcs(tmp_path / "x.fcs")
    found = resolve_template(template, [sample("a", lacking), sample("b", events, visit="W4")], baseline="BL")
    assert cut(found["a"]) == cut(found["b"]) == pytest.approx(0.5, abs=PLACE)
    assert "a lacks an optional marker of its rule" in found["b"].template.gate("T/CD4+").reason
    members = ip.apply_template(found["a"].template, lacking)
    assert not check_gates(found["a"], members, lacking, None)[1:]


def test_resolve__boolean_between_automatic_gates_is_followed(load, tube, tmp_path):
    load()
    file = tmp_path / "auto.toml"
    inner = file.read_text().replace('parent = "T"', 'parent = "All T"')
    file.write_text(inner + '[[gate]]\nname = "All T"\nboolean = { and = ["T"] }\n')
    found = resolve_template(ip.load_template(file), [sample("a", tube())])["a"]
    assert cut(found, "All T/CD4+") == pytest.approx(0.5, abs=PLACE)


def test_resolve__pool_of_many_samples_takes_fewer_events_of_each(load, tube, monkeypatch):
    from immunoprofile.gating.automatic import resolve

    monkeypatch.setattr(resolve, "MOST_EVENTS", 4_000)
    monkeypatch.setattr(resolve, "_POOL_EVENTS", 4_000)
    samples = [sample(name, tube(), visit=name) for name in "abcd"]
    found = resolve_template(load('fit = "all"'), samples)
    assert cut(found["a"]) == pytest.approx(0.5, abs=2 * PLACE)
