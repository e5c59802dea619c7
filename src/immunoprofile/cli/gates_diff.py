"""``immunoprofile gates diff``: what a new version of a template changes, in words and in events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.cli.console import shortened, show, show_json, show_table
from immunoprofile.cli.options import json_option, verbosity_options
from immunoprofile.cli.paths import FCS, TEMPLATE
from immunoprofile.errors import printable

if TYPE_CHECKING:
    from immunoprofile.fcs import FcsFile
    from immunoprofile.gating.validation import Change

_LONG = 400


@click.command("diff")
@click.argument("one", type=TEMPLATE, metavar="A")
@click.argument("other", type=TEMPLATE, metavar="B")
@click.option(
    "--sample", "samples", type=FCS, multiple=True, metavar="FILE.fcs",
    help="Gate this file with both and count the events that go elsewhere. May be repeated.",
)  # fmt: skip
@json_option
@verbosity_options
def diff_templates(one: str, other: str, samples: tuple[FcsFile, ...], as_json: bool) -> None:
    """Compare two templates: their definitions, and with --sample which populations change by how many events.

    A difference is no failure: the exit code is 0 whether there is one or not.
    """
    from immunoprofile.fcs import read_fcs
    from immunoprofile.gating import load_template
    from immunoprofile.gating.validation import compare_definitions, compare_events

    first, second = (load_template(t, changed="allow") for t in (one, other))
    lines = compare_definitions(first, second)
    changes = [(sample, compare_events(first, second, read_fcs(sample))) for sample in samples]
    if as_json:
        show_json(
            {
                "a": {"template": first.id, "version": first.version, "template_sha256": first.digest},
                "b": {"template": second.id, "version": second.version, "template_sha256": second.digest},
                "same": first.digest == second.digest,
                "definitions": lines,
                "samples": [_as_json(sample, change) for sample, change in changes],
            }
        )
        return
    if first.digest == second.digest:
        show(f"same content {first.digest[:16]}")
    else:
        show(f"content {first.digest[:16]} and {second.digest[:16]}", "")
        show(*shortened([printable(line, _LONG) for line in lines], "lines"))
    for sample, change in changes:
        _show_change(sample, change)


def _show_change(sample: FcsFile, change: Change) -> None:
    name = printable(sample.name)
    if not change.shifts:
        show("", f"{name}: no population changes ({change.n_events} events)")
        return
    show("", f"{name}: {len(change.shifts)} populations change ({change.n_events} events)")
    rows: Sequence[Sequence[object]] = [
        (s.path, _or_dash(s.before), _or_dash(s.after), f"+{s.gained}", f"-{s.lost}") for s in change.shifts
    ]
    show_table(("Population", "A", "B", "Gained", "Lost"), rows)
    show("", f"{change.n_moved} events go elsewhere, by their deepest population")
    moves = [f"  {m.n_events}: {printable(m.before)} -> {printable(m.after)}" for m in change.moves]
    show(*shortened(moves, "moves"))


def _or_dash(count: int | None) -> str:
    return "-" if count is None else str(count)


def _as_json(sample: FcsFile, change: Change) -> dict[str, Any]:
    return {
        "sample": str(sample),
        "n_events": change.n_events,
        "n_moved": change.n_moved,
        "populations": [
            {"path": s.path, "a": s.before, "b": s.after, "gained": s.gained, "lost": s.lost} for s in change.shifts
        ],
        "moves": [{"from": m.before, "to": m.after, "n_events": m.n_events} for m in change.moves],
    }
