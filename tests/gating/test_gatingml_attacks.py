"""Files made to harm: each ends in one clean error at once, and no other file or host is ever asked for anything."""

from __future__ import annotations

import contextlib
import copy
import gzip
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from gatingml_files import (
    HEAD,
    axis,
    boolean,
    cytobank,
    divider,
    ellipsoid,
    gate,
    gatingml,
    matrix,
    points,
    quadrant,
    ratio,
    rectangle,
    scale,
)
from hypothesis import given
from hypothesis import strategies as st

from immunoprofile.errors import InputError, TemplateSyntaxError
from immunoprofile.fcs import Channel
from immunoprofile.gating import compile_plan, read_gatingml, run_plan
from immunoprofile.gating.formats.gatingml import template_of
from immunoprofile.gating.formats.gatingml_write import render_gatingml
from immunoprofile.gating.formats.xmlfile import parse_xml_bytes
from twins import ArrayEvents

# Processor seconds. Every file here takes less than one; what is not stopped early takes minutes, or never ends.
AT_ONCE = 3.0

SOUND = rectangle("g", axis("A", min=1))
XINCLUDE = "http://www.w3.org/2001/XInclude"


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A pipe that blocks whoever opens it, and a port of this machine that no one may call."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield {"file": pipe.as_uri(), "url": f"http://127.0.0.1:{server.getsockname()[1]}/x"}
        with pytest.raises(BlockingIOError):
            server.accept()


def with_doctype(doctype: str, content: str) -> bytes:
    return f"<?xml version='1.0'?>\n<!DOCTYPE x {doctype}>\n{HEAD}{content}</g:Gating-ML>".encode()


def billion_laughs(_: dict) -> bytes:
    laughs = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    return with_doctype(f'[<!ENTITY a0 "ha">{laughs}]', "<x>&a11;</x>")


def quadratic(_: dict) -> bytes:
    return with_doctype(f'[<!ENTITY a "{"x" * 50_000}">]', f'<x y="{"&a;" * 50_000}"/>')


def external_entity(trap: dict) -> bytes:
    return with_doctype(f'[<!ENTITY secret SYSTEM "{trap["file"]}">]', "<x>&secret;</x>")


def parameter_entity(trap: dict) -> bytes:
    return with_doctype(f'[<!ENTITY % remote SYSTEM "{trap["url"]}"> %remote;]', SOUND)


def external_dtd(trap: dict) -> bytes:
    return with_doctype(f'SYSTEM "{trap["url"]}"', SOUND)


def file_dtd(trap: dict) -> bytes:
    return with_doctype(f'PUBLIC "-//x//EN" "{trap["file"]}"', SOUND)


def doctype_in_utf16(trap: dict) -> bytes:
    text = external_entity(trap).decode().replace("version='1.0'", "version='1.0' encoding='UTF-16'")
    return text.encode("utf-16")


def xinclude(trap: dict) -> bytes:
    include = f'<xi:include xmlns:xi="{XINCLUDE}" href="{trap["file"]}"/>'
    return gatingml(SOUND, include)


def schema_location(trap: dict) -> bytes:
    attribute = f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x {trap["url"]}" '
    return gatingml(rectangle("g", axis("A", min=3, max=1))).replace(b"xmlns:g=", attribute.encode() + b"xmlns:g=", 1)


def stylesheet(trap: dict) -> bytes:
    instruction = f'?>\n<?xml-stylesheet type="text/xsl" href="{trap["url"]}"?>'.encode()
    return gatingml(rectangle("g", axis("A", min=3, max=1))).replace(b"?>", instruction, 1)


