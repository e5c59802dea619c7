"""The JSON Schema for editors is the definition that templates are read by."""

from __future__ import annotations

import json
from pathlib import Path

from immunoprofile.gating.formats.shape import TemplateShape


def test_schema__is_the_one_definition(checkout: Path) -> None:
    page = json.loads((checkout / "docs" / "reference" / "template.schema.json").read_text(encoding="utf-8"))
    assert page == TemplateShape.model_json_schema()


def test_reference__explains_every_table_and_key(checkout: Path) -> None:
    text = (checkout / "docs" / "reference" / "template.md").read_text(encoding="utf-8")
    schema = TemplateShape.model_json_schema()
    parts = ["TemplateHead", "MarkerShape", "GateShape", "ReportShape", "LimitShape", "QualityShape", "TestShape"]
    keys = [k for part in parts for k in schema["$defs"][part]["properties"]]
    keys += [
        k for part in ("ExpectShape", "AutoShape", "CompensationShape") for k in schema["$defs"][part]["properties"]
    ]
    assert [k for k in dict.fromkeys([*schema["properties"], *keys]) if f"`{k}`" not in text] == []
