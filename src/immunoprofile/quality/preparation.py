"""What is known of a sample beside its events: the sheet, the file's keywords, the spillover matrix in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunoprofile.fcs import Events
from immunoprofile.gating import GatingTemplate
from immunoprofile.quality.judge import Answer, Measured
from immunoprofile.spillover import Spillover

_NO_MATRIX = "no spillover matrix is in use"


def spillover_in_use(template: GatingTemplate, events: Events, replacement: Spillover | None) -> Spillover | None:
    """The matrix that compensates dimensions which name none themselves; None where they are not compensated."""
    comp = template.compensation
    if replacement is not None and comp.source != "none":
        return replacement
    if comp.source == "matrix":
        return dict(comp.matrices).get(str(comp.default))
    return events.spillover if comp.source == "file" else None


def of_sheet(sample: Mapping[str, Any], column: str) -> Answer:
    """A number of the sample sheet."""
    value = sample.get(column)
    return f"the sample sheet gives no {column}" if value is None else Measured(float(value))


def reader_warnings(events: Events) -> Answer:
    """Findings of the reader above information."""
    codes = sorted(f.code for f in events.findings if f.severity != "info")
    return Measured(len(codes), note=", ".join(dict.fromkeys(codes)))


def events_lost(events: Events) -> Answer:
    """($ABRT + $LOST) as a fraction of all that passed the cytometer."""
    aborted, lost = events.acquisition.n_aborted, events.acquisition.n_lost
    if aborted is None and lost is None:
        return "the file declares neither $ABRT nor $LOST"
    missing = (aborted or 0) + (lost or 0)
    total = missing + events.n_events
    return Measured(missing / total, note=f"{missing:,} of {total:,}") if total else "the file holds no events"


def condition(matrix: Spillover | None) -> Answer:
    """Condition number of the matrix in use."""
    return _NO_MATRIX if matrix is None else Measured(matrix.condition)


def diagonal(matrix: Spillover | None) -> Answer:
    """Largest distance from 1 of a fluorochrome in its own detector."""
    if matrix is None:
        return _NO_MATRIX
    own = _own(matrix)
    if not own:
        return "no row of the matrix is called as a detector"
    entries = np.array([abs(matrix.matrix[i, j] - 1) for i, j in own])
    worst = int(entries.argmax())
    return Measured(float(entries[worst]), note=matrix.detectors[own[worst][1]])


def off_diagonal(matrix: Spillover | None, low: float, high: float) -> Answer:
    """The entry off the diagonal that lies farthest outside [low, high]; the largest where none does."""
    if matrix is None:
        return _NO_MATRIX
    entries = matrix.matrix.astype(float).copy()
    own = _own(matrix)
    for i, j in own:
        entries[i, j] = np.nan
    if len(own) < len(entries) or np.isnan(entries).all():
        return "rows of the matrix are not called as its detectors" if len(own) < len(entries) else "one detector only"
    outside = np.maximum(low - entries, entries - high)
    worst = int(np.nanargmax(outside if np.nanmax(outside) > 0 else entries))
    row, column = divmod(worst, entries.shape[1])
    return Measured(float(entries[row, column]), note=f"{matrix.fluorochromes[row]} in {matrix.detectors[column]}")


def spillover_differences(used: Mapping[str, Spillover]) -> dict[str, Answer]:
    """How far each sample's matrix lies from the median of the panel's samples: the largest entry.

    Notes
    -----
    Samples whose matrices have the same fluorochromes and detectors, in any order, are compared; three are needed, so
    that the median is of more than one mind.
    """
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, NDArray[np.float64]]] = {}
    for name, matrix in used.items():
        rows, columns = np.argsort(matrix.fluorochromes), np.argsort(matrix.detectors)
        key = tuple(sorted(matrix.fluorochromes)), tuple(sorted(matrix.detectors))
        groups.setdefault(key, {})[name] = matrix.matrix[np.ix_(rows, columns)]
    answers: dict[str, Answer] = {}
    for (dyes, detectors), own in groups.items():
        middle = np.median(list(own.values()), axis=0)
        for name, entries in own.items():
            apart = np.abs(entries - middle)
            row, column = divmod(int(apart.argmax()), len(detectors))
            note = f"{dyes[row]} in {detectors[column]}: {entries[row, column]:.3f}, median {middle[row, column]:.3f}"
            few = len(own) < _MIN_MATRICES
            answers[name] = _FEW_MATRICES if few else Measured(float(apart.max()), note=note)
    return answers


_MIN_MATRICES = 3
_FEW_MATRICES = f"fewer than {_MIN_MATRICES} samples of the panel have a matrix of these detectors"


def residual_spill(fitted: Spillover, used: Spillover) -> dict[str, Measured]:
    """What single stains show in other detectors after compensation, the largest entry of each.

    Parameters
    ----------
    fitted
        What the single stains themselves show: a row a stain over all detectors of the file, stained or not.
    used
        The matrix in use.

    Returns
    -------
    Detector of a single stain to its largest spill left, with its sign. Stains that the matrix in use does not know are
    left out; so are all where it has a detector of which `fitted` knows nothing.

    Notes
    -----
    A stain with the spill s (row of `fitted`) becomes s @ inverse(used) after compensation; divided by its own entry
    that is the slope which is left in every other detector.
    """
    if not set(used.detectors) <= set(fitted.detectors):
        return {}
    places = [fitted.detectors.index(d) for d in used.detectors]
    found = {}
    for name, row in zip(fitted.fluorochromes, fitted.matrix, strict=True):
        if name not in used.fluorochromes:
            continue
        own = used.fluorochromes.index(name)
        left = row[places] @ used.inverse
        left = left / left[own]
        left[own] = 0.0
        worst = int(np.abs(left).argmax())
        found[name] = Measured(float(left[worst]), name, f"in {used.fluorochromes[worst]}")
    return found


def _own(matrix: Spillover) -> list[tuple[int, int]]:
    """Row and column of each fluorochrome in the detector of its name."""
    place = {name: j for j, name in enumerate(matrix.detectors)}
    return [(i, place[name]) for i, name in enumerate(matrix.fluorochromes) if name in place]
