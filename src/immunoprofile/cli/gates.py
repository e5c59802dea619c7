"""``immunoprofile gates``: the templates that there are, and one as a tree."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from immunoprofile.cli.console import WIDTH, show, show_table
from immunoprofile.cli.gates_check import check_gates
from immunoprofile.cli.gates_diff import diff_templates
from immunoprofile.cli.gates_lock import lock_template
from immunoprofile.cli.gates_test import test_template
from immunoprofile.cli.options import verbosity_options
from immunoprofile.cli.paths import FCS, TEMPLATE
from immunoprofile.errors import printable

if TYPE_CHECKING:
    from immunoprofile.fcs import FcsFile
    from immunoprofile.gating import Gate, GatingTemplate
    from immunoprofile.gating.gates import AutoRule


@click.group()
def gates() -> None:
    """List, show, check, test and lock gating templates."""


@gates.command("list")
@verbosity_options
def list_templates() -> None:
    """List the templates that are shipped."""
    from immunoprofile.gating import load_template, template_ids

    found = [load_template(name) for name in template_ids()]
    rows = [(t.id, t.version, t.status, len(t.gates), t.title) for t in found]
    show_table(("Id", "Version", "Status", "Gates", "Title"), rows)


@gates.command("show")
@click.argument("template", type=TEMPLATE, metavar="ID|PATH")
@click.option(
    "--plan", "fcs", type=FCS, metavar="FILE.fcs",
    help="Show instead what the template compiles to for the panel of this file.",
)  # fmt: skip
@verbosity_options
def show_template(template: str, fcs: FcsFile | None) -> None:
    """Show a template as a tree: name, pop_id, kind and channels of every gate."""
    from immunoprofile.gating import load_template

    loaded = load_template(template, changed="allow")
    if fcs is not None:
        show(*_plan(loaded, fcs))
        return
    title = f"{printable(loaded.id)} {printable(loaded.version)} ({loaded.status}): {printable(loaded.title)}"
    show(*wrap(title, WIDTH, subsequent_indent="  "))
    show(f"content {loaded.digest[:16]}", "")
    show(*_tree(loaded))


def _plan(template: GatingTemplate, fcs: FcsFile) -> list[str]:
    from immunoprofile.fcs import read_fcs
    from immunoprofile.gating import compile_plan
    from immunoprofile.gating.describe import describe_plan

    events = read_fcs(fcs)
    plan = compile_plan(template, events.channels, events.spillover)
    return describe_plan(plan, tuple(c.detector for c in events.channels))


def _tree(template: GatingTemplate) -> list[str]:
    """The gates as an indented tree, wrapped to the terminal; what hangs over stays under its own branch."""
    children: dict[str, list[Gate]] = {path: [] for path in template.paths}
    for gate in template.gates:
        children[gate.parent].append(gate)
    lines = ["All events"]
    _grow(children, template.paths[0], "", lines)
    return lines


def _grow(children: Mapping[str, list[Gate]], path: str, stem: str, lines: list[str]) -> None:
    for gate in children[path]:
        last = gate is children[path][-1]
        below = stem + ("  " if last else "│ ")
        first, *rest = wrap(_gate_line(gate), WIDTH - len(below) - 2)
        lines.append(f"{stem}{'└' if last else '├'} {first}")
        bar = "│ " if children[gate.path] else "  "
        lines += [f"{below}{bar}{line}" for line in rest]
        _grow(children, gate.path, below, lines)


def _gate_line(gate: Gate) -> str:
    from immunoprofile.gating import Boolean

    channels = ", ".join(dict.fromkeys(printable(c, 40) for d in gate.geometry.dimensions for c in d.channels))
    if isinstance(gate.geometry, Boolean):
        terms = [
            ("not " if t.complement else "") + printable(t.path.rpartition("/")[2], 40) for t in gate.geometry.terms
        ]
        channels = f" {gate.geometry.operation} ".join(terms)
    over = f": {channels}" if channels else ""
    found = "" if gate.auto is None else f", {_rule_words(gate.auto)}, fallback {_bounds_words(gate)}"
    return f"{printable(gate.name, 60)} [{printable(gate.id, 60)}] {gate.geometry.kind}{over}{found}"


def _rule_words(rule: AutoRule) -> str:
    """An automatic rule in one line: method, then what it says."""
    from immunoprofile.gating.template import describe_rule

    shown = {k: v for k, v in describe_rule(rule).items() if k not in {"method", "dimensions"}}
    words = {
        k: (" and " if k == "target" else "..").join(f"{x:g}" for x in v) if isinstance(v, list) else v
        for k, v in shown.items()
    }
    settings = ", ".join(f"{k} {v}" for k, v in words.items())
    return f"automatic {rule.method} ({settings})"


def _bounds_words(gate: Gate) -> str:
    """The fallback of an automatic gate: a range in numbers, another shape by its kind."""
    bounds = getattr(gate.geometry, "bounds", None)
    if bounds is None or len(bounds) != 1:
        return gate.geometry.kind
    low, high = bounds[0]
    return " and ".join([*([] if low is None else [f">= {low:g}"]), *([] if high is None else [f"< {high:g}"])])


for _verb in (check_gates, test_template, diff_templates, lock_template):
    gates.add_command(_verb)
