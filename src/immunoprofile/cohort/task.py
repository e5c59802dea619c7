"""One sample to be done, what its result rests on, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from immunoprofile.cohort.described import describe_failure
from immunoprofile.cohort.keys import digest_of_inputs
from immunoprofile.cohort.sample import Profiled, Tabling
from immunoprofile.cohort.workplace import FileState
from immunoprofile.errors import ImmunoprofileError
from immunoprofile.fcs import Strictness
from immunoprofile.gating import GatingTemplate
from immunoprofile.gating.automatic import Resolved
from immunoprofile.populations import Given, Reference, TableSettings
from immunoprofile.provenance import digest_of_file
from immunoprofile.quality import RuleSet
from immunoprofile.study import Sample

Work = Sequence[tuple[Sample, GatingTemplate]]
"""Samples and the templates that gate them."""


@dataclass(frozen=True)
class Setting:
    """What is alike for all samples of a run."""

    study_id: str
    strictness: Strictness
    settings: TableSettings
    rules: RuleSet
    counts_only: bool = False

    @cached_property
    def digest(self) -> str:
        """Digest of all of it."""
        return digest_of_inputs(
            study_id=self.study_id, strictness=self.strictness, settings=self.settings, rules=self.rules,
            counts_only=self.counts_only,
        )  # fmt: skip

    def tabling(self, task: Task) -> Tabling:
        """What the tables of one sample need beside its events."""
        own = task.sample.sample_id
        references = {} if task.reference is None else {own: task.reference}
        treatments = None if task.treatments is None else {task.sample.subject_id or "": task.treatments}
        return Tabling(self.settings, references, treatments, self.rules, counts_only=self.counts_only)


@dataclass(frozen=True)
class Task:
    """One sample to be done: what it is, and all that its result rests on."""

    sample: Sample
    template: GatingTemplate
    settled: Resolved | None = None
    reference: Reference | None = None
    treatments: Sequence[Given] | None = None
    known: FileState | None = None
    pinned: str | None = None
    """SHA-256 of the bytes that its gates were settled from; None where they rest on no file."""
    kept_in: tuple[str, ...] = ()
    """Names of the files in which an earlier run may have kept its result."""

    def __repr__(self) -> str:
        """Short, and without its file: a cluster writes what failed into the logs of its workers."""
        return f"Task({self.sample.sample_id!r})"

    def key(self, setting_digest: str, fcs_sha256: str) -> str:
        """The digest of all that the result rests on: where the file lies and what it is called are not part of it."""
        sample = self.sample
        matrix = None if sample.spillover is None else digest_of_file(sample.spillover)
        return digest_of_inputs(
            setting=setting_digest,
            sample=replace(sample, file=Path(), spillover=None, line=0),
            matrix=matrix,
            # Not its digest: gates that were settled or moved for one sample keep the digest of what was declared.
            template=_digest_of_template(self.template),
            settled=self.settled,
            reference=self.reference,
            treatments=self.treatments,
            fcs_sha256=fcs_sha256,
        )


@dataclass(frozen=True)
class Done:
    """A sample's result, the state of its file, and whether it was kept from an earlier run.

    Parameters
    ----------
    key
        Under which the result is to be kept; None where it is, or is not to be.
    """

    profiled: Profiled
    state: FileState | None = None
    kept: bool = False
    key: str | None = None


def failed(task: Task, problem: ImmunoprofileError) -> Done:
    """A sample that could not be done, as its row of `failures`."""
    sample = task.sample
    failure = describe_failure(sample.sample_id, "sample", "read", problem, sample.file)
    return Done(Profiled(sample.sample_id, failure=failure))


@lru_cache(maxsize=64)
def _digest_of_template(template: GatingTemplate) -> str:
    """Digest of a template with its gates as they are, settled or moved; many samples have the same."""
    return digest_of_inputs(template=template)
