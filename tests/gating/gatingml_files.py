"""Gating-ML 2.0 for tests: files by hand, with short words for the standard's long names, and small templates."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any
from zlib import crc32

from immunoprofile.gating import (
    ROOT,
    Compensation,
    Dimension,
    Gate,
    GatingTemplate,
    Marker,
    Rectangle,
    join_path,
)
from immunoprofile.gating.formats.gatingml import template_of
from immunoprofile.gating.formats.xmlfile import parse_xml_bytes
from immunoprofile.scales import Logicle

BASE = "http://www.isac-net.org/std/Gating-ML/v2.0/"
HEAD = (
    f'<g:Gating-ML xmlns:g="{BASE}gating" xmlns:t="{BASE}transformations" xmlns:d="{BASE}datatypes" '
    'xmlns:other="urn:other">'
)


def gatingml(*parts: str) -> bytes:
    """A file of these parts."""
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{HEAD}\n{chr(10).join(parts)}\n</g:Gating-ML>".encode()


def axis(
    name: str, *, comp: str = "uncompensated", scale: str = "", tag: str = "dimension", more: str = "", **at
) -> str:
    """A dimension; `name` of a channel, or ``ratio:ID``. `at`: min, max, id."""
    attributes = "".join(f' g:{k}="{v}"' for k, v in at.items())
    attributes += f' g:transformation-ref="{scale}"' if scale else ""
    inner = f'<d:fcs-dimension d:name="{name}"/>'
    if name.startswith("ratio:"):
        inner = f'<d:new-dimension d:transformation-ref="{name[6:]}"/>'
    return f'<g:{tag} g:compensation-ref="{comp}"{attributes}>{inner}{more}</g:{tag}>'


def gate(kind: str, name: str, *inner: str, parent: str = "", attributes: str = "") -> str:
    """A gate element of a kind such as ``Rectangle``."""
    parent = f' g:parent_id="{parent}"' if parent else ""
    return f'<g:{kind}Gate g:id="{name}"{parent}{attributes}>{"".join(inner)}</g:{kind}Gate>'


def rectangle(name: str, *axes: str, parent: str = "") -> str:
    """A rectangle of axes made by `axis`."""
    return gate("Rectangle", name, *axes, parent=parent)


def points(tag: str, *rows: tuple[float, ...]) -> str:
    """Vertices or a mean."""
    return "".join(
        f"<g:{tag}>" + "".join(f'<g:coordinate d:value="{v}"/>' for v in row) + f"</g:{tag}>" for row in rows
    )


def ellipsoid(
    name: str, axes: list[str], mean: tuple[float, ...], covariance: list[tuple[float, ...]], d2: float
) -> str:
    """An ellipsoid gate."""
    rows = "".join("<g:row>" + "".join(f'<g:entry d:value="{v}"/>' for v in r) + "</g:row>" for r in covariance)
    matrix = f"<g:covarianceMatrix>{rows}</g:covarianceMatrix>"
    return gate("Ellipsoid", name, *axes, points("mean", mean), matrix, f'<g:distanceSquare d:value="{d2}"/>')


def boolean(name: str, operation: str, *terms: str, parent: str = "") -> str:
    """A boolean gate; ``!ID`` is a complement."""
    refs = "".join(
        f'<g:gateReference g:ref="{t.removeprefix("!")}"'
        + (' g:use-as-complement="true"' if t[0] == "!" else "")
        + "/>"
        for t in terms
    )
    return gate("Boolean", name, f"<g:{operation}>{refs}</g:{operation}>", parent=parent)


def divider(name: str, channel: str, *values: float, **options) -> str:
    """A divider of a quadrant gate."""
    return axis(channel, tag="divider", id=name, more="".join(f"<g:value>{v}</g:value>" for v in values), **options)


def quadrant(name: str, **locations: float) -> str:
    """A part of a quadrant gate: divider to location."""
    inner = "".join(f'<g:position g:divider_ref="{k}" g:location="{v}"/>' for k, v in locations.items())
    return f'<g:Quadrant g:id="{name}">{inner}</g:Quadrant>'


def scale(name: str, function: str, bounds: str = "") -> str:
    """A transformation; `function` as ``logicle T=262144 W=0.5 M=4.5 A=0``, `bounds` as ``boundMin=0``."""
    kind, *numbers = function.split()
    inner = f"<t:{kind}{_attributes(numbers)}/>"
    return f'<t:transformation t:id="{name}"{_attributes(bounds.split())}>{inner}</t:transformation>'


def ratio(name: str, top: str, bottom: str, a: float, b: float, c: float, bounds: str = "") -> str:
    """A ratio of two channels."""
    ends = "".join(f'<d:fcs-dimension d:name="{n}"/>' for n in (top, bottom))
    function = f'<t:fratio t:A="{a}" t:B="{b}" t:C="{c}">{ends}</t:fratio>'
    return f'<t:transformation t:id="{name}"{_attributes(bounds.split())}>{function}</t:transformation>'


def matrix(name: str, fluorochromes: str, detectors: str, rows: list[list[float]], *, inverted: bool = False) -> str:
    """A spectrum matrix; names separated by blanks."""
    names = "".join(
        f"<t:{tag}>" + "".join(f'<d:fcs-dimension d:name="{n}"/>' for n in text.split()) + f"</t:{tag}>"
        for tag, text in (("fluorochromes", fluorochromes), ("detectors", detectors))
    )
    spectra = "".join(
        "<t:spectrum>" + "".join(f'<t:coefficient t:value="{v!r}"/>' for v in row) + "</t:spectrum>" for row in rows
    )
    flag = ' t:matrix-inverted-already="true"' if inverted else ""
    return f'<t:spectrumMatrix t:id="{name}"{flag}>{names}{spectra}</t:spectrumMatrix>'


def _attributes(pairs: list[str]) -> str:
    return "".join(f' t:{name}="{value}"' for name, _, value in (p.partition("=") for p in pairs))


def cytobank(**texts: str) -> str:
    """Cytobank's custom information."""
    inner = "".join(f"<{k}>{v}</{k}>" for k, v in texts.items())
    return f"<d:custom_info><cytobank>{inner}</cytobank></d:custom_info>"


LOGICLE = Logicle(262144.0, 0.5, 4.5)
DIMS = (Dimension("A", LOGICLE), Dimension("B", LOGICLE))
RANGE = Rectangle(DIMS[:1], ((0.5, None),))


def back(data: bytes) -> GatingTemplate:
    """The template in the bytes of a file."""
    return template_of(parse_xml_bytes(data, None), Path("back.xml"))


def made(*gates: Gate, **changes: Any) -> GatingTemplate:
    """A template of two markers and these gates."""
    whole = GatingTemplate(
        "made",
        "2.1",
        "Made for a test",
        "locked",
        (Marker("A", ("A", "alpha"), optional=True), Marker("B", ("B",))),
        Compensation("file"),
        gates,
    )
    return dataclasses.replace(whole, **changes)


def a_gate(geometry: Any, name: str = "g", parent: str = ROOT) -> Gate:
    """A gate of a name, its path and id made from it."""
    path = join_path([name]) if parent == ROOT else f"{parent}/{join_path([name])}"
    return Gate(name, path, parent, f"id_{crc32(path.encode('utf-8', 'surrogatepass'))}", geometry, name)
