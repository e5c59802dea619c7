"""A study whose every answer is known beforehand: counts by construction, response and tests worked by hand.

Six subjects with two tubes each. Cells stand in heaps far from every boundary, so that their number in each gate is
what was put there; the tubes were mixed by a spillover matrix, so that they come apart only if compensation is right.
The share of the last population rises in all six, each by another amount: the exact signed-rank test of six positive
differences has p = 2 / 2**6.

References
----------
Wilcoxon F (1945) Individual comparisons by ranking methods. Biometrics Bulletin 1:80-83. doi:10.2307/3001968
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from immunoprofile.cohort import Results, run_study
from immunoprofile.fcs import ChannelSpec, FcsFile, digest_of_fcs, write_fcs
from immunoprofile.provenance import digest_of_bytes, write_text
from immunoprofile.spillover import Spillover
from immunoprofile.study import load_study

N_EVENTS = 4_000
N_T, N_CD4 = 2_500, 1_500
TARGETS = {"K1": (60, 90), "K2": (75, 150), "K3": (90, 99), "K4": (45, 81), "K5": (120, 300), "K6": (105, 126)}
"""Events in the last population before and after; 1,500 CD4 events are its denominator."""

PLATELETS = {
    "K1": ((-1, 10), (14, 40), (28, 45)),  # at least 30 and twice the baseline, confirmed after 14 days: R
    "K2": ((-1, 8), (14, 120), (28, 130)),  # at least 100, confirmed: CR
    "K3": ((-1, 12), (14, 14), (28, 11)),  # never 30: NR
    "K4": ((-1, 9), (14, 10), (28, 12)),  # never 30: NR
    "K5": ((-1, 20), (14, 35), (28, 38)),  # at least 30, never twice the baseline: NR
    "K6": ((-1, 9), (14, 150), (28, 160)),  # at least 100, confirmed: CR
}
RESPONSE = {"K1": "R", "K2": "CR", "K3": "NR", "K4": "NR", "K5": "NR", "K6": "CR"}

FILES_SHA256 = "736004aa4f42251b550cee3d54c8f84c886f42b41f2b4b0689cf2e6286a4c354"
"""Of the digests of the twelve files, one a line, in the order of the sheet: the same bytes on every machine."""

P_SIGNED_RANK = 2 / 2**6
_TOLERANCE = 1e-12
"""Of a logarithm or a sum of six of them in two mathematical libraries."""

_MATRIX = np.array([[1.0, 0.25, 0.0], [0.125, 1.0, 0.0], [0.0, 0.5, 1.0]])
"""In halves of halves: what it mixes is exact in 32 bits."""
_DETECTORS = ("A-A", "B-A", "C-A")
_DIM, _BRIGHT = 64, 8192

_TEMPLATE = """[template]
id = "known_answers"
version = "1"
title = "Heaps far from every boundary"
[markers]
CD3 = { names = ["CD3"], scale = "bright" }
CD4 = { names = ["CD4"], scale = "bright" }
CD25 = { names = ["CD25"], scale = "plain" }
[scales]
bright = { kind = "logicle", t = 262144, w = 0.5, m = 4.5, a = 0 }
plain = { kind = "identity" }
[compensation]
source = "file"
missing = "error"
[[gate]]
id = "t"
name = "T"
range = { x = "CD3", min = 0.5 }
[[gate]]
id = "cd4"
name = "CD4"
parent = "T"
polygon = { x = "CD3", y = "CD4", vertices = [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9], [0.5, 0.9]] }
[[gate]]
id = "last"
name = "Last"
parent = "CD4"
range = { x = "CD25", min = 1000, max = 20000 }
"""
_STUDY = """[study]
id = "KNOWN-ANSWERS"
samples = "samples.csv"
subjects = "subjects.csv"
platelets = "platelets.csv"
[panels.known]
template = "./known_answers.toml"
[visits]
baseline = "BL"
window = ["W4"]
[analysis]
primary = [{ pop_id = "last", denom_id = "cd4", measure = "logit_frac" }]
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing that is known, and what came out."""

    what: str
    expected: Any
    found: Any

    @property
    def right(self) -> bool:
        """Equal; floats to a few units in the last place of their making."""
        if isinstance(self.expected, float):
            return isinstance(self.found, float) and math.isclose(self.expected, self.found, rel_tol=_TOLERANCE)
        return bool(self.expected == self.found)


def write_known_study(folder: Path) -> Path:
    """Write the study; the path of its study.toml."""
    (folder / "fcs").mkdir(parents=True)
    rows = ["sample_id,file,subject_id,visit,day,panel"]
    for subject, counts in TARGETS.items():
        for visit, day, n_last in zip(("BL", "W4"), (-1, 28), counts, strict=True):
            name = f"{subject}_{visit}"
            _write_tube(folder / "fcs" / f"{name}.fcs", n_last)
            rows.append(f"{name},fcs/{name}.fcs,{subject},{visit},{day},known")
    counts_of = [f"{s},{day},{n}" for s, series in PLATELETS.items() for day, n in series]
    sheets = {
        "samples.csv": rows,
        "subjects.csv": [
            "subject_id,infusion_days,arm,last_observation_day,end_reason",
            *(f"{s},0,single,84,completed" for s in TARGETS),
        ],
        "platelets.csv": ["subject_id,day,platelets_1e9_per_l", *counts_of],
    }
    for name, lines in sheets.items():
        write_text(folder / name, "\n".join(lines) + "\n")
    write_text(folder / "known_answers.toml", _TEMPLATE)
    write_text(folder / "study.toml", _STUDY)
    return folder / "study.toml"


def _write_tube(path: Path, n_last: int) -> None:
    """Heaps of cells, a few units wide, one after the other; whole numbers, so that nothing is rounded."""
    number = np.arange(N_EVENTS)
    bright = np.stack([number < N_T, number < N_CD4, number < n_last], axis=1)
    spread = np.stack([number % 13, number % 11, number % 7], axis=1)
    true = np.where(bright, _BRIGHT, _DIM) + spread
    specs = [ChannelSpec(d, m) for d, m in zip(_DETECTORS, ("CD3", "CD4", "CD25"), strict=True)]
    mixed = (true @ _MATRIX).astype(np.float32)
    write_fcs(path, mixed, specs, spillover=Spillover(_DETECTORS, _MATRIX), keywords={"$CYT": "known answers"})


def check_answers(folder: Path) -> tuple[Answer, ...]:
    """Run the study in an empty folder and hold its tables against what is known."""
    study = load_study(write_known_study(folder / "study"))
    files = Answer("bytes of the FCS files", FILES_SHA256, digest_of_files(s.file for s in study.samples))
    results = run_study(study, folder / "results", jobs=1)
    return files, *(answer for part in (_of_counts, _of_response, _of_change, _of_test) for answer in part(results))


def digest_of_files(files: Iterable[FcsFile]) -> str:
    """One digest of many files, in their order."""
    return digest_of_bytes("".join(f"{digest_of_fcs(f)}\n" for f in files).encode())


def _of_counts(results: Results) -> Iterator[Answer]:
    yield Answer("samples that failed", 0, len(results.failures))
    own = results.populations[results.populations["pop_id"] == "last"]
    rows = own[own["denom_id"] == "cd4"].set_index("sample_id")
    for subject, counts in TARGETS.items():
        for visit, n_last in zip(("BL", "W4"), counts, strict=True):
            name = f"{subject}_{visit}"
            row = rows.loc[name]
            yield Answer(
                f"{name}: events in last, of CD4", (n_last, N_CD4), (int(row["count"]), int(row["denom_count"]))
            )
            yield Answer(f"{name}: fraction", n_last / N_CD4, float(row["frac"]))
    parents = results.populations.set_index(["sample_id", "pop_id"])["count"]
    for pop_id, n in (("t", N_T), ("cd4", N_CD4)):
        found = sorted({int(parents.loc[f"{s}_BL"].loc[[pop_id]].iloc[0]) for s in TARGETS})
        yield Answer(f"events in {pop_id}, all subjects", [n], found)


def _of_response(results: Results) -> Iterator[Answer]:
    assert results.response is not None
    own = results.response[results.response["definition_id"] == "iwg-2009"].set_index("subject_id")
    for subject, response in RESPONSE.items():
        yield Answer(f"{subject}: response by iwg-2009", response, str(own.loc[subject, "best_response"]))


def _of_change(results: Results) -> Iterator[Answer]:
    assert results.change is not None
    own = results.change[(results.change["pop_id"] == "last") & (results.change["measure"] == "logit_frac")]
    rows = own[own["denom_id"] == "cd4"].set_index("subject_id")
    for subject, (before, after) in TARGETS.items():
        expected = _logit(after) - _logit(before)
        yield Answer(f"{subject}: change of the empirical logit", expected, float(rows.loc[subject, "delta"]))


def _logit(count: int) -> float:
    return math.log((count + 0.5) / (N_CD4 - count + 0.5))


def _of_test(results: Results) -> Iterator[Answer]:
    assert results.association is not None
    table = results.association
    own = table[(table["role"] == "primary") & (table["question"] == "overall_change")]
    yield Answer("primary endpoints tested", 1, len(own))
    yield Answer("p of six positive differences", P_SIGNED_RANK, float(own["p_raw"].iloc[0]))
