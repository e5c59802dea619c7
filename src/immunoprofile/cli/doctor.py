"""``immunoprofile doctor``: what is installed here, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from immunoprofile.cli.console import WIDTH, show, show_json
from immunoprofile.cli.options import json_option, verbosity_options

_EXTRAS = {
    "figures": "figures",
    "sas": "SAS, Stata",
    "anndata": "export h5ad",
    "dask": "clusters",
    "flowkit": "comparison",
}
"""Extras that a user may want, and what each is for; the others are for developers."""

_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)\s*(?P<bounds>[<>=!~0-9a-z.,\s]*)")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was looked at: ok, missing (something optional), or wrong (results cannot be had or trusted)."""

    name: str
    state: str
    words: str


@click.command()
@json_option
@verbosity_options
def doctor(as_json: bool) -> None:
    """Say what is installed, what is missing, and what to do.

    Looks only, changes nothing, asks no network, and always ends with 0; `selftest` checks the numbers.
    """
    items = list(_examine())
    if as_json:
        show_json({"items": [asdict(i) for i in items], "ready": not any(i.state == "wrong" for i in items)})
        return
    for item in items:
        show(f"{item.state:<8}{item.name:<19}{item.words}"[:WIDTH].rstrip())
    wrong = sum(i.state == "wrong" for i in items)
    show("", "Ready. What is missing is optional." if not wrong else f"Not ready: mend what is wrong ({wrong}).")


def _examine() -> Iterator[Item]:
    yield Item("immunoprofile", "ok", _version("immunoprofile") or "run from a folder, not installed")
    yield _python()
    yield from _libraries()
    yield from _extras()
    yield from _compiler()
    yield _templates()
    yield _place("temporary folder", Path(tempfile.gettempdir()))
    yield Item("processors", "ok", f"{os.cpu_count() or 1}, memory {_memory()}")
    yield _terminal()


def _python() -> Item:
    found = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    enough = sys.version_info >= (3, 11)
    return Item("Python", "ok" if enough else "wrong", found if enough else f"{found}; 3.11 or later is needed")


def _requirements() -> list[tuple[str, str, str | None]]:
    """Name, bounds and extra of everything that the installed program asks for."""
    try:
        lines = importlib.metadata.requires("immunoprofile") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        wanted, _, condition = line.partition(";")
        named, extra = _REQUIREMENT.match(wanted.strip()), _EXTRA.search(condition)
        if named is not None:
            found.append((named["name"], named["bounds"].strip(), extra[1] if extra else None))
    return found


def _libraries() -> Iterator[Item]:
    """A line for each library that every run needs."""
    wanted = [(n, b) for n, b, extra in _requirements() if extra is None]
    if not wanted:
        yield Item("libraries", "wrong", "cannot be told: install with pip install -e .")
    for name, bounds in wanted:
        found = _version(name)
        if found is None:
            yield Item(name, "wrong", f"not installed; run: pip install '{name}{bounds}'")
        elif not _within(found, bounds):
            yield Item(name, "wrong", f"{found} does not fit {bounds}; run: pip install '{name}{bounds}'")
        else:
            yield Item(name, "ok", found)


def _extras() -> Iterator[Item]:
    """A line for each extra; one that is there names its versions."""
    wanted = _requirements()
    for extra, purpose in _EXTRAS.items():
        parts = [(n, b) for n, b, e in wanted if e == extra]
        lacking = [n for n, b in parts if (v := _version(n)) is None or not _within(v, b)]
        if lacking or not parts:
            yield Item(extra, "missing", f"for {purpose}: pip install 'immunoprofile[{extra}]'")
        else:
            yield Item(extra, "ok", f"for {purpose}: {', '.join(f'{n} {_version(n)}' for n, _ in parts)}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _within(version: str, bounds: str) -> bool:
    """Does a version lie within bounds such as ``<3,>=2.2``? Numbers are compared, what follows them is not."""
    found = _numbers(version)
    for bound in filter(None, (b.strip() for b in bounds.split(","))):
        sign, limit = bound.rstrip("0123456789.abcrdevpost"), _numbers(bound.lstrip("<>=!~"))
        if (sign == ">=" and found < limit) or (sign == "<" and found >= limit):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def _compiler() -> Iterator[Item]:
    """Where compiled loops are kept, and whether they are there."""
    import immunoprofile.kernels as room

    source = Path(str(room.__file__)).parent
    given = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(given) if given else source / "__pycache__"
    yield _place("compiler cache", folder if folder.exists() else folder.parent)
    compiled = sum(1 for _ in folder.rglob("*.nbi")) if folder.exists() else 0
    words = f"{compiled} kept on disk" if compiled else "not yet; the first run compiles, about 20 seconds, once"
    yield Item("compiled loops", "ok", words)


def _place(name: str, folder: Path) -> Item:
    if os.access(folder, os.W_OK):
        return Item(name, "ok", "can be written")
    if name == "compiler cache":
        return Item(name, "missing", "not writable; set NUMBA_CACHE_DIR to one that is")
    return Item(name, "wrong", "not writable; set TMPDIR to one that is")


def _templates() -> Item:
    from immunoprofile.gating import template_ids

    found = template_ids()
    return Item("templates", "ok" if found else "wrong", f"{len(found)}: {', '.join(found)}" if found else "none found")


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, OSError, ValueError):
        return "unknown"


def _terminal() -> Item:
    encoding = (sys.stdout.encoding or "unknown").upper()
    words = encoding if encoding.startswith("UTF") else f"{encoding}; letters beyond it are shown as \\x.."
    return Item("terminal", "ok", words)
