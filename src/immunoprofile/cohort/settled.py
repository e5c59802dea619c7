"""Automatic gates that a run settled, kept in its folder: taken up again where nothing that they rest on changed.

Settling reads every file of a pool, so a run that goes on after a stop would otherwise read all files for the gates of
one. `.work/gates/KEY.json` lies under the digest of all that gates rest on; one that is not whole is as good as none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from immunoprofile.cohort.keys import digest_of_inputs
from immunoprofile.cohort.store import WORK
from immunoprofile.cohort.workplace import FileState, Workplace, digested, state_of
from immunoprofile.errors import FcsError
from immunoprofile.gating import GatingTemplate
from immunoprofile.gating.automatic import Resolved, pack_resolved, unpack_resolved
from immunoprofile.provenance import digest_of_file, digest_of_value, write_json
from immunoprofile.study import Sample

Settle = Callable[[], dict[str, Resolved]]


def settle_once(
    settle: Settle, samples: Sequence[Sample], template: GatingTemplate, place: Workplace, jobs: int, **rest: Any
) -> dict[str, Resolved]:
    """What `settle` gives, or gave an earlier run in this folder from the same files and choices.

    Parameters
    ----------
    rest
        Whatever else the gates rest on.

    Notes
    -----
    Where a file cannot be digested, or changed meanwhile, gates are settled and not kept: what is wrong may pass.
    """
    states = _look(samples, place, jobs)
    if states is None:
        return settle()
    path = place.folder / WORK / "gates" / f"{_key(samples, states, template, rest)}.json"
    found = _load(path, template)
    if found is None:
        found = settle()
        if _unchanged(samples, states):
            content = pack_resolved(found)
            write_json(path, {"sha256": digest_of_value(content), "settled": content})
    return found


def _look(samples: Sequence[Sample], place: Workplace, jobs: int) -> list[FileState] | None:
    """The state of every file with its digest, remembered for the samples' own turn; None where one cannot be read."""
    try:
        with ThreadPoolExecutor(max(1, jobs)) as pool:
            states = list(pool.map(lambda s: digested(s.file, place.known(s.file)), samples))
    except (OSError, FcsError):
        return None
    for sample, state in zip(samples, states, strict=True):
        place.remember(sample.file, state)
    place.keep_files()
    return states


def _key(samples: Sequence[Sample], states: Sequence[FileState], template: GatingTemplate, rest: Any) -> str:
    return digest_of_inputs(
        template=template,
        samples=[replace(s, file=Path(), spillover=None, line=0) for s in samples],
        files=[s.sha256 for s in states],
        matrices=[None if s.spillover is None else _digest(s.spillover) for s in samples],
        rest=rest,
    )


def _digest(matrix: Path) -> str | None:
    return digest_of_file(matrix) if matrix.is_file() else None


def _load(path: Path, template: GatingTemplate) -> dict[str, Resolved] | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if digest_of_value(kept["settled"]) != kept["sha256"]:
            return None
        return unpack_resolved(kept["settled"], template)
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def _unchanged(samples: Sequence[Sample], states: Sequence[FileState]) -> bool:
    try:
        return all(before.same(state_of(s.file)) for s, before in zip(samples, states, strict=True))
    except (OSError, FcsError):
        return False
