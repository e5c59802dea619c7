"""A study with a canary in every place where a person may be named, and how to find its parts again."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from immunoprofile.fcs import ChannelSpec, read_fcs, write_fcs
from immunoprofile.selftest.known import write_known_study

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
_DAYS = ["2031-05-14", "2031-05-13", "2031-06-11", "2031-07-09", "2031-01-14", "2031-05-20", "2031-06-01"]
WORDS = ("Zebedee", "Quagga", *_DAYS, *(day.replace("-", "") for day in _DAYS))
"""Parts of every canary, and every date of the sheets."""


def write_named_study(place: Path) -> Path:
    """The known study with a canary in every place where a person may be named, its folder's name too."""
    study = write_known_study(place / CANARY.format(91) / "study")
    folder = study.parent
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
            sheet.splitlines(), [",note,batch,collection_date,control", *[_row(i) for i in range(12)]], strict=True
        )
    ]
    rows.append(
        f"{CANARY.format(83)},fcs/{CANARY.format(81)}.fcs,K1,W8,56,known,{CANARY.format(84)},{CANARY.format(85)},2031-07-09,"
    )
    # a single stain that cannot be read: its check says so in the words of the error
    (folder / "fcs" / f"{CANARY.format(92)}.fcs").write_bytes(b"FCS3.1" + CANARY.format(92).encode() * 20)
    rows.append(
        f"{CANARY.format(93)},fcs/{CANARY.format(92)}.fcs,,,,known,{CANARY.format(84)},{CANARY.format(85)},,single:CD4"
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
    name, said = CANARY.format(90) + "K1", CANARY.format(89)
    (folder / "treatments.csv").write_text(
        f"subject_id,date,kind,role,change,comment\n{name},2031-01-14,rituximab,prior,start,{said}\n"
    )
    (folder / "bleeding.csv").write_text(f"subject_id,date,scale,grade,comment\n{name},2031-05-20,WHO,1,{said}\n")
    (folder / "overrides.csv").write_text(
        f"sample_id,gate,dx,dy,who,date,reason\n{name}_BL,T,0.001,0,{said},2031-06-01,{said} was seen\n"
    )
    text = study.read_text().replace(
        "platelets = ",
        'treatments = "treatments.csv"\nbleeding = "bleeding.csv"\noverrides = "overrides.csv"\nplatelets = ',
        1,
    )
    study.write_text(text)
    return study


def _row(number: int) -> str:
    return f",{CANARY.format(87)},{CANARY.format(88)},2031-0{5 + number % 2}-{13 if number % 2 == 0 else 11},"


def hits(folder: Path) -> list[str]:
    """Files of a folder, or names of files, that hold any part of a canary in any of three encodings."""
    words = [w.encode(e) for w in WORDS for e in ("utf-8", "utf-16-le")]
    found = []
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".parquet":
            content = pd.read_parquet(path).to_csv().encode()
        if any(w in content or w in path.name.encode() for w in words):
            found.append(path.relative_to(folder).as_posix())
    return found
