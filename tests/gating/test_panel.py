"""Templates meet panels and matrices: what is found, what is refused, what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies as our
from immunoprofile.errors import InputError, PanelMismatchError, SpilloverError
from immunoprofile.fcs import Channel
from immunoprofile.gating import (
    ROOT,
    Boolean,
    Compensation,
    Gate,
    GatingTemplate,
    Marker,
    Rectangle,
    compile_plan,
    run_plan,
)
from immunoprofile.spillover import Spillover, compensate
from twins import ArrayEvents

NONE, PLAIN = Compensation("none"), our.Identity()


def template(*markers: Marker, compensation: Compensation = NONE, scale=PLAIN) -> GatingTemplate:
    gates = tuple(
        Gate(m.name, m.name, ROOT, m.name.lower(), Rectangle((our.Dimension(m.name, scale),), ((0.0, None),)))
        for m in markers
    )
    return GatingTemplate("t", "1", "", "draft", markers, compensation, gates)


def channel(index: int, detector: str, marker: str | None = None) -> Channel:
    return Channel(detector, marker, index, 262144, 32, "fluorescence")


PANEL = (channel(0, "B530-A", "CD3"), channel(1, "B710-A", "cd4 "), channel(2, "R670-A", None))


@pytest.mark.parametrize(
    ("names", "column"),
    [(("CD3",), 0), (("cd3",), 0), (("CD4",), 1), (("R670-A",), 2), (("Leu3", "CD4"), 1)],
    ids=["marker", "case folded", "blank trimmed", "detector", "second name"],
)
def test_marker__is_found(names: tuple[str, ...], column: int) -> None:
    assert compile_plan(template(Marker("M", names)), PANEL).columns == (column,)


def test_marker__marker_name_comes_before_detector_name() -> None:
    panel = (channel(0, "CD3", "CD8"), channel(1, "B530-A", "CD3"))
    assert compile_plan(template(Marker("CD3", ("CD3",))), panel).columns == (1,)


def test_marker__two_hits_are_refused() -> None:
    panel = (*PANEL, channel(3, "V450-A", "CD3"))
    with pytest.raises(PanelMismatchError, match=r'"CD3" fits more than one channel \(B530-A, V450-A\)'):
        compile_plan(template(Marker("CD3", ("CD3",))), panel)


def test_marker__missing_ones_are_all_named_with_the_closest() -> None:
    with pytest.raises(PanelMismatchError) as caught:
        compile_plan(template(Marker("CD33", ("CD33",)), Marker("CD19", ("CD19", "Leu12"))), PANEL)
    first, second = map(str, caught.value.problems)
    assert 'needs "CD33"' in first
    assert 'Did you mean "CD3"?' in first
    assert 'needs "CD19" (known as CD19, Leu12)' in second


def test_optional_marker__its_gates_and_what_rests_on_them_are_left_out() -> None:
    base = template(Marker("CD3", ("CD3",)), Marker("HLA-DR", ("HLA-DR",), optional=True))
    child = Gate("child", "HLA-DR/child", "HLA-DR", "child", base.gates[0].geometry)
    either = Gate("either", "either", ROOT, "either", Boolean("or", (our.Term("CD3"), our.Term("HLA-DR"))))
    whole = GatingTemplate("t", "1", "", "draft", base.markers, base.compensation, (*base.gates, child, either))
    members = run_plan(compile_plan(whole, PANEL), ArrayEvents(np.ones((3, 3)), PANEL))
    assert members.paths == (ROOT, "CD3")
    assert {f.code for f in members.findings} == {"GATE-OMITTED"}
    assert len(members.findings) == 3
    with pytest.raises(InputError, match="left out"):
        members.count("either")


def test_spillover__missing_matrix_is_refused_unless_allowed() -> None:
    wants = template(Marker("CD3", ("CD3",)), compensation=Compensation("file"))
    with pytest.raises(SpilloverError, match=r'declares none\. .*missing = "allow"'):
        compile_plan(wants, PANEL)
    allowed = template(Marker("CD3", ("CD3",)), compensation=Compensation("file", missing="allow"))
    assert {f.code for f in compile_plan(allowed, PANEL).findings} == {"SPILL-MISSING"}


def test_spillover__matrix_of_another_panel_is_refused_by_name() -> None:
    matrix = Spillover(("B530-A", "V450-A"), np.array([[1, 0.1], [0.1, 1]]))
    with pytest.raises(SpilloverError, match="names V450-A, which the file has not"):
        compile_plan(template(Marker("CD3", ("CD3",)), compensation=Compensation("file")), PANEL, matrix)


def test_spillover__fluorescence_outside_the_matrix_is_a_finding() -> None:
    matrix = Spillover(("B530-A", "B710-A"), np.array([[1, 0.1], [0.1, 1]]))
    logicle = our.Logicle(our.TOP, 0.5, 4.5)
    plan = compile_plan(
        template(Marker("X", ("R670-A",)), compensation=Compensation("file"), scale=logicle), PANEL, matrix
    )
    assert [f.code for f in plan.findings] == ["CHANNEL-UNCOMPENSATED"]


def test_spillover__least_squares_for_fewer_fluorochromes_than_detectors() -> None:
    mixing = np.array([[1.0, 0.4, 0.1], [0.2, 1.0, 0.5]])
    matrix = Spillover(("B530-A", "B710-A", "R670-A"), mixing, ("FITC", "PE"))
    markers = (Marker("FITC", ("FITC",), by_detector=True), Marker("PE", ("PE",), by_detector=True))
    gates = tuple(
        Gate(m.name, m.name, ROOT, m.name.lower(),
             Rectangle((our.Dimension(m.name, our.Identity(), "spectrum"),), ((50.0, None),)))
        for m in markers
    )  # fmt: skip
    comp = Compensation("none", matrices=(("spectrum", matrix),))
    whole = GatingTemplate("t", "1", "", "draft", markers, comp, gates)
    true = np.array([[100.0, 0.0], [0.0, 100.0], [100.0, 100.0], [10.0, 20.0]])
    members = run_plan(compile_plan(whole, PANEL), ArrayEvents(true @ mixing, PANEL))
    assert members.mask("FITC").tolist() == [True, False, True, False]
    assert members.mask("PE").tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[1, 1], [1, 1]], "cannot be inverted"),
        ([[1, np.nan], [0, 1]], "row A holds NaN"),
        ([[1, 0.1]], "shape"),
        ([[1, 0], [0, 1], [1, 1]], "shape"),
    ],
    ids=["singular", "nan", "row missing", "row too many"],
)
def test_spillover__useless_matrices_are_refused(matrix: list[list[float]], words: str) -> None:
    with pytest.raises(SpilloverError, match=words):
        Spillover(("A", "B"), np.array(matrix))


def test_spillover__doubled_name_is_refused() -> None:
    with pytest.raises(SpilloverError, match="names A more than once"):
        Spillover(("A", "A"), np.eye(2))


# Each value passes through two sums of four products; the drawn matrices are well conditioned (below 20).
RESPILL = 1e-12


@given(spillover=our.spillovers(), seed=st.integers(0, 2**32 - 1))
def test_spillover__spilling_and_compensating_undo_each_other(spillover: Spillover, seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = rng.choice([1.0, -0.1], (50, 4)) * np.exp(rng.normal(7, 2, (50, 4)))
    scatter = rng.uniform(0, 1e5, (50, 1))
    spilled = ArrayEvents(np.hstack([scatter, true @ spillover.matrix]), our.panel(), spillover)
    found = compensate(spilled, spillover)
    size = np.abs(true).max()
    np.testing.assert_array_equal(found[:, :1], scatter)
    np.testing.assert_allclose(found[:, 1:], true, rtol=0, atol=RESPILL * size)
    np.testing.assert_allclose(found[:, 1:] @ spillover.matrix, spilled.values[:, 1:], rtol=0, atol=RESPILL * size)


@given(spillover=our.spillovers(), seed=st.integers(0, 2**32 - 1))
def test_spillover__gates_see_the_events_before_they_were_spilled(spillover: Spillover, seed: int) -> None:
    true = np.exp(np.random.default_rng(seed).normal(7, 2, (50, 4)))
    markers = tuple(Marker(f"M{i}", (f"M{i}",)) for i in range(1, 5))
    gates = tuple(
        Gate(m.name, m.name, ROOT, m.name.lower(), Rectangle((our.Dimension(m.name, PLAIN),), ((1000.0, None),)))
        for m in markers
    )
    spilled = ArrayEvents(np.hstack([np.zeros((50, 1)), true @ spillover.matrix]), our.panel(), spillover)
    whole = GatingTemplate("t", "1", "", "draft", markers, Compensation("file"), gates)
    members = run_plan(compile_plan(whole, spilled.channels, spillover), spilled)
    for k, gate in enumerate(gates):
        np.testing.assert_array_equal(members.mask(gate.path), true[:, k] >= 1000.0)
