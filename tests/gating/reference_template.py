"""The stored geometry of the reference experiment written as a template of ours, on the fly: the data stay outside."""

from __future__ import annotations

import csv
import json
from pathlib import Path


def write_reference_template(membership: Path, out: Path) -> Path:
    """Write ``reference.toml``: FlowCore's logicle runs to M, ours to 1, so coordinates are divided by M."""
    gates = json.loads((membership / "truth" / "gates.json").read_text())["gates"]
    with (membership / "truth" / "logicle.csv").open() as stream:
        logicle = {row["channel"]: row for row in csv.DictReader(stream)}
    channels = dict.fromkeys(c for g in gates for c in g.get("channels", ()))
    lines = ["[template]", 'id = "reference"', 'version = "1"', "[compensation]", 'source = "file"', "[scales]",
             'linear = { kind = "identity" }']  # fmt: skip
    for channel, row in logicle.items():
        numbers = ", ".join(f"{k.lower()} = {float(row[k])!r}" for k in "TWMA")
        lines.append(f'"{channel}" = {{ kind = "logicle", {numbers} }}')
    lines.append("[markers]")
    for channel in channels:
        scale = channel if channel in logicle else "linear"
        lines.append(f'"{channel}" = {{ names = ["{channel}"], scale = "{scale}" }}')
    for gate in gates:
        lines += ["[[gate]]", f"name = {json.dumps(gate['name'])}", *_parent(gate), _shape(gate, logicle)]
    out.write_text("\n".join(lines) + "\n")
    return out


def _parent(gate: dict) -> list[str]:
    return [] if gate["parent"] == "root" else [f"parent = {json.dumps(gate['parent'].strip('/'))}"]


def _shape(gate: dict, logicle: dict) -> str:
    if gate["type"] == "boolean":
        return f"boolean = {{ not = {json.dumps([p.strip('/') for p in gate['of']])} }}"
    x, y = gate["channels"]
    units = [float(logicle[c]["M"]) if s == "logicle" else 1.0 for c, s in zip((x, y), gate["scale"], strict=True)]
    if gate["type"] == "rectangle":
        bounds = [
            f"{json.dumps(c)} = {{ min = {low / u!r}, max = {high / u!r} }}"
            for c, low, high, u in zip((x, y), gate["min"], gate["max"], units, strict=True)
        ]
        return f"rectangle = {{ {', '.join(bounds)} }}"
    axes = f"x = {json.dumps(x)}, y = {json.dumps(y)}"
    if gate["type"] == "polygon":
        vertices = [[a / units[0], b / units[1]] for a, b in gate["vertices"]]
        return f"polygon = {{ {axes}, vertices = {vertices!r} }}"
    center = [m / u for m, u in zip(gate["mean"], units, strict=True)]
    covariance = [[v / units[i] / units[j] for j, v in enumerate(row)] for i, row in enumerate(gate["covariance"])]
    return (
        f"ellipse = {{ {axes}, center = {center!r}, covariance = {covariance!r}, "
        f"distance_square = {gate['distance'] ** 2!r} }}"
    )
