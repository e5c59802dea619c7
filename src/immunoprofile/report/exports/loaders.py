"""Scripts that read the CSV tables with the right types: R (readr), SAS and Python (pandas).

readr guesses from the first rows, and a column that begins with a thousand NA would become logical; so every type is
written out, from the one definition that the tables themselves come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from immunoprofile.columns import TABLES, Column

_READR = {"str": "col_character()", "int": "col_integer()", "float": "col_double()", "bool": "col_logical()"}
_PANDAS = {"str": "string", "int": "Int64", "float": "float64", "bool": "boolean"}


def to_loaders(tables: Mapping[str, pd.DataFrame], kinds: Iterable[str]) -> dict[str, bytes]:
    """Name of each script to its text, for the tables that a results folder holds."""
    makers = {"r": ("read_immunoprofile.R", _to_r), "sas": ("read_immunoprofile.sas", _to_sas),
              "python": ("read_immunoprofile.py", _to_python)}  # fmt: skip
    return {makers[k][0]: makers[k][1](tables).encode("utf-8") for k in kinds}


def _to_r(tables: Mapping[str, pd.DataFrame]) -> str:
    lines = [
        "# Reads the tables of an immunoprofile results folder with their types. Needs the package readr.",
        '# source("read_immunoprofile.R"); results <- read_immunoprofile("results")',
        "read_immunoprofile <- function(folder = \".\") {",
        "  read <- function(name, types) {",
        "    readr::read_csv(file.path(folder, paste0(name, \".csv\")), na = \"NA\", col_types = types,",
        "                    locale = readr::locale(encoding = \"UTF-8\", decimal_mark = \".\"))",
        "  }",
        "  list(",
    ]  # fmt: skip
    for number, name in enumerate(tables, start=1):
        lines.append(f'    {name} = read("{name}", readr::cols(')
        columns = TABLES[name].columns
        for place, column in enumerate(columns, start=1):
            end = "," if place < len(columns) else ""
            lines.append(f"      {column.name} = readr::{_READR[column.dtype]}{end}")
        lines.append("    ))" + ("," if number < len(tables) else ""))
    return "\n".join([*lines, "  )", "}", ""])


def _to_python(tables: Mapping[str, pd.DataFrame]) -> str:
    lines = [
        '"""Reads the tables of an immunoprofile results folder with their types. Needs pandas."""',
        "",
        "from pathlib import Path",
        "",
        "import pandas as pd",
        "",
        "TYPES = {",
    ]
    for name in tables:
        lines.append(f'    "{name}": {{')
        lines += [f'        "{c.name}": "{_PANDAS[c.dtype]}",' for c in TABLES[name].columns]
        lines.append("    },")
    return "\n".join([
        *lines,
        "}",
        "",
        "",
        "def read_immunoprofile(folder):",
        '    """Every table by name."""',
        "    return {name: _read(Path(folder) / f\"{name}.csv\", types) for name, types in TYPES.items()}",
        "",
        "",
        "def _read(path, types):",
        "    table = pd.read_csv(path, dtype=\"string\", na_values=[\"NA\"], keep_default_na=False)",
        "    for name, kind in types.items():",
        "        if kind == \"boolean\":",
        "            table[name] = table[name].map({\"TRUE\": True, \"FALSE\": False})",
        "        # Through Float64, whose parser is exact to the last bit.",
        "        table[name] = (table[name].astype(\"Float64\") if kind in (\"Int64\", \"float64\") else table[name])",
        "        table[name] = table[name].astype(kind)",
        "    return table",
        "",
    ])  # fmt: skip


def _to_sas(tables: Mapping[str, pd.DataFrame]) -> str:
    lines = [
        "/* Reads the tables of an immunoprofile results folder with lengths, types and labels.",
        "   Set the folder first, for example: %let folder = results; */",
    ]
    for name, frame in tables.items():
        lines += _sas_step(name, frame)
    return "\n".join([*lines, ""])


def _sas_step(name: str, frame: pd.DataFrame) -> list[str]:
    columns = TABLES[name].columns
    booleans = [c.name for c in columns if c.dtype == "bool"]
    return [
        f"data {name};",
        f'  infile "&folder./{name}.csv" dsd dlm="," firstobs=2 lrecl=1048576 truncover encoding="utf-8";',
        *(f"  length {c.name} ${_length(frame[c.name])};" for c in columns if c.dtype == "str"),
        *(f"  length {c.name} 8;" for c in columns if c.dtype != "str"),
        *(f"  length {b}_text $5;" for b in booleans),
        "  input",
        *(f"    {_sas_input(c)}" for c in columns),
        "  ;",
        *(f'  if {b}_text = "TRUE" then {b} = 1; else if {b}_text = "FALSE" then {b} = 0;' for b in booleans),
        *([f"  drop {' '.join(f'{b}_text' for b in booleans)};"] if booleans else []),
        *(f'  if {c.name} = "NA" then {c.name} = "";' for c in columns if c.dtype == "str"),
        # Single quotes: SAS reads % and & in double quotes as its macro language.
        *(f"  label {c.name} = '{c.meaning.replace(chr(39), chr(39) * 2)[:256]}';" for c in columns),
        "run;",
    ]


def _sas_input(column: Column) -> str:
    if column.dtype == "str":
        return f"{column.name} $"
    return f"{column.name}_text $" if column.dtype == "bool" else f"{column.name} :?? best32."


def _length(values: pd.Series) -> int:
    """Bytes of the longest text, at least 2 so that NA fits."""
    return max([2, *(len(v.encode("utf-8")) for v in values.dropna().unique())])
