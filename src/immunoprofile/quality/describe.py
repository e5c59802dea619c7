"""The rules as a page for people, made from the same data that judge."""

from __future__ import annotations

import math

from immunoprofile.quality.ruleset import EVERYTHING, Interval, Rule, RuleSet

_HEAD = """# Quality rules

Made from `laboratory.toml`, the rules that ship with the program; a test keeps this page and the rules equal. Why they
are as they are: `docs/explanation/quality.md`.

A value inside a level's limits, ends included, is in order; `samples_qc` has a row for every answer,
`checks_unanswered` one for every question that could not be asked. A flag is put on the rows of `populations` that the
rule concerns, from the level named (fail where none is): a role means that gate and everything below it, `absolute` the
rows with cells per microlitre, `item` the population that the row names. A laboratory changes limits, settings and
sources with a file of its own: `[quality] rules = "lab.toml"` in study.toml.
"""

_YES = {True: "yes", False: "no"}


def describe_rules(rules: RuleSet) -> str:
    """Markdown: a table of the rules with their limits, one of their sources, one of variation within a subject."""
    lines = [_HEAD, "| rule | flag | what is measured | info outside | warn outside | fail outside | flag is put on |"]
    lines.append("|---|---|---|---|---|---|---|")
    lines += [_row(r) for r in rules.rules]
    lines += ["", "## Settings and sources", "", "| rule | settings | source |", "|---|---|---|"]
    lines += [f"| `{r.id}` | {_settings(r)} | {_cell(r.source)} |" for r in rules.rules]
    lines += ["", "## Variation within a subject", ""]
    lines.append(
        "Coefficients of variation on which `delta_check` and `sample_swap` rest; `sample_swap` uses the stable ones."
    )
    lines += ["", "| population | of | within a subject | assay | stable | source |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{v.pop_id}` | `{v.denom_id}` | {v.cv_i:g} | {v.cv_a:g} | {_YES[v.stable]} | {_cell(v.source)} |"
        for v in rules.variation
    ]
    return "\n".join(lines) + "\n"


def _row(rule: Rule) -> str:
    on = ", ".join(rule.concerns) + ("" if rule.flags_from == "fail" else f" (from {rule.flags_from})")
    limits = " | ".join(_limits(getattr(rule, level)) for level in ("info", "warn", "fail"))
    return f"| `{rule.id}` | `{rule.flag}` | {_cell(rule.meaning)} | {limits} | {on if rule.concerns else 'none'} |"


def _limits(interval: Interval) -> str:
    if interval == EVERYTHING:
        return ""
    low, high = interval
    if math.isinf(low):
        return f"above {high:g}"
    return f"below {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"


def _settings(rule: Rule) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in rule.settings.items())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
