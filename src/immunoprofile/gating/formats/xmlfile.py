"""XML from strangers: parsed without DTD, entities or network, and within caps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from immunoprofile.errors import TemplateSyntaxError

_MAX_BYTES = 20_000_000
_MAX_ELEMENTS = 100_000


def parse_xml(path: Path) -> Any:
    """The root element of an XML file.

    Raises
    ------
    TemplateSyntaxError
        The file is missing, too large, not XML, or declares a document type or entities.
    """
    from lxml import etree

    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as problem:
        raise TemplateSyntaxError(
            f"cannot be read ({problem.strerror})", path=path, code="XML-ACCESS", remedy="Check the path."
        ) from problem
    if len(data) > _MAX_BYTES:
        raise TemplateSyntaxError("is larger than 20 MB", path=path, code="XML-SIZE")
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
        raise TemplateSyntaxError(
            f"is not well-formed XML ({problem})", path=path, code="XML-SYNTAX", remedy="Export it again."
        ) from problem
    if root.getroottree().docinfo.doctype:
        raise TemplateSyntaxError(
            "declares a document type, which no gating file needs and which can hide entities",
            path=path,
            code="XML-DOCTYPE",
            remedy="Remove the <!DOCTYPE ...> line.",
        )
    if sum(1 for _ in root.iter()) > _MAX_ELEMENTS:
        raise TemplateSyntaxError("has more than 100,000 elements", path=path, code="XML-SIZE")
    return root
