"""Rules as data: what is checked, where each level begins, which populations it concerns, and who says so."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from immunoprofile.errors import Problem, StudyError, closest, printable
from immunoprofile.gating.formats.complaints import shape_problems
from immunoprofile.provenance import digest_of_value, read_regular

Level = Literal["pass", "info", "warn", "fail"]
Interval = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)
CONCERNS = ("all", "absolute", "item", "singlets", "live", "lymphocytes", "leukocytes", "t", "cd4", "cd8", "b", "nk")
_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One check as data; how its value is measured is code of the same id.

    Parameters
    ----------
    info, warn, fail
        Closed intervals: a value outside is noticed, warned of or failed.
    concerns
        Whose rows of `populations` carry the flag: see `laboratory.toml`.
    flags_from
        The level from which they do.
    settings
        Numbers of the measurement itself.
    """

    id: str
    flag: str
    meaning: str
    source: str
    info: Interval = EVERYTHING
    warn: Interval = EVERYTHING
    fail: Interval = EVERYTHING
    concerns: tuple[str, ...] = ()
    flags_from: Level = "fail"
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variation:
    """Variation of one fraction within a subject: biology and assay, as coefficients of variation."""

    pop_id: str
    denom_id: str
    cv_i: float
    cv_a: float
    stable: bool
    source: str

    @property
    def log_sd(self) -> float:
        """Standard deviation of the logarithm of one measurement: ``sqrt(ln(1 + cv_i^2) + ln(1 + cv_a^2))``."""
        return math.sqrt(math.log1p(self.cv_i**2) + math.log1p(self.cv_a**2))


@dataclass(frozen=True, slots=True)
class Centre:
    """Centre and spread of a bridging control as a laboratory declares them, in place of its first runs.

    Parameters
    ----------
    item
        ``pop_id/denom_id`` of a fraction, ``pop_id:marker`` of a median intensity.
    centre
        Fraction 0..1, or linear median intensity.
    cv
        Coefficient of variation between runs, counting included.
    panel
        The panel it is of; all panels where None.
    """

    item: str
    centre: float
    cv: float
    source: str
    panel: str | None = None

    def score(self, log_value: float) -> float:
        """Standard deviations of a logarithm from the centre, on the scale of logarithms."""
        return (log_value - math.log(self.centre)) / math.sqrt(math.log1p(self.cv**2))


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A laboratory's rules, the variation its delta checks rest on, and what it declares of its bridging control."""

    rules: tuple[Rule, ...]
    variation: tuple[Variation, ...]
    sha256: str
    centres: tuple[Centre, ...] = ()

    def find(self, rule_id: str) -> Rule | None:
        """The rule of this id; None where the laboratory left it out."""
        return next((r for r in self.rules if r.id == rule_id), None)


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RuleShape(_Shape):
    """A [[rule]]"""

    id: str
    flag: Annotated[str, Field(pattern=r"^[A-Z0-9_]+$")]
    meaning: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    info: Interval = EVERYTHING
    warn: Interval = EVERYTHING
    fail: Interval = EVERYTHING
    concerns: list[Literal[CONCERNS]] = []  # type: ignore[valid-type]
    flags_from: Literal["info", "warn", "fail"] = "fail"
    settings: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {}

    @model_validator(mode="after")
    def _nested(self) -> RuleShape:
        intervals = (self.info, self.warn, self.fail)
        if any(not low <= high for low, high in intervals):
            raise ValueError("an interval is [low, high] with low not above high")
        for inner, outer in ((self.info, self.warn), (self.info, self.fail), (self.warn, self.fail)):
            if EVERYTHING not in (inner, outer) and not outer[0] <= inner[0] <= inner[1] <= outer[1]:
                raise ValueError("info must lie inside warn, and warn inside fail")
        return self


class VariationShape(_Shape):
    """A [variation.POP_ID]"""

    of: str
    cv_i: Annotated[float, Field(gt=0, lt=3)]
    cv_a: Annotated[float, Field(ge=0, lt=3)]
    stable: bool
    source: Annotated[str, Field(min_length=1)]


class CentreShape(_Shape):
    """A [[bridge]]"""

    item: Annotated[str, Field(pattern=r"^[a-z0-9_]+(/[a-z0-9_]+|:.+)$")]
    centre: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    cv: Annotated[float, Field(gt=0, lt=3)]
    source: Annotated[str, Field(min_length=1)]
    panel: str | None = None

    @model_validator(mode="after")
    def _fraction(self) -> CentreShape:
        if "/" in self.item.split(":")[0] and self.centre > 1:
            raise ValueError("the centre of a fraction lies between 0 and 1")
        return self


