"""The shape of an automatic gate's rule in a TOML template: which keys each method has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from immunoprofile.gating.formats.shape_scales import Model, Name, Number


class AutoShape(Model):
    """auto = { method, x, y, keep, between, pool, fit, ... }: a gate that is found in the data"""

    method: Literal["valley", "tail", "quantile", "fmo", "mixture", "singlets", "separate"]
    x: Name
    y: Name | None = None
    keep: Literal["above", "below"] | None = None
    between: tuple[Number, Number] | None = None
    pool: Literal["sample", "subject", "visit", "batch"] = "subject"
    fit: Literal["baseline", "all"] = "baseline"
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    components: Annotated[int, Field(ge=2, le=12)] | None = None
    target: Annotated[list[Number], Field(min_length=1, max_length=2)] | None = None
    angles: tuple[Number, Number] | None = None
    width: Annotated[float, Field(gt=0)] | None = None
    bandwidth: Annotated[float, Field(gt=0)] | None = None
    drift: Annotated[float, Field(gt=0)] | None = None
    min_events: Annotated[int, Field(ge=20)] = 200

    @model_validator(mode="after")
    def _sense(self) -> AutoShape:
        if complaints := _auto_complaints(self):
            raise ValueError("; ".join(complaints))
        return self


class QuadrantAutoShape(Model):
    """auto = { method, x_between, y_between, ... } of a quadrant: a cut on each of its axes"""

    method: Literal["valley", "tail", "quantile", "fmo", "mixture"]
    x_between: tuple[Number, Number] | None = None
    y_between: tuple[Number, Number] | None = None
    pool: Literal["sample", "subject", "visit", "batch"] = "subject"
    fit: Literal["baseline", "all"] = "baseline"
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    components: Annotated[int, Field(ge=2, le=12)] | None = None
    bandwidth: Annotated[float, Field(gt=0)] | None = None
    drift: Annotated[float, Field(gt=0)] | None = None
    min_events: Annotated[int, Field(ge=20)] = 200

    @model_validator(mode="after")
    def _sense(self) -> QuadrantAutoShape:
        found = [c for k in ("x", "y") for c in _auto_complaints(self._given("?", k, AutoShape.model_construct))]
        if found:
            raise ValueError("; ".join(dict.fromkeys(found)))
        return self

    def rule(self, marker: str, key: Literal["x", "y"]) -> AutoShape:
        """The rule of the cut on one axis, which keeps what is above it."""
        return self._given(marker, key, AutoShape)

    def _given(self, marker: str, key: Literal["x", "y"], make: Callable[..., AutoShape]) -> AutoShape:
        said = self.model_fields_set - {"x_between", "y_between"}
        between = self.x_between if key == "x" else self.y_between
        window = {} if between is None else {"between": between}
        return make(x=marker, keep="above", **{k: getattr(self, k) for k in said}, **window)


_COMMON_KEYS = {"method", "x", "pool", "fit", "drift", "min_events"}
_CUT_KEYS = {"keep", "between"}
METHOD_KEYS = {
    ("valley", 1): _CUT_KEYS | {"bandwidth"},
    ("tail", 1): _CUT_KEYS | {"bandwidth", "quantile"},
    ("quantile", 1): _CUT_KEYS | {"quantile"},
    ("fmo", 1): _CUT_KEYS | {"quantile"},
    ("mixture", 1): _CUT_KEYS | {"components", "target"},
    ("mixture", 2): {"y", "components", "target", "quantile"},
    ("singlets", 2): {"y", "width"},
    ("separate", 2): {"y", "target", "angles", "bandwidth"},
}
"""Keys that a method understands, by its number of axes."""


def _auto_complaints(auto: AutoShape) -> list[str]:
    axes = 1 if auto.y is None else 2
    known = METHOD_KEYS.get((auto.method, axes))
    if known is None:
        return [f"method {auto.method} works on {'two axes: give y' if axes == 1 else 'one axis: leave y out'}"]
    found = [
        f"method {auto.method} has no {key}; it has {', '.join(sorted(known | _COMMON_KEYS))}"
        for key in sorted(auto.model_fields_set - known - _COMMON_KEYS)
    ]
    if axes == 1 and auto.keep is None:
        found.append('keep is missing: write "above" or "below"')
    if auto.between is not None and not auto.between[0] < auto.between[1]:
        found.append("between is not in rising order")
    if auto.angles is not None and not 0 <= auto.angles[0] <= auto.angles[1] <= 180:
        found.append("angles must rise and lie between 0 and 180 degrees")
    needs_target = (auto.method, axes) in {("mixture", 2), ("separate", 2)}
    if (auto.target is not None or needs_target) and len(auto.target or ()) != axes:
        found.append(f"target must be a point on {axes} {'axis' if axes == 1 else 'axes'}")
    if auto.method == "tail" and auto.quantile is not None and auto.quantile <= 0.5:
        found.append("quantile of a tail must be above 0.5: half of a peak lies before its mode")
    return found
