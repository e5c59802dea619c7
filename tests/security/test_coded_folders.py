"""A results folder holds names or codes under one key: a verb that would mix them is refused, and changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import Result

from immunoprofile.cli import program
from immunoprofile.cohort import profile_samples
from immunoprofile.cohort.coded import marks_of_folder, refuse_names_among_codes, refuse_other_names
from immunoprofile.cohort.cuts import freeze_study
from immunoprofile.cohort.journal import Journal
from immunoprofile.cohort.profile import study_templates
from immunoprofile.errors import OutputError
from immunoprofile.figures import write_figures
from immunoprofile.report import load_results
from immunoprofile.report.exports import export_events, export_results
from immunoprofile.selftest.known import write_known_study
from immunoprofile.study import load_samples, load_study
from immunoprofile.study.deidentify import mark_of

KEY, OTHER = bytes(range(7, 39)), bytes(range(57, 89))


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study, its keys, its results under codes in ``coded`` and with names in ``named``; not to be changed."""
    folder = write_known_study(tmp_path_factory.mktemp("coded") / "study").parent
    (folder / "lab.key").write_bytes(KEY)
    (folder / "other.key").write_bytes(OTHER)
    samples = load_samples(folder / "samples.csv")[:2]
    profile_samples(samples, folder / "known_answers.toml", folder / "coded", key=KEY)
    profile_samples(samples, folder / "known_answers.toml", folder / "named")
    return folder


@pytest.fixture
def place(profiled: Path, tmp_path: Path) -> Path:
    """A copy of all that."""
    return Path(shutil.copytree(profiled, tmp_path / "study"))


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def run(place: Path, out: str, key: str | None) -> list[object]:
    return ["run", place / "study.toml", "--out", place / out, *([] if key is None else ["--deidentify", place / key])]


def profile(place: Path, out: str, key: str | None) -> list[object]:
    template = ["--template", place / "known_answers.toml"]
    return ["profile", place / "samples.csv", *template, *run(place, out, key)[2:]]


REFUSED = {
    "another key": ("coded", "other.key", "was written with another key", "Give the key of this folder, or another"),
    "names into codes": ("coded", None, "holds de-identified results, and this run", "--deidentify KEYFILE where"),
    "names below codes": ("coded/more", None, "holds de-identified results, and this run", "--deidentify KEYFILE"),
    "codes into names": ("named", "lab.key", "holds results with names, which a de-id", "Give a new folder with --out"),
}


@pytest.mark.requirement("R-SEC-05")
@pytest.mark.parametrize("verb", [run, profile])
@pytest.mark.parametrize("more", [(), ("--force",), ("--dry-run",)], ids=["plain", "force", "dry-run"])
@pytest.mark.parametrize("case", REFUSED)
def test_folder__takes_no_other_names(
    verb: Callable[..., list[object]], more: tuple[str, ...], case: str, place: Path, immunoprofile
) -> None:
    out, key, what, remedy = REFUSED[case]
    before = content(place)
    said = immunoprofile(*verb(place, out, key), *more)
    assert (said.exit_code, said.stdout) == (2, "")
    assert what in said.stderr
    assert remedy in said.stderr
    assert len(said.stderr.splitlines()) == 1
    # not even who was refused: the lock says on which host a run with names was
    assert content(place) == before


def test_folder__takes_its_own_key_again(place: Path, immunoprofile) -> None:
    said = immunoprofile(*profile(place, "coded", "lab.key"), "-q")
    assert said.exit_code == 0, said.output
    assert marks_of_folder(place / "coded") == {mark_of(KEY)}


@pytest.mark.parametrize("said", ["", '{"event":"run-started"', '{"event":"other","prev":"0"}\n'])
def test_folder__whose_journal_says_nothing_is_known_by_its_manifest(said: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"options": {"deidentified": mark_of(KEY)}}))
    (tmp_path / "journal.jsonl").write_text(said)
    assert marks_of_folder(tmp_path) == {mark_of(KEY)}
    with pytest.raises(OutputError, match="holds de-identified results"):
        refuse_names_among_codes(tmp_path / "table.csv")


