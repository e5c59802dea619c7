"""The way from a FlowJo workspace to a locked, tested template, as the documentation walks it."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from immunoprofile.cli import program

pytestmark = pytest.mark.shared


@pytest.fixture
def page(checkout: Path) -> str:
    return (checkout / "docs" / "how-to" / "flowjo_to_locked_template.md").read_text(encoding="utf-8")


@pytest.fixture
def desk(shared_data: Path, tmp_path: Path, monkeypatch) -> Path:
    """A folder with the workspace, its FCS file and the labels, which is where the commands are typed."""
    for name in ("gating.wsp", "68983.fcs", "labels.csv"):
        shutil.copy(shared_data / "flowjo" / "flowsom_68983" / name, tmp_path)
    (tmp_path / "samples.csv").write_text("sample_id,file\nspleen,68983.fcs\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(page: str) -> list[list[str]]:
    shown = re.findall(r"^\$ immunoprofile (.+)$", page, flags=re.MULTILINE)
    return [shlex.split(line) for line in shown]


def call(*arguments: str) -> Result:
    return CliRunner().invoke(program, list(arguments))


def walk(page: str, desk: Path) -> dict[str, Result]:
    """Type every command of the page; do by hand what it says between them."""
    found = {}
    for words in commands(page):
        if words[1] == "diff":
            shutil.copy(desk / "spleen.toml", desk / "imported.toml")
        outcome = call(*words)
        if "--propose" in words:
            block = re.search(r"^\[\[test\]\]\n.*?(?=^```)", page, flags=re.MULTILINE | re.DOTALL)
            assert block is not None
            with (desk / "spleen.toml").open("a", encoding="utf-8") as stream:
                stream.write("\n" + outcome.stdout + "\n" + block.group())
        found[" ".join(words)] = outcome
    return found


def test_how_to__every_command_does_what_the_page_says(page: str, desk: Path) -> None:
    outcomes = walk(page, desk)
    assert {line: o.exit_code for line, o in outcomes.items() if o.exit_code != 0} == {}
    assert len(outcomes) == 9
    assert "same content" in outcomes["gates diff imported.toml spleen.toml --sample 68983.fcs"].stdout
    assert "expectations of 2 tests hold" in outcomes["gates test spleen.toml"].stdout
    assert "are noticed" in outcomes["gates test spleen.toml --mutate"].stdout
    assert 'status = "locked"' in (desk / "spleen.toml").read_text()
    assert (desk / "spleen.lock").is_file()
    assert (desk / "results" / "gates_resolved.csv").is_file()


def test_how_to__the_locked_template_is_refused_once_changed(page: str, desk: Path) -> None:
    walk(page, desk)
    text = (desk / "spleen.toml").read_text()
    (desk / "spleen.toml").write_text(text.replace("max = 3752.", "max = 3652."))
    outcome = call("profile", "samples.csv", "--template", "spleen.toml", "--out", "again")
    assert outcome.exit_code == 2
    assert "is not what A. Author locked" in outcome.stderr


def test_import__overrides_of_a_workspace_go_through_profile(shared_data: Path, desk: Path) -> None:
    """Every row that an import writes is applied to its sample, or would be refused by name."""
    from immunoprofile.study import load_overrides
    from immunoprofile.study.samples import load_samples

    workspace = shared_data / "flowjo" / "8_color_data_set" / "8_color_ICS.wsp"
    assert call("gates", "import", str(workspace), "--out", "ics.toml").exit_code in {0, 3}
    overrides = (desk / "overrides.csv").read_text().splitlines()
    assert overrides[0] == "sample_id,gate,dx,dy,geometry,who,date,reason"
    names = sorted({line.split(",")[0] for line in overrides[1:]})
    (desk / "own.csv").write_text("sample_id,file\n" + "".join(f"{n},{n}\n" for n in names))
    loaded = load_overrides("overrides.csv", load_samples("own.csv"))
    assert sorted(loaded) == names
    from immunoprofile.gating import load_template
    from immunoprofile.gating.overrides import override_gates

    template = load_template("./ics.toml")
    for rows in loaded.values():
        changed, problems = override_gates(template, rows)
        assert problems == []
        assert {g.origin for g in changed.gates if g.path in {r.gate for r in rows}} == {"override"}


def test_import__without_bins_takes_the_outlines_as_they_are_drawn(desk: Path) -> None:
    """An event between an outline and its bins is all that may move; every rectangle without such a parent stays."""
    assert call("gates", "import", "gating.wsp", "--out", "bins.toml").exit_code == 0
    assert call("gates", "import", "gating.wsp", "--out", "none.toml", "--binning", "none").exit_code == 0
    outcome = call("gates", "diff", "bins.toml", "none.toml", "--sample", "68983.fcs")
    assert "-gate Lymphocytes: polygon bins 1024" in outcome.stdout
    assert "14 events go elsewhere, by their deepest population" in outcome.stdout
