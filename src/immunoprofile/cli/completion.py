"""``immunoprofile completion``: what a shell needs to finish verbs, options and file names."""

from __future__ import annotations

import click

from immunoprofile.cli.console import show
from immunoprofile.cli.options import verbosity_options

_VARIABLE = "_IMMUNOPROFILE_COMPLETE"
"""The name that click derives from the program's; it asks the program for words through it."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@verbosity_options
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes verbs and options.

    \b
    bash:  immunoprofile completion bash > ~/.immunoprofile-complete.bash
           echo '. ~/.immunoprofile-complete.bash' >> ~/.bashrc
    zsh:   immunoprofile completion zsh > ~/.immunoprofile-complete.zsh
           echo '. ~/.immunoprofile-complete.zsh' >> ~/.zshrc
    fish:  immunoprofile completion fish \\
             > ~/.config/fish/completions/immunoprofile.fish
    """
    from click.shell_completion import get_completion_class

    known = get_completion_class(shell)
    assert known is not None  # the argument is one of the three that click knows
    show(_script(known(context.find_root().command, {}, "immunoprofile", _VARIABLE)))


def _script(shell: object) -> str:
    """The script from click's template, without asking a shell for its version: it may be made for another machine."""
    return str(shell.source_template % shell.source_vars()).strip()  # type: ignore[attr-defined]
