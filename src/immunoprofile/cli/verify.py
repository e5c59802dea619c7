"""``immunoprofile verify``: is a results folder what its run wrote, and are its inputs what they were?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.cli.console import shortened, show, show_json
from immunoprofile.cli.options import file_argument, json_option, verbosity_options
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.cli.paths import PATH, TEMPLATE
from immunoprofile.errors import InputError, printable

if TYPE_CHECKING:
    from immunoprofile.fcs import FcsFile
    from immunoprofile.verification import Sources, Verdict


def _named(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, FcsFile]:
    pairs = [text.partition("=") for text in given]
    for name, sign, path in pairs:
        if not (name and sign and path):
            raise click.BadParameter("write NAME=FILE, the name as manifest.json has it")
    from immunoprofile.fcs import locate_file

    return {name: locate_file(path) for name, _, path in pairs}


@click.command()
@file_argument("folder", "DIR")
@click.option("--study", type=PATH, metavar="STUDY.toml", help="Where the inputs of a run lie.")
@click.option("--samples", type=PATH, metavar="SAMPLES.csv", help="Where the inputs of a profile lie.")
@click.option("--template", type=TEMPLATE, metavar="ID|PATH", help="The template of a profile.")
@click.option(
    "--input", "inputs", multiple=True, callback=_named, metavar="NAME=FILE",
    help="Where one more input lies, named as in manifest.json. May be repeated.",
)  # fmt: skip
@click.option(
    "--deidentify", "key", type=PATH, metavar="KEYFILE",
    help="The key that the results were made with.",
)  # fmt: skip
@json_option
@verbosity_options
@click.pass_context
def verify(
    context: click.Context,
    folder: Path,
    study: Path | None,
    samples: Path | None,
    template: str | None,
    inputs: dict[str, FcsFile],
    key: Path | None,
    as_json: bool,
) -> None:
    """Recompute every digest of a results folder.

    Tables, descriptions, manifest, journal and kept results; the inputs too where it is said where they lie. Exit code
    7 if anything is not what it was; what was not looked at is said.
    """
    from immunoprofile.verification import verify_folder

    verdict = verify_folder(folder, _sources(study, samples, template, inputs, key))
    if as_json:
        show_json(_described(verdict))
    else:
        _show(verdict)
    context.exit(Outcome.DONE if verdict.holds else Outcome.DIFFERENT)


def _sources(
    study: Path | None, samples: Path | None, template: str | None, inputs: dict[str, FcsFile], key: Path | None
) -> Sources:
    from immunoprofile.study import load_samples, load_study
    from immunoprofile.study.deidentify import deidentify_samples, read_key
    from immunoprofile.verification import Difference, Sources

    secret = None if key is None else read_key(key)
    found = Sources()
    try:
        if study is not None:
            found = Sources.of_study(load_study(study), secret)
        elif samples is not None:
            listed = load_samples(samples)
            found = Sources.of_samples(listed if secret is None else deidentify_samples(listed, secret), template)
    except InputError as error:
        # It could be read when the results were made.
        problems = tuple(Difference("input", str(p.path or study or samples), p.what) for p in error.problems)
        found = Sources({} if study is None else {"study": study}, {}, problems)
    return Sources({**found.files, **inputs}, found.templates, found.problems)


def _show(verdict: Verdict) -> None:
    counted = ", ".join(
        f"{n} {kind}{'s' if n > 1 and kind != 'kept' else ''}" for kind, n in verdict.checked.items() if n
    )
    counted = counted.replace("journals", "journal lines").replace(" kept", " kept results")
    show(f"Looked at: {counted}")
    show(*shortened([f"differs: {printable(d, 1_000)}" for d in verdict.differences], "differences"))
    show(*(f"not listed in the manifest: {printable(name)}" for name in verdict.unlisted))
    show(*(f"not looked at: {sentence}" for sentence in verdict.unseen))
    n = len(verdict.differences)
    show("Everything that was looked at is as it was." if verdict.holds else f"{n} difference{'s' if n > 1 else ''}.")


def _described(verdict: Verdict) -> dict[str, Any]:
    return {
        "folder": str(verdict.folder),
        "holds": verdict.holds,
        "checked": dict(verdict.checked),
        "differences": [{"kind": d.kind, "name": d.name, "what": d.what} for d in verdict.differences],
        "unlisted": list(verdict.unlisted),
        "unseen": list(verdict.unseen),
    }
