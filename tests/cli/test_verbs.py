"""The other verbs: demo, profile, respond, compare, report, simulate, gates."""

from __future__ import annotations

import json
import shutil
import sys

import pandas as pd
import pytest
from click.exceptions import Exit

from immunoprofile.cli import program
from immunoprofile.tables import read_table


@pytest.fixture
def small_demo(monkeypatch, tmp_path):
    """A demonstration that takes a second, in a folder of its own."""
    module = sys.modules[program.commands["demo"].callback.__module__]
    monkeypatch.setattr(module, "_SUBJECTS", 6)
    monkeypatch.setattr(module, "_EVENTS", 500)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_demo__needs_nothing_and_a_second_time_gives_the_same_answer_from_the_same_cohort(immunoprofile, small_demo):
    first = immunoprofile("demo")
    assert first.exit_code == 0, first.stderr
    assert first.stdout.startswith("SIMULATED data: no person stands behind these numbers.\n")
    assert "Primary endpoint" in first.stdout
    assert first.stdout.splitlines()[-1] == "Report: demo/results/report.html"
    assert (small_demo / "demo" / "results" / "report.html").is_file()
    written = (small_demo / "demo" / "study.toml").stat().st_mtime_ns
    again = immunoprofile("demo")
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert "is used again" in again.stderr
    assert (small_demo / "demo" / "study.toml").stat().st_mtime_ns == written


def test_demo__keeps_what_was_changed_unless_forced(immunoprofile, small_demo, monkeypatch):
    def end(*_, **__):
        raise Exit(0)

    # the cohort is what is asked about, not what comes of it
    monkeypatch.setattr(sys.modules[program.commands["demo"].callback.__module__], "run_and_report", end)
    immunoprofile("demo", "-q")
    plan = small_demo / "demo" / "study.toml"
    plan.write_text(plan.read_text(encoding="utf-8").replace("seed = 1", "seed = 7"), encoding="utf-8")
    assert immunoprofile("demo", "-q").exit_code == 0
    assert "seed = 7" in plan.read_text(encoding="utf-8")
    assert immunoprofile("demo", "-q", "--force").exit_code == 0
    assert "seed = 1" in plan.read_text(encoding="utf-8")


def test_demo__does_not_mix_with_files_of_others(immunoprofile, small_demo):
    (small_demo / "demo").mkdir()
    (small_demo / "demo" / "notes.txt").write_text("mine", encoding="utf-8")
    outcome = immunoprofile("demo")
    assert outcome.exit_code == 2
    assert "demo: the folder is not empty. Name an empty folder" in outcome.stderr


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["plain", "forced"])
def test_demo__never_touches_a_study_that_is_not_simulated(immunoprofile, small_demo, force):
    plan = small_demo / "demo" / "study.toml"
    plan.parent.mkdir()
    plan.write_text('[study]\nid = "UCMSC-ITP"\n', encoding="utf-8")
    outcome = immunoprofile("demo", *force)
    assert outcome.exit_code == 2
    assert "holds a study that is not simulated. Give another folder with --out" in outcome.stderr
    assert plan.read_text(encoding="utf-8") == '[study]\nid = "UCMSC-ITP"\n'


def test_profile__writes_population_tables_without_clinical_data(immunoprofile, cohort, finished, tmp_path):
    out = tmp_path / "out"
    outcome = immunoprofile("profile", cohort / "samples.csv", "--template", "immune14", "--out", out, "-q")
    assert outcome.exit_code == 0, outcome.stderr
    assert not (out / "response.csv").exists()
    counts = ["sample_id", "pop_id", "denom_id", "count", "denom_count"]
    mine, whole = (read_table("populations", folder / "populations.csv")[counts] for folder in (out, finished))
    assert mine.equals(whole)


