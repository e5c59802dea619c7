"""Automatic gates of a study: shared by subject, frozen for later visits, refused when the template changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from immunoprofile.cli.program import program
from immunoprofile.cohort import answers, cuts, freeze_study, profile_cohort, run_study, study_templates
from immunoprofile.cohort.cuts import frozen_name, settle_study
from immunoprofile.cohort.keys import digest_of_inputs
from immunoprofile.cohort.workplace import view_workplace
from immunoprofile.errors import FcsAccessError, FcsError, OutputError, StudyError
from immunoprofile.gating.automatic import reading
from immunoprofile.gating.library import templates_folder
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study
from immunoprofile.study.deidentify import code_of
from immunoprofile.verification import Sources, verify_folder

AUTOMATIC = (
    'range = { x = "Viability", max = 0.56 }',
    'auto = { method = "valley", x = "Viability", keep = "below", between = [0.4, 0.75], min_events = 100 }\n'
    'fallback = { range = { x = "Viability", max = 0.56 } }',
)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trial whose template finds live cells by itself."""
    file = simulate_cohort(tmp_path_factory.mktemp("cuts") / "c", seed=3, n_subjects=6, events_per_sample=2500)
    text = (templates_folder() / "immune14.toml").read_text()
    assert AUTOMATIC[0] in text
    (file.parent / "auto.toml").write_text(text.replace(*AUTOMATIC))
    file.write_text(file.read_text().replace('template = "immune14"', 'template = "auto.toml"'))
    return file


@pytest.fixture
def study_file(simulated: Path, tmp_path: Path) -> Path:
    shutil.copytree(simulated.parent, tmp_path / "c")
    return tmp_path / "c" / simulated.name


def live_gates(results) -> pd.DataFrame:
    gates = results.gates_resolved
    return gates[gates["pop_id"] == "live"].set_index("sample_id")


def use_frozen(file: Path, folder: str) -> None:
    file.write_text(file.read_text().replace('template = "auto.toml"', f'template = "auto.toml"\nfrozen = "{folder}"'))


def test_profile__samples_of_a_subject_share_their_gate(study_file, tmp_path):
    study = load_study(study_file)
    results = profile_cohort(study, tmp_path / "out", jobs=2)
    assert results.failures.empty
    gates = live_gates(results)
    assert set(gates["origin"]) == {"auto"}
    subject = {s.sample_id: s.subject_id for s in study.samples}
    shapes = gates["geometry"].groupby(gates.index.map(subject)).nunique()
    assert (shapes == 1).all()
    assert gates["geometry"].nunique() > 1
    assert gates["reason"].str.contains(r"\(baseline\)").all()


def test_profile__origin_reaches_the_populations_and_checks_name_the_gate(study_file, tmp_path):
    results = profile_cohort(load_study(study_file), tmp_path / "out")
    live = results.populations[results.populations["pop_id"] == "live"]
    assert (live["gate_origin"] == "auto").all() if len(live) else True
    drift = results.samples_qc[results.samples_qc["rule_id"] == "gate_drift"]
    assert set(drift["item"]) == {"Singlets/Live"}
    assert drift["threshold"].eq(0.05).all()


def test_profile__same_tables_whatever_the_jobs(study_file, tmp_path):
    study = load_study(study_file)
    one, two = (profile_cohort(study, tmp_path / str(n), jobs=n) for n in (1, 2))
    for name, frame in one.tables().items():
        pd.testing.assert_frame_equal(frame, two.tables()[name])


