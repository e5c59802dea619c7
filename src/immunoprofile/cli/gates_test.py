"""``immunoprofile gates test``: a template's own tests, and which moved boundaries they notice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immunoprofile.cli.console import complain, shortened, show, show_json, show_progress, show_table
from immunoprofile.cli.options import json_option, no_codes_there, verbosity_options
from immunoprofile.cli.outcomes import Outcome
from immunoprofile.cli.paths import FCS, PATH, TEMPLATE
from immunoprofile.errors import printable

if TYPE_CHECKING:
    from immunoprofile.fcs import FcsFile
    from immunoprofile.gating import GatingTemplate
    from immunoprofile.gating.validation import Fixture, Notice, Verdict


@click.command("test")
@click.argument("template", type=TEMPLATE, metavar="ID|PATH")
@click.option(
    "--fixtures", "folder", type=PATH, metavar="DIR",
    help="Where the samples of the tests lie.  [default: beside the template, or in a folder fixtures there]",
)  # fmt: skip
@click.option("--mutate", is_flag=True, help="Move every boundary a little and report which moves no test notices.")
@click.option(
    "--shift", type=click.FloatRange(0, 0.5, min_open=True), default=0.02, show_default=True, metavar="SHARE",
    help="How far --mutate moves a boundary, as a share of its axis.",
)  # fmt: skip
@click.option(
    "--least", type=click.FloatRange(0, 1), metavar="SHARE",
    help="With --mutate: exit code 5 where a smaller share of the moves is noticed.",
)  # fmt: skip
@click.option(
    "--junit", type=PATH, metavar="FILE.xml", callback=no_codes_there,
    help="Write the verdicts as JUnit XML too.",
)  # fmt: skip
@click.option(
    "--propose", type=FCS, metavar="FILE.fcs",
    help="Print a [[test]] block with the counts of this file now, for a person to check and to put into the template.",
)  # fmt: skip
@json_option
@verbosity_options
@click.pass_context
def test_template(
    context: click.Context,
    template: str,
    *,
    folder: Path | None,
    mutate: bool,
    shift: float,
    least: float | None,
    junit: Path | None,
    propose: FcsFile | None,
    as_json: bool,
) -> None:
    """Run the tests that a template carries, on their fixtures.

    Prints what differs; the exit code is then 5. With --mutate every boundary of the template is moved a little, one
    at a time and both ways, and the moves that no test notices are listed: boundaries that the fixtures do not hold.
    """
    from immunoprofile.gating import load_template
    from immunoprofile.gating.validation import read_fixtures, render_junit, run_tests
    from immunoprofile.provenance import write_bytes

    loaded = load_template(template)
    if propose is not None:
        show(*_proposed(loaded, propose))
        return
    fixtures = read_fixtures(loaded, folder)
    verdicts = run_tests(loaded, fixtures)
    if junit is not None:
        write_bytes(junit, render_junit(loaded, verdicts))
    failed = [v for v in verdicts if not v.met]
    notices = _mutate(loaded, fixtures, shift) if mutate and not failed else None
    if as_json:
        show_json(_as_json(loaded, verdicts, notices))
    else:
        _show_verdicts(loaded, verdicts, failed)
        if notices is not None:
            _show_notices(notices, shift)
    if mutate and failed:
        complain("No boundary was moved: the tests must hold first.")
    missed = least is not None and notices is not None and _share(notices) < least
    context.exit(Outcome.TEST_FAILED if failed or missed else Outcome.DONE)


def _proposed(template: GatingTemplate, sample: FcsFile) -> list[str]:
    """A test that holds now; whether it is right a person must say."""
    from immunoprofile.fcs import read_fcs
    from immunoprofile.gating.validation import gate_alone

    events = read_fcs(sample)
    members = gate_alone(template, events)
    lines = [
        f"expect.{json.dumps(path, ensure_ascii=False)} = {{ count = {count} }}"
        for path, count in members.counts().items()
        if path != template.paths[0]
    ]
    return ["[[test]]", f"sample = {json.dumps(sample.name, ensure_ascii=False)}", *lines]


def _mutate(template: GatingTemplate, fixtures: Sequence[Fixture], shift: float) -> Sequence[Notice]:
    from immunoprofile.gating.validation import run_mutants

    with show_progress("moving boundaries") as progress:
        return run_mutants(template, fixtures, shift=shift, progress=progress)


def _show_verdicts(template: GatingTemplate, verdicts: Sequence[Verdict], failed: Sequence[Verdict]) -> None:
    name = f"{printable(template.id)} {printable(template.version)}"
    n_tests = len({v.where for v in verdicts})
    tests = f"{n_tests} test{'' if n_tests == 1 else 's'}"
    if not failed:
        show(f"{name}: all {len(verdicts)} expectations of {tests} hold")
        return
    show(f"{name}: {len(failed)} of {len(verdicts)} expectations of {tests} do not hold", "")
    show_table(
        ("Sample", "Question", "Expected", "Found"), [(v.sample, v.asked, v.expected, v.came_out) for v in failed]
    )


def _show_notices(notices: Sequence[Notice], shift: float) -> None:
    lost = [n for n in notices if not n.noticed]
    moved = f"boundaries moved by {shift:.3g} of the axis"
    show(f"{len(notices) - len(lost)} of {len(notices)} {moved} are noticed ({_share(notices):.1%})")
    if lost:
        lines = [f"  {' | '.join(map(printable, n.paths))}: {n.part}: {n.moved}" for n in lost]
        show("", "not noticed by any test:", *shortened(lines, "moves"))


def _share(notices: Sequence[Notice]) -> float:
    """The share of moves that some test notices; 1 where nothing can be moved."""
    return sum(n.noticed for n in notices) / len(notices) if notices else 1.0


def _as_json(template: GatingTemplate, verdicts: Sequence[Verdict], notices: Sequence[Notice] | None) -> dict[str, Any]:
    page: dict[str, Any] = {
        "template": template.id,
        "version": template.version,
        "template_sha256": template.digest,
        "tests": [
            {
                "test": v.where,
                "sample": v.sample,
                "population": v.expectation.path,
                "quantity": v.expectation.quantity,
                "of": v.expectation.denominator,
                "labels": list(v.expectation.labels),
                "expected": v.expectation.value,
                "tolerance": v.expectation.tolerance,
                "found": v.found,
                "numerator": v.numerator,
                "denominator": v.denominator,
                "met": v.met,
                "reason": v.words,
            }
            for v in verdicts
        ],
    }
    if notices is not None:
        page["noticed_frac"] = _share(notices)
        page["noticed"] = sum(n.noticed for n in notices)
        page["moves"] = [
            {"populations": list(n.paths), "boundary": n.part, "moved": n.moved, "noticed_by": n.by} for n in notices
        ]
    return page
