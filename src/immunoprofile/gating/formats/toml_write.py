"""A template as our TOML, with its matrices as CSV beside it.

A channel that gates use on two scales, or compensated in two ways, becomes two markers of the same names: the file then
reads back as a template that gates alike, though its markers are called otherwise. Without such a channel it reads back
equal.
"""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from immunoprofile.errors import TemplateInvalidError, printable
from immunoprofile.gating.expectations import TemplateTest
from immunoprofile.gating.gates import AutoRule, Boolean, Dimension, Ellipsoid, Gate, Polygon, Ratio, Rectangle
from immunoprofile.gating.paths import ROOT
from immunoprofile.gating.template import GatingTemplate, Marker, describe_settings
from immunoprofile.provenance import refuse_existing, write_bytes
from immunoprofile.scales import Scale
from immunoprofile.spillover import Spillover


def write_template(template: GatingTemplate, path: str | os.PathLike[str], *, force: bool = False) -> tuple[Path, ...]:
    """Write a template file, and one CSV for each of its matrices.

    Returns
    -------
    The files written, the template first.

    Raises
    ------
    OutputError
        One of them exists and `force` is not given, or cannot be written: then none is.
    """
    target = Path(path)
    files = {target.with_name(f"{target.stem}.{_slug(n)}.csv"): m for n, m in template.compensation.matrices}
    if not force:
        refuse_existing(target, *files, remedy="Choose another name, or give --force.")
    names = {n: f.name for (n, _), f in zip(template.compensation.matrices, files, strict=True)}
    text = render_template(template, names)
    for file, matrix in files.items():
        write_bytes(file, _matrix_text(matrix).encode("utf-8"))
    write_bytes(target, text.encode("utf-8"))
    return (target, *files)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name.removesuffix(".csv"))[:60] or "matrix"


def _matrix_text(matrix: Spillover) -> str:
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(matrix.detectors)
    writer.writerows([repr(float(v)) for v in row] for row in matrix.matrix)
    return page.getvalue()


@dataclass(slots=True)
class _Names:
    """What scales and markers are called in the file."""

    template: GatingTemplate
    scales: dict[Scale, str] = field(default_factory=dict)
    axes: dict[Dimension, str] = field(default_factory=dict)

    def axis(self, dimension: Dimension) -> str:
        if dimension not in self.axes:
            channel = dimension.channel
            wanted = channel if isinstance(channel, str) else f"{channel.numerator} to {channel.denominator}"
            # The two ends of a ratio stand under their own names.
            taken = {*self.axes.values(), *self._reserved()} if isinstance(channel, Ratio) else set(self.axes.values())
            self.axes[dimension] = _free(wanted, taken)
        return self.axes[dimension]

    def _reserved(self) -> set[str]:
        return {m.name for m in self.template.markers}

    def scale(self, scale: Scale) -> str:
        if scale not in self.scales:
            self.scales[scale] = _free(scale.kind, set(self.scales.values()))
        return self.scales[scale]


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted} {number}"
    return name


def render_template(template: GatingTemplate, matrix_files: dict[str, str] | None = None) -> str:
    """The text of a template file.

    Parameters
    ----------
    matrix_files
        Name of each matrix to the file that holds it; the name itself where absent.
    """
    import tomlkit

    names = _Names(template)
    gates = [_gate(gate, names) for gate in template.gates]
    document = tomlkit.document()
    head = {"id": template.id, "version": template.version, "title": template.title, "status": template.status}
    document["template"] = head
    document["markers"] = _markers(template, names)
    document["scales"] = {name: _inline(scale.settings) for scale, name in names.scales.items()}
    document["compensation"] = _compensation(template, matrix_files or {})
    document["gate"] = gates
    if template.reports:
        document["report"] = [
            {"population": r.path, **({"of": list(r.denominators)} if r.denominators else {})} for r in template.reports
        ]
    if template.limits:
        document["limits"] = {
            path: _inline(
                {
                    "warn_denominator_below": limit.warn_denominator_below,
                    "not_evaluable_denominator_below": limit.not_evaluable_denominator_below,
                }
            )
            for path, limit in template.limits
        }
    document |= describe_settings(template)
    if template.tests:
        document["test"] = [_test(t) for t in template.tests]
    return tomlkit.dumps(document)


def _test(test: TemplateTest) -> dict[str, Any]:
    wanted: dict[str, dict[str, Any]] = {}
    for e in test.expectations:
        row = wanted.setdefault(e.path, {})
        if e.quantity == "f1":
            row |= {"f1": e.value, "label": e.labels[0] if len(e.labels) == 1 else list(e.labels)}
            continue
        row["tolerance"] = e.tolerance
        if e.quantity == "count":
            row["count"] = int(e.value)
        elif e.quantity == "frac_of_parent":
            row["frac_of_parent"] = e.value
        else:
            row.setdefault("frac_of", {})[e.denominator] = e.value
    head: dict[str, Any] = {"sample": test.sample, "labels": test.labels}
    if test.label_column != "label":
        head["label_column"] = test.label_column
    if test.controls:
        head["controls"] = _inline(dict(test.controls))
    expect = {
        p: _inline({k: _inline(v) if isinstance(v, dict) else v for k, v in r.items()}) for p, r in wanted.items()
    }
    return {k: v for k, v in head.items() if v is not None} | {"expect": expect}


def _inline(values: dict[str, Any]) -> Any:
    """One line ``{ a = 1, b = 2 }``, without what is None."""
    import tomlkit

    table = tomlkit.inline_table()
    table.update({k: v for k, v in values.items() if v is not None})
    return table