def test_profile__json_counts_samples_and_rows(immunoprofile, cohort, tmp_path):
    arguments = ("profile", cohort / "samples.csv", "--template", "immune14", "--out", tmp_path / "out", "--json", "-q")
    found = json.loads(immunoprofile(*arguments).stdout)
    assert found["n_samples"] == len((cohort / "samples.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert "association" not in found


def test_profile__needs_two_columns_only(immunoprofile, cohort, tmp_path):
    sheet = tmp_path / "samples.csv"
    file = min((cohort / "fcs").glob("*.fcs"))
    sheet.write_text(f"sample_id,file\nA,{file}\nB,none.fcs\n", encoding="utf-8")
    outcome = immunoprofile("profile", sheet, "--template", "immune14", "--out", tmp_path / "out", "-q")
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith("failed: B: ")
    assert "2 samples asked for; 1 failed." in outcome.stdout


def test_profile__unknown_template_is_refused(immunoprofile, cohort, tmp_path):
    outcome = immunoprofile("profile", cohort / "samples.csv", "--template", "immun14", "--out", tmp_path / "out")
    assert outcome.exit_code == 2
    assert 'Did you mean "immune14"?' in outcome.stderr


def respond(immunoprofile, cohort, out, *more):
    sheets = [cohort / "platelets.csv", "--subjects", cohort / "subjects.csv"]
    optional = ["--treatments", cohort / "treatments.csv", "--bleeding", cohort / "bleeding.csv"]
    return immunoprofile("respond", *sheets, *optional, "--out", out, *more)


def test_respond__gives_the_classes_of_a_whole_run(immunoprofile, cohort, finished, tmp_path):
    outcome = respond(immunoprofile, cohort, tmp_path / "out")
    assert outcome.exit_code == 0, outcome.stderr
    columns = ["subject_id", "definition_id", "best_response", "first_response_day"]
    mine, whole = (read_table("response", folder / "response.csv")[columns] for folder in (tmp_path / "out", finished))
    assert mine.equals(whole)
    shown = {line.split()[0]: line.split()[1] for line in outcome.stdout.splitlines() if line.startswith("SIM-")}
    own = whole[whole["definition_id"] == "iwg-2009"]
    assert shown == dict(zip(own["subject_id"], own["best_response"], strict=True))


def test_respond__prints_both_rates(immunoprofile, cohort, tmp_path):
    stdout = respond(immunoprofile, cohort, tmp_path / "out").stdout
    assert "Evaluable subjects (iwg-2009): " in stdout
    assert "All treated subjects, those not evaluable counted as non-response: " in stdout


def test_respond__describes_every_column_and_digests_every_input(immunoprofile, cohort, tmp_path):
    respond(immunoprofile, cohort, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["inputs"]) == {"platelets", "subjects", "treatments", "bleeding"}
    assert {"response.csv", "response_counts.parquet", "datapackage.json"} <= set(manifest["outputs"])
    assert manifest["options"]["rule"] == "iwg-2009"


def test_respond__a_subject_that_cannot_be_judged_is_listed(immunoprofile, cohort, tmp_path):
    sheet = tmp_path / "platelets.csv"
    lines = (cohort / "platelets.csv").read_text(encoding="utf-8").splitlines()
    sheet.write_text("\n".join(x for x in lines if not x.startswith("SIM-002,")), encoding="utf-8")
    subjects = cohort / "subjects.csv"
    outcome = immunoprofile("respond", sheet, "--subjects", subjects, "--out", tmp_path / "out", "-q")
    assert outcome.exit_code == 3
    assert outcome.stderr == "not evaluable: SIM-002\n"


def test_respond__names_every_problem_of_every_sheet_with_file_and_row(immunoprofile, cohort, tmp_path):
    sheet = tmp_path / "platelets.csv"
    sheet.write_text("subject_id,day,platelets\nSIM-001,0,12\n", encoding="utf-8")
    bleeding = tmp_path / "bleeding.csv"
    bleeding.write_text("subject_id,day,grade\nSIM-01,0,1\nSIM-001,x,1\n", encoding="utf-8")
    outcome = immunoprofile(
        "respond", sheet, "--subjects", cohort / "subjects.csv", "--bleeding", bleeding, "--out", tmp_path / "out"
    )
    assert outcome.exit_code == 2
    lines = outcome.stderr.splitlines()
    assert any(line.startswith(f"Error: {sheet}: header: column platelets has no unit") for line in lines)
    assert any(line.startswith(f"Error: {bleeding}: row 2, subject_id: ") and '"SIM-001"' in line for line in lines)
    assert any(line.startswith(f"Error: {bleeding}: row 3, day: ") for line in lines)
    assert not (tmp_path / "out").exists()


def test_respond__reports_further_definitions_beside_its_own(immunoprofile, cohort, tmp_path):
    respond(immunoprofile, cohort, tmp_path / "out", "--also", "ash-2019", "--also", "durable-weekly")
    found = set(read_table("response", tmp_path / "out" / "response.csv")["definition_id"])
    assert {"iwg-2009", "ash-2019", "ash-2019-remission", "durable-weekly", "durable-weekly-overall"} <= found


def test_respond__prints_a_rule_that_can_be_copied_and_used(immunoprofile, cohort, tmp_path):
    text = immunoprofile("respond", "--print-rule", "iwg-2009").stdout
    (tmp_path / "lab.toml").write_text(text.replace('id = "iwg-2009"', 'id = "lab"'), encoding="utf-8")
    outcome = respond(immunoprofile, cohort, tmp_path / "out", "--rule", tmp_path / "lab.toml")
    assert outcome.exit_code == 0
    assert "lab" in set(read_table("response", tmp_path / "out" / "response.csv")["definition_id"])


def test_respond__unknown_rule_is_refused(immunoprofile, cohort, tmp_path):
    outcome = respond(immunoprofile, cohort, tmp_path / "out", "--rule", "iwg-2008")
    assert outcome.exit_code == 2
    assert 'Did you mean "iwg-2009"?' in outcome.stderr


def compare(immunoprofile, folder, out, *more):
    plan = ["--baseline", "BL", "--window", "W4", "--primary", "treg/cd4", "--seed", "3"]
    tables = [folder / "populations.csv", "--response", folder / "response.csv"]
    return immunoprofile("compare", *tables, *plan, "--out", out, *more)


def test_compare__gives_the_answers_of_a_whole_run(immunoprofile, cohort, finished, tmp_path):
    sheets = ["--subjects", cohort / "subjects.csv", "--treatments", cohort / "treatments.csv"]
    outcome = compare(immunoprofile, finished, tmp_path / "out", "--counts", finished / "response_counts.csv", *sheets)
    assert outcome.exit_code == 0, outcome.stderr
    assert (tmp_path / "out" / "change.csv").read_bytes() == (finished / "change.csv").read_bytes()
    mine, whole = (read_table("association", f / "association.csv") for f in (tmp_path / "out", finished))
    # Gates can be moved where the events are at hand, and only there.
    same = [t[t["sensitivity"].fillna("") != "gate_placement"].reset_index(drop=True) for t in (mine, whole)]
    pd.testing.assert_frame_equal(*same)
    assert "NOT_AVAILABLE" in mine.loc[mine["sensitivity"] == "gate_placement", "flags"].item()
    assert "Not asked: gate_placement of treg: the events are not at hand" in outcome.stderr
    assert outcome.stdout.startswith("Results\n\nPrimary endpoint\n")


def test_compare__takes_the_few_columns_that_others_have(immunoprofile, tmp_path):
    counts = {"A": (300, 600), "B": (400, 820), "C": (350, 700), "D": (300, 330), "E": (420, 450), "F": (380, 400)}
    rows = [f"{s},{v},treg,{c},10000" for s, pair in counts.items() for v, c in zip(("BL", "W4"), pair, strict=True)]
    table, response = tmp_path / "populations.csv", tmp_path / "response.csv"
    table.write_text("\n".join(["subject_id,visit,pop_id,count,denom_count", *rows]), encoding="utf-8")
    responders = [f"{s},{'TRUE' if s in 'ABC' else 'FALSE'}" for s in counts]
    response.write_text("\n".join(["subject_id,responder", *responders]), encoding="utf-8")
    outcome = immunoprofile(
        "compare", table, "--response", response, "--baseline", "BL", "--window", "W4", "--primary", "treg",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    # Six pairs that all rise: 2 / 2^6; three against three that do not overlap: 2 / choose(6, 3)
    assert "p = 0.031 (exact)" in outcome.stdout
    assert "p = 0.10 (exact)" in outcome.stdout
    assert "3 of 6" in outcome.stdout


def test_compare__without_a_response_asks_about_change_alone(immunoprofile, finished, tmp_path):
    outcome = immunoprofile(
        "compare", finished / "populations.csv", "--baseline", "BL", "--window", "W4", "--primary", "treg/cd4",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    assert set(read_table("association", tmp_path / "out" / "association.csv")["question"]) == {"overall_change"}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--primary", "treg/cd5", "no population of the change table fit"),
        ("--primary", "treg", "several populations of the change table fit"),
        ("--baseline", "Bl", 'no sample of visit "Bl". Did you mean "BL"?'),
        ("--window", "BL", "the window holds the baseline visit BL"),
        ("--definition", "iwg-2010", 'no response by definition "iwg-2010"'),
    ],
)
def test_compare__a_wrong_plan_is_refused_before_anything_is_written(
    immunoprofile, finished, tmp_path, option, value, words
):
    outcome = compare(immunoprofile, finished, tmp_path / "out", option, value)
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subject_id,visit,pop_id,count\nA,BL,treg,3\n", "missing from the populations table. Add the column"),
        ("subject_id,visit\nA,BL\n", "column pop_id missing from this populations table"),
        ("subject_id,visit,pop_id,count,denom_count\nA,BL,treg,many,9\n", "column count"),
    ],
)
def test_compare__a_table_without_its_columns_is_refused(immunoprofile, tmp_path, text, words):
    table = tmp_path / "populations.csv"
    table.write_text(text, encoding="utf-8")
    outcome = immunoprofile(
        "compare", table, "--baseline", "BL", "--window", "W4", "--primary", "treg", "--out", tmp_path / "out"
    )
    assert outcome.exit_code == 2
    assert words in outcome.stderr


