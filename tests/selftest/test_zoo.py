"""The zoo: every file read right or refused, its bytes and outcomes as committed, and a second reader that agrees."""

from __future__ import annotations

import csv
import re
import resource
import time
from pathlib import Path

import pytest

from immunoprofile.errors import FcsError
from immunoprofile.fcs import ERRORS, FINDINGS, Strictness, read_fcs_datasets
from immunoprofile.selftest import Outcome, ZooFile, build_zoo, walk_zoo, write_zoo
from immunoprofile.selftest.zoo import Reading, agrees, judge, main, read_with_ours, render_outcomes
from immunoprofile.selftest.zoo_valid import crc_bit_by_bit
from reference_reader import read as read_slowly

COMMITTED = Path(__file__).parent / "zoo_outcomes.csv"

# The rules that files can show. R3 needs 100 MB of file and S4 a look at DATA: test_far and test_data show them.
RULES = {
    "valid": "R1 T1 T2 T4 T6 T7 T9 T10 D1 D2 D3 D4 D5 D6 D7 D9 D10 S1 S2 S3 S4 M1 M2 M3 1.6",
    "broken": "R1 R2 R4 R5 T2 T3 T5 T6 T7 T8 T10 D2 D3 D4 D6 D7 D9 D10 S1 S2 M1 M3",
    "malformed": "R1 R2 R3 R4 R5 T1 T2 T3 T5 T7 T9 T10 D1 D2 D3 D4 D6 D7 D8 D9 S1 1.6",
}

# Codes that no bytes can earn: they need a system or a store that refuses, a file that changes, a question about DATA.
NOT_OF_BYTES = {
    "FCS-MISSING", "FCS-PERMISSION", "FCS-NOT-REGULAR", "FCS-ACCESS", "FCS-CHANGED", "FCS-INT-EXACT", "FCS-DTYPE-MIXED",
    "FCS-DATASETS", "FCS-COMP", "FCS-URL", "FCS-URL-SHORT",
}  # fmt: skip

ZOO = {file.name: file for file in build_zoo()}
MALFORMED = [f for f in ZOO.values() if f.kind == "malformed"]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return {o.name: o for o in walk_zoo(tmp_path_factory.mktemp("zoo"))}


@pytest.fixture
def put(tmp_path: Path):
    def write(file: ZooFile) -> Path:
        path = tmp_path / "zoo.fcs"
        path.write_bytes(file.raw)
        return path

    return write


def test_zoo__is_as_large_as_promised() -> None:
    kinds = [f.kind for f in ZOO.values()]
    assert all(kinds.count(k) >= n for k, n in (("valid", 127), ("broken", 94), ("malformed", 120)))


@pytest.mark.parametrize("kind", RULES)
def test_zoo__shows_every_rule(kind: str) -> None:
    assert {f.rule for f in ZOO.values() if f.kind == kind} == set(RULES[kind].split())


def test_zoo__valid_files_are_read_right_and_nothing_is_odd(outcomes: dict[str, Outcome]) -> None:
    assert [o for o in outcomes.values() if o.kind == "valid" and (o.result != "right" or o.codes)] == []


def test_zoo__broken_files_are_read_right_with_the_finding_that_names_it(outcomes: dict[str, Outcome]) -> None:
    broken = [o for o in outcomes.values() if o.kind == "broken"]
    assert [o for o in broken if o.result != "right" or not set(ZOO[o.name].codes) <= set(o.codes)] == []


def test_zoo__malformed_files_are_refused_with_their_code(outcomes: dict[str, Outcome]) -> None:
    malformed = [o for o in outcomes.values() if o.kind == "malformed"]
    assert [o for o in malformed if o.result != "refused" or o.codes != ZOO[o.name].codes] == []


def test_zoo__bytes_and_outcomes_are_the_committed_ones(outcomes: dict[str, Outcome]) -> None:
    # renew with: python -c "from immunoprofile.selftest.zoo import main; main()" > tests/selftest/zoo_outcomes.csv
    with COMMITTED.open(encoding="utf-8", newline="") as stream:
        committed = {row["name"]: row for row in csv.DictReader(stream)}
    now = {row["name"]: row for row in csv.DictReader(render_outcomes(outcomes.values()).splitlines())}
    assert {n: r for n, r in now.items() if committed.get(n) != r} == {}
    assert committed.keys() == now.keys()


