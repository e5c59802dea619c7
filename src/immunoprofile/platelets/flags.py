"""What the flags and reasons of the response tables mean: one list for code, documentation and report."""

from __future__ import annotations

SUBJECT_FLAGS = {
    "ATTRIBUTION_ENDED": "Rituximab, splenectomy or another such treatment began; later counts do not speak",
    "BASELINE_CENSORED": "The baseline is a bound such as <10; doubling was judged by the bound",
    "BASELINE_GE_30": "A count of 100 or more was CR without being twice the baseline",
    "BASELINE_OLD": "The baseline is older than a week",
    "BLEEDING_NOT_ASSESSED": "A count that carries the response had no bleeding assessment in its days",
    "BLEEDING_NOT_GIVEN": "No bleeding table was given: platelets only",
    "CONCOMITANT_CHANGED": "A treatment began or was increased after day 0 without setting counts aside",
    "CONFIRMATION_GAP": "More days than usual lie between onset and confirmation",
    "LATE_RESPONSE": "A confirmed response began after the days in which it may be attributed",
    "LOSS_BEFORE_CONFIRMATION": "Low counts, bleeding or rescue came between onset and confirmation",
    "NR_SINGLE_COUNT": "No response rests on one eligible count",
    "RECENT_TREATMENT": "Rituximab, splenectomy or the like shortly before day 0 may still be at work",
    "RESPONSE_AFTER_RESCUE": "A response, or a better one, began after rescue and is not credited",
    "TREATMENTS_NOT_GIVEN": "No treatments table was given: no count was set aside for rescue",
    "TREATMENT_END_UNKNOWN": "A treatment without an end was taken as going on",
}
"""Flags of a row of `response`."""

COUNT_FLAGS = {
    "BLEEDING_NOT_ASSESSED": "No bleeding assessment in the days of this count; taken as none",
    "CR_WITHOUT_DOUBLING": "CR by its number, less than twice the baseline",
}
"""Flags of a row of `response_counts`."""

REASONS = {
    "no_baseline": "NE: no usable count before treatment",
    "no_eligible_count": "NE: no count in the days of onset could speak, for reasons other than failure",
    "no_eligible_count_rescue": "NR: rescue or a new treatment left no count that could speak",
    "lack_of_efficacy": "NR: observation ended for lack of efficacy before a count could speak",
    "observation_ended": "NE: observation ended before the days that the definition asks for",
    "rescue_before_response": "NR: rescue treatment came before any confirmed response",
}
"""Values of `reason`."""


def join_flags(flags: set[str]) -> str:
    """Codes in alphabetical order, joined by ``;``."""
    return ";".join(sorted(flags))