def test_folder__the_same_again_is_written_again(immunoprofile, cohort, tmp_path):
    assert respond(immunoprofile, cohort, tmp_path / "out").exit_code == 0
    first = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    assert respond(immunoprofile, cohort, tmp_path / "out").exit_code == 0
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == first


def test_folder__results_of_other_inputs_need_force(immunoprofile, cohort, tmp_path):
    respond(immunoprofile, cohort, tmp_path / "out")
    arguments = ("respond", cohort / "platelets.csv", "--subjects", cohort / "subjects.csv", "--out", tmp_path / "out")
    outcome = immunoprofile(*arguments)
    assert outcome.exit_code == 2
    assert "holds results of another verb, or of other inputs or options. Give another folder" in outcome.stderr
    assert immunoprofile(*arguments, "--force").exit_code == 0


def test_folder__results_of_a_run_are_not_written_over(immunoprofile, cohort, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "results")
    outcome = respond(immunoprofile, cohort, tmp_path / "results")
    assert outcome.exit_code == 2
    assert "holds results of another verb" in outcome.stderr


def test_report__is_made_again_from_the_tables(immunoprofile, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "results")
    page = tmp_path / "results" / "report.html"
    before = page.read_bytes()
    page.unlink()
    outcome = immunoprofile("report", tmp_path / "results")
    assert (outcome.exit_code, outcome.stdout) == (0, f"{page}\n")
    assert page.read_bytes() == before


