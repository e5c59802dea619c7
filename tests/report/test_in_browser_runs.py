"""Pages of whole runs in a real browser: the demo's cohort, and real files gated by a template of automatic gates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from chromium import Browser, open_browser
from immunoprofile.cli import program

DRAWN = "[...document.querySelectorAll('details.sheet')].map((d) => d.querySelectorAll('svg.plot').length)"
ROWS = "document.querySelectorAll('#{} tbody tr').length"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def demo(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the demo, as the verb writes them."""
    out = tmp_path_factory.mktemp("demo")
    assert CliRunner().invoke(program, ["demo", "--out", str(out), "-q"]).exit_code == 0
    return out / "results"


@pytest.fixture(scope="module")
def real(browser: Browser, shared_data: Path, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a real file with the template of automatic gates that the benchmark scores."""
    out = tmp_path_factory.mktemp("real")
    file = shared_data / "flowjo" / "flowsom_68983" / "68983.fcs"
    (out / "samples.csv").write_text(f"sample_id,file\nspleen,{file}\n", encoding="utf-8")
    template = checkout / "benchmarks" / "automatic_gates" / "68983.toml"
    asked = ["profile", str(out / "samples.csv"), "--template", str(template), "--out", str(out / "results"), "-q"]
    assert CliRunner().invoke(program, asked).exit_code == 0
    assert CliRunner().invoke(program, ["report", str(out / "results"), "-q"]).exit_code == 0
    return out / "results"


@pytest.fixture(params=["demo", "real"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def test_page_of_a_run__is_whole_and_asks_for_nothing(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html")
    assert browser.run("document.documentElement.dataset.ready") == "yes"
    assert browser.console == []
    assert len(browser.requests) == 1
    for table in ("populations", "association"):
        if (folder / f"{table}.csv").exists():
            assert browser.run(ROWS.format(table)) == len(pd.read_csv(folder / f"{table}.csv"))


def test_page_of_a_run__each_contact_sheet_has_a_plot_for_every_sample(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html")
    samples = pd.read_csv(folder / "populations.csv")["sample_id"].nunique()
    assert set(browser.run(DRAWN)) == {samples}


def test_page_of_the_demo__a_subject_alone_shows_its_rows(browser: Browser, demo: Path) -> None:
    browser.open(demo / "report.html")
    rows = pd.read_csv(demo / "populations.csv")
    subject = str(rows["subject_id"].iloc[0])
    browser.run(
        f"(() => {{ const s = document.getElementById('filter-s'); s.value = '{subject}';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    left = browser.run("[...document.querySelectorAll('#populations tbody tr')].filter((r) => !r.hidden).length")
    assert left == (rows["subject_id"] == subject).sum()
