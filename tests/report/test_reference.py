"""The reference pages are those that the code would write, and hold every column, status and flag."""

from __future__ import annotations

from pathlib import Path

import pytest

from immunoprofile.columns import TABLES
from immunoprofile.populations import default_settings, population_flags
from immunoprofile.report.reference import render_columns, render_flags

PAGES = {"columns.md": render_columns, "status_and_flags.md": render_flags}
AGAIN = (
    "docs/reference/{0} is behind the code: write it anew with "
    "python -c \"from immunoprofile.report.reference import {1} as render; print(render(), end='')\" > {0}"
)


@pytest.mark.parametrize("name", PAGES)
def test_reference_page__is_current(checkout: Path, name: str) -> None:
    page = (checkout / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert page == PAGES[name](), AGAIN.format(name, PAGES[name].__name__)


def test_columns_page__has_every_column_with_its_alias() -> None:
    page = render_columns()
    for table in TABLES.values():
        section = page[page.index(f"## {table.name}\n") :]
        for column in table.columns:
            assert f"| `{column.name}` |" in section
            assert f"| {column.alias} |" in section


def test_flags_page__has_every_flag_threshold_and_state_with_its_source() -> None:
    page = render_flags()
    for code, meaning in population_flags().items():
        assert f"| `{code}` | {meaning} |" in page
    for name, threshold in default_settings().thresholds.items():
        assert f"| `{name}` | {threshold.value:g} | {threshold.source} |" in page
    for state in default_settings().states:
        assert state.source in page