def test_report__of_a_folder_without_results_is_refused(immunoprofile, tmp_path):
    outcome = immunoprofile("report", tmp_path)
    assert outcome.exit_code == 2
    assert outcome.stderr == (
        f"Error: {tmp_path}: holds no results. Give the folder that --out of run, profile, respond or compare named.\n"
    )


def test_simulate__writes_a_study_and_prints_where(immunoprofile, tmp_path):
    outcome = immunoprofile("simulate", "--out", tmp_path / "c", "--subjects", 2, "--events", 100, "--jobs", 1)
    assert (outcome.exit_code, outcome.stdout) == (0, f"{tmp_path / 'c' / 'study.toml'}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scenario", "trail"), 'Did you mean "trial"?'),
        (("--subjects", "0"), "Give 1 to 999."),
        (("--seed", "-1"), "Give 0 or more."),
    ],
)
def test_simulate__an_option_that_makes_no_cohort_is_refused(immunoprofile, tmp_path, arguments, words):
    outcome = immunoprofile("simulate", "--out", tmp_path / "c", *arguments)
    assert outcome.exit_code == 2
    assert words in outcome.stderr


def test_simulate__does_not_mix_with_files_of_others(immunoprofile, tmp_path):
    (tmp_path / "x").write_text("", encoding="utf-8")
    outcome = immunoprofile("simulate", "--out", tmp_path, "--subjects", 1, "--events", 10)
    assert outcome.exit_code == 2
    assert "the folder is not empty" in outcome.stderr


