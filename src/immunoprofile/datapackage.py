"""Tables described for other programs: a Frictionless data package, and a dictionary of all columns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from immunoprofile.columns import TABLES, Table
from immunoprofile.provenance import write_bytes, write_json

_FRICTIONLESS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def write_descriptions(names: Iterable[str], folder: Path) -> list[Path]:
    """Write ``datapackage.json`` (Frictionless Table Schema) and ``data_dictionary.csv`` for these tables."""
    tables = [TABLES[n] for n in names]
    package = {
        "profile": "tabular-data-package",
        "name": "immunoprofile-results",
        "resources": [_resource(t) for t in tables],
    }
    rows = [
        {
            "table": t.name,
            "column": c.name,
            "type": c.dtype,
            "unit": c.unit,
            "key": "TRUE" if c.name in t.key else "FALSE",
            "alias": c.alias,
            "label": c.label,
            "meaning": c.meaning,
        }
        for t in tables
        for c in t.columns
    ]
    paths = [folder / "datapackage.json", folder / "data_dictionary.csv"]
    write_json(paths[0], package)
    write_bytes(paths[1], pd.DataFrame(rows).to_csv(index=False, lineterminator="\n").encode("utf-8"))
    return paths


def _resource(table: Table) -> dict[str, Any]:
    fields = []
    for c in table.columns:
        field: dict[str, Any] = {"name": c.name, "type": _FRICTIONLESS[c.dtype], "description": c.meaning}
        if c.unit:
            field["unit"] = c.unit
        if c.dtype == "bool":
            field |= {"trueValues": ["TRUE"], "falseValues": ["FALSE"]}
        if c.name in table.key:
            field["constraints"] = {"required": True}
        fields.append(field)
    return {
        "name": table.name,
        "title": table.title,
        "path": f"{table.name}.csv",
        "profile": "tabular-data-resource",
        "encoding": "utf-8",
        "dialect": {"delimiter": ",", "lineTerminator": "\n"},
        "schema": {"fields": fields, "missingValues": ["NA"], "primaryKey": list(table.key)},
    }
