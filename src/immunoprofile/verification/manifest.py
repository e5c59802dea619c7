"""The manifest of a results folder, read as what it is: a text that anybody may have changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from immunoprofile.errors import InputError, printable
from immunoprofile.provenance import digest_of_bytes
from immunoprofile.study.deidentify import mark_of, read_key

MANIFEST = "manifest.json"
_MAX_BYTES = 500_000_000
"""A million samples take some hundred bytes each."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says, and the digest of its bytes.

    Parameters
    ----------
    outputs
        Name below the folder to SHA-256; no name leads out of the folder.
    inputs, plan
        Name to SHA-256.
    """

    sha256: str
    outputs: Mapping[str, str]
    inputs: Mapping[str, str]
    plan: Mapping[str, str]
    options: Mapping[str, Any]
    versions: Mapping[str, str]
    numerics_version: int


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a results folder.

    Raises
    ------
    InputError
        There is none (``MANIFEST-MISSING``), or it is not as this program writes it (``MANIFEST-FORMAT``).
    """
    path = folder / MANIFEST
    content = _read(path)
    try:
        found = json.loads(content.decode("utf-8"), object_pairs_hook=_once)
        manifest = Manifest(
            digest_of_bytes(content),
            _digests(found["outputs"]),
            _digests(found["inputs"]),
            _digests(found["plan"]),
            dict(found["options"]),
            {str(k): str(v) for k, v in found["versions"].items()},
            int(found["numerics_version"]),
        )
        for name in manifest.outputs:
            _check_name(name)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise InputError(
            f"is not a manifest of this program ({printable(problem, 100)})",
            path=path,
            code="MANIFEST-FORMAT",
            remedy="It was changed or damaged: take it from a backup, or run the study again.",
        ) from problem
    return manifest


def read_key_of(manifest: Manifest, folder: Path, path: Path | None) -> bytes | None:
    """The key of a results folder: what the file holds, where it is the one that the folder was written with.

    Raises
    ------
    InputError
        It is another key, none was given for a de-identified folder, or one for a folder with names.
    """
    key = None if path is None else read_key(path)
    said = manifest.options.get("deidentified")
    if said == (None if key is None else mark_of(key)):
        return key
    if said is None:
        what, remedy = "was not de-identified", "Leave --deidentify out."
    elif key is None:
        what, remedy = "was de-identified", "Give --deidentify with the key file that it was written with."
    else:
        what, remedy = "was de-identified with another key", "Give the key file that it was written with."
    raise InputError(what, path=folder, where="manifest.json", code="KEY-OTHER", remedy=remedy)


def _read(path: Path) -> bytes:
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise InputError("is no regular file", path=path, code="MANIFEST-FORMAT", remedy="Give a results folder.")
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as problem:
        raise InputError(
            f"cannot be read ({problem.strerror})",
            path=path,
            code="MANIFEST-MISSING",
            remedy="Give a results folder of a run that finished.",
        ) from problem
    if len(content) > _MAX_BYTES:
        raise InputError("is larger than any manifest", path=path, code="MANIFEST-FORMAT", remedy="Run again.")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which no key stands twice: what one reader sees, every reader sees."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _digests(found: Mapping[str, Any]) -> dict[str, str]:
    for name, digest in found.items():
        if not isinstance(digest, str) or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise ValueError(f"no digest of {name}")
    return dict(found)


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
        raise ValueError(f"{name} leads out of the folder")
