"""Where templates live: by id in ``gates/``, shipped with the program, or by path."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Literal

from immunoprofile.errors import TemplateSyntaxError, closest
from immunoprofile.gating.lock import refuse_changed
from immunoprofile.gating.template import GatingTemplate


def templates_folder() -> Path:
    """``gates/`` inside the installed package, or of the checkout that an editable install points to."""
    packaged = Path(str(resources.files("immunoprofile"))) / "gates"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[3] / "gates"


def template_ids() -> tuple[str, ...]:
    """Ids of the templates that are shipped."""
    return tuple(sorted(p.stem for p in templates_folder().glob("*.toml")))


def locate_template(template: str | os.PathLike[str]) -> Path:
    """The file of a template that is given by its id or path.

    Raises
    ------
    TemplateSyntaxError
        No such id.
    """
    name = os.fspath(template)
    if name.endswith(".toml") or os.sep in name or "/" in name:
        return Path(name)
    if name not in template_ids():
        raise TemplateSyntaxError(
            f'no template "{name}" is shipped',
            code="TEMPLATE-UNKNOWN",
            remedy=f"{closest(name, template_ids())} A template of your own is given by its path, ending in .toml.",
        )
    return templates_folder() / f"{name}.toml"


def load_template(
    template: str | os.PathLike[str], *, changed: Literal["refuse", "allow"] = "refuse"
) -> GatingTemplate:
    """A template by its id (``"tbnk"``) or from a TOML file (``"panels/mine.toml"``).

    Parameters
    ----------
    changed
        What to do with a template that was locked and is not what it was: to look at one, and never to gate, allow it.

    Raises
    ------
    TemplateSyntaxError
        No such template; not TOML; unknown keys; wrong types.
    TemplateInvalidError
        Unknown parents, markers or scales; impossible shapes: all of them. Or it is not what was locked.
    """
    # pydantic takes a while to load and only TOML needs it.
    from immunoprofile.gating.formats.toml import read_toml

    return _held_to_lock(read_toml(locate_template(template)), changed)


def _held_to_lock(template: GatingTemplate, changed: Literal["refuse", "allow"]) -> GatingTemplate:
    if changed == "refuse":
        refuse_changed(template)
    return template
