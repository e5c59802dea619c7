"""CDISC SDTM domain CP (Cell Phenotype Findings, SDTMIG 3.4): one record a test, population and sample.

Each population gives a record for its count, one a denominator for its fraction, one for its concentration, and one a
marker for its median fluorescence. Tests for which the CDISC list has a term carry it; the others are sponsor terms
(the list is extensible), told apart in ``cp_terms.csv``. Marker strings (CPMRKSTR) are left blank: the tables name
gates, and a string guessed from them could be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from immunoprofile.gating.paths import split_path
from immunoprofile.report.exports.spreadsheet import shorten
from immunoprofile.report.exports.transport import MAX_TEXT, to_ascii, write_xpt

TERMS = Path(__file__).parent / "cdisc_terms.csv"
"""Terms by Cell Ontology id, from a third-party copy of the CDISC terminology: check the codes against NCI EVS."""
MAX_TEST = 40
_LABELS: Mapping[str, str] = {
    "STUDYID": "Study Identifier",
    "DOMAIN": "Domain Abbreviation",
    "USUBJID": "Unique Subject Identifier",
    "CPSEQ": "Sequence Number",
    "CPGRPID": "Group ID",
    "CPREFID": "Reference ID",
    "CPSPID": "Sponsor-Defined Identifier",
    "CPTESTCD": "Test or Examination Short Name",
    "CPTEST": "Test or Examination Name",
    "CPMRKSTR": "Marker String",
    "CPGATE": "Gate",
    "CPGATDEF": "Gate Definition",
    "CPCAT": "Category for Test",
    "CPTSTPNL": "Test Panel",
    "CPORRES": "Result or Finding in Original Units",
    "CPORRESU": "Original Units",
    "CPRESTYP": "Result Type",
    "CPSTRESC": "Result or Finding in Standard Format",
    "CPSTRESN": "Numeric Result/Finding in Standard Units",
    "CPSTRESU": "Standard Units",
    "CPSTAT": "Completion Status",
    "CPREASND": "Reason Not Done",
    "CPSPEC": "Specimen Material Type",
    "CPMETHOD": "Method of Test or Examination",
    "CPANMETH": "Analysis Method",
    "VISITNUM": "Visit Number",
    "VISIT": "Visit Name",
    "CPDTC": "Date/Time of Specimen Collection",
    "CPDY": "Study Day of Specimen Collection",
}
_NUMBERS = ("CPSEQ", "CPSTRESN", "VISITNUM", "CPDY")
Row = dict[str, Any]


def to_cp(populations: pd.DataFrame, intensities: pd.DataFrame | None) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """``cp.csv``, ``cp.xpt`` and ``cp_terms.csv``, and what should be known about them."""
    import pyreadstat

    frame = phenotype_records(populations, intensities)
    terms = frame[["CPTESTCD", "CPTEST", "_code"]].drop_duplicates().sort_values("CPTESTCD")
    terms = terms.assign(ORIGIN=terms["_code"].map(lambda code: "CDISC" if code else "sponsor"))
    terms = terms.rename(columns={"_code": "CODE"})
    domain = frame.drop(columns="_code")
    plain = domain.copy()
    for name in plain.columns.difference(list(_NUMBERS)):
        plain[name] = plain[name].map(lambda t: to_ascii(t)[:MAX_TEXT])
    notes = [
        "CPMRKSTR is blank: give marker strings from the laboratory's panel",
        "CPDTC is blank: the tables hold days, not dates",
        "terms and codes come from a copy of the CDISC terminology: check them for the version in define.xml",
    ]
    if not plain.equals(domain):
        notes.append("cp.xpt: letters beyond ASCII were replaced, or text beyond 200 bytes was cut; cp.csv holds all")
    files = {
        "cp.csv": domain.to_csv(index=False, lineterminator="\n").encode("utf-8"),
        "cp.xpt": write_xpt(pyreadstat, plain, "CP", _LABELS),
        "cp_terms.csv": terms.to_csv(index=False, lineterminator="\n").encode("utf-8"),
    }
    return files, tuple(notes)


def phenotype_records(populations: pd.DataFrame, intensities: pd.DataFrame | None) -> pd.DataFrame:
    """The records of the domain, sorted by subject, visit and test; `_code` is the CDISC code of the test, if any."""
    rows = [*_of_populations(populations), *_of_intensities(populations, intensities)]
    frame = pd.DataFrame(rows)
    # Distinct tests stay distinct however they are cut.
    full = frame["CPTEST"].drop_duplicates().tolist()
    frame["CPTEST"] = frame["CPTEST"].map(dict(zip(full, shorten(full, MAX_TEST), strict=True)))
    codes = dict(zip(*_testcodes(frame), strict=True))
    frame["CPTESTCD"] = frame["CPTEST"].map(codes)
    visits = populations.drop_duplicates("visit").sort_values("day", kind="stable")["visit"]
    numbers = {v: float(i) for i, v in enumerate(visits, start=1)}
    frame["VISITNUM"] = frame["VISIT"].map(numbers).astype("float64")
    frame = frame.sort_values(["USUBJID", "VISITNUM", "CPGRPID", "CPTESTCD"], kind="stable", ignore_index=True)
    frame["CPSEQ"] = frame.groupby("USUBJID").cumcount() + 1.0
    return frame[[*_LABELS, "_code"]]


def _shared(row: Mapping[str, Any]) -> Row:
    day = row["day"]
    return {
        "STUDYID": _text(row["study_id"]),
        "DOMAIN": "CP",
        "USUBJID": f"{_text(row['study_id'])}-{_text(row['subject_id'])}",
        "CPGRPID": _text(row["sample_id"]),
        "CPREFID": _text(row["sample_id"]),
        "CPSPID": _text(row["row_id"]),
        "CPMRKSTR": "",
        "CPGATE": _text(row["pop_label"]) or _text(row["pop_id"]),
        "CPGATDEF": "|".join(split_path(_text(row["pop_path"]))),
        "CPCAT": "IMMUNOPHENOTYPING",
        "CPTSTPNL": _text(row["panel"]),
        "CPSTAT": "",
        "CPREASND": "",
        "CPSPEC": "BLOOD",
        "CPMETHOD": "FLOW CYTOMETRY",
        "CPANMETH": f"{_text(row['template_id'])}@{_text(row['template_version'])}",
        "VISIT": _text(row["visit"]),
        "CPDTC": "",
        # CDISC has no day zero: the first infusion is day 1.
        "CPDY": float("nan") if pd.isna(day) else float(day + 1 if day >= 0 else day),
    }


def _result(value: Any, unit: str, kind: str, reason: str = "") -> Row:
    if pd.isna(value):
        return {"CPORRES": "", "CPORRESU": "", "CPRESTYP": kind, "CPSTRESC": "", "CPSTRESN": float("nan"),
                "CPSTRESU": "", "CPSTAT": "NOT DONE", "CPREASND": reason or "NOT EVALUABLE"}  # fmt: skip
    text = str(int(value)) if float(value).is_integer() else repr(float(value))
    return {"CPORRES": text, "CPORRESU": unit, "CPRESTYP": kind, "CPSTRESC": text, "CPSTRESN": float(value),
            "CPSTRESU": unit}  # fmt: skip


def _of_populations(populations: pd.DataFrame) -> Iterator[Row]:
    cl_ids = dict(zip(populations["pop_id"], populations["cl_id"].fillna(""), strict=True))
    labels = dict(zip(populations["pop_id"], populations["pop_label"].fillna(""), strict=True))
    seen: set[tuple[str, str]] = set()
    for row in populations.to_dict("records"):
        shared, name = _shared(row), _name(row["pop_id"], labels)
        cl, reason = cl_ids[row["pop_id"]], _text(row["flags"])
        if (row["sample_id"], row["pop_id"]) not in seen:
            seen.add((row["sample_id"], row["pop_id"]))
            yield shared | _test(f"{name} events", "", "") | _result(row["count"], "", "NUMBER", reason)
            if not pd.isna(row["cells_per_ul"]):
                # One cell per microlitre is 10^6 per litre.
                yield shared | _test(name, cl, "") | _result(row["cells_per_ul"], "10^6/L", "NUMBER CONCENTRATION")
        of = row["denom_id"]
        test = _test(f"{name}/{_name(of, labels)}", cl, cl_ids.get(of, "") or "none")
        yield shared | test | _result(100 * row["frac"], "%", "NUMBER FRACTION", reason)


def _of_intensities(populations: pd.DataFrame, intensities: pd.DataFrame | None) -> Iterator[Row]:
    if intensities is None:
        return
    known = populations.drop_duplicates(["sample_id", "pop_id"]).set_index(["sample_id", "pop_id"], drop=False)
    of = dict(zip(known.index, known.to_dict("records"), strict=True))
    for row in intensities[intensities["median_fi"].notna()].to_dict("records"):
        found = of.get((row["sample_id"], row["pop_id"]))
        if found is not None:
            name = _text(found["pop_label"]) or _text(found["pop_id"])
            test = _test(f"{row['marker']} Expression {name}", "", "")
            yield _shared(found) | test | _result(row["median_fi"], "MdFI", "NUMBER")


def _name(pop_id: Any, labels: Mapping[str, str]) -> str:
    return labels.get(pop_id) or str(pop_id)


def _test(name: str, cl_id: str, of_cl_id: str) -> Row:
    """The test's name: the CDISC term where the list has one, else the sponsor's own of at most 40 characters."""
    term = _terms().get((cl_id, of_cl_id))
    if term is not None:
        return {"CPTEST": term["test"], "_code": term["code"], "_testcd": term["testcd"]}
    return {"CPTEST": to_ascii(name), "_code": "", "_testcd": ""}


@cache
def _terms() -> Mapping[tuple[str, str], Mapping[str, str]]:
    frame = pd.read_csv(TERMS, dtype=str, keep_default_na=False)
    return {(r["cl_id"], r["of_cl_id"]): r for r in frame.to_dict("records")}


def _testcodes(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Names of tests and their codes of at most eight characters, each code once."""
    tests = frame.drop_duplicates("CPTEST")[["CPTEST", "_testcd"]]
    taken = set(tests["_testcd"]) - {""}
    names = tests["CPTEST"].tolist()
    wanted = [given or _letters(name) for name, given in tests.itertuples(index=False)]
    free = [w for w, given in zip(wanted, tests["_testcd"], strict=True) if not given]
    made = iter(shorten([*sorted(taken), *free], 8)[len(taken) :])
    return names, [given or next(made).replace("_", "X") for given in tests["_testcd"]]


def _letters(name: str) -> str:
    letters = "".join(c for c in name.upper() if c.isascii() and c.isalnum())
    return letters if letters[:1].isalpha() else f"P{letters}"


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)
