"""Platelet counts over time become a response, with every decision recorded.

The way of one subject: the sheets are read with all their problems at once (`sheets`, `cells`, `units`), and
become a course of counts, treatments and bleeding (`course`, `records`). Treatments open windows in which
counts do not speak, and the last count before dosing is the baseline (`eligibility`). Each count gets a
level: CR, R or none (`levels`). Two counts at a level, far enough apart, are a response (`confirmation`); two
low ones, bleeding or rescue end it (`loss`). `response` draws the verdict from them, or
from the calendar (`scheduled`: the count at a set time, enough responding weeks); `evidence` holds what is judged and
what is said; `rows` and `classify` lay it out as tables, `audit` says of every count what was decided and why, `flags`
what the codes mean.

Every limit comes from a rule file (`criteria`, `rule`, `rules/iwg-2009.toml`); a laboratory copies and changes it.
Numbers are decimals throughout: 2 x 14.9 is 29.8.
"""

from immunoprofile.platelets.classify import classify_response, explain_response, judge_platelets
from immunoprofile.platelets.course import check_courses
from immunoprofile.platelets.flags import COUNT_FLAGS, REASONS, SUBJECT_FLAGS
from immunoprofile.platelets.rule import (
    BESIDE,
    Rule,
    check_definitions,
    load_rule,
    looks_like_path,
    rule_ids,
    rule_text,
)
from immunoprofile.platelets.sheets import check_bleeding, check_platelets, check_subjects, check_treatments

__all__ = [
    "BESIDE",
    "COUNT_FLAGS",
    "REASONS",
    "SUBJECT_FLAGS",
    "Rule",
    "check_bleeding",
    "check_courses",
    "check_definitions",
    "check_platelets",
    "check_subjects",
    "check_treatments",
    "classify_response",
    "explain_response",
    "judge_platelets",
    "load_rule",
    "looks_like_path",
    "rule_ids",
    "rule_text",
]
