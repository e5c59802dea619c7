"""Whatever a file holds, its batch goes on: each file of the zoo, and a mistake of ours, is a row or a failure."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from immunoprofile.cohort import sample as one_sample
from immunoprofile.cohort.described import unexpected_error
from immunoprofile.cohort.sample import Plans, Profiled
from immunoprofile.cohort.tabling import list_tabling
from immunoprofile.cohort.task import Setting, Task
from immunoprofile.cohort.worker import Worker
from immunoprofile.errors import FcsError
from immunoprofile.fcs import Channel, Strictness, read_fcs_datasets
from immunoprofile.gating import GatingTemplate, load_template
from immunoprofile.selftest import ZooFile, build_zoo
from immunoprofile.selftest.blueprint import Blueprint, Cell
from immunoprofile.study import Sample

_TEMPLATE = """
[template]
id = "any"
version = "1"
[markers]
X = { names = ["DETECTOR"], by = "detector", scale = "u" }
[scales]
u = { kind = "linear", t = 100 }
[compensation]
source = "none"
[quality]
margins = "remove"
[[gate]]
name = "B"
range = { x = "X", min = 0.2 }
"""


@cache
def _setting() -> Setting:
    tabling = list_tabling({})
    return Setting("", Strictness.SALVAGE, tabling.settings, tabling.rules)


@cache
def _template(detector: str) -> GatingTemplate:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "any.toml"
        path.write_text(_TEMPLATE.replace("DETECTOR", detector))
        return load_template(path)


def profile(samples: Sequence[Sample], detector: str) -> list[Profiled]:
    """What becomes of samples, without a folder and its tables."""
    setting, template = _setting(), _template(detector)
    return [d.profiled for d in Worker(setting, None, 1, begun_anew=True)([Task(s, template) for s in samples])]


def code_of(found: Profiled) -> str | None:
    return None if found.failure is None else str(found.failure["code"])


def of_raw(raw: bytes, place: Path, name: str = "sample") -> Sample:
    path = place / f"{name}.fcs"
    path.write_bytes(raw)
    return Sample(name, path)


@pytest.mark.requirement("R-BATCH-05")
@pytest.mark.parametrize("kind", ["valid", "broken", "malformed"])
def test_zoo__no_file_ends_its_batch(kind: str, tmp_path: Path) -> None:
    files: list[ZooFile] = [f for f in build_zoo() if f.kind == kind]
    # All written before the first is read: a file that changed just now is waited for.
    samples = [of_raw(file.raw, tmp_path, f"sample {i}") for i, file in enumerate(files)]
    for file, sample in zip(files, samples, strict=True):
        try:
            sets = read_fcs_datasets(sample.file, strictness=Strictness.SALVAGE)
        except FcsError:
            sets = []
        detector = sets[0].channels[0].detector if sets else "FL1"
        (found,) = profile([replace(sample, dataset=1 if len(sets) > 1 else None)], detector)
        assert (code_of(found) is None) is ("populations" in found.tables), file.name
        assert code_of(found) != "UNEXPECTED", (file.name, found.failure)


@pytest.mark.parametrize(
    "cell",
    [Cell("FL1", size=str(2**64)), Cell("FL1", size="1024", amplification="400,1")],
    ids=["range-2**64", "400-decades"],
)
def test_channel__of_strange_range_is_gated(cell: Cell, tmp_path: Path) -> None:
    raw = Blueprint((cell,), tuple((i,) for i in range(12)), "FCS3.1").raw
    (found,) = profile([of_raw(raw, tmp_path)], "FL1")
    assert found.failure is None and len(found.tables["populations"])


@pytest.mark.parametrize(
    ("size", "amplification", "expected"),
    [(1024, (0.0, 0.0), 1023.0), (1024, (4.0, 1.0), 10 ** (4 * 1023 / 1024)), (2**64, (0.0, 0.0), float(2**64))]
    + [(1024, (400.0, 1.0), math.inf), (10**400, (0.0, 0.0), math.inf), (math.nan, (0.0, 0.0), math.inf)]
    + [(n, amplification, math.inf) for n in (0, 1) for amplification in ((0.0, 0.0), (4.0, 1.0))],
)
def test_saturation__is_the_largest_that_the_range_foresees(size, amplification, expected: float) -> None:
    channel = Channel("FL1", None, 0, size, 32, "fluorescence", amplification=amplification)
    assert channel.saturation == pytest.approx(expected, rel=1e-15)
    if amplification == (0.0, 0.0) and math.isfinite(expected):
        assert replace(channel, gain=2.0).saturation == expected / 2


def test_mistake__is_said_to_be_where_we_were(tmp_path: Path) -> None:
    library = tmp_path / "immunoprofile" / "frame.py"
    library.parent.mkdir()
    library.write_text("def fall(_):\n    raise ValueError('S1')\n")
    names: dict[str, Any] = {}
    exec(compile(library.read_text(), library, "exec"), names)
    try:
        Plans().plan(*[type("Falls", (), {"channels": property(names["fall"])})()] * 3)
    except ValueError as error:
        said = str(unexpected_error(error, tmp_path / "a.fcs"))
    assert "ValueError in sample.py, line " in said


@pytest.mark.requirement("R-BATCH-05")
@pytest.mark.parametrize("stage", ["read", "gate", "tabulate"])
def test_mistake_of_ours__fails_its_sample_and_quotes_nothing(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"read": "read_sample", "gate": "run_plan", "tabulate": "_tabulate"}[stage]
    real = getattr(one_sample, place)

    def fall(*values: object, **options: object) -> object:
        if any(getattr(v, "sample_id", "") == "B" or getattr(v, "n_events", 0) == 13 for v in values):
            raise KeyError("Zebedee, born 1970-01-01")
        return real(*values, **options)

    raws = [Blueprint((Cell("FL1", size="1024"),), tuple((i,) for i in range(n)), "FCS3.1").raw for n in (12, 13, 14)]
    samples = [of_raw(raw, tmp_path, name) for raw, name in zip(raws, "ABC", strict=True)]
    whole = profile(samples, "FL1")
    monkeypatch.setattr(one_sample, place, fall)
    found = profile(samples, "FL1")
    assert [code_of(f) for f in whole] == [None] * 3
    assert [code_of(f) for f in found] == [None, "UNEXPECTED", None]
    failure = found[1].failure
    assert failure is not None and failure["stage"] == stage
    assert "met a mistake of this program (KeyError in " in failure["message"] and "Report it" in failure["message"]
    assert "Zebedee" not in failure["message"]
    for i in (0, 2):
        pd.testing.assert_frame_equal(found[i].tables["populations"], whole[i].tables["populations"])
