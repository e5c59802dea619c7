"""Tables to answers: did a population change, and does its change differ by platelet response?

The room reads from top to bottom. `measures` puts counts on the scale of the analysis; `readings` checks a
populations table and does so for every row; `change` pairs baseline and window into one number a subject. The
statistics stand alone and take plain arrays: `signed_rank` and `shift` (did it change), `relabeling`,
`ancova` and `rank_sum` (does the change differ by response), `stepdown` (many
populations at once). `answer` is what each of them returns. `responders` reads who
responded, `selection` picks the subjects of one question, `questions` turns questions into rows,
`families` adjusts them together, `association` asks them all, and `wording` says one row in a sentence.

The unit of analysis is the subject, never the cell; every test is two-sided; and whatever cannot be tested is
still a row, with its numbers and the reason. There is no control arm: a change is a change, not an effect.

Flags of `change`: ``LOW_EVENTS`` (a count below 50), ``LOW_PARENT`` (a denominator below 200),
``ZERO_COUNTS``, ``PANEL_CHOSEN`` (several panels give the population and no order was named), ``POST_RESCUE``
(window samples left out for rescue), ``DAY_UNKNOWN`` (window samples of a rescued subject left out for want of
a day), ``WINDOW_VISIT_ABSENT`` (a visit of the window is nowhere in the table), and the flags of the samples.

Flags of `association`: ``TOO_FEW_PAIRS``, ``TOO_FEW_PER_GROUP``, ``NOT_TESTABLE`` (no relabeling tells the
groups apart), ``LOW_N`` (fewer than 12), ``MIN_P_ABOVE_ALPHA`` (no data could reach 0.05), ``TIES``,
``ZERO_CHANGES``, ``ZERO_COUNTS``, ``LOW_EVENTS``, ``LOW_PARENT``, ``MISSING_OVER_20_PERCENT``,
``BASELINE_IMBALANCE``,
``CHANGE_ANCOVA_DISAGREE``, ``CI_UNBOUNDED``, ``CI_BELOW_LEVEL`` (too few subjects for the level asked) and
``NOT_IN_FAMILY`` (too few subjects to be adjusted with the others).
"""

from immunoprofile.comparison.ancova import ancova
from immunoprofile.comparison.answer import Answer
from immunoprofile.comparison.association import associate
from immunoprofile.comparison.change import paired_change
from immunoprofile.comparison.measures import (
    MEASURES,
    effect_of,
    empirical_logit,
    empirical_logit_variance,
)
from immunoprofile.comparison.nulls import rank_sum_null, signed_rank_null
from immunoprofile.comparison.rank_sum import rank_sum
from immunoprofile.comparison.relabeling import Relabelings, count_relabelings, group_difference, relabelings
from immunoprofile.comparison.shift import hodges_lehmann, hodges_lehmann_shift
from immunoprofile.comparison.signed_rank import signed_rank
from immunoprofile.comparison.stepdown import benjamini_hochberg, holm, step_down_min_p
from immunoprofile.comparison.wording import describe_association, describe_p

__all__ = [
    "MEASURES",
    "Answer",
    "Relabelings",
    "ancova",
    "associate",
    "benjamini_hochberg",
    "count_relabelings",
    "describe_association",
    "describe_p",
    "effect_of",
    "empirical_logit",
    "empirical_logit_variance",
    "group_difference",
    "hodges_lehmann",
    "hodges_lehmann_shift",
    "holm",
    "paired_change",
    "rank_sum",
    "rank_sum_null",
    "relabelings",
    "signed_rank",
    "signed_rank_null",
    "step_down_min_p",
]