def _markers(template: GatingTemplate, names: _Names) -> dict[str, Any]:
    known = {m.name: m for m in template.markers}
    rows: dict[str, Any] = {}
    for dimension, name in names.axes.items():
        channel = dimension.channel
        if isinstance(channel, Ratio):
            ends = {
                "top": channel.numerator,
                "bottom": channel.denominator,
                "a": channel.a,
                "b": channel.b,
                "c": channel.c,
            }
            rows[name] = {"ratio": _inline(ends)}
        else:
            rows[name] = _marker(known.get(channel, Marker(channel, (channel,), by_detector=True)), name)
        rows[name] |= {"scale": names.scale(dimension.scale), "compensation": dimension.compensation}
    for marker in template.markers:
        # Ends of ratios, and markers that no gate uses, keep their place under their own name.
        if marker.name not in rows:
            plain = next((n for s, n in names.scales.items() if s.kind == "identity"), None)
            rows[marker.name] = _marker(marker, marker.name) | {"scale": plain or _identity(names)}
    order = [m.name for m in template.markers]
    listed = [*order, *(n for n in rows if n not in order)]
    return {name: _inline(rows[name]) for name in listed}


def _identity(names: _Names) -> str:
    from immunoprofile.scales import Identity

    return names.scale(Identity())


def _marker(marker: Marker, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if marker.names != (name,):
        row["names"] = list(marker.names)
    if marker.optional:
        row["optional"] = True
    if marker.by_detector:
        row["by"] = "detector"
    return row


def _compensation(template: GatingTemplate, files: dict[str, str]) -> dict[str, Any]:
    comp = template.compensation
    found: dict[str, Any] = {"source": comp.source, "missing": comp.missing}
    if comp.default is not None:
        found["matrix"] = comp.default
    matrices = {n: _matrix(m, files.get(n, n)) for n, m in comp.matrices if _matrix(m, files.get(n, n)) != n}
    if matrices:
        found["matrices"] = matrices
    return found


def _matrix(matrix: Spillover, file: str) -> Any:
    if matrix.fluorochromes == matrix.detectors:
        return file
    return _inline({"file": file, "fluorochromes": list(matrix.fluorochromes)})


def _gate(gate: Gate, names: _Names) -> dict[str, Any]:
    row: dict[str, Any] = {"name": gate.name, "id": gate.id}
    if gate.parent != ROOT:
        row["parent"] = gate.parent
    for key in ("label", "cell_ontology", "name_hipc", "role"):
        value = getattr(gate, key)
        if value and not (key == "label" and value == gate.name):
            row[key] = value
    shape = _shape(gate, names)
    return row | (shape if gate.auto is None else {"auto": _auto(gate.auto, names), "fallback": _fallback(gate, shape)})


def _auto(rule: AutoRule, names: _Names) -> Any:
    settings = {f.name: getattr(rule, f.name) for f in fields(rule) if f.name not in {"method", "dimensions"}}
    axes = dict(zip("xy", map(names.axis, rule.dimensions), strict=False))
    rows = {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}
    return _inline({"method": rule.method, **axes, **rows})


def _fallback(gate: Gate, shape: dict[str, Any]) -> Any:
    """The shape inside ``fallback = { ... }``, which knows fewer kinds."""
    ellipsoid = shape.get("ellipsoid")
    if ellipsoid is not None and len(ellipsoid["dimensions"]) == 2:
        x, y = ellipsoid["dimensions"]
        flat = {k: v for k, v in ellipsoid.items() if k != "dimensions"}
        return _inline({"ellipse": _inline({"x": x, "y": y, **flat})})
    if not shape.keys() <= {"rectangle", "polygon"}:
        raise _inexpressible(gate, "has a fallback that is no rectangle, polygon or ellipse", "Give it another one.")
    return _inline(shape)


def _shape(gate: Gate, names: _Names) -> dict[str, Any]:
    geometry = gate.template_geometry
    if isinstance(geometry, Boolean):
        if any(t.path.startswith("!") for t in geometry.terms):
            raise _inexpressible(gate, 'rests on a gate whose name begins with "!"', "Rename that gate.")
        terms = [("!" if t.complement else "") + t.path for t in geometry.terms]
        return {"boolean": _inline({geometry.operation: terms})}
    axes = [names.axis(d) for d in geometry.dimensions]
    if isinstance(geometry, Rectangle):
        if len(set(axes)) < len(axes):
            raise _inexpressible(gate, "bounds one axis twice", "Join the two bounds.")
        bounds = {a: _inline({"min": low, "max": high}) for a, (low, high) in zip(axes, geometry.bounds, strict=True)}
        return {"rectangle": _inline(bounds)} | ({} if geometry.divider is None else {"divider": geometry.divider})
    if isinstance(geometry, Polygon):
        vertices = [list(v) for v in geometry.vertices]
        return {"polygon": _inline({"x": axes[0], "y": axes[1], "vertices": vertices, "bins": geometry.bins})}
    assert isinstance(geometry, Ellipsoid)
    shape = {
        "dimensions": axes,
        "center": list(geometry.center),
        "covariance": [list(row) for row in geometry.covariance],
        "distance_square": geometry.distance_square,
        "bins": geometry.bins,
    }
    return {"ellipsoid": _inline(shape)}


def _inexpressible(gate: Gate, what: str, remedy: str) -> TemplateInvalidError:
    return TemplateInvalidError(
        f'"{printable(gate.path)}" {what}, which a TOML template cannot say', code="TOML-LOSS", remedy=remedy
    )
