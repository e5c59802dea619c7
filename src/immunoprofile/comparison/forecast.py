"""Prediction of response from baseline cells, as rows of `association`; only where a plan asks for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from immunoprofile.comparison.plan import Plan
from immunoprofile.comparison.prediction import PERMUTATIONS, predict_response
from immunoprofile.comparison.questions import Row
from immunoprofile.comparison.selection import Evidence, Key
from immunoprofile.errors import AnalysisError


def ask_prediction(
    evidence: Evidence, first: Sequence[Key], plan: Plan, definition: str | None, *, permutations: int = PERMUTATIONS
) -> list[Row]:
    """Cross-validated area under the curve of response, from the baseline of all populations.

    Only baselines take part, so no value from after a response can. The subjects are those of the first primary
    population; a population that is not known in all of them takes no part, and the note says how many those are.
    """
    if evidence.responder is None or not first:
        return []
    own = evidence.select(first[0], grouped=True)
    group = own.group if own.group is not None else np.zeros(0, dtype=np.bool_)
    keys = [k for k in evidence.keys if k.measure == first[0].measure]
    known = [s for s in (evidence.select(k, grouped=True) for k in keys) if set(own.subjects) <= set(s.subjects)]
    where = [[s.subjects.index(name) for name in own.subjects] for s in known]
    features = np.column_stack([s.baseline[at] for s, at in zip(known, where, strict=True)])
    under = f" ({definition})" if definition else ""
    base: Row = {
        "analysis_id": f"prediction.nested_cross_validation.{first[0].measure}", "pop_id": "all_populations",
        "denom_id": "baseline", "contrast": f"response from baseline{under}", "role": "exploratory",
        "question": "prediction", "scale": first[0].measure, "window": own.window,
        "method": "nested_cross_validation", "alternative": "greater", "n_total": group.size,
        "n_resp": int(group.sum()), "n_nonresp": int((~group).sum()), "n_missing": own.n_missing,
        "estimate_label": "area_under_the_curve", "flags": frozenset(),
    }  # fmt: skip
    try:
        found = predict_response(features, group, own.subjects, seed=plan.seed, permutations=permutations)
    except AnalysisError:
        return [base | {"flags": frozenset({"TOO_FEW_PER_GROUP"}), "note": "too few subjects to leave any out"}]
    gone = len(keys) - len(known)
    left = f"; {gone} populations not known in all subjects left out" if gone else ""
    return [
        base | {
            "estimate": found.auc, "effect": found.auc, "p_raw": found.p, "p_method": "mc",
            "n_perm": found.n_permutations, "seed": found.seed, "note": found.words + left,
        }
    ]  # fmt: skip