class RulesShape(_Shape):
    """A whole rules file"""

    off: list[str] = []
    rule: list[RuleShape] = []
    variation: dict[str, VariationShape] = {}
    bridge: list[CentreShape] = []

    @model_validator(mode="after")
    def _once(self) -> RulesShape:
        named = [(b.panel, b.item) for b in self.bridge]
        if len(set(named)) < len(named):
            raise ValueError("bridge declares an item of a panel twice")
        return self


def load_quality_rules(path: str | PathLike[str] | None = None) -> RuleSet:
    """The packaged rules, with those of a laboratory's own file over them.

    Parameters
    ----------
    path
        A TOML file whose ``[[rule]]`` name an `id` and the keys that differ, among them `source`; ``[variation]`` rows
        replace those of the same population; ``[[bridge]]`` declares centres of the bridging control; ``off`` leaves
        rules out. None for the packaged rules as they are.

    Raises
    ------
    StudyError
        The file cannot be read, or keys, ids or values are wrong: all of them.
    """
    return _packaged() if path is None else _build(_merge(_packaged_content(), Path(path)), Path(path))


@cache
def _packaged() -> RuleSet:
    return _build(_packaged_content(), Path("laboratory.toml"))


def _packaged_content() -> dict[str, Any]:
    return tomllib.loads((resources.files("immunoprofile.quality") / "laboratory.toml").read_text("utf-8"))


def _merge(packaged: dict[str, Any], path: Path) -> dict[str, Any]:
    given, problems = _read(path), list[Problem]()
    rules = {r["id"]: r for r in packaged["rule"]}
    listed = given.pop("rule", [])
    for number, own in enumerate(listed if isinstance(listed, list) else []):
        where = f"rule[{number}]"
        name = str(own.get("id", "")) if isinstance(own, dict) else ""
        if name not in rules:
            what = f'no rule "{printable(name)}"'
            problems.append(Problem(what, str(path), f"{where}.id", remedy=closest(name, rules), code="RULE-UNKNOWN"))
        elif "source" not in own:
            remedy = "Say where the laboratory's numbers come from."
            problems.append(Problem('"source" is missing', str(path), where, remedy=remedy, code="RULE-SOURCE"))
        else:
            settings = {**rules[name].get("settings", {}), **own.get("settings", {})}
            problems += _unknown_settings(settings, rules[name], path, where)
            rules[name] = {**rules[name], **own, "settings": settings}
    for name in given.get("off", []):
        if name not in rules:
            what, remedy = f'no rule "{printable(name)}"', closest(str(name), rules)
            problems.append(Problem(what, str(path), "off", remedy=remedy, code="RULE-UNKNOWN"))
    if problems:
        raise StudyError.of(problems)
    variation = {**packaged["variation"], **given.pop("variation", {})}
    return {"rule": list(rules.values()), "variation": variation, **given}


def _unknown_settings(
    settings: Mapping[str, Any], packaged: Mapping[str, Any], path: Path, where: str
) -> list[Problem]:
    known = packaged.get("settings", {})
    return [
        Problem(f'no setting "{printable(key)}"', str(path), where, remedy=closest(key, known), code="RULE-SETTING")
        for key in settings
        if key not in known
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_regular(path, _MAX_BYTES)
    except OSError as problem:
        raise StudyError(
            f"quality rules cannot be read ({problem.strerror})",
            path=path,
            remedy="Check the path.",
            code="RULE-ACCESS",
        ) from problem
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise StudyError(
            f"is not TOML ({printable(problem)})", path=path, remedy="Mend the line it names.", code="RULE-TOML"
        ) from problem


def _build(content: dict[str, Any], path: Path) -> RuleSet:
    try:
        shape = RulesShape.model_validate(content)
    except ValidationError as problem:
        raise StudyError.of(shape_problems(problem, str(path), RulesShape)) from None
    rules = tuple(Rule(**{**dict(r), "concerns": tuple(r.concerns)}) for r in shape.rule if r.id not in shape.off)
    variation = tuple(
        Variation(name, v.of, v.cv_i, v.cv_a, v.stable, v.source) for name, v in sorted(shape.variation.items())
    )
    kept = [r.model_dump() for r in shape.rule if r.id not in shape.off]
    centres = tuple(Centre(b.item, b.centre, b.cv, b.source, b.panel) for b in shape.bridge)
    declared = [b.model_dump() for b in shape.bridge]
    # Without declared centres the digest is that of rules and variation: results of earlier runs stay comparable.
    digest = digest_of_value([kept, content["variation"], *([declared] if declared else [])])
    return RuleSet(rules, variation, digest, centres)
