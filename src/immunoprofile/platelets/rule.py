"""A response definition as data: every limit by its name, read from a rule file.

A file says which counts speak (`Rule`), and one of three ways in which they make a response: two counts apart
(`ConfirmedRule`), the count at a set time (`TimePointRule`), enough responding weeks (`WeeklyRule`). With ``extends``
it takes over what another file says of the counts, and gives only what differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import resources
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, StrictBool, model_validator

from immunoprofile.errors import StudyError, closest, printable
from immunoprofile.platelets.criteria import (
    Attribution,
    BaselineDays,
    BleedingRule,
    Confirmation,
    Days,
    Eligibility,
    Exclusion,
    Levels,
    LossRule,
    Name,
    Observation,
    Rescue,
    TimePoint,
    Units,
    Variant,
    Weeks,
)
from immunoprofile.platelets.settings import Strict, check_settings, not_empty, read_toml
from immunoprofile.provenance import digest_of_bytes


class Rule(Strict):
    """What every response definition says: which counts speak, and what level each has.

    Notes
    -----
    `sha256` is the digest of the file's bytes, and of those that it extends, and stands beside every result.
    """

    id: Name
    version: str
    title: str
    units: Units
    baseline: BaselineDays
    eligibility: Eligibility
    exclusion: tuple[Exclusion, ...] = ()
    attribution: Attribution
    bleeding: BleedingRule
    level: Levels
    observation: Observation
    rescue: Rescue
    _sha256: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _one_window_a_kind(self) -> Rule:
        kinds = [e.kind for e in self.exclusion]
        if len(set(kinds)) < len(kinds):
            raise ValueError("exclusion names a kind of treatment twice")
        return self

    @property
    def sha256(self) -> str:
        """SHA-256 of what the rule was read from."""
        return self._sha256

    def definitions(self) -> tuple[Rule, ...]:
        """The rule itself and what it reports beside, each with its own id."""
        return (self,)


class ConfirmedRule(Rule):
    """Response is two counts at a level, days apart; it lasts until it is lost."""

    kind: Literal["confirmed"] = "confirmed"
    confirmation: Confirmation
    loss: LossRule
    variant: dict[Name, Variant] = Field(default_factory=dict)

    def definitions(self) -> tuple[Rule, ...]:
        """The rule itself and its variants (``iwg-2009-lenient``, ...)."""
        return (self, *(_vary(self, name, v) for name, v in self.variant.items()))


class TimePointRule(Rule):
    """Response is the count at a set time; `main` names the point that stands under the rule's own id."""

    kind: Literal["time-points"]
    main: Name
    point: Annotated[tuple[TimePoint, ...], AfterValidator(not_empty)]

    @model_validator(mode="after")
    def _main_is_a_point(self) -> TimePointRule:
        names = [p.name for p in self.point]
        if len(set(names)) < len(names):
            raise ValueError("two points have one name")
        if self.main not in names:
            raise ValueError(f"main names no point; there are {', '.join(names)}")
        return self

    @property
    def decisive(self) -> TimePoint:
        """The point of the rule's own id."""
        return next(p for p in self.point if p.name == self.main)

    def definitions(self) -> tuple[Rule, ...]:
        """The main point under the rule's id, then every other one (``ash-2019-early``, ...)."""
        others = (p.name for p in self.point if p.name != self.main)
        return (self, *(self.model_copy(update={"id": f"{self.id}-{n}", "main": n}) for n in others))


class WeeklyRule(Rule):
    """Response is enough weeks with a count at the level: durable, and beside it durable or transient.

    `after_rescue_days`: a week so soon after rescue does not respond.
    """

    kind: Literal["weekly"]
    after_rescue_days: Days
    durable: Weeks
    transient: Weeks | None = None
    overall: StrictBool = False

    def definitions(self) -> tuple[Rule, ...]:
        """The durable response, and where the file knows a transient one either of them (``-overall``)."""
        if self.transient is None or self.overall:
            return (self,)
        return (self, self.model_copy(update={"id": f"{self.id}-overall", "overall": True}))


BESIDE = ("ash-2019", "at-least-50-twice")
"""Packaged definitions that are reported beside the one asked for, unless a study says otherwise: a conclusion that
holds under one definition alone is worth less."""

