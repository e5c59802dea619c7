"""What codes mean, in half a sentence each: flags, reasons, methods.

The codes of the response tables have their meanings in the platelets room; a rule of quality says its own.
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from immunoprofile.comparison.answer import ALPHA, MIN_PAIRS, MIN_PER_GROUP
from immunoprofile.comparison.change import LOW_EVENTS, LOW_PARENT
from immunoprofile.comparison.questions import IMBALANCE, LOW_N
from immunoprofile.errors import printable
from immunoprofile.platelets import REASONS, SUBJECT_FLAGS
from immunoprofile.populations import population_flags, status_meanings
from immunoprofile.quality import load_quality_rules

FLAGS = MappingProxyType(
    {
        "BASELINE_IMBALANCE": f"the groups differ at baseline by more than {IMBALANCE} standard deviations",
        "CHANGE_ANCOVA_DISAGREE": "the change score and the baseline-adjusted model disagree: neither decides alone",
        "CI_BELOW_LEVEL": f"too few subjects for an interval of {100 * (1 - ALPHA):g} %",
        "CI_UNBOUNDED": "these numbers cannot bound the estimate on both sides",
        "DAY_UNKNOWN": "a window sample without a day, in a subject with rescue, was left out",
        "LOW_EVENTS": f"a count below {LOW_EVENTS} events takes part",
        "LOW_N": f"fewer than {LOW_N} subjects: read this as a description first",
        "LOW_PARENT": f"a denominator below {LOW_PARENT} events takes part",
        "MIN_P_ABOVE_ALPHA": f"with these numbers no data could have given p at or below {ALPHA:g}",
        "MISSING_OVER_20_PERCENT": "more than a fifth of the subjects could not be included",
        "NOT_IN_FAMILY": "too few subjects to be adjusted together with the others",
        "NOT_TESTABLE": "no relabeling could tell the groups apart",
        "POST_HOC": "declared after the response was first derived in this folder: see note",
        "PANEL_CHOSEN": "several panels measure this population; the first one was used",
        "POST_RESCUE": "window samples after rescue treatment were left out",
        "TIES": "equal changes share their rank",
        "TOO_FEW_PAIRS": f"fewer than {MIN_PAIRS} pairs",
        "TOO_FEW_PER_GROUP": f"fewer than {MIN_PER_GROUP} subjects in a group",
        "WINDOW_INCOMPLETE": "the mean of the window rests on fewer visits than it has",
        "WINDOW_VISIT_ABSENT": "a visit of the window has no sample at all",
        "ZERO_CHANGES": "a subject without any change takes part (its rank counts, its sign does not)",
        "ZERO_COUNTS": "a population without any event takes part (half an event is added to every count)",
        "BATCH_IS_RESPONSE": "batches go with response (Cramer's V above 0.6): the two cannot be told apart",
        "BATCH_IS_VISIT": "batches go with visits (Cramer's V above 0.6): the two cannot be told apart",
        "CONCLUSION_TURNS": f"leaving one subject out, or placing a gate elsewhere, moves p across {ALPHA:g}",
        "DENOMINATOR_DRIVEN": "the denominator moved the other way by more than half of the fraction's shift",
        "FEW_EVENTS": "fewer than 5 subjects in the smaller group of a regression",
        "IDENTITY_OFF": "fractions and concentrations of the same samples contradict each other",
        "NOT_AVAILABLE": "these tables cannot answer this sensitivity analysis",
        "RESPONSE_AFTER_WINDOW": "a response was confirmed after the last sample of the window",
        "RESPONSE_IMMATURE": "a subject without response was not observed to the response day",
    }
    | population_flags()
    | {word: meaning for word, meaning in status_meanings().items() if word.startswith("below")}
)
"""Meaning of the flags of `populations`, `change` and `association`, and of `status`."""

METHODS = MappingProxyType(
    {
        "ancova": "baseline-adjusted linear model (ANCOVA), relabeling with the baseline held fixed, t interval",
        "change_score": "difference of mean changes, p from relabelings",
        "clopper_pearson": "exact interval (Clopper-Pearson)",
        "mann_whitney": "Mann-Whitney test, Hodges-Lehmann shift",
        "wilcoxon_signed_rank_pratt": "Wilcoxon signed-rank test (zeros by Pratt), Hodges-Lehmann estimate",
        "aalen_johansen": "cumulative incidence with rescue as competing event (Aalen-Johansen)",
        "aitchison_relabeling": "distance of compositions, p from relabelings",
        "aitchison_sign_flip": "distance of compositions, p from sign flips",
        "beta_binomial_mixed": "beta-binomial model with a level a subject",
        "cochran_armitage_exact": "exact test of trend over doses (Cochran-Armitage)",
        "firth_logistic": "logistic regression with Firth's penalty, profile limits",
        "gate_placement_range": "range over gates moved within their tolerance",
        "gee_mancl_derouen": "estimating equations, covariance of Mancl and DeRouen",
        "jonckheere_exact": "test of an ordered trend over doses (Jonckheere)",
        "kaplan_meier": "Kaplan-Meier estimate",
        "kendall": "Kendall's rank correlation",
        "meinshausen_min_p": "hierarchical testing (Meinshausen)",
        "nested_cross_validation": "logistic model chosen and fitted inside folds that keep subjects apart",
        "mmrm": "linear model of all visits (REML, Satterthwaite)",
        "none": "not asked",
        "repeated_measures_correlation": "correlation within subjects over visits",
        "spearman": "Spearman's rank correlation",
    }
)
"""Methods of `association` in words; ``_stratified`` is added where strata were used."""

_METHOD_NAMES = MappingProxyType(
    {
        "ancova": "ANCOVA",
        "change_score": "relabeling",
        "clopper_pearson": "exact",
        "mann_whitney": "Mann-Whitney",
        "wilcoxon_signed_rank_pratt": "signed-rank",
        "aalen_johansen": "cumulative incidence",
        "aitchison_relabeling": "composition",
        "aitchison_sign_flip": "composition",
        "beta_binomial_mixed": "beta-binomial",
        "cochran_armitage_exact": "Cochran-Armitage",
        "firth_logistic": "Firth",
        "gate_placement_range": "gates moved",
        "gee_mancl_derouen": "GEE",
        "jonckheere_exact": "Jonckheere",
        "kaplan_meier": "Kaplan-Meier",
        "kendall": "Kendall",
        "meinshausen_min_p": "hierarchy",
        "nested_cross_validation": "nested cross-validation",
        "mmrm": "MMRM",
        "none": "not asked",
        "repeated_measures_correlation": "within subjects",
        "spearman": "Spearman",
    }
)

P_METHODS = MappingProxyType(
    {
        "asymptotic": "asymptotic",
        "exact": "exact",
        "mc": "Monte Carlo",
        "relabel_fixed_covariate": "approximate",
    }
)
"""How p was had, in a word."""

_LEFT_OUT = MappingProxyType(
    {
        "after_day_0": "the baseline sample was drawn after day 0",
        "after_rescue": "all window samples were drawn after rescue treatment",
        "day_unknown": "window samples have no day, and the subject had rescue treatment",
        "denominator_zero": "the {where} has no events to divide by",
        "no_count": "the {where} has no count",
        "no_value": "the {where} has no value",
        "not_after_baseline": "no window sample was drawn after the baseline sample",
        "not_evaluable": "the {where} is not evaluable",
        "value_without_logarithm": "the {where} value has no logarithm",
    }
)


_ABSENT = MappingProxyType(
    {
        "no_baseline": "no baseline sample",
        "no_baseline_failed": "the baseline sample failed",
        "no_window": "no sample in the window",
        "no_window_failed": "the samples in the window failed",
    }
)


def explain_flag(code: str) -> str:
    """A flag with its meaning: ``LOW_N: fewer than 12 subjects``."""
    meaning = FLAGS.get(code) or SUBJECT_FLAGS.get(code) or _of_rules().get(code)
    return f"{printable(code)}: {meaning[0].lower() + meaning[1:]}" if meaning else printable(code)


@cache
def _of_rules() -> dict[str, str]:
    """The flags of quality rules; their own meaning is long, and stands under Quality."""
    found: dict[str, str] = {}
    for rule in load_quality_rules().rules:
        if rule.flag:
            found.setdefault(rule.flag, f"quality rule {rule.id.replace('_', ' ')} was not met; see Quality")
    return found


def explain_method(method: str) -> str:
    """A method of `association` in words."""
    plain = method.removesuffix("_stratified")
    words = METHODS.get(plain, printable(plain))
    return words if plain == method else f"{words}, within strata"


def name_method(method: str) -> str:
    """A method of `association` in one or two words, for a narrow column."""
    plain = method.removesuffix("_stratified")
    words = _METHOD_NAMES.get(plain, printable(plain))
    return words if plain == method else f"{words}, strata"


def explain_exclusion(reasons: str) -> str:
    """The reasons of `change.exclude_reason` in words, joined by "and"."""
    return " and ".join(_exclusion(code) for code in reasons.split(";") if code)


def _exclusion(code: str) -> str:
    if code in _ABSENT:
        return _ABSENT[code]
    where, _, reason = code.partition("_")
    return _LEFT_OUT.get(reason, printable(code)).format(where=where)


def explain_response(reason: str) -> str:
    """A reason of `response` in words; the class that it explains stands beside it."""
    known = {code: meaning.removeprefix("NE: ").removeprefix("NR: ") for code, meaning in REASONS.items()}
    return "; ".join(known.get(code, printable(code)) for code in reason.split(";") if code)
