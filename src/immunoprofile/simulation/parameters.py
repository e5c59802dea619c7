"""The numbers that drive the simulated trial: read from `trial.toml`, or from a file of the caller's.

Each number stands in the data file with where it comes from. A tree of cells is a list of splits; `Part` is one
sibling in a split, with its baseline share, its spreads and its change under treatment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from immunoprofile.simulation.reading import HERE, Strict, read_data

_Share = Annotated[float, Field(ge=0, le=1)]
_Positive = Annotated[float, Field(gt=0)]
_Spread = Annotated[float, Field(ge=0)]
_Day = Annotated[int, Field(ge=0)]


class Part(Strict):
    """One sibling in a split of cells.

    `share` is relative to the siblings (they are normalised to 1). `between` and `within` are SDs of the log share,
    between subjects and between visits of one. `responder` and `other` are the ratio to baseline of the odds
    against the siblings at the peak of the effect. Parts with the same `varies_with` share their deviations.
    """

    name: str
    share: Annotated[float, Field(ge=0)]
    between: _Spread
    within: _Spread
    responder: _Positive = 1.0
    other: _Positive = 1.0
    varies_with: str = ""


class Split(Strict):
    """A part and the siblings that it is split into."""

    parent: str
    parts: Annotated[tuple[Part, ...], Field(min_length=2)]


class Parameters(Strict):
    """What a simulated trial is drawn from; each field is explained in `trial.toml`."""

    infusion_days: tuple[_Day, ...]
    doses: tuple[_Positive, _Positive, _Positive]
    share_per_lower_dose: Annotated[float, Field(ge=0, le=0.5)]
    share_responders: _Share
    share_responders_middle_dose: _Share
    share_complete: _Share
    share_rituximab: _Share
    share_rituximab_depleted: _Share
    share_splenectomy: _Share
    share_tpo_ra: _Share
    share_steroids: _Share
    share_rescue_non_responders: _Share
    share_rescue_responders: _Share
    share_spike: _Share
    depleted_b_share: _Spread
    treg_heterogeneity: _Spread
    link: Annotated[float, Field(ge=-1, le=1)]
    effect_days: tuple[_Day, ...]
    effect_shape: tuple[float, ...]
    marker_shift_subject: _Spread
    marker_shift_run: _Spread
    marker_shift_batch: _Spread
    lymph_abs_median: _Positive
    lymph_abs_between: _Spread
    lymph_abs_within: _Spread
    lymph_of_wbc: Annotated[float, Field(gt=0, lt=1)]
    beads_added: Annotated[int, Field(gt=0)]
    sample_volume_ul: _Positive
    baseline_median: _Positive
    baseline_log_sd: _Spread
    baseline_range: tuple[_Positive, _Positive]
    onset_median: _Positive
    onset_log_sd: _Spread
    peak_r: _Positive
    peak_cr: _Positive
    peak_log_sd: _Spread
    noise_log10_sd: _Spread
    loss_per_day: _Positive
    loss_not_before: _Day
    non_responder_median: _Positive
    rescue_decay_days: dict[str, _Positive]
    follow_up_days: Annotated[int, Field(gt=0)]
    censor_below: Annotated[int, Field(gt=0)]
    split: tuple[Split, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.effect_days) != len(self.effect_shape) or list(self.effect_days) != sorted(set(self.effect_days)):
            raise ValueError("effect_days must increase and have one effect_shape each")
        if self.baseline_range[0] > self.baseline_range[1]:
            raise ValueError("baseline_range must go from low to high")
        if not {"platelet_transfusion", "ivig"} <= self.rescue_decay_days.keys():
            raise ValueError("rescue_decay_days must name platelet_transfusion and ivig")
        check_tree(self.split)
        return self

    @property
    def part_names(self) -> tuple[str, ...]:
        """Every part of the tree, in order: a subject has one deviation for each."""
        return tuple(part.name for split in self.split for part in split.parts)

    def part(self, name: str) -> Part:
        """The part of this name."""
        return next(part for split in self.split for part in split.parts if part.name == name)


def check_tree(splits: Sequence[Split], known: Sequence[str] = ("",)) -> None:
    """Each part is named once, and each split finds its parent among the parts before it.

    Raises
    ------
    ValueError
        With the first part or split for which that is not so.
    """
    names = set(known)
    for split in splits:
        if split.parent not in names:
            raise ValueError(f'split of "{split.parent}": no part of that name stands before it')
        for part in split.parts:
            if part.name in names:
                raise ValueError(f'part "{part.name}" is named twice')
            names.add(part.name)
        if not math.fsum(part.share for part in split.parts) > 0:
            raise ValueError(f'split of "{split.parent}": the shares add up to nothing')


@lru_cache(maxsize=8)
def _load(path: Path) -> Parameters:
    return read_data(path, Parameters)


def load_parameters(path: str | PathLike[str] | None = None) -> Parameters:
    """The trial's numbers: those that come along, or those of a file with the same keys.

    Raises
    ------
    InputError
        The file cannot be read, or a number is missing, unknown or outside what makes sense: all problems at once.
    """
    return _load(HERE / "trial.toml") if path is None else read_data(Path(path), Parameters)
