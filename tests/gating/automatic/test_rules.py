"""Automatic gates in template files: what they say, what is refused, and that every format keeps them."""

import json

import numpy as np
import pytest

import immunoprofile as ip
from immunoprofile.errors import TemplateInvalidError, TemplateSyntaxError
from immunoprofile.fcs import ChannelSpec, write_fcs
from immunoprofile.gating import read_gatingml, write_gatingml, write_template
from immunoprofile.gating.automatic import PoolSample, resolve_template
from immunoprofile.gating.formats.shape_auto import METHOD_KEYS
from immunoprofile.gating.formats.toml_gates import AUTO_DEFAULTS

HEAD = """
[template]
id = "auto"
version = "1"
[markers]
CD3 = { scale = "f" }
CD4 = { scale = "f" }
[scales]
f = { kind = "logicle", t = 262144, w = 0.5, m = 4.5, a = 0 }
"""
VALLEY = 'auto = { method = "valley", x = "CD3", keep = "above", between = [0.3, 0.8] }'
FALLBACK = 'fallback = { range = { x = "CD3", min = 0.5 } }'
PLANE = 'fallback = { polygon = { x = "CD3", y = "CD4", vertices = [[0, 0], [1, 0], [1, 1]] } }'
KINDS = {
    "valley": f"{VALLEY}\n{FALLBACK}",
    "tail": f'auto = {{ method = "tail", x = "CD3", keep = "above", pool = "batch" }}\n{FALLBACK}',
    "quantile": f'auto = {{ method = "quantile", x = "CD3", keep = "above", quantile = 0.9 }}\n{FALLBACK}',
    "fmo": f'auto = {{ method = "fmo", x = "CD3", keep = "above", fit = "all" }}\n{FALLBACK}',
    "mixture": f'auto = {{ method = "mixture", x = "CD3", keep = "above", components = 3, target = [1] }}\n{FALLBACK}',
    "ellipse": 'auto = { method = "mixture", x = "CD3", y = "CD4", target = [0.7, 0.2] }\nfallback = { ellipse = { x = '
    '"CD3", y = "CD4", center = [0.5, 0.5], covariance = [[0.1, 0], [0, 0.1]], distance_square = 1 } }',
    "singlets": f'auto = {{ method = "singlets", x = "CD3", y = "CD4", width = 3 }}\n{PLANE}',
    "separate": f'auto = {{ method = "separate", x = "CD3", y = "CD4", target = [0, 1], angles = [90, 150] }}\n{PLANE}',
}


def load(tmp_path, *gates):
    file = tmp_path / "auto.toml"
    file.write_text(HEAD + "".join(f'[[gate]]\nname = "G{i}"\n{g}\n' for i, g in enumerate(gates)))
    return ip.load_template(file)


def test_rule__defaults_are_part_of_the_content(tmp_path):
    (gate,) = load(tmp_path, KINDS["fmo"]).gates
    assert (gate.auto.quantile, gate.auto.pool, gate.auto.fit, gate.auto.min_events) == (0.995, "subject", "all", 200)


def test_rule__fallback_is_the_geometry_until_it_is_resolved(tmp_path):
    (gate,) = load(tmp_path, KINDS["valley"]).gates
    assert gate.geometry.bounds == ((0.5, None),)
    assert gate.applied_as == ("fallback", "applied without fitting its automatic rule")


@pytest.mark.parametrize("kind", KINDS)
def test_rule__comes_back_from_toml(tmp_path, kind):
    template = load(tmp_path, KINDS[kind])
    write_template(template, tmp_path / "back.toml")
    assert ip.load_template(tmp_path / "back.toml") == template


@pytest.mark.parametrize("kind", KINDS)
def test_rule__comes_back_from_gatingml(tmp_path, kind):
    template = load(tmp_path, KINDS[kind])
    write_gatingml(template, tmp_path / "back.xml")
    assert read_gatingml(tmp_path / "back.xml").gates == template.gates


