"""What pydantic complains of, as problems of ours: each with its place, what was found, and a remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from immunoprofile.errors import Problem, closest, printable


def shape_problems(error: ValidationError, path: str, root: type[BaseModel]) -> list[Problem]:
    """One problem for each complaint of pydantic, with its place as ``gate[3].polygon.vertices``."""
    return [_problem(dict(e), path, root) for e in error.errors(include_url=False)]


def _problem(complaint: dict[str, Any], path: str, root: type[BaseModel]) -> Problem:
    place = place_of(complaint)
    where = "".join(f"[{p}]" if isinstance(p, int) else f".{printable(p)}" for p in place).lstrip(".")
    if complaint["type"] == "extra_forbidden":
        key, known = str(place[-1]), keys_at(root, place[:-1])
        return Problem(
            f'unknown key "{printable(key)}"',
            path,
            where,
            ", ".join(known),
            key,
            closest(key, known),
            "KEY-UNKNOWN",
        )
    if complaint["type"] == "missing":
        return Problem(f'"{printable(place[-1])}" is missing', path, where, remedy="Write it here.", code="KEY-MISSING")
    if complaint["type"] in {"union_tag_invalid", "literal_error"}:
        return _choice_problem(complaint, path, where)
    message = str(complaint["msg"]).removeprefix("Value error, ")
    given = complaint.get("input")
    found = None if isinstance(given, dict | list) else printable(given, 80)
    return Problem(
        message[:1].lower() + message[1:],
        path,
        where,
        found=found,
        remedy="The reference of the template file says how it is written."
        if found is None
        else f"It says {found} now.",
        code="VALUE",
    )


def place_of(complaint: Mapping[str, Any]) -> list[str | int]:
    """Keys and numbers that lead to the part complained of."""
    return [p for p in complaint["loc"] if p not in _UNION_TAGS]


def allowed_words(complaint: Mapping[str, Any]) -> list[str]:
    """The words that one of is expected; none where the complaint is of another kind."""
    context = complaint.get("ctx", {})
    return re.findall(r"'([^']*)'", str(context.get("expected_tags", context.get("expected", ""))))


def _choice_problem(complaint: dict[str, Any], path: str, where: str) -> Problem:
    """A word that is none of those allowed in its place."""
    context = complaint["ctx"]
    known = allowed_words(complaint)
    kind = "discriminator" in context
    given = context["tag"] if kind else complaint.get("input")
    return Problem(
        f'"{printable(given, 80)}" is not known here',
        path,
        f"{where}.{str(context['discriminator']).strip(chr(39))}" if kind else where,
        ", ".join(known),
        printable(given, 80),
        closest(str(given), known),
        "VALUE",
    )


_UNION_TAGS = {"linear", "identity", "log", "asinh", "logicle", "hyperlog", "flowjo_biex"}


def keys_at(model: Any, place: list[Any]) -> list[str]:
    """The keys that a model allows at a place, for the hint."""
    for part in place:
        field = model.model_fields.get(part) if _is_model(model) else None
        if field is not None:
            model = field.annotation
        candidates = list(_models_in(model))
        model = candidates[0] if candidates else None
        if len(candidates) > 1:
            names = {f.alias or n for m in candidates for n, f in m.model_fields.items()}
            return sorted(names)
    return [f.alias or n for n, f in model.model_fields.items()] if _is_model(model) else []


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if _is_model(annotation):
        return [annotation]
    return [m for part in get_args(annotation) for m in _models_in(part)]