def test_folder__with_other_files_takes_no_codes_though_forced(place: Path, immunoprofile) -> None:
    # with names, --force writes beside them; under codes nothing may lie there that says who it is
    (place / "else").mkdir()
    (place / "else" / "Zebedee.txt").write_text("K1 is Zebedee")
    said = immunoprofile(*profile(place, "else", "lab.key"), "--force")
    assert (said.exit_code, [p.name for p in (place / "else").iterdir()]) == (2, ["Zebedee.txt"])
    assert "holds other files, and a de-identified run does not hide what they say. Give a new folder" in said.stderr


def test_folder__of_a_verb_without_a_journal_holds_names(place: Path, immunoprofile) -> None:
    out = place / "answered"
    asked = ("respond", place / "platelets.csv", "--subjects", place / "subjects.csv", "--out", out, "-q")
    assert immunoprofile(*asked).exit_code == 0
    said = immunoprofile(*run(place, "answered", "lab.key"))
    assert (said.exit_code, "holds results with names" in said.stderr) == (2, True)


WRITING: dict[str, Callable[[Path, Path], list[object]]] = {
    "demo": lambda s, to: ["--out", to],
    "init": lambda s, to: [to],
    "respond": lambda s, to: [s / "platelets.csv", "--subjects", s / "subjects.csv", "--force", "--out", to],
    "compare": lambda s, to: [
        s / "named/populations.csv", "--baseline", "BL", "--window", "W4", "--primary", "cd4/t", "--force", "--out", to,
    ],
    "figures": lambda s, to: [s / "named", "--force", "--out", to],
    "export": lambda s, to: [s / "named", "--to", "wide", "--force", "--out", to],
    "simulate": lambda s, to: ["--subjects", "2", "--events", "100", "--force", "--out", to],
    "spillover": lambda s, to: [s / "controls.csv", "--force", "--out", to / "matrix.csv"],
    "selftest": lambda s, to: ["--force", "--out", to / "check.txt"],
    "gates import": lambda s, to: [s / "sheet.csv", "--force", "--out", to / "mine.toml"],
    "gates export": lambda s, to: ["treg", "--force", "--out", to / "mine.xml"],
    "gates freeze": lambda s, to: [s / "study.toml", "--force", "--out", to],
    "gates lock": lambda s, to: [to / "mine.toml", "--who", "Zebedee"],
    "gates test": lambda s, to: [s / "known_answers.toml", "--junit", to / "verdicts.xml"],
}  # fmt: skip
"""Every verb that writes where it is told to, but `run` and `profile`: its arguments, for a study and a place."""


@pytest.mark.requirement("R-SEC-05")
@pytest.mark.parametrize("below", ["", "deep/er"], ids=["folder", "below"])
@pytest.mark.parametrize("verb", WRITING)
def test_verb__brings_no_names_among_codes(verb: str, below: str, profiled: Path, immunoprofile) -> None:
    before = content(profiled / "coded")
    said: Result = immunoprofile(*verb.split(), *WRITING[verb](profiled, profiled / "coded" / below))
    assert (said.exit_code, said.stdout) == (2, ""), said.output
    assert "coded: holds de-identified results, and names would be written beside them. Give another" in said.stderr
    assert content(profiled / "coded") == before


def test_export__of_events_brings_no_names_among_codes(profiled: Path, immunoprofile) -> None:
    # into its own folder of results, and into another's
    before = content(profiled / "coded")
    for source, more in (("coded", ()), ("named", ("--out", profiled / "coded" / "events"))):
        said = immunoprofile("export", profiled / source, "--to", "h5ad", "--study", profiled / "study.toml", *more)
        assert (said.exit_code, "holds de-identified results" in said.stderr) == (2, True)
    assert content(profiled / "coded") == before


