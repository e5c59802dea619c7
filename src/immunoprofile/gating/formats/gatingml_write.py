"""A template to Gating-ML 2.0: what the standard can say in its own words, the rest in ``custom_info``.

Before anything is written the text is read back and compared with the template: what would not come back equal is
refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from pydantic import ValidationError

from immunoprofile.errors import InputError, TemplateInvalidError
from immunoprofile.fcs import Channel
from immunoprofile.gating.formats.gatingml import template_of
from immunoprofile.gating.formats.gatingml_document import TemplateDocument, fluorochromes_of
from immunoprofile.gating.formats.gatingml_info import first_complaint
from immunoprofile.gating.formats.xmlfile import parse_xml_bytes
from immunoprofile.gating.gates import UNCOMPENSATED, Dimension, Gate, Rectangle
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.sources import resolve_sources
from immunoprofile.gating.template import Compensation, GatingTemplate
from immunoprofile.provenance import refuse_existing, write_bytes
from immunoprofile.scales import Identity


def write_gatingml(
    template: GatingTemplate,
    path: str | os.PathLike[str],
    *,
    channels: Sequence[Channel] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a template as Gating-ML 2.0 that `read_gatingml` gives back equal.

    Parameters
    ----------
    channels
        The panel of the files that another program will gate (``read_fcs(...).channels``). Gating-ML knows
        detectors only: with a panel every marker is written as the detector that it is found in; without one as the
        first of its names, which is right for markers named by their detectors. Read back here both give the
        template's own markers.
    overwrite
        Write over a file that is there.

    Raises
    ------
    TemplateInvalidError
        Something that Gating-ML 2.0 cannot say, such as a FlowJo biex scale (``GATINGML-SCALE``): all of it.
    PanelMismatchError
        The panel lacks a marker, or has it twice.
    OutputError
        The file exists (``OUTPUT-EXISTS``) or cannot be written.
    """
    target = Path(path)
    if not overwrite:
        refuse_existing(target, remedy="Choose another name, or remove the file first.")
    write_bytes(target, render_gatingml(template, channels=channels))


def render_gatingml(template: GatingTemplate, *, channels: Sequence[Channel] | None = None) -> bytes:
    """The bytes that `write_gatingml` writes."""
    from lxml import etree

    document = TemplateDocument(template, _dimension_names(template, channels))
    try:
        root = document.fill()
    except ValidationError as problem:
        raise _loss(template, first_complaint(problem)) from None
    if document.problems:
        raise TemplateInvalidError.of(document.problems)
    data: bytes = etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="UTF-8")
    _check_return(template, data)
    return data


def _check_return(template: GatingTemplate, data: bytes) -> None:
    """Refuse what would not come back: a template is never written with a loss that nobody sees."""
    file = template.source or Path(f"{template.id}.xml")
    try:
        back = template_of(parse_xml_bytes(data, file), file)
    except InputError as problem:
        first = problem.problems[0]
        lost = f"{first.where}: {first.what}" if first.where else first.what
    else:
        # Tests stay in the TOML file, beside the fixtures that they rest on; they change nothing that is counted.
        kept = [f.name for f in fields(template) if f.compare and f.name != "tests"]
        parts = [name for name in kept if getattr(back, name) != getattr(template, name)]
        if not parts:
            return
        lost = f"its {', '.join(parts)} would not come back equal"
    raise _loss(template, lost)


def _loss(template: GatingTemplate, lost: str) -> TemplateInvalidError:
    return TemplateInvalidError(
        f"cannot be written to Gating-ML 2.0 without loss ({lost})",
        path=template.source,
        code="GATINGML-LOSS",
        remedy="Correct it, or keep it as TOML.",
    )


def _dimension_names(template: GatingTemplate, channels: Sequence[Channel] | None) -> dict[str, str]:
    """What the file's dimensions call each marker: its detector in a panel, else its first name."""
    names = {m.name: (m.names or (m.name,))[0] for m in template.markers}
    if channels is None:
        return names
    dimensions = [d for g in template.gates for d in g.geometry.dimensions]
    used = dict.fromkeys(n for d in dimensions for n in d.channels if n not in fluorochromes_of(template, d))
    gates = []
    for number, name in enumerate(used):
        axis = Dimension(name, Identity(), UNCOMPENSATED)
        gates.append(Gate(name, str(number), ROOT, str(number), Rectangle((axis,), ((0.0, None),))))
    probe = GatingTemplate(
        template.id, template.version, "", "draft", template.markers, Compensation("none"), tuple(gates)
    )
    table = resolve_sources(probe, channels, None, None)
    detectors = {c.index: c.detector for c in channels}
    found = {g.name: table.of_gate[g.path] for g in gates if g.path in table.of_gate}
    return names | {name: detectors[sources[0][1]] for name, sources in found.items()}
