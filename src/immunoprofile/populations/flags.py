"""Every flag that a row of `populations` or `intensities` can carry from here, in a statistician's words."""

from __future__ import annotations

from collections.abc import Mapping

from immunoprofile.populations.settings import TableSettings, default_settings

_OF_EVENTS: Mapping[str, str] = {
    "DENOMINATOR_TOO_SMALL": "too few events to divide by: no fraction",
    "LOW_DENOMINATOR": "fewer events to divide by than the template asks for",
    "MISSING_MARKER": "the panel lacks a marker of this population",
    "GATE_FALLBACK": "an automatic gate here or above was not found in the data: the template's fallback was used",
    "GATE_OVERRIDE": "a gate here or above was drawn by hand for this sample alone: see gates_resolved",
    "NAN_EVENTS": "events without a number on an axis of a gate lie outside it",
    "FMO_AMBIGUOUS": "several FMO controls of this marker fit the sample equally well: none is compared",
    "FMO_EMPTY": "the population is empty in the FMO control of this marker: nothing to compare with",
}


def population_flags(settings: TableSettings | None = None) -> dict[str, str]:
    """Code to meaning, with the thresholds in force."""
    s = settings or default_settings()
    of_counts = {
        "B_DEPLETED": f"B cells below {100 * s['b_depleted_frac']:g} % of lymphocytes or below "
        f"{s['b_depleted_cells_per_ul']:g}/uL: no fractions of B cells",
        "FEW_B_EVENTS": f"fewer than {s['b_depleted_events']:g} B cells were measured: no fractions of B cells",
        "FEW_BEADS": f"fewer than {s['bead_events_warn']:g} bead events: the concentration is uncertain",
        "BEADS_TOO_FEW": f"fewer than {s['bead_events_min']:g} bead events: no concentration",
        "REFERENCE_TOO_SMALL": f"fewer than {s['min_denominator']:g} events of the blood count's population: "
        "no concentration",
        "UNIT_SUSPECT": "the blood count looks like another unit; it was used as written",
        "PLATFORMS_DISAGREE": "lymphocytes by beads and by blood count differ by more than "
        f"{s['platform_ratio']:g}-fold",
    }
    return dict(_OF_EVENTS) | of_counts | {state.flag: state.meaning.rstrip(".") for state in s.states}


def barring_flags(settings: TableSettings | None = None) -> tuple[str, ...]:
    """The flags that take a fraction away: each is a reason for ``not_evaluable``."""
    s = settings or default_settings()
    states = dict.fromkeys(state.flag for state in s.states if state.effect == "invalidate")
    return ("MISSING_MARKER", "B_DEPLETED", "FEW_B_EVENTS", *states, "DENOMINATOR_TOO_SMALL")


def status_meanings(settings: TableSettings | None = None) -> dict[str, str]:
    """Status to meaning, with the thresholds in force."""
    s = settings or default_settings()
    return {
        "ok": "the count carries its fraction",
        "below_lloq": f"fewer than {s['lloq_events']:g} events: seen, hardly measured",
        "below_lod": f"fewer than {s['lod_events']:g} events: not told from none",
        "not_evaluable": "no fraction: see the flags",
    }
