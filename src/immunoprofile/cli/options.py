"""Options that several verbs share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from immunoprofile.cli.console import Verbosity, set_verbosity
from immunoprofile.cli.paths import PATH

Verb = TypeVar("Verb", bound=Callable[..., Any])


def _set(level: Verbosity) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(context: click.Context, _: click.Parameter, given: bool) -> None:
        if given:
            set_verbosity(context, level)

    return callback


def verbosity_options(verb: Verb) -> Verb:
    """``-v`` and ``-q``; the program and every verb take them."""
    verbose = click.option(
        "-v", "--verbose", is_flag=True, expose_value=False, callback=_set(Verbosity.VERBOSE),
        help="Say more: every sample, and all details of an unexpected error.",
    )  # fmt: skip
    quiet = click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_set(Verbosity.QUIET),
        help="Say nothing on standard error but errors.",
    )  # fmt: skip
    return verbose(quiet(verb))


Place = TypeVar("Place", str, Path, None)


def no_codes_there(_: click.Context, __: click.Parameter, path: Place) -> Place:
    """The callback of a place to write: not in results under codes, where the verb itself does not see to that."""
    if path is not None:
        from immunoprofile.cohort.coded import refuse_names_among_codes

        refuse_names_among_codes(Path(path))
    return path


def out_option(
    help_text: str, *, required: bool = False, default: str | None = None, metavar: str = "DIR", own_guard: bool = False
) -> Callable[[Verb], Verb]:
    """``--out``, where results go; never into results under codes, unless what the verb calls looks after names."""
    return click.option(
        "--out", type=PATH, required=required, default=default, metavar=metavar, help=help_text,
        callback=None if own_guard else no_codes_there,
    )  # fmt: skip


jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N",
    help="Samples worked on at a time. The result does not depend on it.  [default: all cores]",
)  # fmt: skip
workers_option = click.option(
    "--workers", type=click.Choice(["threads", "processes"]), default="threads", show_default=True,
    help="Threads share the machine best; with processes a file that kills its worker costs that sample only.",
)  # fmt: skip
scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS",
    help="Let the workers of a Dask cluster do the samples (tcp://host:port). They see the files under the same paths.",
)  # fmt: skip
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Say what would be done, and do nothing. Nothing is written."
)
force_option = click.option("--force", is_flag=True, help="Write into a folder that holds other files.")
strictness_option = click.option(
    "--strictness", type=click.Choice(["report", "strict", "salvage"]), default="report", show_default=True,
    help="What to do with FCS files that depart from the standard: list it, refuse them, or keep the whole events of "
    "a file that was cut short.",
)  # fmt: skip
run_json_option = click.option(
    "--json", "as_json", is_flag=True,
    help="Print the result as JSON, for programs, and a line of JSON a sample on standard error.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for programs.")


fail_on_flag_option = click.option(
    "--fail-on-flag", is_flag=True,
    help="Exit code 4 where a row of populations carries a flag, or a check of the laboratory warned or failed.",
)  # fmt: skip


deidentify_option = click.option(
    "--deidentify", "key", type=PATH, metavar="KEYFILE",
    help="Write codes under this key for names, shift dates, and leave paths, notes and messages out.",
)  # fmt: skip


def file_argument(name: str, metavar: str, *, written: bool = False) -> Callable[[Verb], Verb]:
    """A path; whether it can be read is said by the library, with a remedy. Names are `written` there, or not."""
    return click.argument(name, type=PATH, metavar=metavar, callback=no_codes_there if written else None)
