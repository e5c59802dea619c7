"""Paths of populations: names of gates from below the root, joined by ``/``.

In a name ``/`` is written ``\\/`` and ``\\`` as ``\\\\``. Whatever takes a path also takes a unique trailing path, so
also a unique name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from immunoprofile.errors import closest, printable

ROOT = "All events"


class AmbiguousPathError(LookupError):
    """A trailing path fits several populations."""


def join_path(names: Iterable[str]) -> str:
    """The path of nested names; `ROOT` for none."""
    return "/".join(n.replace("\\", "\\\\").replace("/", "\\/") for n in names) or ROOT


def split_path(path: str) -> tuple[str, ...]:
    """The names along a path."""
    parts = re.findall(r"(?:[^\\/]|\\.)+", path, flags=re.DOTALL)
    return tuple(re.sub(r"\\(.)", r"\1", p, flags=re.DOTALL) for p in parts)


def find_path(query: str, paths: Sequence[str]) -> str:
    """The one path that is `query` or ends in it.

    Raises
    ------
    AmbiguousPathError, LookupError
        Several, or none; the sentence names the candidates.
    """
    if query in paths:
        return query
    asked = split_path(query)
    found = [p for p in paths if split_path(p)[-len(asked) :] == asked]
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousPathError(
            f'"{printable(query)}" could be any of {", ".join(f"{printable(p)!r}" for p in found)}'
        )
    raise LookupError(f'no population named "{printable(query)}". {closest(query, paths)}')


def make_id(name: str, taken: Iterable[str]) -> str:
    """An id ``[a-z0-9_]+`` made from a name: ``CD4+`` gives ``cd4_pos``; numbered where it is taken."""
    words = name.lower().replace("++", " hi ").replace("+", " pos ").replace("−", "-")
    words = re.sub(r"-(?=$|[^a-z0-9]|(?:cd|ig|hla|cc|cx)[a-z0-9])", " neg ", words)
    slug = re.sub(r"[^a-z0-9]+", "_", words).strip("_") or "gate"
    seen = set(taken)
    number, unique = 1, slug
    while unique in seen:
        number += 1
        unique = f"{slug}_{number}"
    return unique
