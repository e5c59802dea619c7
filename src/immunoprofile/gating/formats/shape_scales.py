"""The shape of a template's scales, and what every part of a template file has in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Model(BaseModel):
    """A part of a template: a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, populate_by_name=True)


class _Clipped(Model):
    """low and high clip what the scale gives"""

    low: Number | None = None
    high: Number | None = None


class LinearShape(_Clipped):
    """kind = "linear" """

    kind: Literal["linear"]
    t: Number
    a: Number = 0.0


class IdentityShape(_Clipped):
    """kind = "identity" """

    kind: Literal["identity"]


class LogShape(_Clipped):
    """kind = "log" """

    kind: Literal["log"]
    t: Number
    m: Number


class AsinhShape(_Clipped):
    """kind = "asinh" """

    kind: Literal["asinh"]
    t: Number
    m: Number
    a: Number = 0.0


class LogicleShape(_Clipped):
    """kind = "logicle" """

    kind: Literal["logicle"]
    t: Number
    w: Number
    m: Number
    a: Number = 0.0


class HyperlogShape(_Clipped):
    """kind = "hyperlog" """

    kind: Literal["hyperlog"]
    t: Number
    w: Number
    m: Number
    a: Number = 0.0


class BiexShape(_Clipped):
    """kind = "flowjo_biex" """

    kind: Literal["flowjo_biex"]
    neg: Number
    width: Number
    pos: Number
    max: Number


ScaleShape = Annotated[
    LinearShape | IdentityShape | LogShape | AsinhShape | LogicleShape | HyperlogShape | BiexShape,
    Field(discriminator="kind"),
]
