"""The tables of a rule file, one class each: what may be set, and what makes no sense together."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, StrictInt, model_validator

from immunoprofile.platelets.settings import Strict, not_empty

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
    """What R asks for; without `min_fold` no multiple of the baseline."""

    min_1e9_per_l: Positive
    min_fold: Positive | None = None


class Levels(Strict):
    """The levels of response; without `cr` the definition knows one level only."""

    r: ResponseLevel
    cr: CompleteLevel | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Levels:
        if self.cr is not None and self.cr.min_1e9_per_l < self.r.min_1e9_per_l:
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


class TimePoint(Strict):
    """One day of the calendar at which a count decides: the eligible one nearest to `target_day` within `days`.

    `strict`: the count must lie above the limit, not on it. `no_bleeding`: it must be without bleeding.
    """

    name: Name
    title: str
    days: tuple[Annotated[StrictInt, Field(ge=1)], StrictInt]
    target_day: StrictInt
    min_1e9_per_l: Positive
    min_fold: Positive | None = None
    strict: StrictBool = False
    no_bleeding: StrictBool = False

    @model_validator(mode="after")
    def _in_order(self) -> TimePoint:
        if not self.days[0] <= self.target_day <= self.days[1]:
            raise ValueError("target_day must lie within days, first to last")
        return self


class Weeks(Strict):
    """So many responding weeks among the weeks `first` to `last`; week w holds the days 7 (w - 1) + 1 to 7 w."""

    weeks: tuple[Annotated[StrictInt, Field(ge=1)], StrictInt]
    min_weeks: Annotated[StrictInt, Field(ge=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Weeks:
        first, last = self.weeks
        if not first <= last or self.min_weeks > last - first + 1:
            raise ValueError("weeks must run first to last and hold at least min_weeks")
        return self

    @property
    def last_day(self) -> int:
        """Last day of the last week."""
        return 7 * self.weeks[1]
