"""Automatic gates that a run settled, kept in its folder: taken up again where nothing that they rest on changed.

Settling reads every file of a pool, so a run that goes on after a stop would otherwise read all files for the gates of
one. `.work/gates/KEY.json` lies under the digest of all that gates rest on; one that is not whole is as good as none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
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

Settle = Callable[[frozenset[str]], dict[str, Resolved]]
"""Settles the gates of all samples; those of these ids are taken for unreadable."""

States = dict[str, FileState | None]
"""Sample id to the state of its file; None where it cannot be read."""


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
    Where a file changed meanwhile, or could not be read though it is there, all are settled once more; one that goes on
    so is left out of its pool. Every sample is then gated from the bytes that the gates were settled from, or fails
    (`Workplace.pin`). Gates are kept where every file could be digested and none was left out: what is wrong may pass.
    """
    lost: frozenset[str] = frozenset()
    for attempt in count():
        states = _look(samples, place, jobs)
        try:
            found = _settle_or_load(settle, samples, states, lost, template, place, rest)
            strange = _changed(samples, states) - lost
        except FcsError as problem:
            strange = _named(problem, samples) - lost
            if not strange:
                raise
        else:
            if not strange:
                break
        lost |= strange if attempt else frozenset()
    for sample in samples:
        state = states[sample.sample_id]
        place.pin(sample.file, "" if state is None or sample.sample_id in lost else state.sha256)
    return found


def _settle_or_load(
    settle: Settle,
    samples: Sequence[Sample],
    states: States,
    lost: frozenset[str],
    template: GatingTemplate,
    place: Workplace,
    rest: Mapping[str, Any],
) -> dict[str, Resolved]:
    known = [s for s in states.values() if s is not None]
    if lost or len(known) < len(states):
        # What has no digest fails when its turn comes, and so has no part in the gates of others.
        return settle(lost | {name for name, state in states.items() if state is None})
    path = place.folder / WORK / "gates" / f"{_key(samples, known, template, rest)}.json"
    found = _load(path, template)
    if found is None:
        found = settle(lost)
        if not _changed(samples, states):
            content = pack_resolved(found)
            write_json(path, {"sha256": digest_of_value(content), "settled": content})
    return found


def _look(samples: Sequence[Sample], place: Workplace, jobs: int) -> States:
    """The state of every file with its digest, remembered for the samples' own turn."""
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        states = list(pool.map(lambda s: _digested(s, place), samples))
    for sample, state in zip(samples, states, strict=True):
        if state is not None:
            place.remember(sample.file, state)
    place.keep_files()
    return {s.sample_id: state for s, state in zip(samples, states, strict=True)}


def _digested(sample: Sample, place: Workplace) -> FileState | None:
    try:
        return digested(sample.file, place.known(sample.file))
    except (OSError, FcsError):
        return None


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


def _changed(samples: Sequence[Sample], states: States) -> frozenset[str]:
    """The samples whose files are not as they were."""
    return frozenset(s.sample_id for s in samples if not _is_same(s, states[s.sample_id]))


def _named(problem: FcsError, samples: Sequence[Sample]) -> frozenset[str]:
    """The samples whose files an error names."""
    paths = {p.path for p in problem.problems}
    return frozenset(s.sample_id for s in samples if str(s.file) in paths)


def _is_same(sample: Sample, before: FileState | None) -> bool:
    try:
        now = state_of(sample.file)
    except (OSError, FcsError):
        return before is None
    return before is None or before.same(now)
