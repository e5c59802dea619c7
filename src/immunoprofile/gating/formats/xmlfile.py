"""XML from strangers: looked through before a tree is built, then parsed without DTD, entities or network."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.parsers import expat

from immunoprofile.errors import ImmunoprofileError, TemplateSyntaxError

# What no gating file comes near, and no desk notices: the largest Cytobank exports have some 10,000 elements.
_MAX_BYTES = 20_000_000
_MAX_ELEMENTS = 100_000
_ATTRIBUTES_AN_ELEMENT = 3
_MAX_DEPTH = 200
_MAX_ATTRIBUTE = 1_000_000
_GZIP = b"\x1f\x8b"
_XINCLUDE = "{http://www.w3.org/2001/XInclude}*"


def parse_xml(path: Path, *, max_bytes: int = _MAX_BYTES, max_elements: int = _MAX_ELEMENTS) -> Any:
    """The root element of an XML file.

    Parameters
    ----------
    max_bytes, max_elements
        A file beyond these is refused before a tree of it is built.

    Raises
    ------
    TemplateSyntaxError
        The file is missing, too large, not XML, declares a document type, or asks for another file.
    """
    return parse_xml_bytes(_bytes(path, max_bytes), path, max_elements=max_elements)


def parse_xml_bytes(data: bytes, path: Path | None, *, max_elements: int = _MAX_ELEMENTS) -> Any:
    """The root element of XML in memory; `path` is for messages."""
    from lxml import etree

    if data.startswith(_GZIP):
        raise TemplateSyntaxError("is a gzip archive, not XML", path=path, code="XML-SYNTAX", remedy="Unpack it first.")
    _look_through(data, path, max_elements)
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as problem:
        raise _not_xml(problem, path) from problem
    if root.getroottree().docinfo.doctype:
        raise _doctype(path)
    included = next(root.iter(_XINCLUDE), None)
    if included is not None:
        raise TemplateSyntaxError(
            "asks for another file to be included, which is not done",
            path=path,
            where=f"line {included.sourceline}",
            code="XML-INCLUDE",
            remedy="Put the other file's content in its place.",
        )
    return root


def _bytes(path: Path, limit: int) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise TemplateSyntaxError(
                "is not a regular file", path=path, code="XML-ACCESS", remedy="Give the path of a file."
            )
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as problem:
        raise TemplateSyntaxError(
            f"cannot be read ({problem.strerror})", path=path, code="XML-ACCESS", remedy="Check the path."
        ) from problem
    if len(data) > limit:
        raise _too_large(f"is larger than {limit / 1e6:g} MB", path)
    return data


def _look_through(data: bytes, path: Path | None, max_elements: int) -> None:
    """Refuse a document type, depth, number and size as they pass by, before anything is kept or expanded."""
    if data.count(b"=") > _ATTRIBUTES_AN_ELEMENT * max_elements:  # an element's attributes come all at once, so first
        raise _too_large(f"has more than {_ATTRIBUTES_AN_ELEMENT * max_elements:,} attributes", path)
    parser = expat.ParserCreate()
    seen = depth = 0

    def start(_: str, attributes: dict[str, str]) -> None:
        nonlocal seen, depth
        seen += 1
        depth += 1
        if seen > max_elements:
            raise _too_large(f"has more than {max_elements:,} elements", path)
        if depth > _MAX_DEPTH:
            raise _too_large(f"nests elements more than {_MAX_DEPTH} deep", path)
        if any(len(value) > _MAX_ATTRIBUTE for value in attributes.values()):
            raise _too_large(f"has an attribute of more than {_MAX_ATTRIBUTE:,} characters", path)

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: object) -> None:
        raise _doctype(path)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except ImmunoprofileError:
        raise
    except (expat.ExpatError, ValueError, LookupError) as problem:  # the last two: encodings unknown to Python
        raise _not_xml(problem, path) from problem


def _too_large(what: str, path: Path | None) -> TemplateSyntaxError:
    return TemplateSyntaxError(
        f"{what}, which no gating file needs", path=path, code="XML-SIZE", remedy="Export the gates alone."
    )


def _not_xml(problem: Exception, path: Path | None) -> TemplateSyntaxError:
    return TemplateSyntaxError(
        f"is not well-formed XML ({problem})", path=path, code="XML-SYNTAX", remedy="Export it again."
    )


def _doctype(path: Path | None) -> TemplateSyntaxError:
    return TemplateSyntaxError(
        "declares a document type, which no gating file needs and which can hide entities",
        path=path,
        code="XML-DOCTYPE",
        remedy="Remove the <!DOCTYPE ...> line.",
    )
