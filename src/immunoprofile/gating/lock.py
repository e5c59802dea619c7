"""The lock of a template: what its content was when somebody signed it, in a file beside it.

A version of a template that was locked has one content for ever. Who changes a gate writes a new version and locks
that.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from immunoprofile.errors import InputError, Problem, TemplateInvalidError, printable
from immunoprofile.gating.template import GatingTemplate
from immunoprofile.provenance import refuse_existing, write_bytes, write_text

_KEYS = ("template_id", "version", "content_sha256", "who", "when")
_RESTORE = "Restore the locked file, or give the changed one a new version and lock it with `immunoprofile gates lock`."


@dataclass(frozen=True, slots=True)
class Lock:
    """Who signed which content of which version, and when (ISO 8601, UTC)."""

    template_id: str
    version: str
    content_sha256: str
    who: str
    when: str


def lock_path(template: GatingTemplate) -> Path:
    """Where the lock of a template lies: ``T.lock`` beside ``T.toml``."""
    assert template.source is not None, "only a template from a file can be locked"
    return template.source.with_suffix(".lock")


def write_lock(
    template: GatingTemplate, who: str, *, when: str | None = None, force: bool = False
) -> tuple[Path, Lock]:
    """Lock a template: write its lock, and ``status = "locked"`` into its file, whose other text stays as it is.

    Raises
    ------
    TemplateInvalidError
        The version was locked with another content: raise the version.
    InputError
        Nobody is named.
    OutputError
        A lock of another version is there and `force` is not given; or something cannot be written.
    """
    if not who.strip():
        raise InputError("nobody is named as standing for the template", remedy="Give --who NAME.", code="LOCK-WHO")
    path = lock_path(template)
    assert template.source is not None
    problems = check_lock(template)
    changed = [p for p in problems if p.code == "TEMPLATE-CHANGED"]
    if changed:
        raise TemplateInvalidError.of(changed)
    if not force:
        refuse_existing(path, remedy="Keep it under another name, or give --force to lock this version in its place.")
    stamp = when or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lock = Lock(template.id, template.version, template.digest, who, stamp)
    lines = [f"{key} = {json.dumps(getattr(lock, key), ensure_ascii=False)}" for key in _KEYS]
    write_text(path, "# Written by `immunoprofile gates lock`.\n" + "\n".join(lines) + "\n")
    _write_status(template.source)
    return path, lock


def _write_status(path: Path) -> None:
    import tomlkit

    document = tomlkit.parse(path.read_bytes().decode("utf-8-sig"))
    head = document["template"]
    if head.get("status") != "locked":
        head["status"] = "locked"
        write_bytes(path, tomlkit.dumps(document).encode("utf-8"))


def check_lock(template: GatingTemplate) -> list[Problem]:
    """What speaks against using a template: nothing, or that it is not what was locked.

    Notes
    -----
    A template that calls itself locked needs a lock of its content. One that does not may differ from the lock beside
    it only where its version differs: it is the draft of the next one.
    """
    if template.source is None:
        return []
    path = lock_path(template)
    file = str(template.source)
    if not path.is_file():
        if template.status != "locked":
            return []
        remedy = "Lock it with `immunoprofile gates lock`, or write another status."
        what = f"calls itself locked, and {printable(path.name)} is not there"
        return [Problem(what, file, "template.status", remedy=remedy, code="TEMPLATE-NO-LOCK")]
    lock, problem = _read(path)
    if lock is None:
        return [problem] if problem is not None else []
    same_version = (lock.template_id, lock.version) == (template.id, template.version)
    if lock.content_sha256 == template.digest and same_version:
        return []
    if template.status != "locked" and not same_version:
        return []
    signed = f"{printable(lock.template_id)} {printable(lock.version)}"
    what = (
        f"is not what {printable(lock.who)} locked on {printable(lock.when)}: {signed} has content "
        f"{printable(lock.content_sha256)[:16]}, this is {printable(template.id)} {printable(template.version)} with "
        f"content {template.digest[:16]}"
    )
    return [
        Problem(what, file, None, lock.content_sha256, template.digest, remedy=_RESTORE, code="TEMPLATE-CHANGED")
    ]  # fmt: skip


def _read(path: Path) -> tuple[Lock | None, Problem | None]:
    try:
        held = tomllib.loads(path.read_bytes()[:100_000].decode("utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        what = f"cannot be read ({printable(str(problem), 80)})"
        return None, Problem(what, str(path), remedy="Restore the lock.", code="TEMPLATE-LOCK")
    if set(held) != set(_KEYS) or not all(isinstance(v, str) for v in held.values()):
        what = f"is no lock: it needs {', '.join(_KEYS)}, each a text"
        return None, Problem(what, str(path), remedy="Restore the lock.", code="TEMPLATE-LOCK")
    return Lock(**held), None


def refuse_changed(template: GatingTemplate) -> None:
    """Refuse a template that is not what was locked.

    Raises
    ------
    TemplateInvalidError
    """
    problems = check_lock(template)
    if problems:
        raise TemplateInvalidError.of(problems)
