"""The results folder of a verb that writes tables of its own: who may write there, and what stands beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunoprofile.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """What tables are made from: the digests of the inputs, and the options with the verb among them."""

    inputs: Mapping[str, str]
    options: Mapping[str, Any]

    @classmethod
    def of(cls, verb: str, inputs: Mapping[str, Path], options: Mapping[str, Any]) -> Origin:
        """The origin of what a verb makes of these files."""
        from immunoprofile.provenance import digest_of_file

        return cls({name: digest_of_file(path) for name, path in inputs.items()}, {"verb": verb, **options})


def claim_folder(folder: Path, origin: Origin, *, force: bool) -> None:
    """Make sure that a verb may write here: a new folder, an empty one, or one with results of the same origin.

    Raises
    ------
    OutputError
        The folder holds something else (unless `force`), or cannot be used.
    """
    from immunoprofile.cohort.results import prepare_folder

    prepare_folder(folder, force=force)
    if not force and (folder / MANIFEST).is_file() and _read_origin(folder / MANIFEST) != origin:
        raise OutputError(
            "holds results of another verb, or of other inputs or options", path=folder, code="OUTPUT-EXISTS",
            remedy="Give another folder with --out, or --force to write over them.",
        )  # fmt: skip


def _read_origin(path: Path) -> Origin | None:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return Origin(manifest["inputs"], manifest["options"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path, origin: Origin) -> None:
    """Write tables with their descriptions, then the manifest with the digests of inputs and outputs."""
    from immunoprofile.datapackage import write_descriptions
    from immunoprofile.provenance import build_manifest, write_json
    from immunoprofile.tables import write_table

    files = [path for name, frame in tables.items() for path in write_table(name, frame, folder)]
    files += write_descriptions(tables, folder)
    manifest = build_manifest(
        inputs=origin.inputs, outputs=files, folder=folder, options=origin.options, plan={}, times={}
    )
    write_json(folder / MANIFEST, manifest)