def test_gates_list__shows_every_shipped_template(immunoprofile):
    from immunoprofile.gating import load_template, template_ids

    rows = [line.split() for line in immunoprofile("gates", "list").stdout.splitlines()[1:] if line[:1] != " "]
    assert [(r[0], r[1]) for r in rows] == [(t, load_template(t).version) for t in template_ids()]


def test_gates_show__is_the_tree_of_the_template(immunoprofile):
    from immunoprofile.gating import load_template

    template = load_template("immune14")
    lines = immunoprofile("gates", "show", "immune14").stdout.splitlines()
    depth = {line.split("[")[1].split("]")[0]: line.index(line.lstrip(" │├└─")) for line in lines if "[" in line}
    assert list(depth) == [g.id for g in _by_branch(template)]
    for gate in template.gates:
        parent = template.id_of(gate.parent)
        assert depth[gate.id] == depth.get(parent, 0) + 2
    assert "Treg [treg] polygon: CD25, CD127" in "\n".join(lines)


@pytest.mark.parametrize("template", ["tbnk", "treg", "tcell_memory", "th", "bcell", "immune14"])
def test_gates_show__fits_the_terminal(immunoprofile, template):
    lines = immunoprofile("gates", "show", template).stdout.splitlines()
    assert max(map(len, lines)) <= 80


def test_gates_show__says_what_a_boolean_rests_on(immunoprofile):
    stdout = immunoprofile("gates", "show", "th").stdout
    assert "Memory conventional [cd4_memory_conventional] boolean: not Treg" in stdout


def _by_branch(template):
    """Gates in the order of a tree: each followed by what is below it."""

    def below(path):
        for gate in template.gates:
            if gate.parent == path:
                yield gate
                yield from below(gate.path)

    return list(below(template.paths[0]))


def test_gates_show__plan_needs_the_panel_of_a_file(immunoprofile, checkout):
    fixtures = checkout / "fixtures"
    outcome = immunoprofile(
        "gates", "show", str(fixtures / "gates" / "grid.toml"), "--plan", str(fixtures / "fcs" / "grid.fcs")
    )
    assert outcome.exit_code == 0
    assert "reads 2 of 2 channels: B530-A, R670-A" in outcome.stdout
    # Scaled values count as rounded to twelve decimals, so the first float that passes 0 lies just below it.
    assert "Half open: 5 <= B530-A < 10 and -5e-13 <= R670-A < 15" in outcome.stdout


def test_gates_check__says_that_a_good_template_has_no_problem(immunoprofile):
    outcome = immunoprofile("gates", "check", "immune14")
    assert outcome.exit_code == 0
    assert "immune14: no problem found: " in outcome.stdout


def test_gates_check__names_every_problem(immunoprofile, tmp_path):
    from immunoprofile.gating.library import templates_folder

    text = (templates_folder() / "immune14.toml").read_text(encoding="utf-8")
    path = tmp_path / "own.toml"
    wrong = text.replace('parent = "Lymphocytes"', 'parent = "Lymphocyte"').replace('x = "CD25"', 'x = "CD26"')
    path.write_text(wrong, encoding="utf-8")
    outcome = immunoprofile("gates", "check", path)
    assert outcome.exit_code == 2
    assert outcome.stdout.startswith(f"error: {path}: ")
    assert 'no gate named "Lymphocyte". Did you mean "Lymphocytes"?' in outcome.stdout
    assert 'no marker named "CD26"' in outcome.stdout