@pytest.mark.parametrize("file", MALFORMED, ids=lambda f: f.name)
def test_zoo__refusals_name_file_byte_and_remedy(file: ZooFile, put) -> None:
    path = put(file)
    start = time.perf_counter()
    with pytest.raises(FcsError) as caught:
        read_with_ours(path)
    assert time.perf_counter() - start < 1.0  # reliability.md 4, row 4
    error = caught.value
    assert (error.path, type(error)) == (str(path), ERRORS[error.code][0])
    assert re.search(r"byte \d+", error.where or "")
    assert str(error).endswith(ERRORS[error.code][2])


def test_zoo__every_code_of_bytes_has_a_file(outcomes: dict[str, Outcome]) -> None:
    earned = {code for o in outcomes.values() for code in o.codes}
    assert set(ERRORS) - NOT_OF_BYTES - earned == set()
    weighty = {c for c, (severity, _) in FINDINGS.items() if severity != "info"} - {"FCS-NONFINITE", "FCS-SALVAGED"}
    assert weighty - earned == set()


def test_zoo__strict_reading_takes_valid_files_and_no_broken_one(put) -> None:
    wrong = []
    for file in ZOO.values():
        if file.kind == "malformed":
            continue
        try:
            read_fcs_datasets(put(file), strictness=Strictness.STRICT)
            taken = True
        except FcsError:
            taken = False
        wrong += [file.name] if taken != (file.kind == "valid") else []
    assert wrong == []


def _slowly(file: ZooFile) -> tuple[tuple[tuple[float, ...], ...], ...] | None:
    try:
        return tuple(map(tuple, read_slowly(file.raw)))
    except ValueError:
        return None


def test_zoo__the_slow_reader_agrees_bit_for_bit() -> None:
    disagreed, read_by_both = [], 0
    for file in ZOO.values():
        sets = None if file.kind == "malformed" else _slowly(file)
        if sets is None:
            disagreed += [file.name] if file.kind == "valid" else []
            continue
        read_by_both += 1
        bare = Reading(sets, file.linear or (), file.keywords, (), file.spillover)
        disagreed += [] if agrees(file, bare) else [file.name]
    assert disagreed == []
    assert read_by_both > 300


def test_zoo__costs_less_memory_than_promised(put) -> None:
    largest = max(ZOO.values(), key=lambda f: len(f.raw))
    judge(largest, put(largest), read_with_ours)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for file in MALFORMED:
        judge(file, put(file), read_with_ours)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 64 * 1024  # reliability.md 4, row 4


def test_judge__tells_a_wrong_reader_from_a_silent_one(put) -> None:
    file = ZOO["valid-width-24-big"]
    other = ((0, 0),) * 3
    silent = judge(file, put(file), lambda _: Reading((other,), (), {}, ()))
    said = judge(file, put(file), lambda _: Reading((other,), (), {}, ("HM",)))
    crashed = judge(file, put(file), lambda _: 1 / 0)
    assert [silent.result, said.result, crashed.result] == ["silently wrong", "wrong", "crashed"]
    assert not any(o.as_it_should for o in (silent, said, crashed))


def test_zoo__can_be_written_for_other_readers(tmp_path: Path) -> None:
    write_zoo(tmp_path / "zoo")
    assert len(list((tmp_path / "zoo").iterdir())) == len(ZOO)
    assert (tmp_path / "zoo" / "valid-order-mixed-pdp.fcs").read_bytes() == ZOO["valid-order-mixed-pdp"].raw


def test_checksum_twin__knows_the_check_value() -> None:
    assert crc_bit_by_bit(b"123456789") == 0x2189  # CRC-16/KERMIT, as Numerical Recipes' icrc gives it


def test_zoo__outcomes_can_be_written_anew(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert capsys.readouterr().out == COMMITTED.read_text(encoding="utf-8")


def test_zoo__another_reader_may_give_anything(put) -> None:
    file = ZOO["valid-one-channel"]
    assert judge(file, put(file), lambda _: Reading((((None,), ("2",)),), (), {}, ())).result == "silently wrong"
