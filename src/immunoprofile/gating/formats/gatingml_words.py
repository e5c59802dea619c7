"""The words of Gating-ML 2.0: namespaces, elements and attributes, and how a single value is read.

A word that the standard does not know would be overlooked, and with it a bound, a parent or a complement. So
whatever stands in the standard's namespaces, or looks as if it should, and is not known at its place is refused.
What other programs add in namespaces of their own is theirs.

References
----------
Spidlen J, Moore W, ISAC Data Standards Task Force, Brinkman RR. ISAC's Gating-ML 2.0 data exchange standard for gating
description. Cytometry A 2015;87(7):683-687. doi:10.1002/cyto.a.22690
"""

from __future__ import annotations

import math
import re
from typing import Any

from immunoprofile.errors import printable

_BASE = "http://www.isac-net.org/std/Gating-ML/v2.0/"
NAMESPACES = {
    "gating": f"{_BASE}gating",
    "transforms": f"{_BASE}transformations",
    "data-type": f"{_BASE}datatypes",
}
GATING, TRANSFORMS, DATATYPES = (f"{{{n}}}" for n in NAMESPACES.values())
_STANDARD = frozenset(NAMESPACES.values())

CUSTOM_INFO = f"{DATATYPES}custom_info"
FCS, UNCOMPENSATED_REF = "FCS", "uncompensated"
"""Compensation references that are no ids."""

GATES = frozenset(f"{GATING}{n}Gate" for n in ("Rectangle", "Polygon", "Ellipsoid", "Quadrant", "Boolean"))
_FUNCTIONS = {"flin": "T A", "flog": "T M", "fasinh": "T M A", "logicle": "T W M A", "hyperlog": "T W M A"}
# Longer than any name in a real file; two names of this length can still be compared quickly.
_MAX_TEXT = 1_000
# xsd:double without its INF and NaN: Python's float would also take "1_0" and digits of other scripts.
_DOUBLE = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


RESTS = "GATINGML-RESTS"
"""Code of what is refused only because something that it rests on is."""


class RefusalError(Exception):
    """One element cannot be used: what, where, remedy."""

    def __init__(self, element: Any, what: str, remedy: str | None = None, code: str = "GATINGML") -> None:
        super().__init__(what)
        self.line = f"line {element.sourceline}"
        self.what, self.remedy, self.code = what, remedy, code


def _names(words: str) -> frozenset[str]:
    """``g:min d:name`` as qualified names."""
    spaces = {"g": GATING, "t": TRANSFORMS, "d": DATATYPES}
    return frozenset(spaces[w[0]] + w[2:] for w in words.split())


_DIMENSION = "g:compensation-ref g:transformation-ref"
_AXIS = "d:fcs-dimension d:new-dimension"
_BOUNDS = "t:boundMin t:boundMax"
# Element to its attributes and children, from the three schemas of the standard; bounds are also read where a
# program writes them on the function itself, which the schemas let pass.
_KNOWN: dict[str, tuple[str, str]] = {
    "g:RectangleGate": ("g:id g:parent_id", "g:dimension"),
    "g:PolygonGate": ("g:id g:parent_id", "g:dimension g:vertex"),
    "g:EllipsoidGate": ("g:id g:parent_id", "g:dimension g:mean g:covarianceMatrix g:distanceSquare"),
    "g:QuadrantGate": ("g:id g:parent_id", "g:divider g:Quadrant"),
    "g:BooleanGate": ("g:id g:parent_id", "g:and g:or g:not"),
    "g:dimension": (f"{_DIMENSION} g:min g:max", _AXIS),
    "g:divider": (f"g:id {_DIMENSION}", f"{_AXIS} g:value"),
    "g:Quadrant": ("g:id", "g:position"),
    "g:position": ("g:divider_ref g:location", ""),
    "g:value": ("", ""),
    "g:vertex": ("", "g:coordinate"),
    "g:mean": ("", "g:coordinate"),
    "g:coordinate": ("d:value", ""),
    "g:covarianceMatrix": ("", "g:row"),
    "g:row": ("", "g:entry"),
    "g:entry": ("d:value", ""),
    "g:distanceSquare": ("d:value", ""),
    "g:and": ("", "g:gateReference"),
    "g:or": ("", "g:gateReference"),
    "g:not": ("", "g:gateReference"),
    "g:gateReference": ("g:ref g:use-as-complement", ""),
    "d:fcs-dimension": ("d:name", ""),
    "d:new-dimension": ("d:transformation-ref", ""),
    "t:transformation": (f"t:id {_BOUNDS}", "t:fratio " + " ".join(f"t:{f}" for f in _FUNCTIONS)),
    "t:fratio": (f"t:A t:B t:C {_BOUNDS}", "d:fcs-dimension"),
    **{f"t:{f}": (" ".join(f"t:{p}" for p in names.split()) + f" {_BOUNDS}", "") for f, names in _FUNCTIONS.items()},
    "t:spectrumMatrix": ("t:id t:matrix-inverted-already", "t:fluorochromes t:detectors t:spectrum"),
    "t:fluorochromes": ("", "d:fcs-dimension"),
    "t:detectors": ("", "d:fcs-dimension"),
    "t:spectrum": ("", "t:coefficient"),
    "t:coefficient": ("t:value", ""),
}
WORDS = {next(iter(_names(tag))): (_names(a), _names(c)) for tag, (a, c) in _KNOWN.items()}
"""Element to the attributes and the children that it may have, all as qualified names."""

