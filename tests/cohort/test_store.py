"""Results kept on disk, the journal, the lock and the keys: whole, or seen not to be."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunoprofile.cohort import store as store_module
from immunoprofile.cohort.journal import JOURNAL, Journal, check_journal
from immunoprofile.cohort.keys import digest_of_inputs, plain_value
from immunoprofile.cohort.lock import LOCK, hold_folder
from immunoprofile.cohort.made import Made
from immunoprofile.cohort.store import Entry, Store, join_tables, open_kept
from immunoprofile.columns import FAILURES, TABLES
from immunoprofile.errors import OutputError
from immunoprofile.tables import Columns, build_frame

KEY = "ab" + "0" * 62


@pytest.fixture
def tables():
    return _failures(*(f"S{i}" for i in range(5)))


def _failures(*items):
    """Every table, without a row but in `failures`."""
    rows = [{"item_id": s, "item_kind": "sample", "stage": "read", "code": "X", "message": "é;\n=1"} for s in items]
    empty = {name: Columns.of_rows(table, []) for name, table in TABLES.items()}
    return Made(empty | {FAILURES.name: Columns.of_rows(FAILURES, rows)})


def _keep(folder, tables, *, key=KEY, sample_id="S", facts=None):
    return Store(folder).save([Entry(key, sample_id, facts or {}, tables)])[0]


def _load(folder, key=KEY, sample_id="S"):
    store = Store(folder)
    return store.load(key, store.names_for(sample_id))


def test_store__gives_back_every_table_as_it_was(tmp_path, tables):
    _keep(tmp_path, tables, facts={"fcs_sha256": "f"})
    facts, found = _load(tmp_path)
    assert facts == {"fcs_sha256": "f"}
    assert list(found) == list(tables)
    for name, frame in tables.items():
        pd.testing.assert_frame_equal(found[name], frame)
    assert list(found["failures"]["item_id"]) == [f"S{i}" for i in range(5)]


@pytest.fixture
def few():
    """Samples with tables of their own: many rows, one, none, and a table less."""
    parts = [_failures("b", "a"), _failures("c"), _failures(), _failures("e")]
    parts[3] = Made({name: parts[3].columns[name] for name in list(TABLES)[::-1] if name != "populations"})
    return [Entry(f"{i:064x}", f"sample {i}", {"number": i}, part) for i, part in enumerate(parts)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2,), (2, 0)])
def test_store__keeps_a_few_samples_in_one_file_and_finds_each(tmp_path, few, order):
    entries = [few[i] for i in order]
    kept = Store(tmp_path).save(entries)
    assert len(Store(tmp_path).paths()) == 1
    for entry, ours in zip(entries, kept, strict=True):
        facts, found = _load(tmp_path, entry.key, entry.sample_id)
        assert facts == entry.facts
        assert list(found) == list(ours) == list(entry.tables)
        for name, frame in entry.tables.items():
            pd.testing.assert_frame_equal(found[name], frame)
            pd.testing.assert_frame_equal(ours[name], frame)
        assert _load(tmp_path, entry.key, "another") is None
        assert _load(tmp_path, KEY, entry.sample_id) is None
    joined = join_tables(TABLES, kept)
    for name in TABLES:
        frames = [e.tables[name] for e in entries if name in e.tables]
        expected = build_frame(TABLES[name], [row for f in frames for row in f.to_dict("records")])
        pd.testing.assert_frame_equal(joined[name], expected)


def test_store__tells_samples_apart_whose_marks_are_the_same(tmp_path, few, monkeypatch):
    monkeypatch.setattr("immunoprofile.cohort.store._mark", lambda _: "0" * 6)
    for entry in few:
        Store(tmp_path).save([entry])
    assert len(Store(tmp_path).paths()) == 4
    for entry in few:
        assert _load(tmp_path, entry.key, entry.sample_id)[0] == entry.facts
    assert _load(tmp_path, KEY, "sample 0") is None


def test_store__nothing_to_keep_leaves_no_file(tmp_path):
    assert Store(tmp_path).save([]) == []
    assert Store(tmp_path).is_new()


_OF_A_TYPE = {"str": ("é", "", None), "int": (0, -7, None), "float": (0.1, -0.0, np.nan), "bool": (True, False, None)}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("turn", range(3))
def test_store__values_and_gaps_of_each_type_come_back_as_the_plain_frame_has_them(tmp_path, name: str, turn: int):
    table = TABLES[name]
    rows = [
        {c.name: _OF_A_TYPE[c.dtype][(i + k + turn) % 3] for k, c in enumerate(table.columns)}
        | {key: f"{key}{i}" for key in table.key}
        for i in range(3)
    ]
    if any(table.column(key).dtype != "str" for key in table.key):
        with pytest.raises(ValueError, match=name):
            Columns.of_rows(table, [dict.fromkeys(table.key, 1)])
        return
    made = Made({name: Columns.of_rows(table, rows[::-1])})
    plain = build_frame(table, rows)
    pd.testing.assert_frame_equal(made[name], plain)
    pd.testing.assert_frame_equal(_keep(tmp_path, made)[name], plain)
    pd.testing.assert_frame_equal(join_tables([name], [made])[name], plain)


def test_columns__one_value_stands_for_all_rows_and_what_is_not_given_is_missing(tmp_path):
    table = TABLES["samples_qc"]
    columns = Columns(table, {"sample_id": "S", "rule_id": np.array(["a", "b"], dtype=object), "item": ""}, 2)
    rows = [{"sample_id": "S", "rule_id": r, "item": ""} for r in "ab"]
    pd.testing.assert_frame_equal(columns.frame(), build_frame(table, rows))
    kept = _keep(tmp_path, Made({"samples_qc": columns}))
    pd.testing.assert_frame_equal(kept["samples_qc"], build_frame(table, rows))


def test_columns__of_shared_arrays_and_numbers_that_look_alike_are_told_apart(tmp_path):
    table, base = TABLES["samples_qc"], np.array(["a", "b"], dtype=object)
    view = base[:]
    view.setflags(write=False)
    for item in ("a", "z"):
        base[0] = item
        columns = Columns(table, {"sample_id": "S", "rule_id": view, "item": ""}, 2)
        kept = _keep(tmp_path / item, Made({"samples_qc": columns}))
        assert kept["samples_qc"]["rule_id"].tolist() == sorted([item, "b"])
    for number in (np.float32(0.0), np.float32(-0.0), 0.0, -0.0, np.float64(-0.0), np.float32(np.nan)):
        columns = Columns(table, {"sample_id": "S", "rule_id": base, "item": "", "value": number}, 2)
        value = float(_keep(tmp_path / "n", Made({"samples_qc": columns}))["samples_qc"]["value"].iloc[0])
        np.testing.assert_array_equal([value, np.signbit(value)], [float(number), np.signbit(number)])


@pytest.mark.parametrize("rows", [[{"item_id": "S"}, {"item_id": "S"}], [{"item_id": 1}]], ids=["twice", "number"])
def test_columns__refuses_rows_without_a_key_of_their_own(rows):
    with pytest.raises(ValueError, match="failures"):
        Columns.of_rows(FAILURES, [dict.fromkeys(FAILURES.key, "x") | row for row in rows])


def test_join_tables__kept_and_made_results_lie_in_the_order_of_their_key(tmp_path):
    rows = [{"item_id": f"S{i}", "item_kind": "sample", "stage": "read", "code": "X", "message": "m"} for i in range(4)]
    parts = [Made({"failures": Columns.of_rows(FAILURES, [row])}) for row in rows]
    held = [_keep(tmp_path, part, key=f"{i:064x}") if i % 2 else part for i, part in enumerate(parts)]
    found = join_tables(["failures", "samples_qc"], [*held[::-1], Made()])
    pd.testing.assert_frame_equal(found["failures"], build_frame(FAILURES, rows))
    pd.testing.assert_frame_equal(found["samples_qc"], build_frame(TABLES["samples_qc"], []))


def test_store__unknown_key_has_no_result(tmp_path):
    assert _load(tmp_path) is None


def test_store__does_not_give_back_what_is_damaged(tmp_path, few):
    kept = Store(tmp_path).save(few)
    path = kept[0].path
    whole = path.read_bytes()

    def is_found():
        return any(_load(tmp_path, e.key, e.sample_id) is not None for e in few)

    assert is_found()
    for at in np.random.default_rng(1).integers(0, len(whole), 200):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(at) % 8
        path.write_bytes(damaged)
        assert not is_found()
    for end in range(0, len(whole), 997):
        path.write_bytes(whole[:end])
        assert not is_found()
    for content in (whole[:-1], None):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(OutputError, match="was damaged or removed while the run went on"):
            kept[1]["failures"]
        path.unlink(missing_ok=True)
    assert not is_found()


@pytest.mark.parametrize("at", [0, 30, -50], ids=["magic", "keys", "tables"])
def test_store__removes_what_it_sees_to_be_damaged(tmp_path, few, at):
    for entry in few[:2]:
        Store(tmp_path).save([entry])
    path = next(p for p in Store(tmp_path).paths() if p.name in Store(tmp_path).names_for("sample 0"))
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert _load(tmp_path, few[0].key, "sample 0") is None
    assert not path.exists()
    assert _load(tmp_path, few[1].key, "sample 1") is not None


def test_store__keeps_what_cannot_be_read_just_now(tmp_path, few, monkeypatch):
    (kept,) = Store(tmp_path).save(few[:1])

    def fail(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(store_module, "_opened", fail)
        assert _load(tmp_path, few[0].key, "sample 0") is None
    assert kept.path.exists() and _load(tmp_path, few[0].key, "sample 0") is not None


def test_store__reads_a_file_once_for_samples_that_ask_one_after_the_other(tmp_path, few, monkeypatch):
    Store(tmp_path).save(few)
    real, opened = store_module._opened, []
    monkeypatch.setattr(store_module, "_opened", lambda path: (opened.append(path), real(path))[1])
    store = Store(tmp_path)
    assert all(store.load(e.key, store.names_for(e.sample_id)) for e in few)
    assert len(opened) == 1


def test_store__names_are_one_long_number_and_hold_sixteen(tmp_path, few):
    (kept,) = Store(tmp_path).save([replace(few[0], sample_id=f"S{i}", key=f"{i:064x}") for i in range(16)])[:1]
    assert re.fullmatch(r"[0-9a-f]{112}\.results", kept.path.name)
    for i in range(16):
        assert _load(tmp_path, f"{i:064x}", f"S{i}") is not None
    with pytest.raises(ValueError, match="17 samples in one file"):
        Store(tmp_path).save([replace(few[0], sample_id=f"S{i}") for i in range(17)])


def test_store__knows_where_a_file_would_lie(tmp_path, few):
    kept = Store(tmp_path).save(few)
    assert open_kept(kept[0].path).name() == kept[0].path.name
    other = _keep(tmp_path / "other", _failures())
    assert open_kept(other.path).name() != kept[0].path.name


def test_journal__chains_its_lines(tmp_path):
    journal = Journal(tmp_path)
    for i in range(3):
        journal.note("sample", sample_id=f"S{i}")
    Journal(tmp_path).note("done")
    assert check_journal(tmp_path) == []
    events = [json.loads(line)["event"] for line in (tmp_path / JOURNAL).read_text().splitlines()]
    assert events == ["sample", "sample", "sample", "done"]


@pytest.mark.parametrize("change", ["edit", "remove", "swap"])
def test_journal__shows_what_was_changed(tmp_path, change):
    journal = Journal(tmp_path)
    for i in range(4):
        journal.note("sample", sample_id=f"S{i}")
    lines = (tmp_path / JOURNAL).read_text().splitlines()
    if change == "edit":
        lines[1] = lines[1].replace("S1", "S9")
    elif change == "remove":
        del lines[1]
    else:
        lines[1], lines[2] = lines[2], lines[1]
    (tmp_path / JOURNAL).write_text("\n".join(lines) + "\n")
    assert check_journal(tmp_path)[0].line in {2, 3}


def test_journal__goes_on_after_a_torn_line(tmp_path):
    Journal(tmp_path).note("started")
    with (tmp_path / JOURNAL).open("ab") as stream:
        stream.write(b'{"time":"2026-')
    Journal(tmp_path).note("started again")
    assert check_journal(tmp_path) == []
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 3


@pytest.mark.parametrize("fate", ["removed", "replaced"])
def test_journal__taken_away_while_it_is_held_open_goes_on_where_it_is_looked_for(tmp_path, fate):
    journal = Journal(tmp_path)
    with journal.held_open():
        journal.note("one")
        if fate == "removed":
            (tmp_path / JOURNAL).unlink()
        else:
            (tmp_path / "other").write_bytes((tmp_path / JOURNAL).read_bytes())
            (tmp_path / "other").replace(tmp_path / JOURNAL)
        journal.note("two")
        journal.note("three")
    events = [json.loads(line)["event"] for line in (tmp_path / JOURNAL).read_text().splitlines()]
    assert events == ([] if fate == "removed" else ["one"]) + ["two", "three"]
    # what was lost with the file shows
    assert bool(check_journal(tmp_path)) is (fate == "removed")


_HOLD = """
import sys, time
from pathlib import Path
from immunoprofile.cohort.lock import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_lock__second_run_is_told_who_holds_the_folder(tmp_path, holder):
    with pytest.raises(OutputError) as caught, hold_folder(tmp_path):
        pass
    assert caught.value.code == "OUTPUT-LOCKED"
    assert f"is in use by another run (process {holder.pid} on " in str(caught.value)


