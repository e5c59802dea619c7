"""Tables to answers: did a population change, and does its change differ by platelet response?

The room reads from top to bottom. `measures` puts counts on the scale of the analysis; `readings` checks a
populations table and does so for every row (`ratios` and `partitions` make log-ratios of several populations);
`change` pairs baseline and window into one number a subject, and `shares` says whether a fraction or its
denominator moved. The statistics stand alone and take plain arrays: `signed_rank` and `shift` (did it change),
`relabeling`, `ancova` and `rank_sum` (does the change differ by response), `stepdown` and `hierarchy` (many
populations at once), `correlation`, `survival`, `firth`, `trend`, and the models `marginal`, `counts_model` and
`repeated`. `tails` holds the distributions that they refer to, `answer` what each of them returns. `responders` reads
who responded, `selection` picks the subjects of one question, `questions` turns questions into rows, `families`
adjusts them together, `association` asks those of one change table.

`plan` holds what was decided before looking and what is known of the subjects; `inquiry` asks the whole plan:
`outcomes` (time to response, duration, doses, predictors), `companions` (platelets of the same days), and always the
sensitivity analyses: `variations` (other samples, subjects, definitions, scales), `models`, `timing` (landmark,
direction), `placement` (gates moved within their tolerance). `batches` and `guards` warn and refuse; `prediction`
runs only when asked (`forecast` makes it a row); `wording` says one row in a sentence.

The unit of analysis is the subject, never the cell; every test is two-sided; and whatever cannot be tested is
still a row, with its numbers and the reason. There is no control arm: a change is a change, not an effect.

Flags of `change`: ``LOW_EVENTS`` (a count below 50), ``LOW_PARENT`` (a denominator below 200),
``ZERO_COUNTS``, ``PANEL_CHOSEN`` (several panels give the population and no order was named), ``POST_RESCUE``
(window samples left out for rescue), ``DAY_UNKNOWN`` (window samples of a rescued subject left out for want of
a day), ``WINDOW_VISIT_ABSENT`` (a visit of the window is nowhere in the table), ``DENOMINATOR_DRIVEN`` (the
denominator moved the other way by more than half of the fraction's shift), ``IDENTITY_OFF`` (concentrations and
fractions contradict each other), and the flags of the samples.

Flags of `association`: ``TOO_FEW_PAIRS``, ``TOO_FEW_PER_GROUP``, ``NOT_TESTABLE`` (no relabeling tells the
groups apart), ``NOT_AVAILABLE`` (a sensitivity analysis that these tables cannot answer), ``LOW_N`` (fewer than
12), ``MIN_P_ABOVE_ALPHA`` (no data could reach 0.05), ``TIES``, ``ZERO_CHANGES``, ``ZERO_COUNTS``, ``LOW_EVENTS``,
``LOW_PARENT``, ``MISSING_OVER_20_PERCENT``, ``BASELINE_IMBALANCE``, ``CHANGE_ANCOVA_DISAGREE``, ``CI_UNBOUNDED``,
``CI_BELOW_LEVEL`` (too few subjects for the level asked), ``NOT_IN_FAMILY`` (too few subjects to be adjusted with
the others), ``CONCLUSION_TURNS`` (leaving one subject out moves p across 0.05), ``DENOMINATOR_DRIVEN``,
``IDENTITY_OFF``, ``FEW_EVENTS`` (fewer than 5 subjects in the smaller group of a regression), ``BATCH_IS_VISIT``,
``BATCH_IS_RESPONSE`` (Cramer's V above 0.6), ``RESPONSE_AFTER_WINDOW`` (a response confirmed after the window) and
``RESPONSE_IMMATURE`` (a label that longer observation can still change).
"""

from immunoprofile.comparison.ancova import ancova
from immunoprofile.comparison.answer import Answer
from immunoprofile.comparison.association import associate
from immunoprofile.comparison.change import paired_change
from immunoprofile.comparison.correlation import kendall, oldham, repeated_measures_correlation, spearman
from immunoprofile.comparison.firth import firth_logistic
from immunoprofile.comparison.hierarchy import parents_of
from immunoprofile.comparison.inquiry import answer_plan, pair_plan
from immunoprofile.comparison.measures import (
    MEASURES,
    effect_of,
    empirical_logit,
    empirical_logit_variance,
)
from immunoprofile.comparison.nulls import rank_sum_null, signed_rank_null
from immunoprofile.comparison.partitions import composition_change, composition_difference, log_ratio_coordinates
from immunoprofile.comparison.plan import Facts, Plan, read_facts
from immunoprofile.comparison.rank_sum import rank_sum
from immunoprofile.comparison.ratios import log_ratios
from immunoprofile.comparison.relabeling import Relabelings, count_relabelings, group_difference, relabelings
from immunoprofile.comparison.shift import hodges_lehmann, hodges_lehmann_shift
from immunoprofile.comparison.signed_rank import signed_rank
from immunoprofile.comparison.stepdown import benjamini_hochberg, holm, step_down_min_p
from immunoprofile.comparison.survival import cumulative_incidence, kaplan_meier, log_rank, median_time
from immunoprofile.comparison.trend import cochran_armitage, jonckheere
from immunoprofile.comparison.wording import describe_association, describe_p

__all__ = [
    "MEASURES",
    "Answer",
    "Facts",
    "Plan",
    "Relabelings",
    "ancova",
    "answer_plan",
    "associate",
    "benjamini_hochberg",
    "cochran_armitage",
    "composition_change",
    "composition_difference",
    "count_relabelings",
    "cumulative_incidence",
    "describe_association",
    "describe_p",
    "effect_of",
    "empirical_logit",
    "empirical_logit_variance",
    "firth_logistic",
    "group_difference",
    "hodges_lehmann",
    "hodges_lehmann_shift",
    "holm",
    "jonckheere",
    "kaplan_meier",
    "kendall",
    "log_rank",
    "log_ratio_coordinates",
    "log_ratios",
    "median_time",
    "oldham",
    "pair_plan",
    "paired_change",
    "parents_of",
    "rank_sum",
    "rank_sum_null",
    "read_facts",
    "relabelings",
    "repeated_measures_correlation",
    "signed_rank",
    "signed_rank_null",
    "spearman",
    "step_down_min_p",
]
