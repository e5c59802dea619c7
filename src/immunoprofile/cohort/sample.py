"""One sample through reading, gating, tables and checks; what goes wrong is a row, not a stop."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from immunoprofile.cohort.described import describe_failure, describe_sample, unexpected_error
from immunoprofile.cohort.made import Made
from immunoprofile.cohort.store import Kept
from immunoprofile.columns import CHECKS_UNANSWERED, SAMPLE_STATES, SAMPLES_QC
from immunoprofile.errors import ImmunoprofileError, InputError, OutputError
from immunoprofile.fcs import DigestedEvents, Events, Strictness, access_error, read_fcs, read_fcs_datasets
from immunoprofile.gating import GatingTemplate, Membership, Plan, compile_plan, run_plan
from immunoprofile.gating.automatic import Resolved, check_gates
from immunoprofile.populations import (
    Given,
    Reference,
    TableSettings,
    count_populations,
    default_settings,
    describe_states,
    measure_intensities,
    picture_sample,
    resolved_gates,
    states_at,
)
from immunoprofile.quality import (
    RuleSet,
    Survey,
    Watched,
    check_sample,
    load_quality_rules,
    remove_events,
    spillover_in_use,
)
from immunoprofile.spillover import Spillover, read_spillover
from immunoprofile.study import Sample
from immunoprofile.tables import Columns


@dataclass(frozen=True, eq=False)
class Profiled:
    """The rows of one sample and the histograms of its gates (``pictures/``), or its failure."""

    sample_id: str
    tables: Made | Kept = field(default_factory=Made)
    failure: Mapping[str, Any] | None = None
    fcs_sha256: str | None = None
    spillover: Spillover | None = None
    pictures: bytes | None = None


@dataclass(frozen=True)
class Tabling:
    """What the tables of a sample need beside its events.

    Parameters
    ----------
    references
        sample_id to what its cells per microlitre rest on, chosen for the whole series.
    treatments
        Those of each subject; None where no such sheet was given.
    rules
        What is checked.
    fcs_sha256
        Digest of the file where it was taken already; who took it sees to it that the file is still the same.
    counts_only
        Neither intensities nor pictures.
    """

    settings: TableSettings = field(default_factory=default_settings)
    references: Mapping[str, Reference] = field(default_factory=dict)
    treatments: Mapping[str, Sequence[Given]] | None = None
    rules: RuleSet = field(default_factory=load_quality_rules)
    fcs_sha256: str | None = None
    counts_only: bool = False

    def given(self, sample: Sample) -> Sequence[Given] | None:
        """Treatments of the sample's subject."""
        return None if self.treatments is None else self.treatments.get(sample.subject_id or "", ())


_PLAIN = Tabling()


_PLANS = 64
"""Plans held at a time: templates settled for each sample would otherwise fill the memory."""


class Plans:
    """Plans made once a panel: a file of a known panel and spillover compiles nothing."""

    def __init__(self) -> None:
        self._made: dict[Any, Plan] = {}
        self._lock = Lock()

    def plan(self, template: GatingTemplate, events: Events, replacement: Spillover | None) -> Plan:
        """The plan of this template for the panel and spillover of these events."""
        panel = tuple((c.detector, c.marker) for c in events.channels)
        # Not the digest: templates with automatic gates share it, whatever each sample's gates are.
        key = (template, panel, events.spillover, replacement)
        with self._lock:
            plan = self._made.pop(key, None)
            if plan is None:
                plan = compile_plan(template, events.channels, events.spillover, replacement=replacement)
            # The newest is last; the one that was not used for longest goes.
            self._made[key] = plan
            if len(self._made) > _PLANS:
                del self._made[next(iter(self._made))]
            return plan