def test_lock__is_free_once_its_owner_was_killed(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    (tmp_path / ".populations.csv.x1.tmp").touch()
    with hold_folder(tmp_path):
        # what the dead run left half-written is gone
        assert [p.name for p in tmp_path.iterdir()] == [LOCK]


def test_lock__does_not_follow_a_link(tmp_path):
    (tmp_path / "elsewhere").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError), hold_folder(tmp_path / "out"):
        pass


@dataclass(frozen=True)
class _Thing:
    name: str
    weight: float
    place: Path = field(default=Path("a"), compare=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_Thing("a", 1.0), _Thing("a", 1.0000000000000002)),
        ((1, 2), (12,)),
        (("a", "b"), ("ab",)),
        (np.array([1, 2]), np.array([1.0, 2.0])),
        (np.array([[1.0, 2.0]]), np.array([[1.0], [2.0]])),
        (None, "None"),
        (float("nan"), float("inf")),
        (1, True),
        (Decimal("1.0"), Decimal("1.00")),
        ({"a": 1}, {"b": 1}),
    ],
)
def test_key__differs_where_inputs_do(one, other):
    assert digest_of_inputs(x=one) != digest_of_inputs(x=other)


def test_key__is_the_same_for_what_does_not_count():
    assert digest_of_inputs(x=_Thing("a", 1.0, Path("b"))) == digest_of_inputs(x=_Thing("a", 1.0))
    assert digest_of_inputs(x={"b": 1, "a": {2, 1}}) == digest_of_inputs(x={"a": {1, 2}, "b": 1})


def test_key__of_something_unknown_is_refused():
    with pytest.raises(TypeError, match="no digest is known for object"):
        plain_value(object())
