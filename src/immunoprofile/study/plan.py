"""study.toml as it must be written; a key that stands nowhere here is an error."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt, model_validator

from immunoprofile.platelets import BESIDE
from immunoprofile.platelets.settings import Strict, not_empty

Name = Annotated[str, Field(min_length=1, max_length=200)]
PopId = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class Files(Strict):
    """The study's id and its sheets, as paths relative to study.toml."""

    id: Name
    samples: Name
    subjects: Name
    platelets: Name
    treatments: Name | None = None
    bleeding: Name | None = None
    overrides: Name | None = None


class Panel(Strict):
    """One panel: the template that gates its samples, an id or a path; the folder of its frozen gates, if any."""

    template: Name
    frozen: Name | None = None


class Visits(Strict):
    """The visit before treatment and the visits after it whose mean is compared."""

    baseline: Name
    window: Annotated[tuple[Name, ...], AfterValidator(not_empty)]

    @model_validator(mode="after")
    def _apart(self) -> Visits:
        if self.baseline in self.window:
            raise ValueError("window holds the baseline visit")
        if len(set(self.window)) < len(self.window):
            raise ValueError("window names a visit twice")
        return self


class Response(Strict):
    """The response definition, an id or a path, those reported beside it, and the last day of the data."""

    rule: Name = "iwg-2009"
    also: tuple[Name, ...] = BESIDE
    data_cutoff_day: Annotated[StrictInt, Field(ge=0)] | None = None


class PrimaryEndpoint(Strict):
    """One primary endpoint: population, denominator and the scale it is compared on."""

    pop_id: PopId
    denom_id: PopId
    measure: Literal["logit_frac", "log_cells_per_ul", "log_mfi"]


class Tables(Strict):
    """How population tables are made: interval of fractions, and a laboratory's own thresholds and treatment states."""

    interval: Literal["wilson", "clopper_pearson"] = "wilson"
    thresholds: Name | None = None
    states: Name | None = None


class Quality(Strict):
    """A laboratory's own quality rules; those of the program where none."""

    rules: Name | None = None


class LogRatio(Strict):
    """A ratio of two populations of one tube, compared on the scale of logarithms."""

    numerator: PopId
    denominator: PopId


Days = Annotated[StrictInt, Field(ge=0)]


class Analysis(Strict):
    """What was decided before the data were seen: endpoints, key secondaries, strata, days and the seed."""

    primary: Annotated[tuple[PrimaryEndpoint, ...], AfterValidator(not_empty)]
    secondary: tuple[PrimaryEndpoint, ...] = ()
    ratios: tuple[LogRatio, ...] = ()
    partitions: dict[PopId, Annotated[tuple[PopId, ...], Field(min_length=2)]] = Field(default_factory=dict)
    strata: tuple[Name, ...] = ()
    seed: Annotated[StrictInt, Field(ge=0)] = 0
    landmark_day: Days = 28
    response_day: Days = 84
    recent_rituximab_days: Days = 183
    planned_infusions: Days = 4
    hierarchy: bool = False
    predict: bool = False


class StudyPlan(Strict):
    """The whole of study.toml."""

    study: Files
    panels: Annotated[dict[Name, Panel], AfterValidator(not_empty)]
    visits: Visits
    response: Response = Field(default_factory=Response)
    tables: Tables = Field(default_factory=Tables)
    quality: Quality = Field(default_factory=Quality)
    analysis: Analysis
