"""What arguments may name: a place on a disk, an FCS file there or by its URL, a template by its id or path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.errors import InputError

if TYPE_CHECKING:
    from immunoprofile.fcs import FcsFile

_WRITTEN = ("out", "junit")
_WRITING = ("is a URL, and results are written to a disk", "Give a place on a disk.")
_READING = (
    "is a URL, and only FCS files are read by URL",
    "Copy it to a disk. URLs of FCS files stand in samples.csv and in the sheet of `spillover`, and are given where a "
    "verb asks for FILE.fcs, as `inspect` does.",
)


class LocalPath(click.Path):
    """A file or folder on a disk of this machine; a URL is refused, and not taken for the name of a folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; ``file:///`` is one like any other.

        Raises
        ------
        InputError
            It is a URL (``URL-PLACE``).
        """
        return super().convert(_on_disk(value, param), param, ctx)


class FcsPath(click.Path):
    """An FCS file, by its path or its URL."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path or the remote file."""
        located = _located(value)
        return super().convert(value, param, ctx) if located is None else located


class TemplateName(click.types.StringParamType):
    """A template or a response rule: the id of one that is shipped, or a path."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The id or path as it was given.

        Raises
        ------
        InputError
            It is a URL (``URL-PLACE``).
        """
        return super().convert(str(_on_disk(value, param)), param, ctx)


PATH, FCS, TEMPLATE = LocalPath(), FcsPath(), TemplateName()


def _located(value: Any) -> FcsFile | None:
    """What a URL names; None for a path."""
    if not (isinstance(value, str) and "://" in value):
        return None
    from immunoprofile.fcs import locate_file

    return locate_file(value)


def _on_disk(value: Any, param: click.Parameter | None) -> Any:
    located = _located(value)
    if located is None or isinstance(located, Path):
        return value if located is None else located
    what, remedy = _READING if param is None or param.name not in _WRITTEN else _WRITING
    raise InputError(what, path=located, code="URL-PLACE", remedy=remedy)
