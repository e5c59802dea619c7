"""The installation check: is this program on this machine the one that was tested?

The reader's zoo and a study with known answers, offline, in a temporary folder; and a text that says what was checked,
with which versions, and what came of it, for the laboratory's binder.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from immunoprofile.errors import ImmunoprofileError, printable
from immunoprofile.provenance import NUMERICS_VERSION, digest_of_bytes, time_now, versions
from immunoprofile.selftest.known import Answer, check_answers
from immunoprofile.selftest.zoo import Outcome, walk_zoo
from immunoprofile.study import load_study
from immunoprofile.verification import Sources, verify_folder

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the check: how much of it is as it should be, and what is not."""

    name: str
    n: int
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """The outcome of the installation check.

    Parameters
    ----------
    digest
        SHA-256 of what was found, times and machine left out: equal where the same version found the same.
    """

    checks: tuple[Check, ...]
    when: str
    digest: str

    @property
    def passed(self) -> bool:
        """True where everything is as it should be."""
        return not any(c.wrong for c in self.checks)


def check_installation(progress: Progress | None = None) -> Certificate:
    """Read the zoo, run the study with known answers, verify its results; nothing is left behind."""
    parts: tuple[tuple[str, Callable[[Path], Check]], ...] = (
        ("FCS files read as they must be", _zoo),
        ("known answers of a whole study", _answers),
        ("digests of its results", _digests),
    )
    checks = []
    with TemporaryDirectory(prefix="immunoprofile-") as folder:
        for name, check in parts:
            if progress is not None:
                progress(name)
            checks.append(_careful(name, check, Path(folder)))
    found = [[c.name, c.n, list(c.wrong)] for c in checks]
    digest = digest_of_bytes(repr([versions()["immunoprofile"], NUMERICS_VERSION, found]).encode())
    return Certificate(tuple(checks), time_now(), digest)


def _careful(name: str, check: Callable[[Path], Check], folder: Path) -> Check:
    """A part of the check; an error in it is its outcome, since that is what it looks for."""
    try:
        found = check(folder)
    except (ImmunoprofileError, ArithmeticError, LookupError, OSError, TypeError, ValueError) as problem:
        return Check(name, 0, (f"{type(problem).__name__}: {printable(problem)}",))
    return Check(name, found.n, found.wrong)


def _zoo(folder: Path) -> Check:
    place = folder / "zoo"
    place.mkdir()
    outcomes = list(walk_zoo(place))
    wrong = tuple(f"{o.name} ({o.kind}, rule {o.rule}): {o.result}" for o in outcomes if not _as_it_should(o))
    return Check("", len(outcomes), wrong)


def _as_it_should(outcome: Outcome) -> bool:
    """As the zoo says; a broken file must also be given a finding, and a valid one none."""
    said = {"valid": not outcome.codes, "broken": bool(outcome.codes), "malformed": bool(outcome.codes)}
    return outcome.as_it_should and said[outcome.kind]


def _answers(folder: Path) -> Check:
    answers = check_answers(folder)
    return Check("", len(answers), tuple(_described(a) for a in answers if not a.right))


def _described(answer: Answer) -> str:
    return f"{answer.what}: {answer.expected} is known, {answer.found} came out"


def _digests(folder: Path) -> Check:
    study = load_study(folder / "study" / "study.toml")
    verdict = verify_folder(folder / "results", Sources.of_study(study))
    return Check("", sum(verdict.checked.values()), tuple(map(str, verdict.differences)))


def render_certificate(certificate: Certificate) -> str:
    """The outcome as text for people, to be printed, signed and kept."""
    lines = [
        "immunoprofile installation check",
        "",
        f"date          {certificate.when}",
        f"machine       {platform.system()} {platform.machine()}",
        *(f"{name:<14}{version}" for name, version in versions().items()),
        f"numerics      {NUMERICS_VERSION}",
        "",
    ]
    for check in certificate.checks:
        lines.append(f"{check.name}: {check.n - len(check.wrong) if check.n else 0} of {check.n}")
        lines += [f"  wrong: {printable(what)}" for what in check.wrong]
    lines += [
        "",
        f"digest        {certificate.digest}",
        f"result        {'PASSED' if certificate.passed else 'FAILED: do not use this installation'}",
        "",
        "checked by ____________________   date ____________   signature ____________________",
    ]
    return "\n".join(lines) + "\n"
