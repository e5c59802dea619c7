"""Placements count with the gates, the reading and the checks of the run that they belong to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from immunoprofile.cohort import answers, cuts, freeze_study, run_study, study_templates
from immunoprofile.cohort.cuts import Cuts
from immunoprofile.errors import OutputError
from immunoprofile.fcs import Strictness
from immunoprofile.selftest.known import TARGETS, write_known_study
from immunoprofile.study import load_study

AUTO = """auto = { method = "valley", x = "CD3", keep = "above", between = [0.2, 0.8], min_events = 100 }
fallback = { range = { x = "CD3", min = 0.5 } }
"""


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """The study with known answers, its T cells found in the data; the path of its study.toml."""
    study = write_known_study(tmp_path / "study")
    template = study.parent / "known_answers.toml"
    text = template.read_text()
    assert 'range = { x = "CD3", min = 0.5 }\n' in text
    template.write_text(text.replace('range = { x = "CD3", min = 0.5 }\n', AUTO))
    return study


def placed(results) -> list[str]:
    """What is said of the gates of the primary population moved within their tolerance."""
    own = results.association[results.association["sensitivity"] == "gate_placement"]
    return sorted(own["note"])


def test_run__settles_its_gates_once_for_tables_and_placements(known, tmp_path, monkeypatch) -> None:
    opened: list[str] = []
    real = cuts._open
    monkeypatch.setattr(cuts, "_open", lambda s, *rest, **how: opened.append(s.sample_id) or real(s, *rest, **how))
    run_study(load_study(known), tmp_path / "out")
    # once for the run; the rules that pool by subject and by batch each look for gates of their own
    assert len(opened) == 3 * 2 * len(TARGETS)


def test_run__deidentified_moves_frozen_gates_from_where_they_stand(known, tmp_path) -> None:
    study = load_study(known)
    for file in freeze_study(study, study_templates(study), known.parent / "cuts"):
        content = json.loads(file.read_text())
        for gates in content["samples"].values():
            # close below the heap of T cells
            gates["T"] |= {"at": 0.655, "bounds": [[0.655, None]]}
        file.write_text(json.dumps(content))
    known.write_text(known.read_text().replace("[visits]", 'frozen = "cuts"\n[visits]'))
    (tmp_path / "lab.key").write_bytes(bytes(range(40)))
    study = load_study(known)
    named = run_study(study, tmp_path / "named", jobs=2)
    coded = run_study(study, tmp_path / "coded", jobs=2, deidentify=tmp_path / "lab.key")
    assert set(named.gates_resolved.loc[named.gates_resolved["pop_id"] == "t", "origin"]) == {"frozen"}
    # of the twelve placements one loses all T cells, which it would not do around gates that are found anew
    assert placed(coded) == placed(named)
    assert all(note.startswith("11 placements; ") for note in placed(named))


def test_run__salvaged_files_are_placed_as_they_were_gated(known, tmp_path) -> None:
    cut = known.parent / "fcs" / "K1_BL.fcs"
    cut.write_bytes(cut.read_bytes()[:-5_000])
    results = run_study(load_study(known), tmp_path / "out", strictness=Strictness.SALVAGE)
    assert results.failures.empty
    assert "gate_placement" in set(results.association["sensitivity"].dropna())


def test_placements__are_read_and_checked_as_the_study_says(known, monkeypatch) -> None:
    asked: list[dict] = []
    for name in ("place_gates", "place_otherwise"):
        monkeypatch.setattr(answers, name, lambda *_, **how: asked.append(how) or {})
    study = load_study(known)
    results = run_study(study, known.parent / "out", strictness=Strictness.STRICT, jobs=2)
    asked.clear()
    answers.place_primaries(
        results.populations, study, study_templates(study), cuts=Cuts(), strictness=Strictness.SALVAGE, jobs=3
    )
    assert asked == 2 * [{"strictness": Strictness.SALVAGE, "rules": study.quality, "jobs": 3}]


def test_run__a_file_that_changes_before_it_is_placed_ends_it_and_is_gated_anew(known, tmp_path, monkeypatch) -> None:
    # whole, and of the same size: nothing but its time says that placements would count other events
    place, files = answers.place_gates, sorted((known.parent / "fcs").iterdir())
    changed = files[1].read_bytes()

    def change_first(*given, **how):
        files[0].write_bytes(changed)
        return place(*given, **how)

    monkeypatch.setattr(answers, "place_gates", change_first)
    with pytest.raises(
        OutputError, match=r"changed after it was gated, and answers would rest on both\. Wait"
    ) as caught:
        run_study(load_study(known), tmp_path / "out")
    assert (caught.value.code, caught.value.path) == ("OUTPUT-INPUT", str(files[0]))
    assert not (tmp_path / "out" / "association.csv").exists()
    monkeypatch.setattr(answers, "place_gates", place)
    again = run_study(load_study(known), tmp_path / "out")
    clean = run_study(load_study(known), tmp_path / "clean")
    assert again.inputs == clean.inputs
    assert (tmp_path / "out" / "association.csv").read_bytes() == (tmp_path / "clean" / "association.csv").read_bytes()
