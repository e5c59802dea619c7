"""``immunoprofile gates``: the templates that there are, one as a tree, and whether one makes sense."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from immunoprofile.cli.console import show, show_table
from immunoprofile.cli.gates_test import test_template
from immunoprofile.cli.options import verbosity_options
from immunoprofile.errors import printable

if TYPE_CHECKING:
    from immunoprofile.gating import Gate, GatingTemplate
    from immunoprofile.gating.gates import AutoRule


@click.group()
def gates() -> None:
    """List, show and check gating templates."""


@gates.command("list")
@verbosity_options
def list_templates() -> None:
    """List the templates that are shipped."""
    from immunoprofile.gating import load_template, template_ids

    found = [load_template(name) for name in template_ids()]
    rows = [(t.id, t.version, t.status, len(t.gates), t.title) for t in found]
    show_table(("Id", "Version", "Status", "Gates", "Title"), rows)


@gates.command("show")
@click.argument("template", metavar="ID|PATH")
@click.option(
    "--plan", "fcs", type=click.Path(path_type=Path), metavar="FILE.fcs",
    help="Show instead what the template compiles to for the panel of this file.",
)  # fmt: skip
@verbosity_options
def show_template(template: str, fcs: Path | None) -> None:
    """Show a template as a tree: name, pop_id, kind and channels of every gate."""
    from immunoprofile.gating import load_template

    loaded = load_template(template)
    if fcs is not None:
        show(*_plan(loaded, fcs))
        return
    show(f"{printable(loaded.id)} {printable(loaded.version)} ({loaded.status}): {printable(loaded.title)}")
    show(f"content {loaded.digest[:16]}", "")
    show(*_tree(loaded))


@gates.command("check")
@click.argument("path", metavar="PATH")
@verbosity_options
def check_template(path: str) -> None:
    """Check a template and name everything that is wrong with it."""
    from immunoprofile.gating import load_template

    loaded = load_template(path)
    show(
        f"{printable(path, 400)}: no problem found: {len(loaded.gates)} gates over {len(loaded.markers)} markers, "
        f"content {loaded.digest[:16]}"
    )


def _plan(template: GatingTemplate, fcs: Path) -> list[str]:
    from immunoprofile.fcs import read_fcs
    from immunoprofile.gating import compile_plan
    from immunoprofile.gating.describe import describe_plan

    events = read_fcs(fcs)
    plan = compile_plan(template, events.channels, events.spillover)
    return describe_plan(plan, tuple(c.detector for c in events.channels))


def _tree(template: GatingTemplate) -> list[str]:
    """The gates as an indented tree."""
    from io import StringIO

    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    root = Tree(Text("All events"), guide_style="none")
    branches = {template.paths[0]: root}
    for gate in template.gates:
        branches[gate.path] = branches[gate.parent].add(Text(_gate_line(gate)))
    page = StringIO()
    Console(file=page, width=400, color_system=None).print(root)
    return [line.rstrip() for line in page.getvalue().splitlines()]


def _gate_line(gate: Gate) -> str:
    channels = ", ".join(dict.fromkeys(printable(c, 40) for d in gate.geometry.dimensions for c in d.channels))
    over = f": {channels}" if channels else ""
    found = "" if gate.auto is None else f", {_rule_words(gate.auto)}, fallback {_bounds_words(gate)}"
    return f"{printable(gate.name, 60)} [{printable(gate.id, 60)}] {gate.geometry.kind}{over}{found}"


def _rule_words(rule: AutoRule) -> str:
    """An automatic rule in one line: method, then what it says."""
    from immunoprofile.gating.template import describe_rule

    shown = {k: v for k, v in describe_rule(rule).items() if k not in {"method", "dimensions"}}
    words = {k: "..".join(f"{x:g}" for x in v) if isinstance(v, list) else v for k, v in shown.items()}
    settings = ", ".join(f"{k} {v}" for k, v in words.items())
    return f"automatic {rule.method} ({settings})"


def _bounds_words(gate: Gate) -> str:
    """The fallback of an automatic gate: a range in numbers, another shape by its kind."""
    bounds = getattr(gate.geometry, "bounds", None)
    if bounds is None or len(bounds) != 1:
        return gate.geometry.kind
    low, high = bounds[0]
    return " and ".join([*([] if low is None else [f">= {low:g}"]), *([] if high is None else [f"< {high:g}"])])


gates.add_command(test_template)
