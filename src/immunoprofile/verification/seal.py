"""Every digest of a results folder computed anew: outputs, journal, kept results, and the inputs where they are given.

Nothing is believed that can be recomputed. What was not looked at is said, so that no silence passes for a proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from immunoprofile.cohort.journal import JOURNAL
from immunoprofile.cohort.lock import LOCK
from immunoprofile.cohort.store import SUFFIX, WORK, open_kept
from immunoprofile.cohort.thawed import frozen_input, frozen_name
from immunoprofile.columns import TABLES
from immunoprofile.errors import FcsError, InputError, printable
from immunoprofile.fcs import FcsFile, RemoteFile, digest_of_fcs
from immunoprofile.gating import load_template
from immunoprofile.provenance import digest_of_file, is_sealed
from immunoprofile.study import Sample, Study
from immunoprofile.study.deidentify import code_of, deidentify_study
from immunoprofile.verification.history import check_history
from immunoprofile.verification.manifest import MANIFEST, Manifest, read_manifest

_FCS = "fcs "
_TEMPLATE = "template "
_PAGE, _PARTS = "report.html", "report/"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not what it was.

    Parameters
    ----------
    kind
        ``output``, ``page``, ``manifest``, ``journal``, ``kept``, ``input`` or ``template``.
    name
        The file below the folder, or the input as the manifest names it.
    """

    kind: str
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {printable(self.name)}: {self.what}"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the inputs of a results folder lie now: a manifest names them and no place.

    Parameters
    ----------
    files
        Name of an input, as in the manifest, to its file.
    templates
        Name of a template, as in the manifest's plan, to its id or file.
    """

    files: Mapping[str, FcsFile] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Difference, ...] = ()

    @classmethod
    def of_study(cls, study: Study, key: bytes | None = None) -> Sources:
        """The inputs of a study; under codes where there is a key."""
        coded = study if key is None else deidentify_study(study, key)
        frozen = {
            frozen_input(name, subject if key is None else code_of(key, "person", subject)): panel.frozen
            / frozen_name(name, subject)
            for name, panel in study.panels.items()
            if panel.frozen is not None
            for subject in sorted({s.subject_id for s in study.samples if s.subject_id is not None})
        }
        templates = {name: panel.template for name, panel in study.panels.items()}
        return cls({**frozen, **study.inputs, **_fcs_files(coded.samples)}, templates)

    @classmethod
    def of_samples(cls, samples: tuple[Sample, ...], template: str | None = None) -> Sources:
        """The inputs of a sample sheet that stands alone."""
        templates = {} if template is None else {load_template(template).id: template}
        return cls(_fcs_files(samples), templates)


def _fcs_files(samples: tuple[Sample, ...]) -> dict[str, FcsFile]:
    matrices = {f"spillover {s.sample_id}": s.spillover for s in samples if s.spillover is not None}
    return {f"{_FCS}{s.sample_id}": s.file for s in samples} | matrices


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was looked at, what differs, what was not looked at.

    Parameters
    ----------
    checked
        Kind to how many were recomputed.
    unlisted
        Files in the folder that the manifest does not list; nothing is known of them.
    unseen
        Sentences about what was not looked at.
    """

    folder: Path
    checked: Mapping[str, int]
    differences: tuple[Difference, ...]
    unlisted: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True where everything that was looked at is as it was."""
        return not self.differences


def verify_folder(folder: Path, sources: Sources | None = None) -> Verdict:
    """Recompute every digest of a results folder.

    Parameters
    ----------
    sources
        Where the inputs lie; without it they are not looked at, which the verdict says.

    Raises
    ------
    InputError
        There is no manifest: this is no folder of finished results.

    Notes
    -----
    A manifest that cannot be read as one is a difference, since it could once.
    """
    try:
        manifest = read_manifest(folder)
    except InputError as problem:
        if problem.code == "MANIFEST-MISSING":
            raise
        broken = Difference("manifest", MANIFEST, problem.problems[0].what)
        return Verdict(folder, {"manifest": 1}, (broken,), unseen=("everything else: the manifest cannot be read",))
    history = check_history(folder, manifest.sha256)
    given = sources or Sources()
    pages = _pages(folder, manifest)
    n_kept, spoiled = _kept(folder)
    found = [
        *(Difference("journal", JOURNAL, what) for what in history.broken),
        *(Difference("manifest", MANIFEST, what) for what in history.manifest_differs),
        *_outputs(folder, manifest),
        *(Difference("page", name, "is not as it was written") for name, whole in pages.items() if not whole),
        *spoiled,
        *given.problems,
        *_inputs(manifest, given),
        *_templates(manifest, given),
    ]
    checked = {
        "manifest": 1,
        "output": len(manifest.outputs),
        "page": len(pages),
        "journal": history.n_lines,
        "kept": n_kept,
        "input": len(manifest.inputs.keys() & given.files.keys()),
        "template": sum(n.removeprefix(_TEMPLATE) in given.templates for n in manifest.plan),
    }
    return Verdict(
        folder,
        checked,
        tuple(found),
        tuple(name for name in _unlisted(folder, manifest) if name not in pages),
        (*history.unseen, *_unseen(manifest, given)),
    )


def _outputs(folder: Path, manifest: Manifest) -> Iterator[Difference]:
    for name, digest in manifest.outputs.items():
        what = _compare(folder / name, digest, inside=folder)
        if what is not None:
            yield Difference("output", name, what)
    for name in _unlisted(folder, manifest):
        stem, _, kind = name.partition(".")
        if stem in TABLES and kind in {"csv", "parquet"}:
            yield Difference("output", name, "is a table that this run did not write")


def _pages(folder: Path, manifest: Manifest) -> dict[str, bool]:
    """Pages of the report, which is written after the manifest and holds its own digest: are they whole?"""
    found = {
        n: folder / n for n in _unlisted(folder, manifest) if n.endswith(".html") and not (folder / n).is_symlink()
    }
    sealed = {name: is_sealed(path.read_bytes()) for name, path in found.items() if path.is_file()}
    # What should hold one and does not was written over.
    return {n: bool(whole) for n, whole in sealed.items() if whole is not None or n == _PAGE or n.startswith(_PARTS)}


def _compare(path: FcsFile, digest: str, inside: Path | None = None) -> str | None:
    """What is wrong with a file of which a digest is known; None where nothing is."""
    if isinstance(path, RemoteFile):
        return _compare_remote(path, digest)
    if inside is not None and (path.is_symlink() or not path.resolve().is_relative_to(inside.resolve())):
        return "is a link, not the file that was written"
    try:
        if not path.exists():
            return "is missing"
        if not path.is_file():
            return "is no regular file"
        found = digest_of_file(path)
    except OSError as problem:
        return f"cannot be read ({problem.strerror})"
    return _unlike(found, digest)


def _compare_remote(file: RemoteFile, digest: str) -> str | None:
    try:
        found = digest_of_fcs(file)
    except FcsError as problem:
        return "is missing" if problem.code == "FCS-MISSING" else problem.problems[0].what
    return _unlike(found, digest)


def _unlike(found: str, digest: str) -> str | None:
    return None if found == digest else f"has other bytes (SHA-256 {found[:12]}, was {digest[:12]})"


def _unlisted(folder: Path, manifest: Manifest) -> Iterator[str]:
    own = {MANIFEST, JOURNAL, LOCK}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name not in own and name not in manifest.outputs and not name.startswith(f"{WORK}/") and not path.is_dir():
            yield name


def _kept(folder: Path) -> tuple[int, list[Difference]]:
    """Number of kept results, and the files of them that are not whole: somebody or something changed them."""
    keys: set[str] = set()
    found = []
    for path in sorted((folder / WORK).rglob(f"*{SUFFIX}")):
        name = path.relative_to(folder).as_posix()
        held = None if path.is_symlink() else open_kept(path)
        keys.update(() if held is None else held.keys)
        if path.is_symlink() or path.parent != folder / WORK / "samples" or (held and held.name() != path.name):
            found.append(Difference("kept", name, "does not lie where a run would have put it"))
        elif held is None:
            found.append(Difference("kept", name, "is not as it was kept; a run would do its samples again"))
    return len(keys), found


def _inputs(manifest: Manifest, given: Sources) -> Iterator[Difference]:
    for name, digest in manifest.inputs.items():
        if name in given.files:
            what = _compare(given.files[name], digest)
            if what is not None:
                yield Difference("input", name, what)


def _templates(manifest: Manifest, given: Sources) -> Iterator[Difference]:
    for named, digest in manifest.plan.items():
        name = named.removeprefix(_TEMPLATE)
        if not named.startswith(_TEMPLATE) or name not in given.templates:
            continue
        try:
            found = load_template(given.templates[name]).digest
        except InputError as problem:
            yield Difference("template", name, f"cannot be loaded: {problem.problems[0].what}")
            continue
        if found != digest:
            yield Difference("template", name, f"says something else (SHA-256 {found[:12]}, was {digest[:12]})")


def _unseen(manifest: Manifest, given: Sources) -> Iterator[str]:
    missing = sorted(manifest.inputs.keys() - given.files.keys())
    if missing and not given.files:
        yield f"{len(missing)} inputs: give --study, --samples or --input, since a manifest names no place"
    elif missing:
        shown = ", ".join(map(printable, missing[:5])) + (" ..." if len(missing) > 5 else "")
        yield f"{len(missing)} inputs that were not given: {shown}"
    templates = {n.removeprefix(_TEMPLATE) for n in manifest.plan if n.startswith(_TEMPLATE)}
    if templates - given.templates.keys():
        yield f"templates {', '.join(map(printable, sorted(templates - given.templates.keys())))}"
