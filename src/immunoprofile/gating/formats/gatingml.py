"""Gating-ML 2.0 to a template.

The file is walked once for its elements; transformations and matrices are read, then every gate for itself, then
the tree is put together. What is wrong with one gate is that gate's refusal and nobody else's.

References
----------
Spidlen J, Moore W, ISAC Data Standards Task Force, Brinkman RR. ISAC's Gating-ML 2.0 data exchange standard for gating
description. Cytometry A 2015;87(7):683-687. doi:10.1002/cyto.a.22690
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from immunoprofile.errors import Problem, TemplateInvalidError, TemplateSyntaxError, printable
from immunoprofile.gating.formats.assembly import Assembled, assemble
from immunoprofile.gating.formats.gatingml_custom import read_info
from immunoprofile.gating.formats.gatingml_definitions import Definitions, read_definitions
from immunoprofile.gating.formats.gatingml_tree import (
    DEFINITIONS,
    Population,
    Refusals,
    drafts,
    list_elements,
    list_populations,
    name_populations,
    place_populations,
    read_populations,
    spread_refusals,
)
from immunoprofile.gating.formats.gatingml_words import GATES, GATING, RESTS, RefusalError
from immunoprofile.gating.formats.xmlfile import parse_xml
from immunoprofile.gating.paths import ROOT, make_id
from immunoprofile.gating.template import Compensation, GatingTemplate, Limit, Marker, Quality

if TYPE_CHECKING:
    from immunoprofile.gating.formats.gatingml_info import TemplateInfo

Broken = Literal["error", "skip"]
Missing = Literal["error", "allow"]

# As many as a TOML template may hold.
_MAX_GATES = 2_000


def read_gatingml(
    path: str | os.PathLike[str], *, missing: Missing | None = None, broken: Broken = "error"
) -> GatingTemplate:
    """Read a Gating-ML 2.0 file as a template.

    Parameters
    ----------
    missing
        What dimensions compensated by ``FCS`` are in a file that declares no spillover: an error, or, as the
        standard permits, uncompensated. None: as the file says where this program wrote it, else an error.
    broken
        What becomes of a gate that cannot be used: the whole file is refused, or the gate is left out with all that
        rests on it, and each of them is named in the template's `refused`.

    Returns
    -------
    GatingTemplate
        Over detectors (``$PnN``); over the markers that it was written from where this program wrote it.

    Raises
    ------
    TemplateSyntaxError
        Not readable, not XML, not Gating-ML 2.0, or written by a later version of this program.
    TemplateInvalidError
        Unknown references, missing or impossible numbers: all of them, each with its gate and line.

    Notes
    -----
    A gate's name is ours or Cytobank's in ``custom_info``, else its id. Where siblings share a name of Cytobank's,
    the population (a gate set) keeps it and the others go by their ids, with the name as label. A gate that
    Cytobank tailored to one FCS file is no gate of a template: it counts as broken.
    """
    file = Path(path)
    return template_of(parse_xml(file), file, missing=missing, broken=broken)


def template_of(root: Any, file: Path, *, missing: Missing | None = None, broken: Broken = "error") -> GatingTemplate:
    """The template in a parsed file; `file` names it in messages. As `read_gatingml`."""
    if root.tag != f"{GATING}Gating-ML":
        raise TemplateSyntaxError(
            f"is not Gating-ML 2.0 (its root is <{printable(root.tag, 80)}>)",
            path=file,
            code="GATINGML-ROOT",
            remedy="Export Gating-ML 2.0.",
        )
    refusals = Refusals(file)
    info = _template_info(root, file)
    elements = list(list_elements(root, refusals))
    found = read_definitions([e for e in elements if e.tag in DEFINITIONS], info, refusals.add)
    populations = _populations([e for e in elements if e.tag in GATES], found, refusals)
    assembled = _assemble(populations, info, refusals)
    problems = refusals.problems
    if problems and broken != "skip":
        raise TemplateInvalidError.of([p for p in problems if p.code != RESTS])
    if not assembled.gates:
        raise TemplateInvalidError.of([_empty(file), *problems])
    return _template(found, assembled, missing, refusals)


def _template_info(root: Any, file: Path) -> TemplateInfo | None:
    try:
        found: TemplateInfo | None = read_info(root, "template")
    except RefusalError as refusal:
        kind = TemplateSyntaxError if refusal.code == "GATINGML-VERSION" else TemplateInvalidError
        raise kind(refusal.what, path=file, where=refusal.line, remedy=refusal.remedy, code=refusal.code) from None
    return found


def _populations(gates: list[Any], found: Definitions, refusals: Refusals) -> dict[str, Population]:
    populations = list_populations(gates, refusals)
    read_populations(populations.values(), found, refusals)
    if len(populations.keys() - refusals.broken) > _MAX_GATES:
        raise TemplateInvalidError(
            f"has more than {_MAX_GATES:,} gates", path=refusals.file, code="GATINGML-SIZE", remedy="Split the file."
        )
    name_populations(populations.values(), refusals)
    quadrant_gates = {g.get(f"{GATING}id", "") for g in gates} - populations.keys()
    place_populations(populations, quadrant_gates, found, refusals)
    return populations


def _assemble(populations: dict[str, Population], info: TemplateInfo | None, refusals: Refusals) -> Assembled:
    """The tree of what can be used; each round takes out what the last one found to be wrong."""
    by_place: dict[str, set[str]] = {}
    for population in populations.values():
        by_place.setdefault(population.where, set()).add(population.id)
    lost: set[str] = set()
    while True:
        spread_refusals(populations.values(), refusals)
        kept = drafts(populations, refusals)
        paths = {ROOT, *(d.path or "" for d in kept)}
        reports, limits = _reports(info, lost), _limits(info, lost)
        for where, wanted, of in [*reports, *((w, p, []) for w, p, _ in limits)]:
            if not paths.issuperset([wanted, *of]):
                lost.add(where)
                refusals.problems.append(_gone(where, [wanted, *of], populations, refusals.file))
        assembled = assemble(
            kept, [r for r in reports if r[0] not in lost], [x for x in limits if x[0] not in lost], str(refusals.file)
        )
        if not assembled.problems:
            return assembled
        refusals.problems += assembled.problems
        settled = len(refusals.broken) + len(lost)
        for problem in assembled.problems:
            place = (problem.where or "").removesuffix(".id").removesuffix(".parent").removesuffix(".of")
            refusals.broken |= by_place.get(place, set())
            if place not in by_place:
                lost.add(place)
        if len(refusals.broken) + len(lost) == settled:  # nothing was taken out, so nothing would be found anew
            raise TemplateInvalidError.of(assembled.problems)


def _reports(info: TemplateInfo | None, lost: set[str]) -> list[tuple[str, str, list[str]]]:
    found = [(f"custom_info.reports[{i}]", r.population, r.of) for i, r in enumerate(info.reports if info else ())]
    return [r for r in found if r[0] not in lost]


def _limits(info: TemplateInfo | None, lost: set[str]) -> list[tuple[str, str, Limit]]:
    found = [
        (f"custom_info.limits[{i}]", x.population, Limit(x.warn_denominator_below, x.not_evaluable_denominator_below))
        for i, x in enumerate(info.limits if info else ())
    ]
    return [x for x in found if x[0] not in lost]


def _gone(where: str, wanted: list[str], populations: dict[str, Population], file: Path) -> Problem:
    """What becomes of a report or limit that names a population which is not there."""
    known = {p.path for p in populations.values()} | {ROOT}
    name = next((w for w in wanted if w not in known), None)
    if name is None:
        return Problem("is about a gate that is refused", str(file), where, code=RESTS)
    what = f'no population has the path "{printable(name)}"'
    return Problem(what, str(file), where, remedy="Take it out, or mend the path.", code="GATINGML-CUSTOM")


def _empty(file: Path) -> Problem:
    what = "holds no gate that can be used"
    return Problem(what, str(file), remedy="Export the gates too.", code="GATINGML-EMPTY")


def _template(found: Definitions, assembled: Assembled, missing: Missing | None, refusals: Refusals) -> GatingTemplate:
    file, info = refusals.file, found.template
    matrices = tuple(found.matrices.values())
    markers = [Marker(m.name, tuple(m.names), m.optional, m.by_detector) for m in info.markers] if info else []
    known = {m.name for m in markers}
    channels = dict.fromkeys(n for g in assembled.gates for d in g.geometry.dimensions for n in d.channels)
    markers += [Marker(n, (n,), by_detector=True) for n in channels if n not in known]
    refused = tuple(refusals.problems)
    if info is None:
        compensation = Compensation("none", missing=missing or "error", matrices=matrices)
        return GatingTemplate(
            make_id(file.stem, ()),
            "1",
            file.stem,
            "draft",
            tuple(markers),
            compensation,
            assembled.gates,
            source=file,
            refused=refused,
        )
    given = info.compensation
    compensation = Compensation(given.source, given.default, missing or given.missing, matrices)
    return GatingTemplate(
        info.id,
        info.version,
        info.title,
        info.status,
        tuple(markers),
        compensation,
        assembled.gates,
        assembled.reports,
        assembled.limits,
        file,
        refused,
        Quality() if info.quality is None else Quality(**info.quality.model_dump()),
    )
