"""A template's tests on its fixtures: each expectation beside what came out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from immunoprofile.errors import printable
from immunoprofile.fcs import Events
from immunoprofile.gating.automatic import PoolSample, has_automatic_gates, resolve_template
from immunoprofile.gating.expectations import Expectation
from immunoprofile.gating.membership import Membership, run_plan
from immunoprofile.gating.plan import compile_plan
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.gating.validation.fixtures import Fixture

_ROUNDING = 1e-12
"""Fractions are quotients of counts: no rounding of theirs is larger."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation and what came out.

    Attributes
    ----------
    where
        Place of the test in the template.
    found
        NaN where it is undefined: an empty denominator, no event with the label, a population that was left out.
    numerator, denominator
        The events that a fraction is made of; of a count `denominator` is None, of F1 the events gated and labelled.
    words
        Why `found` is NaN; else empty.
    """

    where: str
    sample: str
    expectation: Expectation
    found: float
    numerator: int | None = None
    denominator: int | None = None
    words: str = ""

    @property
    def met(self) -> bool:
        """False where it is undefined."""
        if math.isnan(self.found):
            return False
        wanted = self.expectation
        if wanted.quantity == "f1":
            return self.found >= wanted.value - _ROUNDING
        return abs(self.found - wanted.value) <= wanted.tolerance + _ROUNDING

    @property
    def asked(self) -> str:
        """The question in words: ``count of CD3+/CD4+``."""
        wanted = self.expectation
        path = printable(wanted.path)
        if wanted.quantity == "count":
            return f"count of {path}"
        if wanted.quantity == "f1":
            return f"F1 of {path} against {', '.join(map(printable, wanted.labels))}"
        return f"fraction of {path} in {printable(wanted.denominator)}"

    @property
    def expected(self) -> str:
        """What was expected in words: ``0.71 ± 0.01``."""
        wanted = self.expectation
        if wanted.quantity == "f1":
            return f"at least {wanted.value:g}"
        value = f"{wanted.value:.0f}" if wanted.quantity == "count" else f"{wanted.value:g}"
        return f"{value} ± {wanted.tolerance:g}" if wanted.tolerance else value

    @property
    def came_out(self) -> str:
        """What came out in words: ``0.7234 (812 of 1122)``."""
        if self.words:
            return self.words
        if self.expectation.quantity == "count":
            return f"{self.found:.0f}"
        return f"{self.found:.6g} ({self.numerator} of {self.denominator})"


def run_tests(template: GatingTemplate, fixtures: Iterable[Fixture]) -> tuple[Verdict, ...]:
    """Gate every fixture and judge every expectation, in the order of the template.

    Raises
    ------
    PanelMismatchError, SpilloverError
        A fixture lacks what the template asks for.

    Notes
    -----
    Each fixture is a pool of its own for automatic gates, with the controls that its test names. Nothing is removed
    for its quality: that is no matter of gates.
    """
    return tuple(v for f in fixtures for v in judge(gate_fixture(template, f), f))


def gate_fixture(template: GatingTemplate, fixture: Fixture) -> Membership:
    """Gate one fixture; automatic gates are found in it, or in its controls."""
    settled = settle_alone(template, fixture.events, fixture.controls)
    return run_plan(compile_plan(settled, fixture.events.channels, fixture.events.spillover), fixture.held)


def gate_alone(template: GatingTemplate, events: Events) -> Membership:
    """Gate one file, which is a pool of its own for automatic gates."""
    return run_plan(compile_plan(settle_alone(template, events), events.channels, events.spillover), events)


def settle_alone(
    template: GatingTemplate, events: Events, controls: Sequence[tuple[str, Events]] = ()
) -> GatingTemplate:
    """A template with its automatic gates as one file shows them.

    Parameters
    ----------
    controls
        Name (``fmo:CD25``) and events of each control of that file.
    """
    if not has_automatic_gates(template):
        return template
    tubes = [PoolSample(f"control {i}", e, control=name) for i, (name, e) in enumerate(controls)]
    return resolve_template(template, [PoolSample("fixture", events), *tubes])["fixture"].template


def judge(members: Membership, fixture: Fixture) -> Iterator[Verdict]:
    """The verdicts of one fixture, one after the other."""
    for wanted in fixture.test.expectations:
        yield _verdict(members, fixture, wanted)


def _verdict(members: Membership, fixture: Fixture, wanted: Expectation) -> Verdict:
    place = (fixture.where, fixture.test.sample, wanted)
    asked = [wanted.path] + ([] if wanted.denominator is None else [wanted.denominator])
    if any(p not in members.paths for p in asked):
        return Verdict(*place, math.nan, words="left out: an optional marker is missing")
    count = members.count(wanted.path)
    if wanted.quantity == "count":
        return Verdict(*place, float(count), count)
    if wanted.denominator is not None:
        whole = members.count(wanted.denominator)
        if whole == 0:
            return Verdict(*place, math.nan, count, 0, "undefined: the denominator is empty")
        return Verdict(*place, count / whole, count, whole)
    assert fixture.labels is not None
    true = np.isin(fixture.labels, wanted.labels)
    if not true.any():
        return Verdict(*place, math.nan, words="undefined: no event carries the label")
    both = int(np.count_nonzero(true & members.mask(wanted.path)))
    # F1 = 2 TP / (gated + labelled): van Rijsbergen CJ, Information Retrieval, 2nd ed., 1979, chapter 7.
    total = count + int(np.count_nonzero(true))
    return Verdict(*place, 2 * both / total, 2 * both, total)