_KINDS: dict[str, type[Rule]] = {"confirmed": ConfirmedRule, "time-points": TimePointRule, "weekly": WeeklyRule}
_INHERITED = frozenset(Rule.model_fields) - {"id", "version", "title"}


def _vary(rule: ConfirmedRule, name: str, variant: Variant) -> ConfirmedRule:
    """The rule with one variant's differences; it keeps the digest of its file."""
    confirmation, rescue = rule.confirmation, rule.rescue
    if variant.strict_between is not None:
        confirmation = confirmation.model_copy(update={"strict_between": variant.strict_between})
    if variant.rescue_strategy is not None:
        rescue = Rescue(strategy=variant.rescue_strategy)
    changes = {"id": f"{rule.id}-{name}", "confirmation": confirmation, "rescue": rescue, "variant": {}}
    return rule.model_copy(update=changes)


def load_rule(rule: str | PathLike[str]) -> Rule:
    """Load a response definition by the id of a packaged rule or by the path of a rule file.

    Parameters
    ----------
    rule
        An id such as ``iwg-2009``; or a path, which has a ``/`` or ends in ``.toml``.

    Raises
    ------
    StudyError
        No rule has this id, or the file is missing or wrong: all its problems named.
    """
    path = Path(rule) if looks_like_path(rule) else _packaged(str(rule))
    data, digest = _read_rule(path)
    loaded = check_settings(data, _model_of(data, path), path)
    loaded._sha256 = digest
    return loaded


def check_definitions(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Every definition that the rules report, in their order.

    Raises
    ------
    StudyError
        Two of them have one id.
    """
    definitions = tuple(d for rule in rules for d in rule.definitions())
    ids = [d.id for d in definitions]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise StudyError(
            f"two response definitions are called {', '.join(twice)}",
            where="rule",
            remedy="Name each rule once; give a changed copy another id.",
            code="RULE-TWICE",
        )
    return definitions


def _read_rule(path: Path) -> tuple[dict[str, Any], str]:
    """The settings of a file with those that it extends, and the digest of both.

    A table that the file gives replaces the whole table of the extended one; only what `Rule` knows is taken over.
    """
    data, content = read_toml(path)
    if "extends" not in data:
        return data, digest_of_bytes(content)
    name = str(data.pop("extends"))
    below, below_content = read_toml(path.parent / name if looks_like_path(name) else _packaged(name))
    if "extends" in below:
        raise StudyError(
            f'extends "{printable(name)}", which extends a third file',
            path=path,
            where="extends",
            remedy="Extend that file itself.",
            code="RULE-EXTENDS",
        )
    taken = {k: v for k, v in below.items() if k in _INHERITED}
    return taken | data, digest_of_bytes(content + b"\0" + below_content)


def _model_of(data: Mapping[str, Any], path: Path) -> type[Rule]:
    kind = data.get("kind", "confirmed")
    if kind not in _KINDS:
        raise StudyError(
            f'"{printable(kind)}" is no kind of response rule',
            path=path,
            where="kind",
            expected=", ".join(_KINDS),
            found=printable(kind),
            remedy=closest(str(kind), _KINDS),
            code="RULE-KIND",
        )
    return _KINDS[kind]


def looks_like_path(name: str | PathLike[str]) -> bool:
    """Is this a file rather than an id: a path object, or text with a separator or a ``.toml`` at its end."""
    return not isinstance(name, str) or bool(re.search(r"[/\\]|\.toml$", fspath(name)))


def rule_ids() -> tuple[str, ...]:
    """Ids of the packaged response definitions."""
    return tuple(_packaged_files())


def rule_text(rule: str) -> str:
    """The file of a packaged rule, to copy and change.

    Raises
    ------
    StudyError
        No rule has this id.
    """
    return _packaged(rule).read_text(encoding="utf-8")


def _packaged_files() -> dict[str, Path]:
    folder = Path(str(resources.files("immunoprofile.platelets") / "rules"))
    return {p.stem: p for p in sorted(folder.glob("*.toml"))}


def _packaged(rule: str) -> Path:
    known = _packaged_files()
    if rule not in known:
        raise StudyError(
            f'no response rule "{printable(rule)}"',
            where="rule",
            expected=", ".join(known),
            found=rule,
            remedy=f"{closest(rule, known)} Or give the path of a rule file.",
            code="RULE-UNKNOWN",
        )
    return known[rule]