def test_profile__a_sample_that_cannot_be_read_fails_alone(study_file, tmp_path):
    study = load_study(study_file)
    victim = next(s for s in study.samples if s.visit == study.baseline and s.control is None)
    victim.file.write_bytes(b"no FCS")
    results = profile_cohort(study, tmp_path / "out")
    assert results.failures["item_id"].tolist() == [victim.sample_id]
    others = [s.sample_id for s in study.samples if s.subject_id == victim.subject_id and s is not victim]
    reasons = live_gates(results).loc[others, "reason"]
    assert reasons.str.contains("no baseline sample, the earliest").all()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The samples whose events are asked for to settle gates."""
    found: list[str] = []
    real = cuts._open
    monkeypatch.setattr(cuts, "_open", lambda s, *rest, **how: found.append(s.sample_id) or real(s, *rest, **how))
    return found


def test_resume__reads_no_file_to_settle_gates_again(study_file, tmp_path, opened):
    study, out = load_study(study_file), tmp_path / "out"
    first = profile_cohort(study, out)
    assert len(opened) == len(study.samples)
    opened.clear()
    (out / "manifest.json").unlink()
    second = profile_cohort(study, out)
    assert not second.again
    assert opened == []
    for name, frame in first.tables().items():
        pd.testing.assert_frame_equal(second.tables()[name], frame)
    done = [line for line in (out / "journal.jsonl").read_text().splitlines() if '"sample-done"' in line]
    assert len(done) == len(study.samples)


@pytest.mark.parametrize("how", ["damaged", "changed-file", "changed-template"])
def test_resume__settles_anew_what_changed(study_file, tmp_path, opened, how):
    out = tmp_path / "out"
    settled = settle_study(load_study(study_file), study_templates(load_study(study_file)), place=view_workplace(out))
    opened.clear()
    again = settle_study(load_study(study_file), study_templates(load_study(study_file)), place=view_workplace(out))
    assert opened == []
    for panel, found in settled.resolved.items():
        assert digest_of_inputs(**found) == digest_of_inputs(**again.resolved[panel])
    if how == "damaged":
        kept = next((out / ".work" / "gates").iterdir())
        kept.write_text(kept.read_text().replace("valley", "Valley", 1))
    elif how == "changed-file":
        one, other = (s.file for s in load_study(study_file).samples[:2])
        shutil.copy(other, one)
    else:
        template = study_file.parent / "auto.toml"
        template.write_text(template.read_text().replace("[0.4, 0.75]", "[0.4, 0.76]"))
    settle_study(load_study(study_file), study_templates(load_study(study_file)), place=view_workplace(out))
    assert len(opened) == len(load_study(study_file).samples)


def io_error(file: Path) -> FcsAccessError:
    return FcsAccessError("cannot be read (Input/output error)", path=file, code="FCS-ACCESS")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Have the file of a sample fail so many times while gates are settled: where it is opened, or where it is read."""

    def fail(sample_id: str, where: str, times: int) -> None:
        left = [times]
        opened, read = cuts.read_sample, reading.run_plan

        def open_sample(sample, strictness):
            if where == "opened" and sample.sample_id == sample_id and left[0]:
                left[0] -= 1
                raise io_error(sample.file)
            return opened(sample, strictness)

        def run_plan(plan, events):
            if where == "read" and events.path.stem.startswith(sample_id) and left[0]:
                left[0] -= 1
                raise io_error(events.path)
            return read(plan, events)

        monkeypatch.setattr(cuts, "read_sample", open_sample)
        monkeypatch.setattr(reading, "run_plan", run_plan)

    return fail


def tables_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.glob("*.csv"))}


@pytest.mark.parametrize("where", ["opened", "read"])
def test_settle__a_read_error_that_passes_changes_nothing(study_file, tmp_path, failing, where):
    study = load_study(study_file)
    profile_cohort(study, tmp_path / "clean", jobs=2)
    failing(study.samples[0].sample_id, where, 1)
    assert profile_cohort(study, tmp_path / "out", jobs=2).failures.empty
    assert tables_of(tmp_path / "out") == tables_of(tmp_path / "clean")


