"""De-identified runs: the same numbers, and nobody's name in anything that is written."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b32encode
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunoprofile.cohort import finished, run_study
from immunoprofile.cohort.journal import Journal
from immunoprofile.cohort.results import write_results
from immunoprofile.columns import FAILURES
from immunoprofile.errors import OutputError, StudyError
from immunoprofile.fcs import ChannelSpec, read_fcs, write_fcs
from immunoprofile.report import write_report
from immunoprofile.selftest.known import RESPONSE, TARGETS
from immunoprofile.study import load_study
from immunoprofile.study.deidentify import (
    code_of,
    deidentify_samples,
    deidentify_study,
    forget_places,
    read_key,
    refuse_named_folder,
    shift_of,
    withhold_details,
)
from immunoprofile.study.samples import Sample
from immunoprofile.tables import build_frame

KEY = bytes(range(7, 39))

_WORDS = (
    "$SRC $SMNO $OP $EXP $INST $CYTSN $COM $PROJ $CELLS $SYS $DATE $BTIM $ETIM $LAST_MODIFIER $LAST_MODIFIED $FIL $CYT "
    "$ORIGINALITY $PLATEID $PLATENAME $WELLID $LOCATIONID $CARRIERID $CARRIERTYPE PATIENT_ID PATIENT_NAME DOB SEX MRN "
    "SAMPLE_ID SPECIMEN DONOR SUBJECT EXPORT_USER_NAME EXPORT_TIME USER_NAME OPERATOR_NAME EXPERIMENT_NAME TUBE_NAME "
    "CREATOR FIL GUID CYTNUM SETTINGS ACQUIRED_BY PHYSICIAN HOSPITAL WARD DIAGNOSIS COMMENT NOTES BARCODE ACCESSION "
    "PANEL_NAME PLATE_NAME WORKLIST @SAMPLEID1 @SAMPLEID2 @SAMPLEID3 @SAMPLEID4 HOSTNAME COMPUTER"
)
KEYWORDS = tuple(_WORDS.split())
CANARY = "Zebedee{:02d}Quagga"


def test_canaries__stand_in_sixty_keywords() -> None:
    assert len(set(KEYWORDS)) >= 60


@pytest.fixture
def named_study(known_study: Path) -> Path:
    """The known study with a canary in every place where a person may be named."""
    folder = known_study.parent
    for file in sorted((folder / "fcs").iterdir()):
        events = read_fcs(file)
        values = events.values.copy()
        specs = [ChannelSpec(c.detector, c.marker) for c in events.channels]
        canaries = {k: CANARY.format(i) for i, k in enumerate(KEYWORDS)}
        new = folder / "fcs" / f"{CANARY.format(80)}_{file.name}"
        write_fcs(new, values, specs, keywords=canaries, spillover=events.spillover)
        file.unlink()
    (folder / "fcs" / f"{CANARY.format(81)}.fcs").write_bytes(b"FCS3.1" + CANARY.format(82).encode() * 20)
    sheet = (folder / "samples.csv").read_text().replace(",fcs/", f",fcs/{CANARY.format(80)}_")
    rows = [
        r + extra
        for r, extra in zip(
            sheet.splitlines(), [",note,batch,collection_date", *[_row(i) for i in range(12)]], strict=True
        )
    ]
    rows.append(
        f"{CANARY.format(83)},fcs/{CANARY.format(81)}.fcs,K1,W8,56,known,{CANARY.format(84)},{CANARY.format(85)},2031-07-09"
    )
    (folder / "samples.csv").write_text("\n".join(rows) + "\n")
    for name in ("samples", "subjects", "platelets"):
        path = folder / f"{name}.csv"
        path.write_text(
            re.sub(
                r"\b(K[1-6])(?=[,_]|$)(?!_(?:BL|W4)\.fcs)",
                CANARY.format(90) + r"\1",
                path.read_text(),
                flags=re.MULTILINE,
            )
        )
    subjects = (folder / "subjects.csv").read_text().splitlines()
    dated = [
        subjects[0] + ",first_infusion_date,surname",
        *(f"{r},2031-05-14,{CANARY.format(86)}" for r in subjects[1:]),
    ]
    (folder / "subjects.csv").write_text("\n".join(dated) + "\n")
    return known_study


def _row(number: int) -> str:
    return f",{CANARY.format(87)},{CANARY.format(88)},2031-0{5 + number % 2}-{13 if number % 2 == 0 else 11}"


def hits(folder: Path) -> list[str]:
    """Files of a folder, or names of files, that hold any part of a canary in any of three encodings."""
    words = [w.encode(e) for w in ("Zebedee", "Quagga", "2031-0", "20310") for e in ("utf-8", "utf-16-le")]
    found = []
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".parquet":
            content = pd.read_parquet(path).to_csv().encode()
        if any(w in content or w in path.name.encode() for w in words):
            found.append(path.relative_to(folder).as_posix())
    return found


@pytest.mark.requirement("R-SEC-05")
def test_run__with_names_gives_them_away(named_study: Path, tmp_path: Path) -> None:
    # the probe itself works: without codes, the tables hold names
    run_study(load_study(named_study), tmp_path / "out")
    assert {"populations.csv", "populations.parquet", "failures.csv", "response.csv"} <= set(hits(tmp_path / "out"))


@pytest.mark.requirement("R-SEC-05")
def test_run__deidentified_holds_no_canary(named_study: Path, tmp_path: Path, monkeypatch) -> None:
    # The verbs do this with the messages of failures, before any table is written.
    monkeypatch.setattr(
        finished,
        "write_results",
        lambda r, *a, **k: write_results(replace(r, failures=withhold_details(r.failures)), *a, **k),
    )
    out = tmp_path / "out"
    results = run_study(deidentify_study(load_study(named_study), KEY), out)
    write_report(results, out)
    forget_places(out)
    assert len(results.failures) == 1
    assert hits(out) == []


@pytest.mark.requirement("R-SEC-05")
def test_run__deidentified_has_the_same_numbers(named_study: Path, tmp_path: Path) -> None:
    found = run_study(deidentify_study(load_study(named_study), KEY), tmp_path / "out")
    names = {code_of(KEY, "person", f"{CANARY.format(90)}{s}"): s for s in RESPONSE}
    own = found.response[found.response["definition_id"] == "iwg-2009"]
    assert {names[s]: r for s, r in zip(own["subject_id"], own["best_response"], strict=True)} == RESPONSE
    rows = found.populations[(found.populations["pop_id"] == "last") & (found.populations["denom_id"] == "cd4")]
    counts = {(names[s], v): n for s, v, n in zip(rows["subject_id"], rows["visit"], rows["count"], strict=True)}
    assert counts == {(s, v): n for s, pair in TARGETS.items() for v, n in zip(("BL", "W4"), pair, strict=True)}


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


@pytest.mark.parametrize(
    ("facts", "refused"),
    [([{}], True), ([{"deidentified": True}], False), ([{"deidentified": True}, {}], True), ([], False)],
    ids=["named", "coded", "both", "new"],
)
def test_folder__with_names_is_refused(tmp_path: Path, facts: list[dict], refused: bool) -> None:
    for fact in facts:
        Journal(tmp_path).note("run-started", **fact)
    if not refused:
        refuse_named_folder(tmp_path)
        return
    with pytest.raises(OutputError) as caught:
        refuse_named_folder(tmp_path)
    assert "Give a new folder with --out." in str(caught.value)