# The schemas let programs add attributes to these; a name that only looks like a known one is still refused.
_OPEN = GATES | _names("t:transformation t:spectrumMatrix t:fratio " + " ".join(f"t:{f}" for f in _FUNCTIONS))


def check_words(element: Any) -> None:
    """Refuse what the standard does not know inside one of its elements and a reader would overlook.

    Raises
    ------
    RefusalError
        For the first such element or attribute.
    """
    attributes, children = WORDS[element.tag]
    for name in element.attrib:
        _check_attribute(element, str(name), attributes)
    known = {local(c) for c in children}
    for child in element:
        if child.tag in children:
            check_words(child)
        elif child.tag != CUSTOM_INFO and (namespace(child.tag) in _STANDARD or child.tag in known):
            raise RefusalError(
                child,
                f"<{printable(local(child.tag), 40)}> has no meaning inside <{local(element.tag)}>",
                f"The standard knows here: {', '.join(sorted(known)) or 'nothing'}"
                " (in its own namespaces). Correct the file.",
            )


def _check_attribute(element: Any, name: str, known: frozenset[str]) -> None:
    space = namespace(name)
    if name in known or (space and space not in _STANDARD):
        return
    likeness = {_squeezed(k): local(k) for k in known}.get(_squeezed(name))
    if likeness is None and (not space or element.tag in _OPEN):
        return
    raise RefusalError(
        element,
        f'the attribute "{printable(local(name), 40)}" of <{local(element.tag)}> would be overlooked',
        f'Write "{likeness}" in the standard\'s namespace.' if likeness else "Remove it, or correct its name.",
    )


def _squeezed(name: str) -> str:
    return re.sub(r"[-_]", "", local(name)).lower()


def is_standard(tag: str) -> bool:
    """True for a name in the namespaces of the standard."""
    return namespace(tag) in _STANDARD


def namespace(tag: str) -> str:
    """The namespace of a qualified name; empty where it has none."""
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def local(tag: str) -> str:
    """A qualified name without its namespace."""
    return tag.rpartition("}")[2]


def attribute(element: Any, name: str) -> str:
    """The text of an attribute that must be there."""
    value = element.get(name)
    if not value:
        raise RefusalError(element, f'<{local(element.tag)}> lacks its attribute "{local(name)}"')
    if len(value) > _MAX_TEXT:
        raise RefusalError(element, f'the attribute "{local(name)}" is longer than {_MAX_TEXT:,} characters')
    return str(value)


def number(element: Any, name: str) -> float:
    """A finite number in an attribute that must be there."""
    return finite(element, attribute(element, name))


def finite(element: Any, text: str) -> float:
    """A finite number as XML Schema writes doubles."""
    value = float(text) if _DOUBLE.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise RefusalError(element, f'"{printable(text, 40)}" in <{local(element.tag)}> is not a number')
    return value


def bound(element: Any, name: str, infinity: str) -> float | None:
    """A bound that may be absent; `infinity` (``INF``, ``-INF``) is none either."""
    text = element.get(name)
    if text is None or text.strip() == infinity:
        return None
    return number(element, name)


def truth(element: Any, name: str) -> bool:
    """A boolean attribute, false where absent."""
    text = element.get(name, "false").strip()
    if text not in {"true", "false", "1", "0"}:
        raise RefusalError(element, f'"{printable(text, 40)}" in "{local(name)}" is neither true nor false')
    return text in {"true", "1"}


def only(element: Any, name: str) -> Any:
    """The one child of a name."""
    found = element.findall(name)
    if len(found) != 1:
        raise RefusalError(element, f"<{local(element.tag)}> has {len(found)} <{local(name)}>, not one")
    return found[0]