@pytest.mark.parametrize("where", ["opened", "read"])
def test_settle__a_file_that_cannot_be_read_for_the_gates_is_a_failure_and_comes_back(
    study_file, tmp_path, failing, where
):
    # it can be read again when its turn comes: gated by gates that it has no part in, it would be another sample
    study, out = load_study(study_file), tmp_path / "out"
    lost = study.samples[0]
    profile_cohort(study, tmp_path / "clean", jobs=2)
    failing(lost.sample_id, where, 2)
    results = profile_cohort(study, out, jobs=2)
    assert results.failures[["item_id", "code"]].to_numpy().tolist() == [[lost.sample_id, "FCS-CHANGED"]]
    assert "could not be read, or went on changing, when automatic gates were found" in results.failures["message"][0]
    assert lost.sample_id not in set(results.populations["sample_id"])
    others = results.gates_resolved["reason"].str.contains(lost.sample_id, regex=False)
    assert not others.any()
    # such a run is not taken for finished: the same command mends it
    assert not profile_cohort(study, out, jobs=2).again
    assert tables_of(out) == tables_of(tmp_path / "clean")


def test_freeze__a_file_that_cannot_be_read_now_ends_it(study_file, tmp_path, failing):
    # frozen without it, gates would stand wrong for good
    study = load_study(study_file)
    failing(study.samples[0].sample_id, "opened", 1)
    with pytest.raises(FcsError, match="Input/output error"):
        freeze_study(study, study_templates(study), tmp_path / "cuts")
    assert not (tmp_path / "cuts").exists()


def test_placements__a_file_that_cannot_be_read_any_more_ends_the_run(study_file, tmp_path, monkeypatch):
    # the gates of other rules would be those of other samples
    study = load_study(study_file)
    name = study.samples[0].file

    def lose(*_, **__):
        raise io_error(name)

    monkeypatch.setattr(answers, "settle_study", lose)
    with pytest.raises(OutputError, match="could be read when it was gated and cannot be now") as caught:
        run_study(study, tmp_path / "out", jobs=2)
    assert (caught.value.code, caught.value.path) == ("OUTPUT-INPUT", str(name))


def test_freeze__a_later_run_reuses_the_gates(study_file, tmp_path):
    study = load_study(study_file)
    before = live_gates(profile_cohort(study, tmp_path / "a"))
    files = freeze_study(study, study_templates(study), study_file.parent / "cuts")
    assert len(files) == len({s.subject_id for s in study.samples if s.control is None})
    use_frozen(study_file, "cuts")
    # Other events at baseline would give other gates; frozen ones stay.
    first = next(s for s in study.samples if s.visit == study.baseline)
    other = next(s for s in study.samples if s.visit == study.baseline and s.subject_id != first.subject_id)
    shutil.copy(other.file, first.file)
    results = profile_cohort(load_study(study_file), tmp_path / "b")
    after = live_gates(results)
    assert set(after["origin"]) == {"frozen"}
    pd.testing.assert_series_equal(before["geometry"], after["geometry"])
    assert after["reason"].str.contains(r"\.json: valley: valley at").all()
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert any(name.startswith("frozen gates ") for name in manifest["inputs"])


@pytest.mark.requirement("R-SEC-05")
@pytest.mark.parametrize("frozen", [False, True], ids=["settled", "frozen"])
def test_deidentified__gates_found_in_the_data_stand_where_they_stood_and_name_nobody(study_file, tmp_path, frozen):
    (tmp_path / "lab.key").write_bytes(bytes(range(40)))
    if frozen:
        study = load_study(study_file)
        freeze_study(study, study_templates(study), study_file.parent / "cuts")
        use_frozen(study_file, "cuts")
    study = load_study(study_file)
    named = live_gates(profile_cohort(study, tmp_path / "named", jobs=2))
    out = tmp_path / "out"
    coded = live_gates(profile_cohort(study, out, jobs=2, deidentify=tmp_path / "lab.key"))
    codes = [code_of(bytes(range(40)), "sample", name) for name in named.index]
    assert coded.loc[codes, "geometry"].tolist() == named["geometry"].tolist()
    assert coded.loc[codes, "origin"].tolist() == named["origin"].tolist()
    names = {str(n).encode() for s in study.samples for n in (s.sample_id, s.subject_id)}
    files = [p for p in out.rglob("*") if p.is_file() and p.suffix != ".parquet"]
    assert any(p.parent.name == "gates" for p in files)
    assert [p.name for p in files for n in names if n in p.read_bytes() or n in p.name.encode()] == []
    verdict = verify_folder(out, Sources.of_study(study, bytes(range(40))))
    assert (verdict.differences, verdict.unseen) == ((), ())