ATTACKS: dict[str, tuple[Callable[[dict], bytes], str]] = {
    "external entity": (external_entity, "declares a document type"),
    "parameter entity": (parameter_entity, "declares a document type"),
    "external DTD": (external_dtd, "declares a document type"),
    "DTD of this machine": (file_dtd, "declares a document type"),
    "document type in UTF-16": (doctype_in_utf16, "declares a document type"),
    "billion laughs": (billion_laughs, "declares a document type"),
    "quadratic blow-up": (quadratic, "declares a document type"),
    "undeclared entity": (lambda _: gatingml("<x>&secret;</x>"), "is not well-formed XML"),
    "XInclude": (xinclude, "line 4: asks for another file to be included"),
    "schema location": (schema_location, "min 3.0 of A is not below max 1.0"),
    "stylesheet": (stylesheet, "min 3.0 of A is not below max 1.0"),
    "deep nesting": (lambda _: gatingml("<x>" * 200_000 + "</x>" * 200_000), "nests elements more than 200 deep"),
    "huge attribute": (lambda _: gatingml(f'<x y="{"z" * 9_000_000}"/>'), "attribute of more than 1,000,000"),
    "huge name": (lambda _: gatingml(f"<{'x' * 9_000_000}/>"), "is not well-formed XML"),
    "huge text": (lambda _: gatingml(f"<x>{'z' * 12_000_000}</x>"), "is not well-formed XML"),
    "a million elements": (lambda _: gatingml("<x/>" * 1_000_000), "has more than 100,000 elements"),
    "a million attributes": (
        lambda _: gatingml("<x " + " ".join(f'a{i}=""' for i in range(1_000_000)) + "/>"),
        "has more than 300,000 attributes"),
    "attributes within the limit": (
        lambda _: gatingml("<x " + " ".join(f'a{i}=""' for i in range(299_000)) + "/>"),
        "holds no gate that can be used"),
    "30 MB": (lambda _: gatingml("<!--" + "z" * 30_000_000 + "-->"), "is larger than 20 MB"),
    "wrong root": (lambda _: b"<Workspace/>", "is not Gating-ML 2.0 (its root is <Workspace>)"),
    "root of another namespace": (lambda _: gatingml(SOUND).replace(b"v2.0/gating", b"v1.5/gating"),
        "is not Gating-ML 2.0"),
    "not XML": (lambda _: b"FCS3.1         256    1545", "is not well-formed XML"),
    "nothing": (lambda _: b"", "is not well-formed XML"),
    "half a file": (lambda _: gatingml(SOUND)[:-20], "is not well-formed XML"),
    "gzip": (lambda _: gzip.compress(gatingml(SOUND)), "is a gzip archive, not XML. Unpack it first"),
    "encoding that does not exist": (lambda _: gatingml(SOUND).replace(b"UTF-8", b"UTF-99"), "is not well-formed XML"),
    "bytes that are no UTF-8": (lambda _: gatingml(rectangle("g\xe9", SOUND)).decode().encode("latin-1"),
        "is not well-formed XML"),
    "NUL bytes": (lambda _: gatingml("\x00"), "is not well-formed XML"),
    "terminal escapes": (
        lambda _: gatingml(rectangle("g&#27;[2J&#x202e;", axis("A", min=1))), "is not well-formed XML"),
    "unknown references": (
        lambda _: gatingml(SOUND, *(boolean(f"{i:0>90}", "and", f"{i:1>90}") for i in range(1_999))),
        "no gate with id"),
    "unknown references of 900 letters": (
        lambda _: gatingml(SOUND, *(boolean(f"{i:0>900}", "and", f"{i:1>900}") for i in range(1_999))),
        "no gate with id"),
    "a name that all gates share": (
        lambda _: gatingml(
            *(gate("Rectangle", f"g{i}", cytobank(name="x"), axis("A", min=3, max=1)) for i in range(1_999))),
        "min 3.0 of A"),
    "terms without number": (
        lambda _: gatingml(SOUND, boolean("b", "and", *["g"] * 45_000), rectangle("c", axis("A", min=3, max=1))),
        "min 3.0 of A"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "words"), ATTACKS.values(), ids=ATTACKS)