def test_rule__stands_in_custom_info_beside_the_fallback(tmp_path):
    write_gatingml(load(tmp_path, KINDS["valley"]), tmp_path / "auto.xml")
    text = (tmp_path / "auto.xml").read_text()
    assert '"method": "valley"' in text
    assert 'gating:min="0.5"' in text


def test_rule__that_makes_no_sense_in_custom_info_is_refused(tmp_path):
    write_gatingml(load(tmp_path, KINDS["valley"]), tmp_path / "auto.xml")
    text = (tmp_path / "auto.xml").read_text()
    (tmp_path / "bad.xml").write_text(text.replace('"keep": "above"', '"keep": null'))
    with pytest.raises(TemplateInvalidError, match="keep is missing"):
        read_gatingml(tmp_path / "bad.xml")


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (VALLEY, "auto needs a fallback"),
        (FALLBACK, "fallback goes with auto"),
        (f'{VALLEY}\n{FALLBACK}\nrange = {{ x = "CD3", min = 0.5 }}', "auto takes the place of range"),
        (f'auto = {{ method = "valley", x = "CD3" }}\n{FALLBACK}', 'keep is missing: write "above" or "below"'),
        (f'auto = {{ method = "valley", x = "CD3", keep = "above", width = 3 }}\n{FALLBACK}', "valley has no width"),
        (f'auto = {{ method = "singlets", x = "CD3" }}\n{FALLBACK}', "singlets works on two axes: give y"),
        (f'auto = {{ method = "tail", x = "CD3", y = "CD4", keep = "above" }}\n{FALLBACK}', "one axis: leave y out"),
        (f'auto = {{ method = "valley", x = "CD3", keep = "above", between = [2, 1] }}\n{FALLBACK}', "rising order"),
        (f'auto = {{ method = "separate", x = "CD3", y = "CD4" }}\n{PLANE}', "target must be a point on 2 axes"),
        (f'auto = {{ method = "tail", x = "CD3", keep = "above", quantile = 0.4 }}\n{FALLBACK}', "must be above 0.5"),
        (f'auto = {{ method = "vally", x = "CD3", keep = "above" }}\n{FALLBACK}', 'Did you mean "valley"?'),
        (f"{VALLEY}\nfallback = {{ }}", "give exactly one of range"),
    ],
    ids=lambda v: None if "=" in v else v,
)
def test_rule__refusal_names_the_place_and_what_to_do(tmp_path, gate, words):
    with pytest.raises(TemplateSyntaxError) as caught:
        load(tmp_path, gate)
    assert words in str(caught.value)
    assert "gate[0]" in str(caught.value)


def test_rule__fallback_on_other_axes_is_refused(tmp_path):
    with pytest.raises(TemplateInvalidError, match=r"gate\[0\]\.auto: the fallback has other axes than the rule"):
        load(tmp_path, f'{VALLEY}\nfallback = {{ range = {{ x = "CD4", min = 0.5 }} }}')


def test_rule__unknown_marker_is_named(tmp_path):
    with pytest.raises(TemplateInvalidError, match=r'gate\[0\]\.auto\.x: no marker named "CD33"'):
        load(tmp_path, f'auto = {{ method = "valley", x = "CD33", keep = "above" }}\n{FALLBACK}')


def test_digest__covers_the_rule(tmp_path):
    one = load(tmp_path, KINDS["valley"]).digest
    other = load(tmp_path, KINDS["valley"].replace("0.8", "0.9")).digest
    assert one != other


