"""What the documentation shows works: the template of the how-to, the study of the README."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import numpy as np

from immunoprofile.cli.outcomes import Outcome
from immunoprofile.gating import load_template
from immunoprofile.scales import Logicle
from immunoprofile.study.plan import StudyPlan


def blocks(file: Path, language: str) -> list[str]:
    """The code blocks of a page."""
    return re.findall(rf"```{language}\n(.*?)```", file.read_text(), flags=re.DOTALL)


def test_how_to__its_template_loads(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(blocks(checkout / "docs" / "how-to" / "template.md", "toml")[0])
    template = load_template(tmp_path / "t.toml")
    assert template.paths[1:] == ("Lymphocytes", "Lymphocytes/T cells")


def test_how_to__positions_on_the_axis_are_right(checkout: Path) -> None:
    text = (checkout / "docs" / "how-to" / "template.md").read_text()
    shown = re.search(r"zero is at ([\d.]+), 1,000 at ([\d.]+), 10,000 at ([\d.]+)\s+and 100,000 at ([\d.]+)\.", text)
    assert shown is not None
    found = Logicle(262144, 0.5, 4.5)([0, 1e3, 1e4, 1e5])
    # Printed to two or three digits.
    np.testing.assert_allclose([float(x) for x in shown.groups()], found, atol=5e-3)


def test_readme__its_study_has_the_shape_that_is_read(checkout: Path) -> None:
    plan = StudyPlan.model_validate(tomllib.loads(blocks(checkout / "README.md", "toml")[0]))
    assert plan.visits.baseline == "BL"


def test_reference__every_key_of_a_study_is_explained(checkout: Path) -> None:
    text = (checkout / "docs" / "reference" / "study.md").read_text()
    for part in StudyPlan.model_fields.values():
        fields = getattr(part.annotation, "model_fields", {})
        for name in fields:
            assert name in text or name == "overrides", name


def test_readme__its_figures_are_the_benchmarks_own(checkout: Path) -> None:
    text = (checkout / "README.md").read_text()
    speed = json.loads((checkout / "benchmarks" / "results" / "gate_one_file.json").read_text())
    for name, row in (("flowkit", "| FlowKit 1.3.2 |"), ("flowkit_cached", "| FlowKit 1.3.2, events cached |")):
        line = next(line for line in text.splitlines() if line.startswith(row))
        assert line == f"{row} {speed['median'][name]['cpu_s']:.1f} s | {speed[f'times_{name}_cpu']:.0f} |"
    zoo = json.loads((checkout / "benchmarks" / "results" / "compare_readers.json").read_text())["counts"]
    for kind, wanted in (("valid", "right"), ("broken", "right"), ("malformed", "refused")):
        ours, theirs = zoo["immunoprofile"][kind], zoo["FlowIO"][kind]
        line = next(line for line in text.splitlines() if line.startswith(f"| {sum(ours.values())} {kind}"))
        assert f"| {ours[wanted]} {wanted}" in line
        assert f"| {theirs[wanted]} {wanted}" in line


def test_readme__every_exit_code_is_named(checkout: Path) -> None:
    text = " ".join((checkout / "README.md").read_text().split())
    named = text.partition("Exit codes: ")[2].partition(". ##")[0].split(" · ")
    assert [int(part.split()[0]) for part in named] == [int(outcome) for outcome in Outcome]
