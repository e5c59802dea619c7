"""What the answers rest on and what they lack: samples, subjects, fractions, flags, quality."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from immunoprofile.cohort import Results
from immunoprofile.cohort.declared import POST_HOC, TOLD
from immunoprofile.errors import printable
from immunoprofile.populations import barring_flags
from immunoprofile.report.meanings import explain_exclusion, explain_flag, explain_response
from immunoprofile.report.names import Names, own_definition, split_definitions
from immunoprofile.report.numbers import absent, counted, listed
from immunoprofile.report.sections import Section

_MOST_FAILURES = 20
# A difference of a fifth between the groups is worth a sentence, as a fifth missing overall is (analysis plan).
_UNEVEN = 0.2


def gap_sections(results: Results, names: Names) -> list[Section]:
    """What was missing, what was not evaluable, what the flags mean, what the laboratory should look at."""
    sections = (
        Section("Declared later", tuple(_declared_later(results.association))),
        Section("Samples and subjects", tuple(_missing(results, names))),
        Section("Not evaluable", tuple(_not_evaluable(results.populations, names))),
        Section("Flags", tuple(_flags(results))),
        Section("Quality", tuple(_quality(results.samples_qc))),
    )
    return [s for s in sections if s.sentences]


def _declared_later(association: pd.DataFrame | None) -> Iterator[str]:
    """What the plan of the first run in this folder did not hold."""
    if association is None or association.empty:
        return
    late = association[association["flags"].str.split(";").map(lambda codes: POST_HOC in codes)]
    things = dict.fromkeys(what for note in late["note"] for what in note.partition(TOLD)[2].split(", "))
    if len(late):
        yield (
            f"{len(late)} of {counted(len(association), 'answer')} rest on what was declared after the response was "
            f"first derived in this folder: {printable(', '.join(things), 400)}. They are post hoc, and marked "
            f"{POST_HOC}."
        )


def _causes(failures: pd.DataFrame) -> list[tuple[tuple[str, str, str], list[str]]]:
    """Stage, code and message of each cause, and whom it struck: many files can fail for one reason."""
    found: dict[tuple[str, str, str], tuple[str, list[str]]] = {}
    for row in failures.to_dict("records"):
        message, item = str(row["message"]), str(row["item_id"])
        # One cause: the same words but for the file's name, which stands first.
        cause = (str(row["stage"]), str(row["code"]), message.split(": ", 1)[-1].replace(item, ""))
        found.setdefault(cause, (message, []))[1].append(printable(item, 60))
    return [((stage, code, message), struck) for (stage, code, _), (message, struck) in found.items()]


def _missing(results: Results, names: Names) -> Iterator[str]:
    failed = results.failures[results.failures["item_kind"] == "sample"]
    if results.n_samples:
        lost = f"; {len(failed)} failed" if len(failed) else ", none failed"
        yield f"{counted(results.n_samples, 'sample')} asked for{lost}."
    causes = _causes(results.failures)
    for (stage, _, message), struck in causes[:_MOST_FAILURES]:
        yield f"Failed ({printable(stage)}): {listed(struck)}: {printable(message, 400)}"
    hidden = sum(len(struck) for _, struck in causes[_MOST_FAILURES:])
    if hidden:
        yield f"{hidden} more failures are in the table failures."
    yield from _left_out(results, names)
    yield from _without_response(results)


def _left_out(results: Results, names: Names) -> Iterator[str]:
    """Subjects outside each primary comparison, and why."""
    if results.change is None or results.association is None:
        return
    primary = results.association[results.association["role"] == "primary"]
    for _, asked in primary.iterrows():
        rows = results.change[
            (results.change["pop_id"] == asked["pop_id"])
            & (results.change["denom_id"] == asked["denom_id"])
            & (results.change["measure"] == asked["scale"])
        ]
        out = rows[~rows["include_primary"].fillna(False)]
        unseen = int(asked["n_total"]) + int(asked["n_missing"]) - len(rows)
        what = names.measured({str(k): v for k, v in asked.items()})
        if len(out) or unseen:
            total = int(asked["n_total"]) + int(asked["n_missing"])
            yield f"{what}: {int(asked['n_total'])} of {counted(total, 'subject')} included."
        for reason, group in out.groupby(out["exclude_reason"].fillna("")):
            yield f"Left out: {_subjects(group)}: {explain_exclusion(str(reason)) or 'no reason given'}."
        if unseen:
            yield f"Left out: {counted(unseen, 'subject')} without any sample at these visits."
        if len(out):
            yield from _left_out_by_response(results, rows, out)


def _left_out_by_response(results: Results, rows: pd.DataFrame, out: pd.DataFrame) -> Iterator[str]:
    """How many of each response group are left out: what goes with response is not missing by chance."""
    if results.response is None:
        return
    mine, _ = split_definitions(results.response, own_definition(results))
    seen, lost = set(rows["subject_id"]), set(out["subject_id"])
    parts = []
    for responder, name in ((True, "responders"), (False, "non-responders")):
        group = set(mine.loc[mine["responder"].eq(responder).fillna(False), "subject_id"])
        parts.append((len(lost & group), len(seen & group), name))
    yield "Left out by response: " + ", ".join(f"{k} of {n} {name}" for k, n, name in parts) + "."
    shares = [k / n for k, n, _ in parts if n]
    if len(shares) == len(parts) and abs(shares[0] - shares[1]) > _UNEVEN:
        yield "That is uneven: whoever is left out differs by response, so the comparison can be biased."


def _without_response(results: Results) -> Iterator[str]:
    if results.response is None:
        return
    mine, _ = split_definitions(results.response, own_definition(results))
    lost = mine[mine["responder"].isna()]
    for reason, group in lost.groupby(lost["reason"].fillna("")):
        yield f"Response not evaluable: {_subjects(group)}: {explain_response(str(reason)) or 'no reason given'}."


def _subjects(rows: pd.DataFrame) -> str:
    return listed([printable(s, 60) for s in rows["subject_id"]], 12)


def _not_evaluable(populations: pd.DataFrame, names: Names) -> Iterator[str]:
    """One sentence a reason; a fraction that lacks for two reasons stands under both."""
    if "status" not in populations.columns:
        return
    barred = populations[populations["status"] == "not_evaluable"]
    carried = [set(str(text).split(";")) for text in barred["flags"].fillna("")]
    known = barring_flags()
    for flag in (*known, ""):
        group = barred[[flag in own if flag else not own & set(known) for own in carried]]
        if len(group):
            samples = counted(group["sample_id"].nunique(), "sample")
            whose = listed([names.population(p) for p in dict.fromkeys(group["pop_id"])])
            why = explain_flag(flag) if flag else "no reason given"
            yield f"{counted(len(group), 'fraction')} of {len(populations):,} in {samples} ({whose}). {why}."


def _flags(results: Results) -> Iterator[str]:
    """Every code on the primary and secondary answers, their subjects and the responses, with its meaning."""
    if results.association is not None:
        named = results.association[results.association["role"].isin(["primary", "secondary"])]
        texts = [*named["flags"].dropna(), *_primary_change(results)["flags"].dropna()]
        found = {f for text in texts for f in text.split(";") if f}
        yield from (f"{explain_flag(f)}." for f in sorted(found))
    if results.response is None:
        return
    mine, _ = split_definitions(results.response, own_definition(results))
    pairs = [(f, s) for s, t in zip(mine["subject_id"], mine["flags"].fillna(""), strict=True) for f in t.split(";")]
    for flag in sorted({f for f, _ in pairs if f}):
        subjects = listed([printable(s, 60) for f, s in pairs if f == flag])
        yield f"{explain_flag(flag)} ({subjects})."


def _primary_change(results: Results) -> pd.DataFrame:
    """The rows of `change` that the primary answers rest on."""
    if results.change is None or results.association is None or results.change.empty:
        return pd.DataFrame({"flags": []})
    primary = results.association[results.association["role"] == "primary"]
    asked = set(zip(primary["pop_id"], primary["denom_id"], strict=True))
    rows = zip(results.change["pop_id"], results.change["denom_id"], strict=True)
    return results.change[[pair in asked for pair in rows]]


def _quality(samples_qc: pd.DataFrame) -> Iterator[str]:
    total = samples_qc["sample_id"].nunique()
    noticed = samples_qc[samples_qc["level"].isin(["warn", "fail"])]
    if total and noticed.empty:
        yield f"All laboratory checks passed in {counted(total, 'sample')}."
    for (level, flag), group in noticed.groupby(["level", "flag"]):
        worst = group.loc[(group["value"] - group["threshold"]).abs().idxmax()]
        limit = "" if absent(worst["threshold"]) else f", limit {worst['threshold']:.4g}"
        kept = " Their rows carry the flag and stay in the analysis." if level == "fail" else ""
        # A rule may ask several times in one sample: of each gate, of each marker.
        struck = list(dict.fromkeys(printable(s, 60) for s in group["sample_id"]))
        yield (
            f"{level} {printable(flag)} in {len(struck)} of {counted(total, 'sample')} "
            f"({listed(struck, 4)}); furthest {worst['value']:.4g}{limit}. "
            f"{printable(worst['detail'])}.{kept}"
        )
