"""Our counts and FlowKit's on the benchmark's own file and gates: what the speed figures rest on."""

from __future__ import annotations

from pathlib import Path

import pytest

import gate_one_file

pytestmark = pytest.mark.oracle


def test_benchmark__both_programs_count_the_same(tmp_path: Path) -> None:
    fcs, gates = tmp_path / "bench.fcs", tmp_path / "gates.xml"
    gate_one_file.make_file(fcs, 30_000)
    gate_one_file.make_gates(gates)
    ours = gate_one_file.ours(fcs, gates)
    assert len(ours) == 29
    assert min(ours.values()) > 0
    assert ours == gate_one_file.flowkits(fcs, gates, cached=True)
