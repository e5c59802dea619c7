"""De-identified runs: the same numbers, and nobody's name in anything that is written."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import socket
from base64 import b32encode
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from canaries import CANARY, KEY, KEYWORDS, WORDS, hits, write_named_study
from immunoprofile.cli import program
from immunoprofile.cohort import run_study
from immunoprofile.cohort.journal import read_events
from immunoprofile.columns import FAILURES
from immunoprofile.errors import StudyError
from immunoprofile.report import load_results
from immunoprofile.selftest.known import RESPONSE, TARGETS
from immunoprofile.study import load_study
from immunoprofile.study.deidentify import (
    code_of,
    deidentify_samples,
    mark_of,
    read_key,
    shift_of,
    withhold_details,
)
from immunoprofile.study.samples import Sample
from immunoprofile.tables import build_frame


def test_canaries__stand_in_sixty_keywords() -> None:
    assert len(set(KEYWORDS)) >= 60


@pytest.fixture
def named_study(tmp_path: Path) -> Path:
    return write_named_study(tmp_path)


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A study that was run under codes, and what the program said; not to be changed."""
    place = tmp_path_factory.mktemp("coded")
    study = write_named_study(place)
    (place / "lab.key").write_bytes(KEY)
    asked = ("run", study, "--deidentify", place / "lab.key", "-v", "--jobs", 2)
    return study, CliRunner().invoke(program, [str(a) for a in asked])


@pytest.mark.requirement("R-SEC-05")
def test_run__with_names_shows_names_of_sheets_and_no_keyword(named_study: Path, tmp_path: Path, immunoprofile) -> None:
    out = tmp_path / "out"
    said = immunoprofile("run", named_study, "--out", out, "-v", "--json")
    # the probe itself works: without codes, the tables hold names
    assert {"populations.csv", "populations.parquet", "failures.csv", "response.csv"} <= set(hits(out))
    # of a keyword nothing is kept or shown, whoever it names
    keywords = [CANARY.format(i) for i in range(len(KEYWORDS))]
    assert [k for k in keywords if k in said.stdout + said.stderr] == []
    texts = [p.read_bytes() for p in out.rglob("*") if p.is_file() and p.suffix != ".parquet"]
    texts += [pd.read_parquet(p).to_csv().encode() for p in out.glob("*.parquet")]
    assert [k for k in keywords for text in texts if k.encode() in text] == []


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    (tmp_path / "lab.key").write_bytes(KEY)
    return tmp_path / "lab.key"


@pytest.fixture
def coded(run_once: tuple[Path, Result], tmp_path: Path) -> Path:
    """A copy of that study, with its results; the path of study.toml."""
    shutil.copytree(run_once[0].parent, tmp_path / CANARY.format(91))
    return tmp_path / CANARY.format(91) / "study.toml"


def words_in(said: Result) -> list[str]:
    return [w for w in (*WORDS, str(Path.cwd())) if w in said.stdout + said.stderr]


@pytest.mark.requirement("R-SEC-05")
def test_run__deidentified_holds_no_canary(run_once: tuple[Path, Result]) -> None:
    out, said = run_once[0].parent / "results", run_once[1]
    assert said.exit_code == 3, said.output
    assert len(load_results(out).failures) == 1
    assert (out / "report.html").is_file()
    assert hits(out) == []
    assert words_in(said) == []


@pytest.mark.requirement("R-SEC-05")
def test_run__deidentified_names_no_place_host_or_process(run_once: tuple[Path, Result]) -> None:
    out = run_once[0].parent / "results"
    known = [str(out.parent), socket.gethostname(), '"host"', '"pid"']
    found = [
        (p.name, word)
        for p in out.rglob("*")
        if p.is_file()
        for word in known
        if len(word) > 3 and word.encode() in p.read_bytes()
    ]
    assert found == []


@pytest.mark.requirement("R-SEC-05")
def test_run__deidentified_says_so_in_manifest_and_journal(run_once: tuple[Path, Result]) -> None:
    out = run_once[0].parent / "results"
    assert json.loads((out / "manifest.json").read_text())["options"]["deidentified"] == mark_of(KEY)
    assert next(read_events(out))["deidentified"] == mark_of(KEY)


@pytest.mark.requirement("R-SEC-05")
def test_run__the_same_key_goes_on_and_gives_the_same_bytes(coded: Path, key_file: Path, immunoprofile) -> None:
    out = coded.parent / "results"
    before = tables_of(out)
    said = immunoprofile("run", coded, "--deidentify", key_file, "--json")
    states = [json.loads(line)["state"] for line in said.stderr.splitlines() if line.startswith("{")]
    assert sorted(states) == ["failed"] + ["kept"] * 12
    assert tables_of(out) == before
    assert hits(out) == []
    assert words_in(said) == []


