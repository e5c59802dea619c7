"""A matrix and its controls as text and as JSON-like values, for files and for other programs."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import fields
from typing import Any

import numpy as np

from immunoprofile.controls.fit import ControlFit, SpilloverFit
from immunoprofile.fcs import Finding
from immunoprofile.spillover import Spillover


def render_spillover(spillover: Spillover) -> str:
    """A square matrix as CSV that `read_spillover` reads back equal: detectors as header, a row a fluorochrome.

    Raises
    ------
    ValueError
        Fluorochromes are not the detectors: such a matrix has no form in this file.
    """
    if spillover.fluorochromes != spillover.detectors:
        raise ValueError("only a square matrix over its detectors can be written")
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(spillover.detectors)
    writer.writerows([[repr(value) for value in row] for row in spillover.matrix.tolist()])
    return page.getvalue()


def describe_fit(fit: SpilloverFit) -> dict[str, Any]:
    """A fit as JSON-like values: the matrix, its condition, every control, and findings about all of them together."""
    return {
        "detectors": list(fit.spillover.detectors),
        "matrix": fit.spillover.matrix.tolist(),
        "condition": fit.spillover.condition,
        "controls": [_describe_control(c) for c in fit.controls],
        "findings": [_describe_finding(f) for f in fit.matrix_findings],
    }


def _describe_control(control: ControlFit) -> dict[str, Any]:
    described = {field.name: getattr(control, field.name) for field in fields(control)}
    described["findings"] = [_describe_finding(f) for f in control.findings]
    return {k: _plain(v) for k, v in described.items()}


def _plain(value: Any) -> Any:
    """Arrays and tuples as lists; a number that JSON does not know as None."""
    if isinstance(value, np.ndarray | tuple):
        return list(value.tolist()) if isinstance(value, np.ndarray) else list(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _describe_finding(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code, "severity": finding.severity, "where": finding.where, "message": finding.message,
    }  # fmt: skip
