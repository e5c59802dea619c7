"""Verdicts as JUnit XML, which build servers read."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from immunoprofile.errors import printable
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.gating.validation.verdicts import Verdict


def render_junit(template: GatingTemplate, verdicts: Sequence[Verdict]) -> bytes:
    """A ``testsuites`` document: a suite a ``[[test]]`` block, a case an expectation; the same bytes every time."""
    root = etree.Element("testsuites", name=printable(template.id), **_totals(verdicts))
    for where in dict.fromkeys(v.where for v in verdicts):
        held = [v for v in verdicts if v.where == where]
        suite = etree.SubElement(root, "testsuite", name=f"{where} {printable(held[0].sample)}", **_totals(held))
        for verdict in held:
            case = etree.SubElement(suite, "testcase", classname=printable(template.id), name=verdict.asked)
            if not verdict.met:
                message = f"expected {verdict.expected}, found {verdict.came_out}"
                etree.SubElement(case, "failure", message=message, type=verdict.expectation.quantity)
    document: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return document


def _totals(verdicts: Sequence[Verdict]) -> dict[str, str]:
    failed = sum(not v.met for v in verdicts)
    return {"tests": str(len(verdicts)), "failures": str(failed), "errors": "0"}