@pytest.mark.requirement("R-SEC-05")
def test_reproduce__asks_for_the_key_that_a_folder_was_written_with(
    coded: Path, key_file: Path, tmp_path: Path, immunoprofile
) -> None:
    out = coded.parent / "results"
    (tmp_path / "other.key").write_bytes(KEY[::-1])
    asked = ("reproduce", out, "--study", coded, "-q")
    assert "manifest.json: was de-identified. Give --deidentify" in immunoprofile(*asked).stderr
    other = immunoprofile(*asked, "--deidentify", tmp_path / "other.key")
    assert (other.exit_code, "with another key" in other.stderr) == (2, True)
    same = immunoprofile(*asked, "--deidentify", key_file)
    assert (same.exit_code, "all come out the same" in same.stdout) == (0, True), same.output


@pytest.mark.requirement("R-SEC-05")
def test_verify__looks_at_every_input_of_a_deidentified_run(coded: Path, key_file: Path, immunoprofile) -> None:
    out = coded.parent / "results"
    said = immunoprofile("verify", out, "--study", coded, "--deidentify", key_file, "--json", "-q")
    found = json.loads(said.stdout)
    assert (said.exit_code, found["unseen"], found["differences"]) == (0, [], [])
    # twelve files and a single stain; study.toml and six sheets
    assert found["checked"]["input"] == 20


@pytest.mark.requirement("R-SEC-05")
def test_profile__deidentified_holds_no_canary(named_study: Path, key_file: Path, immunoprofile) -> None:
    sheet, template = named_study.parent / "samples.csv", named_study.parent / "known_answers.toml"
    out = named_study.parent / "profiled"
    asked = ("--template", template, "--deidentify", key_file)
    said = immunoprofile("profile", sheet, "--out", out, "--json", *asked)
    assert said.exit_code == 3, said.output
    assert hits(out) == []
    assert words_in(said) == []
    again = immunoprofile("reproduce", out, "--samples", sheet, *asked, "-q")
    assert again.exit_code == 0, again.output


@pytest.mark.requirement("R-SEC-05")
def test_dry_run__deidentified_shows_codes(named_study: Path, key_file: Path, immunoprofile) -> None:
    next((named_study.parent / "fcs").glob("*K1_BL*")).unlink()
    said = immunoprofile("run", named_study, "--deidentify", key_file, "--dry-run")
    assert "1 sample without a file" in said.stdout
    assert words_in(said) == []


@pytest.mark.requirement("R-SEC-05")
def test_single_stain__that_cannot_be_used_is_told_without_its_file(run_once: tuple[Path, Result]) -> None:
    told = load_results(run_once[0].parent / "results").checks_unanswered
    assert told is not None
    own = told[told["rule_id"] == "residual_spill"]
    assert own["sample_id"].tolist() == [code_of(KEY, "sample", CANARY.format(93))]
    assert own["reason"].str.startswith("a control cannot be used. Details are left out").all()


def tables_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.glob("*.csv"))}


@pytest.mark.requirement("R-SEC-05")
def test_run__deidentified_has_the_same_numbers(named_study: Path, tmp_path: Path) -> None:
    (tmp_path / "lab.key").write_bytes(KEY)
    found = run_study(load_study(named_study), tmp_path / "out", deidentify=tmp_path / "lab.key")
    names = {code_of(KEY, "person", f"{CANARY.format(90)}{s}"): s for s in RESPONSE}
    own = found.response[found.response["definition_id"] == "iwg-2009"]
    assert {names[s]: r for s, r in zip(own["subject_id"], own["best_response"], strict=True)} == RESPONSE
    rows = found.populations[(found.populations["pop_id"] == "last") & (found.populations["denom_id"] == "cd4")]
    counts = {(names[s], v): n for s, v, n in zip(rows["subject_id"], rows["visit"], rows["count"], strict=True)}
    assert counts == {(s, v): n for s, pair in TARGETS.items() for v, n in zip(("BL", "W4"), pair, strict=True)}


