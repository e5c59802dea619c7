"""FlowJo 10 workspaces to templates: one for each sample, with what could not be carried by name and reason.

The XML is read here and not by FlowKit, which stops at a circle, compensates a channel that the gate names without
``Comp-``, keeps one of two siblings of one name and gives a linear axis that begins below zero a wrong zero. FlowKit
is the second opinion: `compare_with_flowkit`.

Notes
-----
FlowJo evaluates a polygon on bins of its display: here event and vertex count as the nearest of `gateResolution`
steps of the axis (256, or what the gate says). The rule was chosen on one workspace of 15 populations with stored
counts: of 3,936 tried, it alone (whether edges are in or out) gives the one linear polygon and the eight populations
that rest on it and on no other polygon, where the exact outline is up to 13 events off. It is not shown to help on
biexponential axes: there both ways differ from FlowJo by up to 3 of some 9,000 events, and why is not known.
Rectangles are compared in linear units.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from immunoprofile.errors import InputError, Problem, TemplateInvalidError, TemplateSyntaxError, printable
from immunoprofile.gating.formats.assembly import Draft, assemble
from immunoprofile.gating.formats.flowjo_axes import Axes, RefusalError
from immunoprofile.gating.formats.flowjo_shapes import is_outside, read_geometry
from immunoprofile.gating.formats.xmlfile import parse_xml
from immunoprofile.gating.gates import Boolean, Geometry, Term
from immunoprofile.gating.paths import join_path, make_id
from immunoprofile.gating.template import Compensation, GatingTemplate, Marker

# Workspaces keep every keyword of every sample: a study of a hundred tubes is some tens of megabytes.
_MAX_BYTES, _MAX_ELEMENTS = 200_000_000, 5_000_000
_BOOLEANS = {"AndNode": "and", "OrNode": "or", "NotNode": "not"}
_POPULATIONS = {"Population", *_BOOLEANS}
DRAWN = " (drawn)"
"""Ends the name of the shape of a population that lies outside of its shape."""


def read_flowjo(
    path: str | os.PathLike[str], *, binning: Literal["flowjo", "none"] = "flowjo"
) -> dict[str, GatingTemplate]:
    """Read a FlowJo 10 workspace: a template for each sample, by the sample's name.

    Parameters
    ----------
    binning
        ``flowjo`` evaluates polygons and ellipses on FlowJo's bins, so that counts come near FlowJo's; ``none``
        exactly.

    Returns
    -------
    dict
        In the workspace's order; a sample without gates has a template without gates. Where samples share a name, it
        is followed by ``#`` and FlowJo's number of the sample. `GatingTemplate.refused` lists, by path, each gate
        that could not be carried, and (code FLOWJO-BINS) each that is evaluated exactly although the bins were asked
        for. A population outside of its shape is a boolean beside a gate that ends in " (drawn)".

    Raises
    ------
    TemplateSyntaxError
        Not readable, not XML, not a FlowJo 10 workspace.
    TemplateInvalidError
        Booleans that rest on each other in a circle.
    """
    file = Path(path)
    return {name: _Sample(element, name, file, binning == "flowjo").template() for name, element in _samples(file)}


def flowjo_groups(path: str | os.PathLike[str]) -> dict[str, tuple[str, ...]]:
    """Names of the samples (as in `read_flowjo`) of each group of a workspace."""
    file = Path(path)
    names = {_node(e).get("sampleID"): name for name, e in _samples(file)}
    groups = {}
    for group in _workspace(file).iterfind("Groups/GroupNode"):
        members = [r.get("sampleID") for r in group.iterfind("Group/SampleRefs/SampleRef")]
        groups[str(group.get("name", ""))] = tuple(names[m] for m in members if m in names)
    return groups


def flowjo_counts(path: str | os.PathLike[str]) -> dict[str, dict[str, int]]:
    """The counts that FlowJo stored, by sample and population path; what it never computed is left out.

    Notes
    -----
    A stored count can be stale: FlowJo writes it when it last evaluated the gate.
    """
    return {name: dict(_stored(_node(e), ())) for name, e in _samples(Path(path))}


def compare_with_flowkit(path: str | os.PathLike[str], by_sample: Mapping[str, GatingTemplate]) -> tuple[Problem, ...]:
    """Gates that FlowKit finds in a workspace and a template lacks, or the other way round.

    Raises
    ------
    InputError
        FlowKit is not installed, or cannot read this workspace.
    """
    try:
        import flowkit
    except ImportError as problem:
        raise InputError(
            "comparing with FlowKit needs FlowKit, which is not installed",
            path=path,
            code="FLOWKIT-MISSING",
            remedy="Run: pip install immunoprofile[flowkit]",
        ) from problem
    try:
        read = flowkit.parse_wsp(os.fspath(path))
        theirs = {s: d["gating_strategy"].get_gate_ids() for s, d in read["samples"].items()}
    except (flowkit.exceptions.FlowKitException, ValueError, KeyError, NotImplementedError) as problem:
        raise InputError(
            f"FlowKit cannot read it ({printable(problem)})",
            path=path,
            code="FLOWKIT-FAILED",
            remedy="The workspace may still be right: FlowKit refuses circles, for one.",
        ) from problem
    problems = []
    for sample in sorted({*theirs, *by_sample}):
        other = {join_path((*parents[1:], name)) for name, parents in theirs.get(sample, ())}
        own = {g.path for g in by_sample[sample].gates} if sample in by_sample else set()
        own = {p for p in own if not p.endswith(DRAWN)}
        for gate in sorted(other ^ own):
            who = "FlowKit" if gate in other else "immunoprofile"
            problems.append(_problem(Path(path), sample, gate, f"only {who} finds this gate", "FLOWKIT-DIFFERS"))
    return tuple(problems)


def _problem(file: Path, sample: str, gate: str, what: str, code: str) -> Problem:
    return Problem(what, str(file), f'sample "{printable(sample)}", gate "{printable(gate)}"', code=code)


def _workspace(file: Path) -> Any:
    root = parse_xml(file, max_bytes=_MAX_BYTES, max_elements=_MAX_ELEMENTS)
    if root.tag != "Workspace" or root.find("SampleList") is None:
        raise TemplateSyntaxError(
            f"is not a FlowJo 10 workspace (its root is <{printable(root.tag, 80)}>)",
            path=file,
            code="FLOWJO-ROOT",
            remedy="Save the workspace as .wsp with FlowJo 10.",
        )
    return root


def _samples(file: Path) -> list[tuple[str, Any]]:
    found = [e for e in _workspace(file).iterfind("SampleList/Sample") if e.find("SampleNode") is not None]
    names = [str(_node(e).get("name", "")) for e in found]
    often = Counter(names)
    return [
        (name if often[name] == 1 else f"{name} #{_node(e).get('sampleID')}", e)
        for name, e in zip(names, found, strict=True)
    ]


def _node(sample: Any) -> Any:
    return sample.find("SampleNode")


def _children(element: Any) -> list[Any]:
    """Whatever counts events below a population; statistics do not."""
    return [
        e
        for sub in element.iterfind("Subpopulations")
        for e in sub
        if e.tag in _POPULATIONS or (isinstance(e.tag, str) and e.get("count") is not None)
    ]


def _stored(element: Any, names: tuple[str, ...]) -> list[tuple[str, int]]:
    text = element.get("count", "")
    own = [(join_path(names), int(text))] if text.isdecimal() else []
    return own + [pair for c in _children(element) for pair in _stored(c, (*names, str(c.get("name", ""))))]


class _Sample:
    """One sample's gates on their way to a template."""

    def __init__(self, element: Any, name: str, file: Path, is_binned: bool) -> None:
        self.name, self.file, self.is_binned = name, file, is_binned
        self.node, self.axes = _node(element), Axes(element)
        self.drafts: dict[str, Draft] = {}
        self.refused: list[Problem] = []
        self.by_flowjo: dict[str, list[str]] = {}

    def template(self) -> GatingTemplate:
        """The whole of it."""
        self._walk(self.node, ())
        self._resolve_terms()
        assembled = assemble(list(self.drafts.values()), [], [], str(self.file))
        if assembled.problems:
            raise TemplateInvalidError.of(assembled.problems)
        used = [d for g in assembled.gates for d in g.geometry.dimensions]
        names = dict.fromkeys(n for d in used for n in d.channels)
        spelled = {real: tuple(dict.fromkeys((real, s))) for s, real in self.axes.detectors.items() if s != real}
        return GatingTemplate(
            make_id(self.name.rpartition(".")[0] or self.name, ()),
            "1",
            self.name,
            "draft",
            tuple(Marker(n, spelled.get(n, (n,)), by_detector=True) for n in names),
            Compensation("none", matrices=tuple(self.axes.matrices.items())),
            assembled.gates,
            source=self.file,
            refused=tuple(self.refused),
        )

    def _refuse(self, path: str, what: str, code: str = "FLOWJO-REFUSED") -> None:
        self.refused.append(_problem(self.file, self.name, path, what, code))

    def _walk(self, element: Any, names: tuple[str, ...]) -> None:
        for child in _children(element):
            own = (*names, str(child.get("name", "")))
            path = join_path(own)
            self.by_flowjo.setdefault("/".join(own), []).append(path)
            try:
                if path in self.drafts:
                    raise RefusalError("a sibling has the same name")
                if names and join_path(names) not in self.drafts:
                    raise RefusalError("its parent is refused")
                self._carry(child, names, own)
            except RefusalError as refusal:
                self._refuse(path, str(refusal))
                if path in self.drafts:
                    continue
            self._walk(child, own)

    def _carry(self, child: Any, names: tuple[str, ...], own: tuple[str, ...]) -> None:
        path = join_path(own)
        if child.tag in _BOOLEANS:
            self._add(child, names, own[-1], self._boolean(child))
            return
        gate = child.find("Gate")
        if child.tag != "Population" or gate is None:
            raise RefusalError(f"a {printable(child.tag, 40)} without a gate is not known here")
        geometry, note = read_geometry(gate, self.axes, is_binned=self.is_binned)
        if is_outside(gate):
            drawn = own[-1] + DRAWN
            self._add(child, names, drawn, geometry)
            geometry = Boolean("and", (Term(join_path((*names, drawn)), complement=True),))
        self._add(child, names, own[-1], geometry)
        if note is not None:
            self._refuse(path, f"is evaluated exactly and not on FlowJo's bins: {note}", "FLOWJO-BINS")

    def _add(self, element: Any, names: tuple[str, ...], name: str, geometry: Geometry) -> None:
        parent = join_path(names) if names else None
        path = join_path((*names, name))
        if path in self.drafts:
            raise RefusalError("a sibling has the same name")
        self.drafts[path] = Draft(f"line {element.sourceline}", name, parent, geometry)

    def _boolean(self, element: Any) -> Boolean:
        """Terms as FlowJo writes them, resolved when every gate is known."""
        kind = _BOOLEANS[element.tag]
        names = [str(d.get("name", "")) for d in element.iterfind("Dependents/Dependent")]
        if not names or (kind == "not" and len(names) != 1):
            raise RefusalError(f"{kind} has {len(names)} terms")
        terms = tuple(Term(n, complement=kind == "not") for n in names)
        return Boolean("or" if kind == "or" else "and", terms)

    def _resolve_terms(self) -> None:
        """FlowJo's names of terms to paths; what rests on a gate that is refused is refused too."""
        for path, draft in list(self.drafts.items()):
            if isinstance(draft.geometry, Boolean) and path + DRAWN not in self.drafts:
                terms = tuple(self._term(t) for t in draft.geometry.terms)
                geometry = Boolean(draft.geometry.operation, tuple(t for t in terms if t is not None))
                self.drafts[path] = Draft(draft.where, draft.name, draft.parent, geometry)
                if None in terms:
                    bad = next(t.path for t, n in zip(draft.geometry.terms, terms, strict=True) if n is None)
                    self._drop(path, f'its term "{printable(bad)}" is refused, unknown or ambiguous')
        self._drop_orphans()

    def _term(self, term: Term) -> Term | None:
        found = self.by_flowjo.get(term.path, [])
        return Term(found[0], term.complement) if len(found) == 1 and found[0] in self.drafts else None

    def _drop(self, path: str, what: str) -> None:
        del self.drafts[path]
        self._refuse(path, what)

    def _drop_orphans(self) -> None:
        while lost := [p for p, d in self.drafts.items() if not self._stands(d)]:
            for path in lost:
                self._drop(path, "it rests on a gate that is refused")

    def _stands(self, draft: Draft) -> bool:
        terms = draft.geometry.terms if isinstance(draft.geometry, Boolean) else ()
        return (draft.parent is None or draft.parent in self.drafts) and all(t.path in self.drafts for t in terms)
