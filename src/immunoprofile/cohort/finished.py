"""A run that was finished is not done again: its manifest says what it rested on, and its tables are still there.

The manifest of a finished run holds a key: the digest of the sheets, templates, rules, options, versions and of every
file's bytes. Where the same key would come out now and every output still has its digest, the tables are read back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from immunoprofile.cohort.journal import finished_manifest
from immunoprofile.cohort.keys import digest_of_inputs
from immunoprofile.cohort.results import MANIFEST, Results, table_names, write_results
from immunoprofile.cohort.workplace import Workplace, digested, state_of
from immunoprofile.errors import FcsError, ImmunoprofileError
from immunoprofile.fcs import PASSING
from immunoprofile.provenance import digest_of_bytes, digest_of_file, versions
from immunoprofile.study import Sample
from immunoprofile.study.deidentify import withhold_details, withhold_reasons
from immunoprofile.tables import read_table

_PASSING = PASSING | {"FCS-MISSING", "FCS-PERMISSION", "WORKER-DIED", "UNEXPECTED"}
"""Codes of failures that may be gone tomorrow although no input changed: such a run is never taken for finished."""


@dataclass(frozen=True)
class Basis:
    """What a run rests on: every row of its sample sheet, and the digest of everything but the files of the rows."""

    samples: Sequence[Sample]
    digest: str

    @classmethod
    def of(cls, samples: Sequence[Sample], **rest: Any) -> Basis:
        """The basis of a run over these samples and all that is named beside them."""
        plain = [replace(s, file=Path(), spillover=None, line=0) for s in samples]
        matrices = {
            p: digest_of_file(p) for p in {s.spillover for s in samples if s.spillover is not None} if p.is_file()
        }
        used = [None if s.spillover is None else matrices.get(s.spillover) for s in samples]
        return cls(samples, digest_of_inputs(samples=plain, matrices=used, versions=versions(), **rest))

    def key(self, place: Workplace) -> str | None:
        """Digest of all of it; None where a file is not there, or not known as it is now."""
        files = []
        for sample in self.samples:
            known = place.known(sample.file)
            try:
                if known is None or not known.sha256 or not known.same(state_of(sample.file)):
                    return None
            except (OSError, FcsError):
                return None
            files.append([sample.sample_id, known.sha256])
        return digest_of_inputs(basis=self.digest, files=files)


def do_once(basis: Basis, place: Workplace, work: Callable[[], Results], options: Mapping[str, Any]) -> Results:
    """The results of `work`, written; or those in the folder, where they rest on the same."""
    key = basis.key(place)
    found = None if key is None else read_finished(place.folder, key)
    if found is not None:
        return found
    started = time.time_ns()
    results = work()
    if place.private:
        results = _withheld(results)
    _learn(basis, place, results, started)
    whole = not set(results.failures["code"]) & _PASSING
    return write_results(results, place.folder, options=options, key=basis.key(place) if whole else None)


def _withheld(results: Results) -> Results:
    """The results without words that may name a file or quote one."""
    unanswered = results.checks_unanswered
    return replace(
        results,
        failures=withhold_details(results.failures),
        checks_unanswered=None if unanswered is None else withhold_reasons(unanswered),
    )


def _learn(basis: Basis, place: Workplace, results: Results, started: int) -> None:
    """Remember the files that are no task of their own (single stains, say), where they cannot have changed since."""
    for sample in basis.samples:
        if place.known(sample.file) is not None:
            continue
        try:
            state = digested(sample.file, None)
        except (OSError, FcsError):
            continue
        used = results.inputs.get(f"fcs {sample.sample_id}", state.sha256)
        if max(state.modified_ns, state.changed_ns) < started and used == state.sha256:
            place.remember(sample.file, state)


def read_finished(folder: Path, key: str) -> Results | None:
    """The results in a folder; None unless they were finished under this key and no byte of them is another."""
    try:
        content = (folder / MANIFEST).read_bytes()
        manifest = json.loads(content)
        run, outputs = manifest["run"], manifest["outputs"]
        if run["key"] != key or finished_manifest(folder) != digest_of_bytes(content):
            return None
        if any(digest_of_file(folder / name) != digest for name, digest in outputs.items()):
            return None
        tables = {n: _read(n, folder) for n in table_names() if f"{n}.parquet" in outputs}
        facts = {"study_id": run["study_id"], "n_samples": run["n_samples"]}
        files = (*(folder / name for name in outputs), folder / MANIFEST)
        return Results(
            **tables, **facts, folder=folder, inputs=manifest["inputs"], plan=manifest["plan"], files=files, again=True
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImmunoprofileError):
        # Whatever is wrong with what lies there, it is made anew.
        return None


def _read(name: str, folder: Path) -> pd.DataFrame:
    return read_table(name, folder / f"{name}.parquet")
