"""A response definition as data: every limit by its name, read from a rule file."""

from __future__ import annotations

import re
from decimal import Decimal
from importlib import resources
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PrivateAttr, StrictBool, StrictInt, model_validator

from immunoprofile.errors import StudyError, closest, printable
from immunoprofile.platelets.settings import Strict, not_empty, read_settings
from immunoprofile.provenance import digest_of_bytes

TreatmentKind = Literal[
    "platelet_transfusion",
    "ivig",
    "anti_d",
    "steroid",
    "tpo_ra",
    "rituximab",
    "splenectomy",
    "anti_cd38",
    "other",
]
Opening = Literal["any", "rescue", "start", "increase"]
Strategy = Literal["composite", "policy"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Days = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class Units(Strict):
    """Above which magnitude a count must have another unit."""

    max_count_1e9_per_l: Positive
    baseline_below_1e9_per_l: Positive


class BaselineDays(Strict):
    """Days in which the baseline is looked for, first choice and second."""

    days: tuple[StrictInt, StrictInt]
    fallback_days: tuple[StrictInt, StrictInt]

    @model_validator(mode="after")
    def _in_order(self) -> BaselineDays:
        older, newer = self.fallback_days, self.days
        if not older[0] <= older[1] < newer[0] <= newer[1] <= 0:
            raise ValueError("fallback_days must come before days, each first to last, none after day 0")
        return self


class Eligibility(Strict):
    """Which of several counts on one day speaks."""

    several_a_day: Literal["lowest"]


class Exclusion(Strict):
    """A kind of treatment after which counts do not speak for a while."""

    kind: TreatmentKind
    washout_days: Days
    when: Annotated[tuple[Opening, ...], AfterValidator(not_empty)]
    blank_end: Literal["same_day", "ongoing"]
    stable_days: Days | None = None


class Attribution(Strict):
    """Treatments after which counts speak for something else for good."""

    ended_by: tuple[TreatmentKind, ...]
    flag_days_before: Days


class BleedingRule(Strict):
    """When a count is with bleeding."""

    lookback_days: Days
    max_grade: Annotated[Decimal, Field(ge=0)]
    absent: Literal["none", "unknown"]


class CompleteLevel(Strict):
    """What CR asks for."""

    min_1e9_per_l: Positive


class ResponseLevel(Strict):
    """What R asks for."""

    min_1e9_per_l: Positive
    min_fold: Positive


class Levels(Strict):
    """The two levels of response."""

    cr: CompleteLevel
    r: ResponseLevel

    @model_validator(mode="after")
    def _in_order(self) -> Levels:
        if self.cr.min_1e9_per_l < self.r.min_1e9_per_l:
            raise ValueError("cr.min_1e9_per_l must not be below r.min_1e9_per_l")
        return self


class Confirmation(Strict):
    """When a second count confirms a first."""

    onset_days: tuple[Annotated[StrictInt, Field(ge=1)], StrictInt]
    confirmed_until_day: StrictInt
    days_apart: Annotated[StrictInt, Field(ge=1)]
    strict_between: StrictBool
    flag_gap_days: Days

    @model_validator(mode="after")
    def _in_order(self) -> Confirmation:
        if not self.onset_days[0] <= self.onset_days[1] <= self.confirmed_until_day:
            raise ValueError("onset_days must run first to last and end by confirmed_until_day")
        return self


class LossRule(Strict):
    """When a second low count confirms a loss."""

    days_apart: Annotated[StrictInt, Field(ge=1)]


class Rescue(Strict):
    """What rescue treatment means for the response."""

    strategy: Strategy


class Observation(Strict):
    """Ends of observation that are treatment failures."""

    failure_reasons: tuple[str, ...]


class Variant(Strict):
    """A further definition: what differs from the main one."""

    strict_between: StrictBool | None = None
    rescue_strategy: Strategy | None = None


class Rule(Strict):
    """A response definition: the whole content of a rule file.

    Notes
    -----
    `sha256` is the digest of the file's bytes and stands beside every result.
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
    confirmation: Confirmation
    loss: LossRule
    rescue: Rescue
    observation: Observation
    variant: dict[Name, Variant] = Field(default_factory=dict)
    _sha256: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _one_window_a_kind(self) -> Rule:
        kinds = [e.kind for e in self.exclusion]
        if len(set(kinds)) < len(kinds):
            raise ValueError("exclusion names a kind of treatment twice")
        return self

    @property
    def sha256(self) -> str:
        """SHA-256 of the file that the rule was read from."""
        return self._sha256

    def definitions(self) -> tuple[Rule, ...]:
        """The rule itself and its variants, each with its own id (``iwg-2009-lenient``, ...)."""
        return (self, *(_vary(self, name, v) for name, v in self.variant.items()))


def _vary(rule: Rule, name: str, variant: Variant) -> Rule:
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
    loaded, content = read_settings(path, Rule)
    loaded._sha256 = digest_of_bytes(content)
    return loaded


def looks_like_path(name: str | PathLike[str]) -> bool:
    """Is this a file rather than an id: a path object, or text with a separator or a ``.toml`` at its end."""
    return not isinstance(name, str) or bool(re.search(r"[/\\]|\.toml$", fspath(name)))


def _packaged(rule: str) -> Path:
    folder = Path(str(resources.files("immunoprofile.platelets") / "rules"))
    known = {p.stem: p for p in sorted(folder.glob("*.toml"))}
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
