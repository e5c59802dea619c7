"""Figures and captions into a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from immunoprofile.cohort import Results
from immunoprofile.cohort.coded import refuse_names_among_codes
from immunoprofile.errors import InputError, OutputError
from immunoprofile.figures.drawn import Drawn, Subjects
from immunoprofile.figures.style import KINDS, drawn_alike, render
from immunoprofile.provenance import refuse_existing, write_bytes, write_text


@dataclass(frozen=True, slots=True)
class Written:
    """The files that were written, figure and caption in turn, and what could not be drawn."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def draw_figures(results: Results, folder: Path, *, sample: str | None = None) -> tuple[list[Drawn], list[str]]:
    """All figures that the results can give, and what is missing for the others.

    Parameters
    ----------
    folder
        The results folder, for its pictures.
    sample
        Whose gates to show; the first sample of the first subject where None.

    Raises
    ------
    InputError
        The sample has no picture.
    """
    from immunoprofile.figures.forest import draw_forest
    from immunoprofile.figures.platelets import draw_platelets
    from immunoprofile.figures.shifts import draw_shifts
    from immunoprofile.figures.strategy import draw_strategy

    subjects = Subjects.of(results)
    parts = (
        (draw_shifts(results, subjects), "no shifts: the results hold no pair of baseline and window"),
        (draw_forest(results, subjects), "no forest: the results hold no estimate"),
        (draw_platelets(results, subjects), "no platelets: the results hold no table response_counts"),
        (
            draw_strategy(results, folder, sample),
            "no gating strategy: the folder holds no pictures/, which `run` and `profile` write while gating",
        ),
    )
    return [d for drawn, _ in parts for d in drawn], [note for drawn, note in parts if not drawn]


def write_figures(
    results: Results, folder: Path, out: Path, kind: str, *, sample: str | None = None, force: bool = False
) -> Written:
    """Write every figure that the results can give, and its caption as a text beside it.

    Parameters
    ----------
    folder, sample
        See `draw_figures`.
    kind
        ``svg``, ``pdf`` or ``png``.

    Raises
    ------
    InputError
        There is nothing to draw, or the sample has no picture.
    OutputError
        A file exists (unless `force`), matplotlib is not installed, or `out` holds codes that the results would bring
        names among.

    Notes
    -----
    The same results give the same bytes with the same version of matplotlib; nothing is dated.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {KINDS}")
    refuse_names_among_codes(out, made_of=folder)
    try:
        with drawn_alike():
            drawn, notes = draw_figures(results, folder, sample=sample)
            texts = {out / f"{d.name}.txt": d.caption_text() for d in drawn}
            if not force:
                figures = [path.with_suffix(f".{kind}") for path in texts]
                refuse_existing(
                    *figures, *texts, remedy="Give another folder with --out, or --force to write over them."
                )
            files = {out / f"{d.name}.{kind}": render(d.figure, kind) for d in drawn}
    except ImportError as problem:
        raise OutputError(
            f"figures need {problem.name}, which is not installed", path=out, code="FIGURES-LIBRARY",
            remedy='Install it with: pip install "immunoprofile[figures]"',
        ) from problem  # fmt: skip
    if not drawn:
        raise InputError(
            "holds nothing to draw", path=folder, code="FIGURES-EMPTY",
            remedy="Give the results folder of run, or of compare with a response.",
        )  # fmt: skip
    for path, data in files.items():
        write_bytes(path, data)
        write_text(path.with_suffix(".txt"), texts[path.with_suffix(".txt")])
    return Written(tuple(p for path in files for p in (path, path.with_suffix(".txt"))), tuple(notes))
