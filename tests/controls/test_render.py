"""A matrix as CSV, and a fit as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drawn_controls import write_set
from immunoprofile.controls import describe_fit, fit_controls, render_spillover
from immunoprofile.spillover import Spillover, read_spillover


@given(arrays(np.float64, (3, 3), elements=st.floats(-0.1, 0.3)), st.permutations(["FL1-A", "450/50, V", "7-AAD"]))
def test_rendered_matrix__reads_back_equal(tmp_path_factory, noise, names):
    matrix = noise.copy()
    np.fill_diagonal(matrix, 1.0)
    spillover = Spillover(tuple(names), matrix)
    path = tmp_path_factory.mktemp("rendered") / "matrix.csv"
    path.write_text(render_spillover(spillover), encoding="utf-8")
    assert read_spillover(path) == spillover


def test_rendered_matrix__is_square():
    with pytest.raises(ValueError, match="square"):
        render_spillover(Spillover(("A", "B"), np.array([[1.0, 0.1]]), ("FITC",)))


def test_described_fit__is_json_with_every_control(tmp_path):
    fit = fit_controls(*write_set(tmp_path))
    described = json.loads(json.dumps(describe_fit(fit), allow_nan=False))
    assert described["matrix"] == fit.spillover.matrix.tolist()
    assert [c["detector"] for c in described["controls"]] == list(fit.spillover.detectors)
    assert described["controls"][0]["n_positive"] == fit.controls[0].n_positive
    assert described["controls"][0]["standard_errors"][0] == 0
