"""Hostile names: sixty ids, paths and links; nothing is written outside the results folder, nothing is overwritten."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from pathlib import Path

import pytest

from immunoprofile.cohort.cuts import frozen_name
from immunoprofile.errors import FcsAccessError, ImmunoprofileError, OutputError, StudyError
from immunoprofile.fcs import read_fcs
from immunoprofile.provenance import write_text
from immunoprofile.study import load_samples

IDS = (
    "../pwned",
    "../../pwned",
    "..",
    ".",
    "/pwned",
    "/etc/passwd",
    "~/pwned",
    "~root",
    "a/../../pwned",
    "a/b",
    r"..\pwned",
    r"C:\pwned",
    r"\\server\share\pwned",
    "C:pwned",
    "CON",
    "NUL",
    "aux.csv",
    "COM1",
    "LPT1.txt",
    "PRN",
    ".hidden",
    "-rf",
    "--out",
    "a" * 300,
    "é" * 200,
    "name with  blanks",
    "trailing.",
    "a:b",
    "a*b?",
    "a|b",
    "a<b>",
    'a"b',
    "a'b",
    "a;b",
    "$(pwned)",
    "`pwned`",
    "%2e%2e%2fpwned",
    "..%c0%afpwned",
    "%00",
    "file:///etc/passwd",
    "http://x.example/a",
    "s3://bucket/a",
    "populations.csv",
    "manifest.json",
    "journal.jsonl",
    ".work",
    ".lock",
    "results",
    "\U0001f9ea",
    "ﬁle",
    "Ａ１",
    "ⅷ",
    "ß",
    "ı",
    "İ",
    "K",
    "Å",
    "½",
    "nan",
    "None",
    "0",
    "1e5",
    "=1+1",
    "#REF!",
)


def test_ids__are_sixty() -> None:
    assert len(set(IDS)) >= 60


def snapshot(folder: Path, out: Path) -> dict[str, str]:
    """Every file below a folder but in `out`: its digest, or where it points."""
    files = (p for p in folder.rglob("*") if not p.is_relative_to(out) and not p.is_dir())
    return {
        str(p): f"-> {p.readlink()}" if p.is_symlink() else hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


@pytest.fixture
def hostile_sheet(known_study: Path) -> Path:
    """A sheet whose ids, subjects, visits and batches are all hostile; each sample has a file of its own."""
    folder = known_study.parent
    tube = (folder / "fcs" / "K1_BL.fcs").read_bytes()
    rows = ["sample_id,file,subject_id,visit,day,panel,batch"]
    for number, name in enumerate(IDS):
        (folder / "fcs" / f"{number}.fcs").write_bytes(tube)
        cell = '"' + name.replace('"', '""') + '"'
        rows.append(f"{cell},fcs/{number}.fcs,{cell},{cell},{number},{cell},{cell}")
    (folder / "hostile.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "hostile.csv"


@pytest.mark.requirement("R-SEC-02")
def test_profile__hostile_ids_write_nothing_outside(hostile_sheet: Path, tmp_path: Path, immunoprofile) -> None:
    out = tmp_path / "deep" / "down" / "results"
    before = snapshot(tmp_path, out)
    template = hostile_sheet.parent / "known_answers.toml"
    done = immunoprofile("profile", hostile_sheet, "--template", template, "--out", out, "-q")
    assert done.exit_code == 0, done.output
    assert snapshot(tmp_path, out) == before
    assert len(before) > 60
    export = tmp_path / "export"
    done = immunoprofile("export", out, "--to", "wide", "--out", export)
    assert done.exit_code == 0, done.output
    beside = {p: d for p, d in snapshot(tmp_path, out).items() if not Path(p).is_relative_to(export)}
    assert beside == before
    names = [p.name for p in out.rglob("*") if p.is_file()]
    assert len({n.casefold() for n in names}) == len(set(names))
    assert not any(re.search(r"[^A-Za-z0-9._-]", n) or len(n) > 200 for n in names)


@pytest.mark.requirement("R-SEC-02")
@pytest.mark.parametrize("name", IDS)
def test_frozen_gates__their_file_stays_in_its_folder(name: str, tmp_path: Path) -> None:
    file = frozen_name("panel", name)
    assert (tmp_path / file).resolve().parent == tmp_path.resolve()
    assert len(file.encode()) < 255
    assert "/" not in file
    assert not file.startswith((".", "-"))


def test_frozen_gates__no_two_names_share_a_file() -> None:
    assert len({frozen_name("panel", name).casefold() for name in IDS}) == len(IDS)


@pytest.mark.requirement("R-SEC-02")
@pytest.mark.parametrize(
    ("one", "other"),
    [("A1", "a1"), ("é", "e\u0301"), ("Straße", "STRASSE"), ("\u212a1", "k1"), ("\u00c5", "A\u030a"), ("S1", " S1 ")],
    ids=["case", "composed", "sharp-s", "kelvin", "angstrom", "blanks"],
)
def test_sheet__ids_that_would_be_one_file_name_clash(tmp_path: Path, one: str, other: str) -> None:
    sheet = tmp_path / "samples.csv"
    sheet.write_text(f"sample_id,file\n{one},a.fcs\n{other},b.fcs\n", encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        load_samples(sheet)
    assert caught.value.code == "SHEET-DUPLICATE"
    assert "row 3, sample_id" in str(caught.value)
    assert "Give each its own id." in str(caught.value)


FILES = {
    "outside": "../secret.txt", "absolute": "/etc/passwd", "folder": "fcs", "none": "fcs/none.fcs", "long": "a" * 300,
    "deep": "a/" * 3000 + "a", "device": "/dev/zero", "full": "/dev/full", "terminal": "/dev/tty", "pipe": "pipe",
    "socket": "socket", "loop": "loop", "broken": "broken", "dots": "..", "self": ".", "proc": "/proc/self/mem",
    "url": "http://127.0.0.1:9/x.fcs", "home": "~/x.fcs", "dash": "-", "sheet": "hostile_files.csv",
}  # fmt: skip


@pytest.mark.requirement("R-SEC-03")
def test_profile__hostile_files_fail_one_by_one_and_at_once(known_study: Path, tmp_path: Path, immunoprofile) -> None:
    folder = known_study.parent
    (tmp_path / "secret.txt").write_text("Zebedee\n" * 100)
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "broken").symlink_to(folder / "none")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket"))
        rows = [f"{name},{file}" for name, file in FILES.items()]
        (folder / "hostile_files.csv").write_text("\n".join(["sample_id,file", *rows, "good,fcs/K1_BL.fcs", ""]))
        out = tmp_path / "out"
        template = folder / "known_answers.toml"
        done = immunoprofile("profile", folder / "hostile_files.csv", "--template", template, "--out", out, "-q")
    assert done.exit_code == 3, done.output
    failures = (out / "failures.csv").read_text()
    failed = {line.split(",")[0] for line in failures.splitlines()[1:]}
    assert failed == set(FILES)
    assert "Zebedee" not in failures
    assert "root:x:" not in failures  # six bytes are shown to tell what a file is
    assert "good," in (out / "populations.csv").read_text()


@pytest.mark.requirement("R-SEC-03")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "socket"])
def test_read_fcs__what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.fcs"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(path))
    with pytest.raises(FcsAccessError):
        read_fcs(path)


@pytest.mark.requirement("R-SEC-03")
def test_write__a_link_in_the_place_of_an_output_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious.txt"
    target.write_text("mine")
    link = tmp_path / "out" / "populations.csv"
    link.parent.mkdir()
    link.symlink_to(target)
    write_text(link, "theirs")
    assert target.read_text() == "mine"
    assert not link.is_symlink()
    assert link.read_text() == "theirs"


@pytest.mark.requirement("R-SEC-03")
@pytest.mark.parametrize("name", [".work", ".lock", "journal.jsonl", "pictures"])
def test_run__links_in_a_results_folder_are_not_written_through(known_study: Path, tmp_path: Path, name: str) -> None:
    from immunoprofile.cohort import profile_cohort
    from immunoprofile.study import load_study

    outside = tmp_path / "outside"
    outside.mkdir()
    target = outside if name in {".work", "pictures"} else outside / "file"
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    (out / name).symlink_to(target)
    with pytest.raises(OutputError):
        profile_cohort(load_study(known_study), out)
    assert list(outside.iterdir()) == []


@pytest.mark.requirement("R-SEC-03")
@pytest.mark.parametrize("what", ["pipe", "folder", "device", "huge"])
@pytest.mark.parametrize("verb", ["run", "profile", "respond", "compare", "verify", "gates"])
def test_verbs__what_is_no_file_is_refused(tmp_path: Path, immunoprofile, verb: str, what: str) -> None:
    path = tmp_path / "x.toml"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "device":
        path = Path("/dev/zero")
    else:
        with path.open("wb") as stream:
            stream.truncate(2**40)  # a file of a terabyte with nothing in it
    commands = {
        "run": ["run", path, "--out", tmp_path / "o"],
        "profile": ["profile", path, "--template", "tbnk", "--out", tmp_path / "o"],
        "respond": ["respond", path, "--subjects", path, "--out", tmp_path / "o"],
        "compare": ["compare", path, "--response", path, "--out", tmp_path / "o"],
        "verify": ["verify", path],
        "gates": ["gates", "show", path],
    }
    done = immunoprofile(*commands[verb])
    assert done.exit_code == 2, done.output
    assert not (tmp_path / "o").exists()


def test_error__is_one_of_ours_whatever_the_name() -> None:
    for name in (*IDS, "\0", "a\0b", "\udc80"):
        with pytest.raises(ImmunoprofileError):
            read_fcs(name)