def test_freeze__changed_template_is_refused_before_anything_is_done(study_file, tmp_path):
    study = load_study(study_file)
    freeze_study(study, study_templates(study), study_file.parent / "cuts")
    use_frozen(study_file, "cuts")
    template = study_file.parent / "auto.toml"
    template.write_text(template.read_text().replace("[0.4, 0.75]", "[0.4, 0.76]"))
    with pytest.raises(StudyError, match=r"was frozen with template immune14 .*, the study has immune14") as caught:
        profile_cohort(load_study(study_file), tmp_path / "out")
    assert caught.value.code == "FROZEN-TEMPLATE"
    assert "freeze anew into another folder" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_freeze__file_of_another_subject_is_refused(study_file, tmp_path):
    study = load_study(study_file)
    files = freeze_study(study, study_templates(study), study_file.parent / "cuts")
    shutil.copy(files[0], files[1])
    use_frozen(study_file, "cuts")
    with pytest.raises(StudyError, match=r"holds the gates of subject .* freeze them again"):
        profile_cohort(load_study(study_file), tmp_path / "out")


def test_freeze__damaged_file_is_refused(study_file, tmp_path):
    study = load_study(study_file)
    files = freeze_study(study, study_templates(study), study_file.parent / "cuts")
    files[0].write_text("{")
    use_frozen(study_file, "cuts")
    with pytest.raises(StudyError, match="is no file of frozen gates"):
        profile_cohort(load_study(study_file), tmp_path / "out")


def test_freeze__nothing_is_overwritten_without_force(study_file):
    study = load_study(study_file)
    templates = study_templates(study)
    freeze_study(study, templates, study_file.parent / "cuts")
    with pytest.raises(OutputError, match="--force to replace frozen gates"):
        freeze_study(study, templates, study_file.parent / "cuts")
    freeze_study(study, templates, study_file.parent / "cuts", force=True)


def test_study__folder_of_frozen_gates_must_exist(study_file):
    use_frozen(study_file, "nowhere")
    with pytest.raises(StudyError, match=r'panels\..*\.frozen: folder "nowhere" does not exist'):
        load_study(study_file)


def test_freeze__verb_writes_and_names_the_files(study_file, capsys):
    program.main(["gates", "freeze", str(study_file), "--out", str(study_file.parent / "cuts")], standalone_mode=False)
    shown = capsys.readouterr().out.split()
    assert shown
    assert all(Path(line).is_file() for line in shown)


@pytest.mark.parametrize(
    ("panel", "subject", "start"),
    [("treg", "S01", "treg.S01.json"), ("a.b", "S/1 ü", "a_b.S_1__.")],
    ids=["plain", "replaced"],
)
def test_frozen_name__is_safe(panel, subject, start):
    assert frozen_name(panel, subject).startswith(start)


def test_frozen_name__tells_apart_what_looks_alike():
    assert frozen_name("p", "a/b") != frozen_name("p", "a b")


def test_show__an_automatic_gate_with_its_rule_and_its_fallback(study_file, capsys):
    program.main(["gates", "show", str(study_file.parent / "auto.toml")], standalone_mode=False)
    # wrapped to the terminal, below its own branch
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Live [live] rectangle: Viability, automatic valley (keep below, between 0.4..0.75, pool subject" in shown
    assert "fallback < 0.56" in shown


def test_report__shows_fallbacks_with_their_gate(study_file, tmp_path):
    template = study_file.parent / "auto.toml"
    template.write_text(template.read_text().replace("min_events = 100", "min_events = 100000"))
    out = tmp_path / "out"
    profile_cohort(load_study(study_file), out)
    program.main(["report", str(out)], standalone_mode=False)
    page = (out / "report.html").read_text()
    assert "Singlets/Live: the template&#39;s fallback was used: valley:" in page
    assert "events in the parent" in page
