"""``immunoprofile gates lock``: sign a template, so that runs refuse it once it is changed."""

from __future__ import annotations

import click

from immunoprofile.cli.console import show
from immunoprofile.cli.options import no_codes_there, verbosity_options
from immunoprofile.cli.paths import TEMPLATE
from immunoprofile.errors import printable


@click.command("lock")
@click.argument("path", type=TEMPLATE, metavar="FILE.toml", callback=no_codes_there)
@click.option("--who", required=True, metavar="NAME", help="Who stands for this template.")
@click.option("--force", is_flag=True, help="Replace the lock of an earlier version.")
@verbosity_options
def lock_template(path: str, who: str, force: bool) -> None:
    """Lock a template: write FILE.lock beside it, with its content's digest, who and when.

    From then on every run refuses the file if anything in it that can change a number is changed; comments and tests
    may be. A change is a new version, which is locked anew. A template with errors (`gates check`) is not locked.
    """
    from immunoprofile.errors import InputError, TemplateInvalidError
    from immunoprofile.gating import load_template, template_ids
    from immunoprofile.gating.lock import write_lock
    from immunoprofile.gating.validation import check_template

    if path in template_ids():
        raise InputError(
            f'"{path}" comes with the program, and what comes with it is not yours to sign',
            code="TEMPLATE-SHIPPED",
            remedy=f"Make a copy first: immunoprofile gates export {path} --out {path}.toml; then lock that file.",
        )
    template = load_template(path, changed="allow")
    remarks = check_template(template)
    # What speaks against the lock itself is said, and answered, by `write_lock`.
    errors = [r.problem for r in remarks if r.level == "error" and not r.problem.code.startswith("TEMPLATE-")]
    if errors:
        raise TemplateInvalidError.of(errors)
    file, lock = write_lock(template, who, force=force)
    show(
        f"{printable(template.id)} {printable(template.version)} is locked by {printable(lock.who)}, {lock.when}",
        f"content {lock.content_sha256}",
        str(file),
    )