def profile_sample(
    sample: Sample,
    template: GatingTemplate,
    study_id: str,
    plans: Plans,
    *,
    threads: int,
    strictness: Strictness,
    tabling: Tabling = _PLAIN,
    settled: Resolved | None = None,
) -> Generator[None, None, Profiled]:
    """Open one sample, pause, gate it, pause, and tabulate and check it.

    Parameters
    ----------
    settled
        How the template's automatic gates were settled; None where it has none.

    Notes
    -----
    An `ImmunoprofileError` that is about this sample becomes its failure, and so does a mistake of this program: no
    file ends a batch. An error about the output, and one of memory, stay errors.
    Right after events have passed, nothing else is in a core's cache: whoever has several small samples opens them all,
    then gates them all, then tabulates them all, which costs less than one after the other.
    """
    stage = "read"
    try:
        events = read_sample(sample, strictness)
        stage = "gate"
        walk = _open_walk(sample, template, plans, events, tabling)
        yield
        members = run_plan(walk.plan, walk.watched, threads=threads)
        yield
        gated = _gated(walk, sample, members, tabling, settled)
        stage = "tabulate"
        return _tabulate(gated, sample, describe_sample(sample, study_id, gated.fcs_sha256), tabling)
    except (OutputError, MemoryError):
        raise
    except ImmunoprofileError as error:
        problem = error
    except OSError as error:
        problem = access_error(sample.file, error)
    except Exception as error:
        problem = unexpected_error(error, sample.file)
    return Profiled(
        sample.sample_id,
        failure=describe_failure(sample.sample_id, "sample", stage, problem, sample.file),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """The one walk through a file's events: it gates them, follows their acquisition and digests the file."""

    plan: Plan
    events: Events
    replacement: Spillover | None
    digested: DigestedEvents
    watched: Watched


def _open_walk(sample: Sample, template: GatingTemplate, plans: Plans, events: Events, tabling: Tabling) -> _Walk:
    replacement = None if sample.spillover is None else read_spillover(sample.spillover)
    plan = plans.plan(template, events, replacement)
    # The file is digested where nobody has done so.
    digested = DigestedEvents(events)
    watched = Watched(plan, digested if tabling.fcs_sha256 is None else events, tabling.rules)
    return _Walk(plan, events, replacement, digested, watched)


@dataclass(frozen=True, slots=True, eq=False)
class _Gated:
    """A gated sample: the matrix that was given for it, what its acquisition was like, its automatic gates' checks."""

    events: Events
    members: Membership
    replacement: Spillover | None
    survey: Survey
    of_gates: list[dict[str, Any]]
    fcs_sha256: str


def _gated(walk: _Walk, sample: Sample, members: Membership, tabling: Tabling, settled: Resolved | None) -> _Gated:
    survey, name = walk.watched.survey(), sample.sample_id
    of_gates = [] if settled is None else check_settled(settled, name, members, walk.events, walk.replacement)
    sha256 = tabling.fcs_sha256 or walk.digested.sha256
    return _Gated(walk.events, members, walk.replacement, survey, of_gates, sha256)


def _tabulate(gated: _Gated, sample: Sample, described: Mapping[str, Any], tabling: Tabling) -> Profiled:
    events, replacement, name = gated.events, gated.replacement, sample.sample_id
    cleaned = remove_events(gated.members, events, gated.survey)
    members, given, settings = cleaned.members, tabling.given(sample), tabling.settings
    rows, unanswered = check_sample(
        members,
        events,
        {**described, "hours_to_stain": sample.hours_to_stain, "viability_frac": sample.viability_frac},
        rules=tabling.rules,
        spillover=replacement,
        survey=gated.survey,
        cleaned=cleaned,
    )
    reference = tabling.references.get(name)
    tables = {
        "populations": count_populations(members, described, treatments=given, reference=reference, settings=settings),
        "sample_states": Columns.of_rows(
            SAMPLE_STATES, describe_states(name, states_at(sample.day, given, settings.states))
        ),
        "gates_resolved": resolved_gates(members, name),
        "samples_qc": Columns.of_rows(SAMPLES_QC, [*rows, *gated.of_gates]),
        "checks_unanswered": Columns.of_rows(CHECKS_UNANSWERED, unanswered),
    }
    used, pictures = spillover_in_use(members.plan.template, events, replacement), None
    if not tabling.counts_only:
        tables["intensities"] = measure_intensities(members, events, name, spillover=replacement)
        pictures = picture_sample(members, events, name, spillover=replacement, in_use=used)
    return Profiled(name, Made(tables), fcs_sha256=described["fcs_sha256"], spillover=used, pictures=pictures)


def check_settled(
    resolved: Resolved, sample_id: str, members: Membership, events: Events, matrix: Spillover | None
) -> list[dict[str, Any]]:
    """What a laboratory should look at about one sample's automatic gates (rows of `columns.SAMPLES_QC`)."""
    return [
        {
            "sample_id": sample_id,
            "rule_id": c.rule_id,
            "item": c.path,
            "value": c.value,
            "threshold": c.threshold,
            "level": c.level,
            "flag": c.flag,
            "detail": c.detail,
        }
        for c in check_gates(resolved, members, events, matrix)
    ]


def read_sample(sample: Sample, strictness: Strictness) -> Events:
    """The events of a sample: its file's, or those of the data set that the sheet names."""
    if sample.dataset is None:
        return read_fcs(sample.file, strictness=strictness)
    sets = read_fcs_datasets(sample.file, strictness=strictness)
    if not 1 <= sample.dataset <= len(sets):
        raise InputError(
            f"has {len(sets)} data sets, sample {sample.sample_id} asks for number {sample.dataset}",
            path=sample.file,
            code="DATASET",
            remedy="Correct the dataset column of the sample sheet.",
        )
    return sets[sample.dataset - 1]
