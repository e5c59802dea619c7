"""What a run that is finished loads: it starts in a fraction of the time only as long as it needs no compiler."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest

from immunoprofile.cohort import Hands, profile_samples, run_study
from immunoprofile.report import write_report
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_samples, load_study

COMPILER = {"numba", "llvmlite", "immunoprofile.kernels"}
STATISTICS = {"scipy.stats", "scipy.optimize", "scipy.ndimage", "sklearn"}
DRAWING = {"matplotlib", "jinja2", "immunoprofile.report.page"}
FORMATS = {"flowkit", "lxml", "anndata", "pyreadstat"}
CLUSTERS = {"dask", "distributed", "fsspec"}
NEEDLESS = COMPILER | STATISTICS | DRAWING | FORMATS | CLUSTERS
LAZY = ("cohort", "gating", "gating.validation", "populations", "quality", "report")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study and the finished results of both verbs."""
    folder = tmp_path_factory.mktemp("finished")
    study = simulate_cohort(folder / "c", seed=3, n_subjects=6, events_per_sample=300)
    write_report(run_study(load_study(study), folder / "run"), folder / "run")
    samples = study.parent / "samples.csv"
    profile_samples(load_samples(samples), "tbnk", folder / "profile", Hands())
    return study, samples, folder


def loaded_by(*arguments: str) -> set[str]:
    """Modules that a fresh process has loaded after a verb that found nothing to do."""
    probe = (
        "import json, sys\nfrom immunoprofile.cli.program import program\n"
        f"program.main({list(arguments)!r}, standalone_mode=False)\nprint(json.dumps(sorted(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "Nothing to do" in run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_profile__finished_loads_nothing_that_gates_compares_or_draws(finished):
    _, samples, folder = finished
    loaded = loaded_by("profile", str(samples), "--template", "tbnk", "--out", str(folder / "profile"))
    assert not loaded & (NEEDLESS | {"scipy"})


def test_run__finished_loads_nothing_that_gates_compares_or_draws(finished):
    study, _, folder = finished
    # SciPy's special functions alone: the share of responders has an interval.
    assert not loaded_by("run", str(study), "--out", str(folder / "run")) & NEEDLESS


@pytest.mark.parametrize("room", LAZY)
def test_room__each_name_that_waits_is_found_and_is_no_module(room):
    package = import_module(f"immunoprofile.{room}")
    modules = {m.name for m in iter_modules(package.__path__)}
    assert set(package._LATER) <= set(package.__all__)
    # A function called as its module would turn into the module once that is loaded.
    assert not set(package._LATER) & modules
    for name, home in package._LATER.items():
        assert getattr(package, name) is getattr(import_module(f"immunoprofile.{room}.{home}"), name)


@pytest.mark.parametrize("room", LAZY)
def test_room__unknown_name_is_an_attribute_error(room):
    with pytest.raises(AttributeError, match="has no attribute 'nothing_of_the_kind'"):
        _ = import_module(f"immunoprofile.{room}").nothing_of_the_kind