CALLS: dict[str, Callable[[Path, Path], object]] = {
    "export_results": lambda study, out: export_results(load_results(study / "named"), "wide", out),
    "export_events": lambda study, out: export_events(load_study(study / "study.toml"), out),
    "write_figures": lambda study, out: write_figures(
        load_results(study / "named"), study / "named", out, "svg", force=True
    ),
    "freeze_study": lambda study, out: freeze_study(
        load_study(study / "study.toml"), study_templates(load_study(study / "study.toml")), out
    ),
}


@pytest.mark.requirement("R-SEC-05")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_call__brings_no_names_among_codes_either(call: Callable[[Path, Path], object], profiled: Path) -> None:
    before = content(profiled)
    with pytest.raises(OutputError, match="de-identified"):
        call(profiled, profiled / "coded" / "more")
    assert content(profiled) == before


def leaves(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, verb in group.commands.items():
        if isinstance(verb, click.Group):
            yield from leaves(verb, f"{above}{name} ")
        else:
            yield f"{above}{name}", verb


def test_verbs__that_write_are_all_asked_above() -> None:
    # by what their options are called: a new verb that writes says so, or is found here
    writing = {
        name
        for name, verb in leaves(program)
        for p in verb.params
        if p.name in {"out", "junit"} or (name, p.name) in {("init", "folder"), ("gates lock", "path")}
    }
    assert writing == {*WRITING, "run", "profile"}
    reading = {"inspect", "report", "verify", "reproduce", "scan-phi", "doctor", "completion"}
    assert {name for name, _ in leaves(program)} - writing - reading == {
        "gates list", "gates show", "gates check", "gates diff",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "made"),
    [(["report"], "report.html"), (["export", "--to", "wide"], "export"), (["figures"], "figures")],
    ids=lambda x: x[0] if isinstance(x, list) else "",
)
def test_verb__writes_what_it_makes_of_codes_beside_them(
    asked: list[str], made: str, place: Path, immunoprofile
) -> None:
    said = immunoprofile(asked[0], place / "coded", *asked[1:])
    assert said.exit_code == 0, said.output
    assert (place / "coded" / made).exists()


@pytest.mark.parametrize(
    ("runs", "marks"),
    [
        ([], set()), ([{}], {None}), ([{"deidentified": "K-A"}], {"K-A"}),
        ([{"deidentified": "K-A"}, {"deidentified": "K-B"}, {}], {"K-A", "K-B", None}),
    ],
    ids=["new", "named", "coded", "mixed"],
)  # fmt: skip
def test_marks__are_those_of_the_journal(tmp_path: Path, runs: list[dict], marks: set) -> None:
    for facts in runs:
        Journal(tmp_path).note("run-started", **facts)
        # a note that speaks of a run begins none
        Journal(tmp_path).note("sample-done", sample_id='"run-started"')
    assert marks_of_folder(tmp_path) == marks


def test_marks__without_a_journal_are_those_of_the_manifest(tmp_path: Path) -> None:
    for options, marks in (({"deidentified": "K-A"}, {"K-A"}), ({}, {None})):
        (tmp_path / "manifest.json").write_text(json.dumps({"options": options}))
        assert marks_of_folder(tmp_path) == marks


def test_journal__that_cannot_be_read_takes_no_codes(tmp_path: Path) -> None:
    # what is in it may be names
    (tmp_path / "journal.jsonl").write_bytes(b'\xff"run-started" no json\n')
    with pytest.raises(OutputError, match="holds other files"):
        refuse_other_names(tmp_path, "K-A")


def test_place__is_looked_at_through_links(profiled: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(profiled / "coded")
    with pytest.raises(OutputError, match="names would be written beside them"):
        refuse_names_among_codes(tmp_path / "link" / "figures", made_of=profiled / "named")
