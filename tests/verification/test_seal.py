"""Verify: whatever is changed in a results folder or in its inputs is found, and what was not looked at is said."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from immunoprofile.cohort.journal import JOURNAL, Journal
from immunoprofile.errors import InputError
from immunoprofile.report import load_results, write_report
from immunoprofile.study import load_study
from immunoprofile.verification import Difference, Sources, verify_folder

# Bits flipped in each file, one at a time but in all files at once: 3 at commit; 220 give the 10,000 of the long form.
FLIPS = int(os.environ.get("IMMUNOPROFILE_FLIPS", "3"))


def sources(folder: Path) -> Sources:
    return Sources.of_study(load_study(folder / "study.toml"))


def names(differences: tuple[Difference, ...], kind: str) -> set[str]:
    return {d.name for d in differences if d.kind == kind}


@pytest.mark.requirement("R-PROOF-01")
def test_verify__what_was_not_touched_holds(known: Path) -> None:
    verdict = verify_folder(known / "results", sources(known))
    assert verdict.holds
    assert verdict.checked["kept"] == 12
    assert verdict.checked["input"] == 16  # study.toml, three sheets, twelve FCS files
    assert verdict.checked["template"] == 1
    assert verdict.unlisted == ()


def test_verify__says_that_inputs_were_not_looked_at(known: Path) -> None:
    verdict = verify_folder(known / "results")
    assert verdict.holds
    assert any(s.startswith("16 inputs: give --study") for s in verdict.unseen)
    assert any(s == "templates known" for s in verdict.unseen)


@pytest.mark.requirement("R-PROOF-02")
def test_verify__finds_every_flipped_bit(spoilable: Path) -> None:
    results = spoilable / "results"
    given = sources(spoilable)
    manifest = json.loads((results / "manifest.json").read_text())
    kept = {p.relative_to(results).as_posix() for p in results.rglob("*.results")}
    files = {("output", n): results / n for n in manifest["outputs"]}
    files |= {("kept", n): results / n for n in kept}
    files |= {("input", n): given.files[n] for n in manifest["inputs"]}
    whole = {key: path.read_bytes() for key, path in files.items()}
    rng = np.random.default_rng(22)
    flipped = 0
    for _ in range(FLIPS):
        for key, path in files.items():
            path.write_bytes(flip(whole[key], rng))
            flipped += 1
        found = {(d.kind, d.name) for d in verify_folder(results, given).differences}
        assert found == set(files)
    assert flipped == FLIPS * len(files)


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(content)))
    return content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]


@pytest.mark.requirement("R-PROOF-02")
def test_verify__finds_every_flipped_bit_of_the_journal(spoilable: Path) -> None:
    path = spoilable / "results" / JOURNAL
    whole = path.read_bytes()
    last = whole[:-1].rindex(b"\n") + 1
    # The time of the last line is followed by no line that could hold its digest.
    free = range(last + len(b'{"time":"'), last + len(b'{"time":"2026-01-01T00:00:00+00:00'))
    rng = np.random.default_rng(7)
    for at in rng.integers(len(whole), size=20 * FLIPS):
        if at in free:
            continue
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << int(at) % 8)]) + whole[at + 1 :])
        assert not verify_folder(spoilable / "results").holds, at


@pytest.mark.requirement("R-PROOF-02")
def test_verify__finds_every_flipped_bit_of_the_manifest(spoilable: Path) -> None:
    path = spoilable / "results" / "manifest.json"
    whole = path.read_bytes()
    rng = np.random.default_rng(8)
    for _ in range(10 * FLIPS):
        path.write_bytes(flip(whole, rng))
        assert names(verify_folder(spoilable / "results").differences, "manifest")


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[]",
        b'{"event":[]}',
        b'{"time":1,"event":{},"prev":null}',
        b'"x"',
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"prev":"0"}',
    ],
    ids=["empty", "list", "event-list", "wrong-types", "text", "bytes", "deep", "prev-alone"],
)
def test_verify__a_journal_that_ends_in_anything_is_a_difference_and_no_crash(spoilable: Path, line: bytes) -> None:
    with (spoilable / "results" / JOURNAL).open("ab") as stream:
        stream.write(line + b"\n")
    assert names(verify_folder(spoilable / "results").differences, "journal")


def test_verify__finds_a_manifest_that_was_changed_with_care(spoilable: Path) -> None:
    path = spoilable / "results" / "manifest.json"
    path.write_text(path.read_text().replace('"baseline": "BL"', '"baseline": "W4"'))
    found = verify_folder(spoilable / "results").differences
    assert [d.kind for d in found] == ["manifest"]
    assert "the journal says" in found[0].what


@pytest.mark.parametrize(
    ("change", "kind", "what"),
    [
        (lambda r: (r / "change.csv").unlink(), "output", "is missing"),
        (lambda r: link_away(r / "change.csv"), "output", "is a link, not the file that was written"),
        (lambda r: (r / "control_shifts.csv").write_text("a\n1\n"), "output", "is a table that this run did not write"),
        (lambda r: (r / "manifest.json").write_text("{"), "manifest", "is not a manifest of this program"),
        (lambda r: (r / JOURNAL).write_text(""), "journal", "its last line is torn or missing"),
        (lambda r: Journal(r).note("run-started"), "journal", "it does not end with a run that finished"),
        (lambda r: lead_out(r / "manifest.json"), "manifest", "leads out of the folder"),
        (lambda r: twice(r / "manifest.json"), "manifest", "a key stands twice"),
    ],
    ids=["missing", "link", "foreign-table", "no-json", "empty-journal", "open-run", "leads-out", "key-twice"],
)
def test_verify__names_what_is_not_as_it_was(spoilable: Path, change, kind: str, what: str) -> None:
    change(spoilable / "results")
    found = verify_folder(spoilable / "results").differences
    assert [d.kind for d in found] == [kind]
    assert what in found[0].what


def link_away(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere.csv")
    path.symlink_to(path.parent.parent / "elsewhere.csv")


def lead_out(manifest: Path) -> None:
    manifest.write_text(manifest.read_text().replace('"change.csv"', '"../study.toml"'))


def twice(manifest: Path) -> None:
    manifest.write_text(manifest.read_text().replace('"change.csv"', '"association.csv"'))


def test_verify__a_kept_result_in_another_place_is_named(spoilable: Path) -> None:
    kept = next((spoilable / "results").rglob("*.results"))
    shutil.copy(kept, kept.with_name("0" * 64 + ".results"))
    found = verify_folder(spoilable / "results").differences
    assert [d.kind for d in found] == ["kept"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("min = 1000", "min = 1001"), ('id = "last"', 'id = "lost"'), ("w = 0.5", "w = 0.6"), ('"file"', '"none"')],
)
def test_verify__a_template_that_says_something_else_is_named(spoilable: Path, old: str, new: str) -> None:
    file = spoilable / "known_answers.toml"
    given = sources(spoilable)
    text = file.read_text()
    assert old in text
    file.write_text(
        text.replace(old, new).replace('missing = "error"\n', "" if new == '"none"' else 'missing = "error"\n')
    )
    assert "known" in names(verify_folder(spoilable / "results", given).differences, "template")


@pytest.mark.parametrize("strange", ["pipe", "link to a pipe", "folder"])
def test_verify__waits_for_nothing_that_is_called_a_kept_result(strange: str, spoilable: Path) -> None:
    place = spoilable / "results" / ".work" / "samples" / "strange.results"
    if strange == "folder":
        place.mkdir()
    else:
        pipe = place if strange == "pipe" else spoilable / "pipe"
        os.mkfifo(pipe)
        if strange != "pipe":
            place.symlink_to(pipe)
    verdict = verify_folder(spoilable / "results")
    assert names(verdict.differences, "kept") == {".work/samples/strange.results"}
    assert verdict.checked["kept"] == 12


def test_verify__a_kept_result_under_the_key_of_another_is_named(spoilable: Path) -> None:
    results = spoilable / "results"
    one, other = sorted(results.rglob("*.results"))[:2]
    shutil.copy(one, other)
    assert names(verify_folder(results).differences, "kept") == {other.relative_to(results).as_posix()}


def test_verify__finds_every_flipped_bit_of_the_page(spoilable: Path) -> None:
    results = spoilable / "results"
    page = write_report(load_results(results), results)
    assert verify_folder(results).holds
    assert verify_folder(results).checked["page"] == 1
    whole = page.read_bytes()
    for place in np.random.default_rng(4).integers(0, len(whole), 20):
        page.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert names(verify_folder(results).differences, "page") == {"report.html"}


def test_verify__a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        verify_folder(tmp_path)
    assert caught.value.code == "MANIFEST-MISSING"
    assert "Give a results folder of a run that finished." in str(caught.value)


def test_verify__files_beside_are_listed_and_no_difference(spoilable: Path) -> None:
    (spoilable / "results" / "notes.txt").write_text("mine")
    verdict = verify_folder(spoilable / "results")
    assert verdict.holds
    assert verdict.unlisted == ("notes.txt",)


def test_verb__exit_codes_and_words(spoilable: Path, immunoprofile) -> None:
    folder, study = spoilable / "results", spoilable / "study.toml"
    good = immunoprofile("verify", folder, "--study", study)
    assert good.exit_code == 0, good.output
    assert "Everything that was looked at is as it was." in good.stdout
    with (folder / "change.csv").open("ab") as stream:
        stream.write(b"\n")
    bad = immunoprofile("verify", folder, "--study", study, "--json")
    assert bad.exit_code == 7
    found = json.loads(bad.stdout)
    assert not found["holds"]
    assert [d["name"] for d in found["differences"]] == ["change.csv"]
    assert "differs: output change.csv: has other bytes" in immunoprofile("verify", folder).stdout


def test_verb__a_study_that_can_no_longer_be_read_is_a_difference(spoilable: Path, immunoprofile) -> None:
    study = spoilable / "study.toml"
    study.write_text(study.read_text().replace("[visits]", "[visit]"))
    outcome = immunoprofile("verify", spoilable / "results", "--study", study)
    assert outcome.exit_code == 7
    assert "differs: input study: has other bytes" in outcome.stdout


def test_verb__inputs_can_be_named_one_by_one(spoilable: Path, immunoprofile) -> None:
    sheet = spoilable / "platelets.csv"
    good = immunoprofile("verify", spoilable / "results", "--input", f"platelets={sheet}", "--json")
    assert json.loads(good.stdout)["checked"]["input"] == 1
    sheet.write_text(sheet.read_text().replace("K2,14,120", "K2,14,121"))
    assert immunoprofile("verify", spoilable / "results", "--input", f"platelets={sheet}").exit_code == 7
    wrong = immunoprofile("verify", spoilable / "results", "--input", "platelets")
    assert wrong.exit_code == 2
    assert "write NAME=FILE" in wrong.stderr