def test_hostile_file__ends_in_a_clean_error_at_once(tmp_path: Path, trap, make, words: str) -> None:
    file = tmp_path / "gates.xml"
    file.write_bytes(make(trap))
    start = time.process_time()
    with pytest.raises(InputError) as caught:
        read_gatingml(file)
    assert time.process_time() - start < AT_ONCE
    message = str(caught.value)
    assert words in message
    assert message.isprintable() or "\n" in message
    assert "\x1b" not in message


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_hostile_path__is_a_clean_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "gates.xml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(TemplateSyntaxError) as caught:
        read_gatingml(path)
    assert caught.value.code == "XML-ACCESS"
    expected = "cannot be read" if kind == "missing" else "is not a regular file"
    assert expected in str(caught.value)


def test_names_that_drive_a_terminal__are_escaped_in_messages(tmp_path: Path) -> None:
    file = tmp_path / "gates.xml"
    file.write_bytes(gatingml(rectangle("g&#x202e;", axis("A", min=3, max=1))))
    with pytest.raises(InputError, match=r"g\\u202e"):
        read_gatingml(file)


EVERYTHING = gatingml(
    matrix("M", "F G", "A B C", [[1, 0.1, 0], [0.2, 1, 0.3]]),
    scale("s", "logicle T=1000 W=1 M=4 A=0", "boundMin=0"),
    ratio("r", "A", "B", 1, 0, 0),
    rectangle("a", axis("F", comp="M", scale="s", min=0.1, max=0.9), axis("ratio:r", min=1)),
    gate("Polygon", "b", axis("A"), axis("B", scale="s"), points("vertex", (0, 0), (1, 0), (0, 1)), parent="a"),
    ellipsoid("c", [axis("A"), axis("B")], (1, 2), [(1, 0), (0, 2)], 3),
    gate("Quadrant", "q", divider("x", "A", 1, 2), divider("y", "B", 5), quadrant("q1", x=0, y=6), quadrant("q2", x=3)),
    boolean("d", "and", "!b", "q1", parent="c"),
)
OURS = render_gatingml(template_of(parse_xml_bytes(EVERYTHING, None), Path("everything.xml")))
JUNK = ["", "0", "-1", "nan", "INF", "1e400", "x", "a", "q", "M", "s", "r", "FCS", "true", "\u202e", "é" * 2_000]


@given(data=st.data())
def test_mangled_file__is_read_or_refused_and_what_is_left_can_be_gated(data: st.DataObject) -> None:
    root = parse_xml_bytes(data.draw(st.sampled_from([EVERYTHING, OURS])), None)
    for _ in range(data.draw(st.integers(1, 4))):
        _mangle(root, data)
    with contextlib.suppress(InputError):
        template_of(root, Path("mangled.xml"))
    try:
        template = template_of(root, Path("mangled.xml"), broken="skip")
    except InputError:
        return
    channels = tuple(Channel(n, None, i, 1000, 32, "fluorescence") for i, n in enumerate("ABC"))
    with contextlib.suppress(InputError):
        run_plan(compile_plan(template, channels), ArrayEvents(np.ones((3, 3)), channels))


def _mangle(root, data: st.DataObject) -> None:
    elements = list(root.iter())
    element = elements[data.draw(st.integers(1, len(elements) - 1))] if len(elements) > 1 else root
    how = data.draw(st.sampled_from(["drop", "twice", "attribute", "value", "text", "move"]))
    names = sorted(element.attrib)
    if element is root:
        return
    if how == "drop":
        element.getparent().remove(element)
    elif how == "twice":
        element.addnext(copy.deepcopy(element))
    elif how == "text":
        element.text = data.draw(st.sampled_from(JUNK))
    elif how == "move":
        root.append(element)
    elif names:
        name = data.draw(st.sampled_from(names))
        if how == "attribute":
            element.set(name.rpartition("}")[2], element.attrib.pop(name))
        else:
            element.set(name, data.draw(st.sampled_from(JUNK)))
