"""Texts that other programs would run, in every text field of a study: nothing runs them, and none gets lost."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from lxml import html

from hostile_texts import PAYLOADS
from immunoprofile.cli import program
from immunoprofile.fcs import ChannelSpec, write_fcs
from immunoprofile.selftest import known
from immunoprofile.spillover import Spillover

# What may not reach a terminal: controls but line ends, and what reorders or hides text.
_LIVE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_FORBIDDEN = {
    "iframe",
    "object",
    "embed",
    "link",
    "base",
    "math",
    "frame",
    "applet",
    "audio",
    "video",
}
_FORMULA = tuple("=+-@\t\r＝＋－＠")


def test_payloads__are_two_hundred() -> None:
    assert len(set(PAYLOADS)) == 200


def write_sheet(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def visible(text: str) -> str:
    """A payload as a sheet may hold it: ids with controls or invisible characters are refused."""
    return "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cf"})


CELLS = tuple(map(visible, PAYLOADS))


@pytest.mark.requirement("R-SEC-04")
@pytest.mark.parametrize("column", ["sample_id", "subject_id"])
def test_ids__with_invisible_characters_are_refused_and_shown_as_escapes(known_study, immunoprofile, column) -> None:
    hidden = [p for p in PAYLOADS if _LIVE.search(p)]
    assert len(hidden) > 20
    sheet = known_study.parent / ("samples.csv" if column == "sample_id" else "subjects.csv")
    lines = sheet.read_text().splitlines()
    rows = [next(csv.reader([lines[0]]))]
    rows += [[p, *next(csv.reader([lines[1]]))[1:]] for p in hidden]
    write_sheet(sheet, rows)
    outcome = immunoprofile("run", known_study, "-v")
    assert outcome.exit_code == 2
    # A form feed at an end is a blank, which sheets lose; everything else is refused.
    kept = [p for p in hidden if _LIVE.search(p.strip())]
    assert outcome.stderr.count("holds characters that cannot be seen") == len(kept)
    assert _LIVE.findall(outcome.output) == []
    assert not (known_study.parent / "results").exists()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred tubes whose every text cell, keyword and unused marker is a payload."""
    home = tmp_path_factory.mktemp("payloads") / "study"
    known.write_known_study(home)
    rows = [["sample_id", "file", "subject_id", "visit", "day", "panel", "batch", "note"]]
    for number, text in enumerate(PAYLOADS):
        file = home / "fcs" / f"{number}.fcs"
        write_tube(file, text, 20 + number % 20)
        cell = CELLS[number]
        rows.append(
            [cell, f"fcs/{file.name}", CELLS[number // 10 * 10], CELLS[number - 2], "3", CELLS[number - 3], cell, cell]
        )
    write_sheet(home / "samples.csv", rows)
    return home


def write_tube(path: Path, text: str, n_last: int) -> None:
    number = np.arange(400)
    bright = np.stack([number < 300, number < 200, number < n_last, number < 0], axis=1)
    values = np.where(bright, 8192, 64) + number[:, None] % 5
    clean = "".join(c for c in text if c != "," and unicodedata.category(c) != "Cc") or "x"
    specs = [ChannelSpec(d, m) for d, m in zip((*known._DETECTORS, clean), ("CD3", "CD4", "CD25", text), strict=True)]
    keywords = dict.fromkeys(("$SRC", "$COM", "$FIL", "$PROJ", "$OP", "$CYT", "TUBE NAME"), text)
    identity = Spillover(known._DETECTORS, np.eye(3))
    write_fcs(path, values.astype(np.float32), specs, keywords=keywords, spillover=identity)


@pytest.fixture(scope="module")
def outcome(folder: Path):
    arguments = ["profile", folder / "samples.csv", "--template", folder / "known_answers.toml"]
    runner = CliRunner()
    done = runner.invoke(program, [*map(str, arguments), "--out", str(folder / "results"), "--jobs", "1", "-v"])
    report = runner.invoke(program, ["report", str(folder / "results")])
    return done, report


@pytest.mark.requirement("R-SEC-04")
def test_profile__finishes_and_says_nothing_that_drives_a_terminal(outcome) -> None:
    for done in outcome:
        assert done.exit_code == 0, done.output[-2000:]
        assert _LIVE.findall(done.output) == []
    assert outcome[0].stderr.count("gating: ") == 200  # -v names every sample


@pytest.mark.requirement("R-SEC-04")
def test_tables__hold_every_payload_as_it_was(outcome, folder: Path) -> None:
    found = pd.read_parquet(folder / "results" / "populations.parquet")
    composed = {unicodedata.normalize("NFC", p).strip() for p in CELLS}
    assert set(found["sample_id"]) == composed
    with (folder / "results" / "populations.csv").open(encoding="utf-8", newline="") as stream:
        assert {row["sample_id"] for row in csv.DictReader(stream)} == composed


@pytest.mark.requirement("R-SEC-04")
def test_report__holds_no_script_handler_or_foreign_address(outcome, folder: Path, immunoprofile) -> None:
    pages = [folder / "results" / "report.html", *sorted((folder / "results" / "report").rglob("*.html"))]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        tree = html.document_fromstring(text)
        policy = tree.xpath("string(//meta[@http-equiv='Content-Security-Policy']/@content)")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for node in tree.iter():
            if isinstance(node.tag, str):
                check_node(node, policy)


def check_node(node, policy: str) -> None:
    """No element that loads or runs anything but the page's own script, which its policy knows by digest."""
    assert node.tag.lower() not in _FORBIDDEN, node.tag
    assert node.get("http-equiv", "").lower() in {"", "content-security-policy", "x-ua-compatible"}
    assert node.tag != "style" or "x.example" not in (node.text or "")
    if node.tag == "script" and node.get("type") != "application/json":
        digest = base64.b64encode(hashlib.sha256((node.text or "").encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
        assert not re.search(r"alert\(1\)|x\.example| #\d+", node.text or "")
    for name, value in node.attrib.items():
        assert not name.lower().startswith("on"), (node.tag, name)
        assert name.lower() != "style" or "x.example" not in value, node.tag
        if name.lower() in {"href", "src", "action", "formaction", "data", "xlink:href"}:
            assert re.match(r"#|data:image/|(\.\./)?report(/[a-z]+-[0-9]+)?\.html", value), (node.tag, value)


@pytest.mark.requirement("R-SEC-04")
def test_spreadsheet__holds_no_live_formula(outcome, folder: Path, tmp_path: Path, immunoprofile) -> None:
    done = immunoprofile("export", folder / "results", "--to", "wide", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    checked = 0
    for file in tmp_path.rglob("*.csv"):
        with file.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.reader(stream):
                for cell in row:
                    checked += 1
                    assert not is_formula(cell), cell
    assert checked > 1000


def is_formula(cell: str) -> bool:
    """Would a spreadsheet run it? Numbers are none; blanks before a sign are no shelter."""
    bare = cell.lstrip(" \u00a0\u3000")
    return bare.startswith(_FORMULA) and not re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", bare)
