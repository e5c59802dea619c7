"""A locked template: signed content, and the refusal of any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from square_template import BOX

from immunoprofile.errors import OutputError, TemplateInvalidError
from immunoprofile.gating import load_template
from immunoprofile.gating.lock import check_lock, lock_path, write_lock

WHEN = "2026-11-22T18:00:00Z"


@pytest.fixture
def locked(template_file) -> Path:
    path = template_file("# a comment of the lab\n", BOX)
    write_lock(load_template(path), "A. Author", when=WHEN)
    return path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_lock__says_who_signed_what_and_when(locked: Path) -> None:
    template = load_template(locked)
    assert template.status == "locked"
    assert lock_path(template).read_text().splitlines()[1:] == [
        'template_id = "square"',
        'version = "1"',
        f'content_sha256 = "{template.digest}"',
        'who = "A. Author"',
        f'when = "{WHEN}"',
    ]


def test_lock__leaves_the_text_of_the_template(locked: Path) -> None:
    assert "# a comment of the lab" in locked.read_text()


def test_locked_template__changed_in_a_gate_is_refused(locked: Path) -> None:
    change(locked, "min = 0.2", "min = 0.21")
    with pytest.raises(TemplateInvalidError) as error:
        load_template(locked)
    assert error.value.code == "TEMPLATE-CHANGED"
    assert "is not what A. Author locked on 2026-11-22T18:00:00Z" in str(error.value)
    assert "give the changed one a new version" in str(error.value)


def test_locked_template__changed_in_comments_and_tests_is_used(locked: Path) -> None:
    change(locked, "# a comment of the lab", "# another")
    locked.write_text(locked.read_text() + '[[test]]\nsample = "square"\nexpect = { "Box" = { count = 2000 } }\n')
    assert load_template(locked).status == "locked"


def test_locked_template__called_a_draft_again_is_refused_all_the_same(locked: Path) -> None:
    change(locked, "min = 0.2", "min = 0.21")
    change(locked, '"locked"', '"draft"')
    with pytest.raises(TemplateInvalidError, match="is not what A"):
        load_template(locked)


def test_locked_template__drafted_as_a_new_version_is_used(locked: Path) -> None:
    change(locked, "min = 0.2", "min = 0.21")
    change(locked, '"locked"', '"draft"')
    change(locked, 'version = "1"', 'version = "2"')
    assert load_template(locked).version == "2"


def test_locked_template__of_a_new_version_without_a_lock_is_refused(locked: Path) -> None:
    change(locked, 'version = "1"', 'version = "2"')
    with pytest.raises(TemplateInvalidError, match="this is square 2"):
        load_template(locked)


def test_locked_template__without_its_lock_is_refused(locked: Path) -> None:
    locked.with_suffix(".lock").unlink()
    with pytest.raises(TemplateInvalidError, match=r"calls itself locked, and square\.lock is not there"):
        load_template(locked)


@pytest.mark.parametrize("text", ["no toml", 'who = "x"\n'], ids=["syntax", "keys"])
def test_lock__that_cannot_be_read_refuses_the_template(locked: Path, text: str) -> None:
    locked.with_suffix(".lock").write_text(text)
    with pytest.raises(TemplateInvalidError, match="Restore the lock") as error:
        load_template(locked)
    assert error.value.code == "TEMPLATE-LOCK"


def test_changed_template__may_be_looked_at(locked: Path) -> None:
    change(locked, "min = 0.2", "min = 0.21")
    assert [p.code for p in check_lock(load_template(locked, changed="allow"))] == ["TEMPLATE-CHANGED"]


def test_lock__of_a_changed_version_is_refused_even_with_force(locked: Path) -> None:
    change(locked, "min = 0.2", "min = 0.21")
    with pytest.raises(TemplateInvalidError, match="give the changed one a new version"):
        write_lock(load_template(locked, changed="allow"), "B", force=True)


def test_lock__of_a_new_version_replaces_the_old_one_with_force(locked: Path) -> None:
    change(locked, '"locked"', '"draft"')
    change(locked, 'version = "1"', 'version = "2"')
    with pytest.raises(OutputError, match="exists already"):
        write_lock(load_template(locked), "B")
    write_lock(load_template(locked), "B", force=True)
    assert load_template(locked).status == "locked"
