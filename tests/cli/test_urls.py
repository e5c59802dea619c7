"""URLs on the command line: FCS files are read by them, and nothing else is: one error says where they are taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from drawn_controls import write_set
from immunoprofile.cli import program
from immunoprofile.cli.paths import FcsPath, LocalPath, TemplateName
from immunoprofile.selftest.known import write_known_study

pytest.importorskip("fsspec", reason="fsspec is not installed (extra url)")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_known_study(tmp_path_factory.mktemp("known") / "study").parent


READING = {
    "inspect": (["inspect", "{fcs}"], "FCS3.1, 4,000 events, 3 channels"),
    "gates show": (["gates", "show", "{template}", "--plan", "{fcs}"], "reads 3 of 3 channels"),
    "gates check": (["gates", "check", "{template}", "--sample", "{fcs}"], "no problem found"),
    "gates diff": (["gates", "diff", "{template}", "{template}", "--sample", "{fcs}"], "same content"),
    "gates test": (["gates", "test", "{template}", "--propose", "{fcs}"], 'sample = "K1_BL.fcs"'),
    "gates export": (["gates", "export", "{template}", "--panel", "{fcs}", "--out", "{out}/x.xml"], "x.xml"),
    "init": (["init", "{out}", "--panel", "{fcs}", "--template", "{template}"], "3 markers are all in the panel"),
    "file": (["inspect", "file://{folder}/fcs/K1_BL.fcs"], "{folder}/fcs/K1_BL.fcs\nFCS3.1"),
}


@pytest.mark.parametrize("verb", READING)
def test_url__of_an_fcs_file_is_read(verb: str, known: Path, tmp_path: Path, immunoprofile) -> None:
    places = {
        "fcs": f"local://{known}/fcs/K1_BL.fcs", "template": known / "known_answers.toml", "out": tmp_path / "out",
        "folder": known,
    }  # fmt: skip
    asked, said = READING[verb]
    outcome = immunoprofile(*(a.format(**places) for a in asked))
    assert outcome.exit_code == 0, outcome.output
    assert said.format(**places) in outcome.stdout


def test_url__stands_in_the_sheet_of_single_stains(tmp_path: Path, immunoprofile) -> None:
    single, unstained = write_set(tmp_path)
    rows = {None: unstained, **single}
    for name, root in (("paths", ""), ("urls", f"local://{tmp_path}/")):
        lines = [f"{root}{p.name},{d or ''}" for d, p in rows.items()]
        (tmp_path / f"{name}.csv").write_text("\n".join(["file,detector", *lines]) + "\n")
        outcome = immunoprofile("spillover", tmp_path / f"{name}.csv", "--out", tmp_path / f"{name}.matrix", "-q")
        assert outcome.exit_code == 0, outcome.output
    assert (tmp_path / "urls.matrix").read_bytes() == (tmp_path / "paths.matrix").read_bytes()
    record = (tmp_path / "urls.matrix.json").read_text()
    assert f"local://{tmp_path}/{unstained.name}" in record
    digests = [json.loads((tmp_path / f"{n}.matrix.json").read_text())["origin"]["inputs"] for n in ("paths", "urls")]
    # the sheets differ, the five controls do not
    assert len(set(digests[0].values()) & set(digests[1].values())) == 5


def test_verify__takes_the_url_of_an_input(known: Path, tmp_path: Path, immunoprofile) -> None:
    sheet = ("profile", known / "samples.csv", "--template", known / "known_answers.toml", "--out", tmp_path / "out")
    assert immunoprofile(*sheet, "--counts-only", "-q").exit_code == 0
    for file, holds in (("K1_BL", True), ("K1_W4", False)):
        given = f"fcs K1_BL=local://{known}/fcs/{file}.fcs"
        found = json.loads(immunoprofile("verify", tmp_path / "out", "--input", given, "--json").stdout)
        assert (found["holds"], found["checked"]["input"]) == (holds, 1)


URL = "s3://ada:secret@host/study/x.toml?token=secret"
REFUSED = [
    ["run", URL], ["run", "{here}", "--out", URL], ["run", "{here}", "--deidentify", URL],
    ["profile", URL, "--template", "treg", "--out", "{here}"], ["profile", "{here}", "--template", URL, "--out", "x"],
    ["profile", "{here}", "--template", "treg", "--out", URL],
    ["profile", "{here}", "--template", "treg", "--overrides", URL, "--out", "{here}"],
    ["respond", URL, "--subjects", "{here}", "--out", "{here}"], ["respond", "{here}", "--subjects", URL, "--out", "x"],
    ["respond", "{here}", "--subjects", "x", "--rule", URL, "--out", "x"],
    ["compare", URL, "--baseline", "BL", "--window", "W4", "--primary", "t", "--out", "{here}"],
    ["report", URL], ["figures", URL], ["export", URL, "--to", "wide"], ["demo", "--out", URL], ["init", URL],
    ["spillover", URL, "--out", "{here}"], ["spillover", "{here}", "--out", URL], ["simulate", "--out", URL],
    ["simulate", "--out", "{here}", "--parameters", URL], ["gates", "show", URL], ["gates", "check", URL],
    ["gates", "test", URL], ["gates", "test", "treg", "--junit", URL], ["gates", "test", "treg", "--fixtures", URL],
    ["gates", "diff", "treg", URL], ["gates", "lock", URL, "--who", "me"], ["gates", "freeze", URL, "--out", "{here}"],
    ["gates", "import", URL, "--out", "{here}"], ["gates", "export", URL, "--out", "{here}"], ["verify", URL],
    ["verify", "{here}", "--study", URL], ["reproduce", URL, "--study", "{here}"], ["scan-phi", URL],
    ["selftest", "--out", URL],
]  # fmt: skip


@pytest.mark.parametrize("asked", REFUSED, ids=lambda a: " ".join(x.partition(":")[0] for x in a))
def test_url__elsewhere_is_refused_in_one_line(asked, tmp_path: Path, immunoprofile, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = immunoprofile(*(a.format(here=tmp_path) for a in asked))
    assert (said.exit_code, said.stdout, len(said.stderr.splitlines())) == (2, "", 1), said.output
    assert said.stderr.startswith("Error: s3://host/study/x.toml: is a URL, and ")
    # no folder called "s3:" either
    assert list(tmp_path.iterdir()) == []


def test_url__refusal_says_where_urls_are_taken(tmp_path: Path, immunoprofile) -> None:
    said = immunoprofile("scan-phi", "https://x.org/a.fcs").stderr
    assert (
        "only FCS files are read by URL. Copy it to a disk. URLs of FCS files stand in samples.csv and in the" in said
    )
    said = immunoprofile("simulate", "--out", "https://x.org/a").stderr
    assert said.endswith("is a URL, and results are written to a disk. Give a place on a disk.\n")


def parameters(group: click.Group) -> Iterator[click.Parameter]:
    for verb in group.commands.values():
        yield from parameters(verb) if isinstance(verb, click.Group) else verb.params


def test_places__are_all_asked_whether_they_are_urls() -> None:
    named = ("PATH", "DIR", "FILE", "CSV", ".csv", ".toml")
    places = [p for p in parameters(program) if any(word in (p.metavar or "") for word in named)]
    assert len(places) > 50
    # of a panel, and of a named input, the library asks: they may be something else
    others = {p.name for p in places if not isinstance(p.type, (LocalPath, FcsPath, TemplateName))}
    assert others == {"panel", "inputs"}
