"""The page in a real browser: nothing asked for, nothing complained of, filters and plots that work."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chromium import Browser, open_browser
from drawn_pictures import write_pictures
from immunoprofile.report import write_report

CATCH_SAVED = """
    window.saved = new Promise((done) => { URL.createObjectURL = (blob) => { done(blob); return "#"; }; }); 1
"""
SHEET = "document.querySelector('#sheet-1')"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser, results, pictured) -> Browser:
    browser.open(write_report(results, pictured))
    return browser


def choose(page: Browser, control: str, value: str) -> None:
    page.run(f"(() => {{ const s = document.getElementById({control!r}); s.value = {value!r};"
             " s.dispatchEvent(new Event('change')); })()")  # fmt: skip


def shown(page: Browser, query: str) -> int:
    return page.run(
        f"[...document.querySelectorAll({query!r})].filter((e) => !e.hidden && !e.closest('[hidden]')).length"
    )


def test_browser__runs_the_script_complains_of_nothing_and_asks_for_nothing(page):
    assert page.run("document.documentElement.dataset.ready") == "yes"
    assert page.console == []
    assert len(page.requests) == 1


def test_browser__every_row_of_every_table_is_there(page, results):
    counts = page.run(
        "Object.fromEntries([...document.querySelectorAll('details.table')]"
        ".map((d) => [d.id, d.querySelectorAll('tbody tr').length]))"
    )
    assert counts["populations"] == len(results.populations)
    assert counts["association"] == len(results.association)
    assert counts["subjects"] == 6


def test_browser__a_filter_leaves_what_fits(page, results):
    choose(page, "filter-s", "P1")
    assert shown(page, "#populations tbody tr") == (results.populations["subject_id"] == "P1").sum()
    assert shown(page, "#subjects tbody tr") == 1
    assert shown(page, "#sheet-1 figure") == 2
    assert "rows shown" in page.run("document.getElementById('shown').textContent")
    page.run("document.getElementById('clear').click()")
    assert shown(page, "#populations tbody tr") == len(results.populations)


def test_browser__filters_join(page):
    choose(page, "filter-s", "P1")
    choose(page, "filter-v", "W4")
    choose(page, "filter-p", "treg")
    assert shown(page, "#populations tbody tr") == 1


def test_browser__a_column_sorts_both_ways(page):
    column = "[...document.querySelectorAll('#change-1 tbody tr')].map((r) => r.cells[3].textContent)"
    button = "document.querySelectorAll('#change-1 thead th')[3].querySelector('button').click()"
    page.run(button)
    rising = page.run(column)
    page.run(button)
    assert [int(v) for v in rising] == sorted(int(v) for v in rising)
    assert page.run(column) == rising[::-1]
    assert page.run("document.querySelectorAll('#change-1 thead th')[3].getAttribute('aria-sort')") == "descending"


def test_browser__a_contact_sheet_shows_a_plot_for_every_sample(page):
    page.run(f"{SHEET}.open = true")
    assert shown(page, "#sheet-1 figure svg.plot") == 12
    drawn = page.run(
        f"[...{SHEET}.querySelectorAll('image.density')].every((i) => i.getBoundingClientRect().width > 50)"
    )
    assert drawn


def test_browser__outliers_come_first_when_asked_for(page):
    choose(page, "order", "far")
    assert "90 %" in page.run(f"{SHEET}.querySelector('figure .hush').textContent")
    choose(page, "order", "")
    assert "90 %" not in page.run(f"{SHEET}.querySelector('figure .hush').textContent")


def test_browser__one_sample_shows_its_gating_tree(page):
    choose(page, "view-sample", "P1-BL")
    assert shown(page, "#tree figure") == 4
    assert shown(page, "details.sheet") == 0
    choose(page, "view-sample", "")
    assert shown(page, "details.sheet") == 4
    assert page.run(f"{SHEET}.querySelectorAll('figure').length") == 12


def test_browser__back_gating_is_drawn_when_asked_for(page):
    page.run(f"{SHEET}.open = true")
    visible = f"getComputedStyle({SHEET}.querySelector('.back')).display"
    assert page.run(visible) == "none"
    choose(page, "back", "deep")
    assert page.run(visible) == "inline"


def test_browser__a_plot_opens_larger_with_its_words(page):
    page.run(f"{SHEET}.open = true; {SHEET}.querySelector('button.zoom').click()")
    assert page.run("document.getElementById('closer').open")
    assert page.run("document.getElementById('closer-words').textContent") == "CD4 25 % (250 of 1,000)."


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_browser__a_figure_saves_as_a_whole_picture(page, kind):
    page.run(CATCH_SAVED)
    page.run(f"{SHEET}.open = true; {SHEET}.querySelector('button.zoom').click();"
             f"document.querySelectorAll('#closer .tools button')[{['svg', 'png'].index(kind)}].click()")  # fmt: skip
    if kind == "svg":
        text = page.run("window.saved.then((b) => b.text())")
        assert text.startswith("<svg")
        assert "<use" not in text
        assert "data:image/png" in text
        assert "CD4" in text
    else:
        width = page.run("window.saved.then((b) => createImageBitmap(b)).then((i) => i.width)")
        assert width == 3 * 240


def test_browser__a_table_saves_what_is_shown(page):
    page.run(
        "window.saved = new Promise((done) => { URL.createObjectURL = (blob) => { done(blob); return '#'; }; }); 1"
    )
    choose(page, "filter-s", "P1")
    page.run("document.querySelector('#subjects .tools button').click()")
    lines = page.run("window.saved.then((b) => b.text())").strip().split("\n")
    assert lines[0].startswith("Subject,Best response,")
    assert [line.split(",")[0] for line in lines[1:]] == ["P1"]


@pytest.mark.parametrize("width", [400, 800, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_browser__page_is_never_wider_than_the_window(browser, results, pictured, width, dark):
    browser.open(write_report(results, pictured), width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    if folder := os.environ.get("IMMUNOPROFILE_SCREENSHOTS"):
        save_screenshot(browser, Path(folder) / f"report-{width}-{'dark' if dark else 'light'}.png")


def test_browser__nothing_is_cut_off_on_paper(browser, results, pictured):
    # 760 points: A4 between its margins.
    browser.open(write_report(results, pictured), width=760)
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.run("dispatchEvent(new Event('beforeprint')); 1")
    wide = "[...document.querySelectorAll('table')].filter((t) => t.getBoundingClientRect().right > 760).length"
    opened = browser.run("document.getElementById('association').open")
    found = browser.run(wide)
    browser.call("Emulation.setEmulatedMedia", media="")
    assert opened
    assert found == 0


def save_screenshot(browser: Browser, path: Path) -> None:
    import base64

    answer = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
    path.write_bytes(base64.b64decode(answer["data"]))


PAYLOADS = (
    "<script>window.broken=1</script>",
    '"><img src=x onerror=window.broken=1>',
    "</script><script>window.broken=1//",
)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_browser__text_from_files_runs_nothing(browser, small, tmp_path, payload):
    rows = [r | {"pop_label": payload, "subject_id": r["subject_id"] + payload} for r in small.populations()]
    response = [r | {"subject_id": r["subject_id"] + payload, "reason": payload} for r in small.responses()]
    results = small.results(rows, response, study_id=payload)
    write_pictures(tmp_path, sorted(set(results.populations["sample_id"])), word=payload)
    browser.open(write_report(results, tmp_path))
    choose(browser, "filter-s", f"P1{payload}")
    browser.run(f"{SHEET}.open = true; {SHEET}.querySelector('button.zoom').click()")
    assert browser.run("typeof window.broken") == "undefined"
    assert len(browser.requests) == 1
    assert browser.console == []


def test_browser__more_samples_than_a_page_holds_become_pages(browser, results, pictured, monkeypatch):
    monkeypatch.setattr("immunoprofile.report.page.MOST_SAMPLES", 5)
    index = write_report(results, pictured)
    browser.open(index)
    links = browser.run("[...document.querySelectorAll('#gates a')].map((a) => a.getAttribute('href'))")
    assert len(links) == 6 + 4
    assert shown(browser, "figure svg.plot") == 0
    for link, plots in ((links[0], 8), (links[-1], 12)):
        browser.open(index.parent / link)
        assert browser.run("document.querySelectorAll('figure svg.plot').length") == plots
        assert browser.console == []


def axe_source() -> str:
    """axe-core, from npm: where IMMUNOPROFILE_AXE says, else fetched into a cache; skips where neither is possible."""
    given = os.environ.get("IMMUNOPROFILE_AXE")
    if given:
        return Path(given).read_text(encoding="utf-8")
    npm = shutil.which("npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "immunoprofile-tests" / "axe"
    found = cache / "node_modules" / "axe-core" / "axe.min.js"
    if not found.is_file():
        if npm is None:
            pytest.skip("axe-core not found: install npm, or name axe.min.js in IMMUNOPROFILE_AXE")
        cache.mkdir(parents=True, exist_ok=True)
        asked = [npm, "install", "--no-save", "--ignore-scripts", "--prefix", str(cache), "axe-core@4"]
        if subprocess.run(asked, capture_output=True, timeout=120, check=False).returncode:
            pytest.skip("axe-core could not be fetched: name axe.min.js in IMMUNOPROFILE_AXE")
    return found.read_text(encoding="utf-8")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_browser__axe_finds_no_serious_violation(browser, results, pictured, dark):
    browser.open(write_report(results, pictured), dark=dark)
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true; 1")
    browser.run(axe_source() + "; 1")
    found = browser.run(
        "axe.run().then((r) => r.violations.filter((v) => ['serious', 'critical'].includes(v.impact))"
        ".map((v) => v.id + ': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(' | ')))"
    )
    assert found == []
