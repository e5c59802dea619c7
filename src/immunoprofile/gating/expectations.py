"""What a template says of its own fixtures: the ``[[test]]`` blocks that travel with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Quantity = Literal["count", "frac_of_parent", "frac_of", "f1"]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One number that one population of a fixture must have.

    Parameters
    ----------
    path
        The population.
    quantity
        ``count`` (events), ``frac_of_parent`` and ``frac_of`` (0..1, of `denominator`), ``f1`` (0..1, against the
        events that carry one of `labels`).
    value, tolerance
        Met where the number is at most `tolerance` from `value`; of ``f1`` where it is at least `value`.
    """

    path: str
    quantity: Quantity
    value: float
    tolerance: float = 0.0
    denominator: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TemplateTest:
    """A fixture and what must come out of it.

    Parameters
    ----------
    sample
        The FCS file: a path from the template's folder or from the folder of fixtures; ``.fcs`` may be left out.
    labels
        A table (CSV or Parquet) with the label of each event, found alike.
    controls
        (control, FCS file) of the tubes that the sample's automatic gates are found in, called as in a sample sheet:
        ``fmo:CD25``; found alike.
    """

    sample: str
    expectations: tuple[Expectation, ...]
    labels: str | None = None
    label_column: str = "label"
    controls: tuple[tuple[str, str], ...] = ()
