"""Every column of every table, once: name, type, unit, meaning, key, short alias.

The CSV header, the Parquet schema, ``datapackage.json``, ``data_dictionary.csv`` and the documentation all come
from here. Fractions are 0..1; days count from the first infusion, which is day 0; missing is ``NA``. `of_samples` and
`of_subjects` define the tables, in the order of the work.
"""

from __future__ import annotations

from immunoprofile.columns.definition import Column, Dtype, Table
from immunoprofile.columns.of_samples import (
    CHECKS_UNANSWERED,
    CONTROL_SHIFTS,
    FAILURES,
    GATES_RESOLVED,
    INTENSITIES,
    POPULATIONS,
    SAMPLE_STATES,
    SAMPLES_QC,
)
from immunoprofile.columns.of_subjects import ASSOCIATION, CHANGE, RESPONSE, RESPONSE_COUNTS

__all__ = [
    "ASSOCIATION",
    "CHANGE",
    "CHECKS_UNANSWERED",
    "CONTROL_SHIFTS",
    "FAILURES",
    "GATES_RESOLVED",
    "INTENSITIES",
    "POPULATIONS",
    "RESPONSE",
    "RESPONSE_COUNTS",
    "SAMPLES_QC",
    "SAMPLE_STATES",
    "TABLES",
    "Column",
    "Dtype",
    "Table",
]

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        POPULATIONS,
        INTENSITIES,
        SAMPLE_STATES,
        SAMPLES_QC,
        CHECKS_UNANSWERED,
        CONTROL_SHIFTS,
        GATES_RESOLVED,
        FAILURES,
        RESPONSE,
        RESPONSE_COUNTS,
        CHANGE,
        ASSOCIATION,
    )
}