@pytest.mark.requirement("R-SEC-05")
def test_run__deidentified_gives_the_answers_of_the_named_run(run_once: tuple[Path, Result], tmp_path: Path) -> None:
    study, coded = load_study(run_once[0]), load_results(run_once[0].parent / "results")
    named = run_study(study, tmp_path / "out")
    for table, names in (("change", ["subject_id"]), ("response", ["subject_id"]), ("populations", ["sample_id"])):
        was, now = named.tables()[table], coded.tables()[table]
        kind = "sample" if names == ["sample_id"] else "person"
        was = was.assign(**{n: was[n].map(lambda x, kind=kind: code_of(KEY, kind, x)) for n in names})
        numbers = [c for c in was.columns if c in names or pd.api.types.is_numeric_dtype(was[c])]
        order = [*names, *(c for c in ("definition_id", "analysis_id", "pop_id", "denom_id", "scale") if c in was)]
        pd.testing.assert_frame_equal(
            *(f.sort_values(order, ignore_index=True)[numbers] for f in (was, now)), check_exact=True, check_dtype=False
        )
    # Sums over subjects run in the order of the codes; iterated models stop at other last digits.
    order = ["analysis_id", "pop_id", "denom_id", "sensitivity", "estimand", "contrast"]
    order = [c for c in order if c in named.association]
    for column in ("estimate", "ci_lo", "ci_hi", "p_raw"):
        was, now = (r.association.sort_values(order)[column].astype(float).to_numpy() for r in (named, coded))
        np.testing.assert_allclose(now, was, rtol=1e-5, atol=1e-12)


def test_key__in_the_results_folder_is_refused(coded: Path, key_file: Path, tmp_path: Path, immunoprofile) -> None:
    out = coded.parent / "results"
    (out / "lab.key").write_bytes(KEY)
    (tmp_path / "link").symlink_to(out)
    for key in (out / "lab.key", tmp_path / "link" / "lab.key"):
        said = immunoprofile("run", coded, "--deidentify", key)
        assert (said.exit_code, "lies in the results folder that it is to protect" in said.stderr) == (2, True)
    with pytest.raises(StudyError, match=r"Move it to where the data are\.$"):
        run_study(load_study(coded), out, deidentify=out / "lab.key")


def test_code__is_hmac_sha256() -> None:
    digest = hmac.new(KEY, b"sample\0S1", hashlib.sha256).digest()
    assert code_of(KEY, "sample", "S1") == "S-" + b32encode(digest).decode()[:12]


def test_code__another_key_or_kind_is_another_code() -> None:
    codes = {code_of(k, kind, "A") for k in (KEY, KEY[::-1]) for kind in ("sample", "person", "batch")}
    assert len(codes) == 6


def test_dates__keep_their_distance_within_a_subject_and_not_between() -> None:
    made = [Sample(f"S{i}", Path("x"), f"P{i // 2}", collection_date=date(2024, 3, 1 + i % 2 * 9)) for i in range(20)]
    found = deidentify_samples(made, KEY)
    gaps = {(b.collection_date - a.collection_date).days for a, b in zip(found[::2], found[1::2], strict=True)}
    assert gaps == {9}
    shifts = {(b.collection_date - a.collection_date).days for a, b in zip(made, found, strict=True)}
    assert len(shifts) > 5
    assert all(-392 <= s <= -28 for s in shifts)


def test_shift__is_spread_over_a_year() -> None:
    days = np.array([shift_of(KEY, f"P{i}").days for i in range(2000)])
    assert days.min() >= -392
    assert days.max() <= -28
    # 2,000 draws from 365 days: 1.5 such days are expected to be missed by all (365 * exp(-2000 / 365))
    assert len(set(days)) > 350


@pytest.mark.parametrize(
    ("content", "code"), [(b"short", "KEY-WEAK"), (b"a" * 64, "KEY-WEAK"), (b"", "KEY-WEAK"), (None, "KEY-ACCESS")]
)
def test_key__a_weak_one_is_refused(tmp_path: Path, content: bytes | None, code: str) -> None:
    file = tmp_path / "lab.key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StudyError) as caught:
        read_key(file)
    assert caught.value.code == code
    assert "head -c 32 /dev/urandom" in str(caught.value)


def test_key__is_the_bytes_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "lab.key").write_bytes(KEY)
    assert read_key(tmp_path / "lab.key") == KEY


def test_key__a_pipe_is_refused(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StudyError, match="is no regular file"):
        read_key(tmp_path / "pipe")


def test_failures__keep_stage_and_code_and_lose_the_message() -> None:
    row = {"item_id": "S-1", "item_kind": "sample", "stage": "read", "code": "FCS-TEXT", "message": "/home/zebedee: x"}
    found = withhold_details(build_frame(FAILURES, [row]))
    assert found["message"].iloc[0].startswith("sample S-1 failed at read (FCS-TEXT). Details are left out")


def test_notes__keep_the_lot_as_a_code() -> None:
    found = deidentify_samples(
        [Sample("S", Path("x"), note="Zebedee, lot A12"), Sample("T", Path("x"), note="LOT A12")], KEY
    )
    assert found[0].note == found[1].note == f"lot {code_of(KEY, 'lot', 'lot a12')}"
