"""What Gating-ML has no place for, kept beside it in ``custom_info``: ours whole, of Cytobank's the names.

Ours is JSON in elements of our own namespace, because XML cannot hold every character that a name may have. One
``template`` under the root has the head, markers, compensation, reports and limits; one ``gate`` (or ``quadrants``)
in each gate has its name, pop_id and labels, and which marker and which compensation its axes were given by
(`gatingml_info`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from immunoprofile.errors import printable
from immunoprofile.gating.formats.gatingml_words import CUSTOM_INFO, RefusalError, local, namespace
from immunoprofile.gating.gates import FILE, UNCOMPENSATED, AutoRule, Dimension
from immunoprofile.gating.template import Compensation

if TYPE_CHECKING:
    from immunoprofile.gating.formats.gatingml_info import CompensationInfo, GateInfo

SPACE = "urn:immunoprofile:gating-ml:1"
_ANY_VERSION = "urn:immunoprofile:gating-ml:"


def rule_of(info: GateInfo | None, dimensions: tuple[Dimension, ...]) -> AutoRule | None:
    """The automatic rule that a gate was written with, if any."""
    if info is None or info.auto is None:
        return None
    given: dict[str, Any] = info.auto.model_dump(exclude={"method"}, exclude_none=True)
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return AutoRule(info.auto.method, dimensions, **settings)


def template_compensation(comp: Compensation | CompensationInfo) -> str:
    """How dimensions are compensated that leave it to the template, as a dimension would say it."""
    return {"file": FILE, "none": UNCOMPENSATED, "matrix": str(comp.default)}[comp.source]


def is_xml_text(text: str) -> bool:
    """True where XML 1.0 can hold every character, and a reader gets it back as it was."""
    return not any(c < " " or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" for c in text)


def read_info(element: Any, name: str) -> Any:
    """Our information of one kind (`gatingml_info.INFO`) in an element's ``custom_info``; None where there is none.

    Raises
    ------
    RefusalError
        It is of another version of this program, is there twice, or is not what this program writes.
    """
    ours = [e for info in element.iterchildren(CUSTOM_INFO) for e in info if namespace(e.tag).startswith(_ANY_VERSION)]
    if any(namespace(e.tag) != SPACE for e in ours):
        raise RefusalError(
            ours[0],
            f"custom_info is of another version of this program ({printable(namespace(ours[0].tag), 60)})",
            "Read it with that version, or update this one.",
            "GATINGML-VERSION",
        )
    found = [e for e in ours if local(e.tag) == name]
    if not found:
        return None
    if len(found) > 1:
        raise RefusalError(found[1], f'custom_info has "{name}" twice', "Keep one.", "GATINGML-CUSTOM")
    from immunoprofile.gating.formats.gatingml_info import INFO, first_complaint

    try:
        return INFO[name].model_validate(json.loads(found[0].text or ""))
    except (ValueError, RecursionError) as problem:
        raise RefusalError(
            found[0],
            f'"{name}" in custom_info is not what this program writes ({first_complaint(problem)})',
            "Export the file again, or take that element out: names then come from ids.",
            "GATINGML-CUSTOM",
        ) from None


def cytobank_text(element: Any, *names: str) -> str:
    """The first text that Cytobank keeps under one of these names beside a gate; empty where it keeps none."""
    for info in element.iterchildren(CUSTOM_INFO):
        for owner in info.iter("{*}cytobank"):
            for found in owner.iterchildren(*(f"{{*}}{n}" for n in names)):
                text = (found.text or "").strip()
                if text:
                    return str(text)
    return ""
