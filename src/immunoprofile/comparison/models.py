"""The primary question again by models of all samples, as sensitivity: they assume more than the plan does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from immunoprofile.comparison.answer import Answer
from immunoprofile.comparison.counts_model import counts_contrast, fit_counts
from immunoprofile.comparison.marginal import gee
from immunoprofile.comparison.measures import effect_of
from immunoprofile.comparison.plan import Plan
from immunoprofile.comparison.questions import Row, told
from immunoprofile.comparison.relabeling import Floats
from immunoprofile.comparison.repeated import MODEL_SUBJECTS, fit_repeated
from immunoprofile.comparison.selection import Key
from immunoprofile.comparison.variations import not_available
from immunoprofile.comparison.visits import baseline_counts, visit_values
from immunoprofile.errors import AnalysisError

_SEEN = 0.5
"""A visit outside the window enters the model of all visits where at least this share of subjects was seen."""


def ask_models(
    populations: pd.DataFrame,
    key: Key,
    plan: Plan,
    rescue: dict[str, float] | None,
    responder: dict[str, bool | None] | None,
    definition: str | None,
) -> list[Row]:
    """Estimating equations and a model of counts; from 40 subjects on a model of all visits.

    Each asks for the change of all subjects and, where the response is known, for its difference by response.
    """
    values = visit_values(populations, key, plan.baseline, rescue)
    rows = []
    for question in ("overall_change", "group_diff") if responder is not None else ("overall_change",):
        used = values if question == "overall_change" else _known(values, responder or {})
        group = np.array([bool((responder or {}).get(s)) for s in used["subject_id"]], dtype=np.float64)
        name = None if question == "overall_change" else group
        rows += _ask_all(populations, used, name, question, key, plan)
    return [_named(r, definition) if r["question"] == "group_diff" else r for r in rows]


def _ask_all(
    populations: pd.DataFrame, values: pd.DataFrame, group: Floats | None, question: str, key: Key, plan: Plan
) -> list[Row]:
    window = values["visit"].isin(list(plan.window)).to_numpy(dtype=bool)
    inside, labels = values[window], None if group is None else group[window]
    rows = [_row(question, "gee_mancl_derouen", key, plan, inside, labels, lambda: _marginal(inside, labels))]
    if key.measure == "logit_frac" and inside["count"].notna().all() and len(inside):
        before = baseline_counts(populations, key, plan.baseline)
        rows.append(
            _row(question, "beta_binomial_mixed", key, plan, inside, labels, lambda: _counts(inside, before, labels))
        )
    if inside["subject_id"].nunique() >= MODEL_SUBJECTS:
        rows.append(_row(question, "mmrm", key, plan, inside, labels, lambda: _repeated(values, group, plan)))
    return rows


def _known(values: pd.DataFrame, responder: dict[str, bool | None]) -> pd.DataFrame:
    return values[values["subject_id"].map(lambda s: responder.get(s) is not None).astype(bool)]


def _row(
    question: str, method: str, key: Key, plan: Plan, values: pd.DataFrame, group: Floats | None,
    model: Callable[[], Answer],
) -> Row:  # fmt: skip
    try:
        answer = model()
    except (AnalysisError, np.linalg.LinAlgError) as problem:
        return not_available(key, method, str(problem).splitlines()[0], plan, question)
    by_subject = pd.Series(group, index=values["subject_id"]).groupby(level=0).first() if group is not None else None
    n = values["subject_id"].nunique()
    return {
        "analysis_id": f"{question}.{method}.{key.measure}", "pop_id": key.pop_id, "denom_id": key.denom_id,
        "contrast": "post - baseline", "role": "sensitivity", "question": question, "sensitivity": method,
        "scale": key.measure, "window": "+".join(plan.window), "method": method, "alternative": "two-sided",
        "n_total": n, "n_resp": None if by_subject is None else int(by_subject.sum()),
        "n_nonresp": None if by_subject is None else n - int(by_subject.sum()), "estimate_label": "model_contrast",
        "note": f"{len(values)} samples of the window; t approximation", "flags": answer.flags,
    } | _effect(told(answer, key.measure), key)  # fmt: skip


def _effect(columns: Row, key: Key) -> Row:
    return columns | {"effect": effect_of(columns["estimate"], key.measure), "min_attainable_p": None}


def _named(row: Row, definition: str | None) -> Row:
    under = f" ({definition})" if definition else ""
    return row | {"contrast": f"responder - non-responder{under}"}


def _marginal(values: pd.DataFrame, group: Floats | None) -> Answer:
    """Mean change over the window; with groups, their difference at equal baseline."""
    start = values["baseline"].to_numpy(dtype=np.float64)
    columns = [np.ones(len(values)), start - start.mean()] if len(values) else [np.ones(0)]
    design = np.column_stack(columns if group is None else [*columns, group])
    weights = np.eye(design.shape[1])[0 if group is None else design.shape[1] - 1]
    return gee(values["delta"].to_numpy(dtype=np.float64), design, values["subject_id"].to_numpy(dtype=str), weights)


def _counts(values: pd.DataFrame, before: pd.DataFrame, group: Floats | None) -> Answer:
    """Odds ratio of window against baseline; with groups, the ratio of theirs."""
    subjects = values["subject_id"].to_numpy(dtype=str)
    own = before[before["subject_id"].isin(subjects)]
    both = pd.concat([own.assign(post=0.0), values.assign(post=1.0)])
    post = both["post"].to_numpy(dtype=np.float64)
    columns = [np.ones(len(both)), post]
    if group is not None:
        label = dict(zip(subjects, group, strict=True))
        r = np.array([label[s] for s in both["subject_id"]], dtype=np.float64)
        columns += [r, post * r]
    design = np.column_stack(columns)
    names = both["subject_id"].to_numpy(dtype=str)
    fit = fit_counts(both["count"].to_numpy(np.float64), both["denom_count"].to_numpy(np.float64), design, names)
    return counts_contrast(fit, np.eye(design.shape[1])[-1], np.unique(names).size)


def _repeated(values: pd.DataFrame, group: Floats | None, plan: Plan) -> Answer:
    """Mean over the window's visits of the change at the mean baseline, or of its difference by response."""
    n = values["subject_id"].nunique()
    often = values.groupby("visit")["subject_id"].nunique() >= _SEEN * n
    kept = values["visit"].map(lambda v: bool(often[v]) or v in plan.window).to_numpy(dtype=bool)
    used, labels = values[kept], None if group is None else group[kept]
    order = used.groupby("visit")["day"].median().sort_values(kind="stable")
    visits = list(order.index)
    place = used["visit"].map({v: i for i, v in enumerate(visits)}).to_numpy(dtype=np.intp)
    levels = (place[:, None] == np.arange(len(visits))).astype(np.float64)
    start = used["baseline"].to_numpy(dtype=np.float64)
    parts = [levels, levels * (start - start.mean())[:, None]]
    parts += [] if labels is None else [levels * labels[:, None]]
    design = np.column_stack(parts)
    inside = np.array([v in plan.window for v in visits], dtype=np.float64)
    weights = np.zeros(design.shape[1])
    first = 0 if labels is None else 2 * len(visits)
    weights[first : first + len(visits)] = inside / inside.sum()
    fit = fit_repeated(used["delta"].to_numpy(np.float64), design, used["subject_id"].to_numpy(str), place)
    return fit.contrast(weights)