def test_explanation__its_example_loads(tmp_path, checkout):
    text = (checkout / "docs" / "explanation" / "automatic_gates.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0].replace('parent = "Live"\n', "")
    (tmp_path / "auto.toml").write_text(HEAD + example)
    assert ip.load_template(tmp_path / "auto.toml").gates[0].auto.between == (0.3, 0.8)


def test_explanation__names_every_method_and_its_defaults(checkout):
    text = (checkout / "docs" / "explanation" / "automatic_gates.md").read_text()
    rows = [line.split("|")[1:5] for line in text.splitlines() if line.startswith("| `")]
    shown = {(r[0].strip(" `"), len(r[1].split(","))): r[3] for r in rows}
    assert set(shown) == set(METHOD_KEYS)
    for (method, axes), settings in shown.items():
        for key, value in AUTO_DEFAULTS.get(method, {}).items():
            expected = 0.95 if (method, axes, key) == ("mixture", 2, "quantile") else value
            assert f"({expected:g})" in settings


def test_benchmark__figures_of_the_explanation_are_the_first_score(checkout):
    text = (checkout / "docs" / "explanation" / "automatic_gates.md").read_text()
    first = json.loads((checkout / "benchmarks" / "results" / "automatic_gates.json").read_text())[0]["f1"]
    assert f"mean F1 {first['mean']:.3f}, gamma-delta T cells {first['gd T cells']:.3f}" in text


QUADRANT = """
[template]
id = "quarters"
version = "1"
[markers]
X = { scale = "unit" }
Y = { scale = "unit" }
[scales]
unit = { kind = "linear", t = 100 }
[compensation]
source = "none"
[[gate]]
name = "All"
range = { x = "X", min = -1 }
[[gate]]
parent = "All"
quadrant = { x = "X", y = "Y", x_at = 0.5, y_at = 0.6, names = { "++" = "both", "+-" = "X only", "--" = "none" }, \
auto = { method = "valley", x_between = [0.2, 0.8], pool = "sample" } }
"""


@pytest.fixture
def quarters(tmp_path):
    def write(text: str = QUADRANT):
        (tmp_path / "quarters.toml").write_text(text)
        return ip.load_template(tmp_path / "quarters.toml")

    return write


def test_quadrant__with_a_rule_has_a_gate_for_each_divider_and_booleans_for_corners(quarters) -> None:
    template = quarters()
    x, y = (template.gate(f"All/{m}+ of X x Y") for m in "XY")
    assert (x.auto.between, y.auto.between, x.auto.pool, x.auto.keep) == ((0.2, 0.8), None, "sample", "above")
    assert (x.geometry.bounds, y.geometry.bounds) == (((0.5, None),), ((0.6, None),))
    corners = {p: [t.complement for t in template.gate(f"All/{p}").geometry.terms] for p in ("both", "X only", "none")}
    assert corners == {"both": [False, False], "X only": [False, True], "none": [True, True]}


def test_quadrant__with_a_rule_parts_clouds_where_they_part(quarters, tmp_path) -> None:
    """Clouds at 20 and 70 in X and at 30 and 85 in Y: both fallbacks would be wrong, no cloud is cut through."""
    rng = np.random.default_rng(1)
    place = [(20, 30, 400), (70, 30, 900), (70, 85, 700)]
    x, y = (np.concatenate([rng.normal(p[k], 4, p[2]) for p in place]).astype(np.float32) for k in (0, 1))
    write_fcs(tmp_path / "clouds.fcs", [x, y], [ChannelSpec(n, n, 100) for n in ("X", "Y")])
    template = quarters(QUADRANT.replace("x_at = 0.5, y_at = 0.6", "x_at = 0.9, y_at = 0.1"))
    events = ip.read_fcs(tmp_path / "clouds.fcs")
    settled = resolve_template(template, [PoolSample("clouds", events)])["clouds"].template
    counts = ip.apply_template(settled, events).counts()
    assert [counts[f"All/{n}"] for n in ("none", "X only", "both")] == [400, 900, 700]


def test_quadrant__its_rule_is_checked_as_any_other(quarters) -> None:
    with pytest.raises(TemplateSyntaxError, match=r"gate\[1\].quadrant.auto: method valley has no quantile"):
        quarters(QUADRANT.replace("x_between", "quantile = 0.9, x_between"))


def test_quadrant__with_a_rule_is_written_and_read_back(quarters, tmp_path) -> None:
    template = quarters()
    write_template(template, tmp_path / "again.toml")
    assert ip.load_template(tmp_path / "again.toml").digest == template.digest
