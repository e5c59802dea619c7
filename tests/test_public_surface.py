"""The shop window: what `import immunoprofile` offers, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import immunoprofile

HEAVY = {
    "numpy",
    "pandas",
    "numba",
    "scipy",
    "sklearn",
    "flowkit",
    "pyarrow",
    "lxml",
    "pydantic",
    "jinja2",
    "rich",
}


def loaded_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after running `code`."""
    probe = f"import sys\n{code}\nprint('MODULES', *sorted({{m.partition('.')[0] for m in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("name", immunoprofile.__all__)
def test_all__each_name_can_be_imported(name):
    assert getattr(immunoprofile, name) is not None


def test_all__is_sorted_without_repeats_and_listed_by_dir():
    assert immunoprofile.__all__ == sorted(set(immunoprofile.__all__))
    assert set(immunoprofile.__all__) <= set(dir(immunoprofile))


def test_all__equals_the_names_of_the_lazy_table():
    assert set(immunoprofile.__all__) == {*immunoprofile._HOMES, "__version__"}


def test_all__a_name_is_the_one_of_its_room():
    from immunoprofile.fcs import read_fcs

    assert immunoprofile.read_fcs is read_fcs


def test_package__unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'read_csv'"):
        _ = immunoprofile.read_csv


def test_version__is_that_of_the_distribution():
    from importlib.metadata import version

    assert immunoprofile.__version__ == version("immunoprofile")


@pytest.mark.parametrize(
    "code",
    [
        "import immunoprofile",
        "from immunoprofile.cli import program; program.main(['--help'], standalone_mode=False)",
        "from immunoprofile.cli import program; program.main(['run', '--help'], standalone_mode=False)",
    ],
    ids=["package", "help", "verb-help"],
)
def test_import__loads_no_heavy_library(code):
    assert not loaded_by(code) & HEAVY
