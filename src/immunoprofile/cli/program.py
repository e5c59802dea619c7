"""The program: its verbs in the order of the work, and what happens when one of them fails."""

from __future__ import annotations

import gc
import sys
import traceback
from typing import Any, NoReturn

import click

from immunoprofile.cli.compare import compare
from immunoprofile.cli.completion import completion
from immunoprofile.cli.console import Verbosity, complain, complain_of, verbosity
from immunoprofile.cli.demo import demo
from immunoprofile.cli.doctor import doctor
from immunoprofile.cli.export import export
from immunoprofile.cli.figures import figures
from immunoprofile.cli.gates import gates
from immunoprofile.cli.gates_files import export_template, import_template
from immunoprofile.cli.gates_freeze import freeze_gates
from immunoprofile.cli.init import init
from immunoprofile.cli.inspect import inspect
from immunoprofile.cli.options import verbosity_options
from immunoprofile.cli.outcomes import Outcome, outcome_of
from immunoprofile.cli.profile import profile
from immunoprofile.cli.report import report
from immunoprofile.cli.reproduce import reproduce
from immunoprofile.cli.respond import respond
from immunoprofile.cli.run import run
from immunoprofile.cli.scan_phi import scan_phi
from immunoprofile.cli.selftest import selftest
from immunoprofile.cli.simulate import simulate
from immunoprofile.cli.spillover import spillover
from immunoprofile.cli.verify import verify
from immunoprofile.errors import ImmunoprofileError, OutputError


class Program(click.Group):
    """A group that keeps its verbs in order and ends every run with one of `Outcome`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The verbs in the order in which they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; an error becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except ImmunoprofileError as error:
            complain_of(error)
            ctx.exit(outcome_of(error))
        except KeyboardInterrupt:
            complain("Interrupted. Run the same command again.")
            ctx.exit(Outcome.INTERRUPTED)
        except OSError as error:
            # Wherever it comes from: what the system refuses is no bug of ours.
            _show_traceback()
            complain_of(_named(error))
            ctx.exit(Outcome.UNFINISHED)
        except MemoryError:
            _show_traceback()
            complain("Error: not enough memory. Run the same command again with fewer --jobs, or where there is more.")
            ctx.exit(Outcome.UNFINISHED)
        except Exception as error:
            _admit_bug(error)
            ctx.exit(Outcome.BUG)


def _named(error: OSError) -> OutputError:
    return OutputError(
        f"cannot be used ({error.strerror or error})",
        path=error.filename if isinstance(error.filename, str) else None,
        remedy="Look at the disk, the network share and the permissions, then run the same command again.",
        code="OUTPUT-ACCESS",
    )


def _show_traceback() -> None:
    if verbosity() is Verbosity.VERBOSE:
        complain(traceback.format_exc())


def _admit_bug(error: Exception) -> None:
    _show_traceback()
    complain(
        f"Error: immunoprofile failed in a way that was not foreseen ({type(error).__name__}). This is a bug: please "
        "report it with the command, the version (--version) and the details that -v prints."
    )


def _show_version(context: click.Context, _: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        from immunoprofile import __version__

        click.echo(f"immunoprofile {__version__}")
        context.exit()


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Start with: immunoprofile demo",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Print the version."
)
@verbosity_options
def program() -> None:
    """Immune profiling of flow cytometry trials.

    From FCS files to population tables to platelet response, with the denominator of every fraction. Results go to
    standard output or --out, messages to standard error.
    """


for _verb in (import_template, export_template, freeze_gates):
    gates.add_command(_verb)
for _verb in (demo, init, inspect, run, profile, respond, compare, report, figures, export, gates, spillover, simulate):
    program.add_command(_verb)
for _verb in (verify, reproduce, selftest, scan_phi, doctor, completion):
    program.add_command(_verb)


def main() -> NoReturn:
    """Run the program with the arguments of the process, and end the process."""
    # Python looks for garbage every 700 new objects, and libraries that load make many and no garbage: that was a fifth
    # of the time to start.
    gc.set_threshold(50_000)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter must not stop the run.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    program.main(prog_name="immunoprofile")
    raise SystemExit(Outcome.DONE)  # pragma: no cover - click has ended the process
