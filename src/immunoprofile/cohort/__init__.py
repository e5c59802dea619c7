"""Many samples, one result: files through the pipeline, failures listed, tables assembled in the order of the study.

Composes the other rooms and computes nothing of its own. `profile` and `run` say what is done with a study, `sample`
what with one file. A run works in a folder that it holds alone (`lock`, `workplace`), hands its samples to workers that
may die (`samples`, `task`, `worker`; `schedule`, `processes`, `cluster` for those of Dask), keeps each result by all
that it rests on (`keys`, `store`; `settled` for automatic gates) and writes down what it did (`journal`), so that the
same command goes on where the last one stopped, and does nothing where all was done (`finished`). `forecast` says
beforehand what would be done.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from immunoprofile.cohort.cluster import open_cluster
    from immunoprofile.cohort.cuts import freeze_study
    from immunoprofile.cohort.forecast import Forecast, foresee_samples, foresee_study
    from immunoprofile.cohort.hands import Hands
    from immunoprofile.cohort.profile import count_jobs, profile_cohort, profile_samples, study_templates
    from immunoprofile.cohort.results import Results
    from immunoprofile.cohort.run import run_by_hands, run_study

_LATER = {
    "Forecast": "forecast",
    "Hands": "hands",
    "Results": "results",
    "count_jobs": "profile",
    "foresee_samples": "forecast",
    "foresee_study": "forecast",
    "freeze_study": "cuts",
    "open_cluster": "cluster",
    "profile_cohort": "profile",
    "profile_samples": "profile",
    "run_by_hands": "run",
    "run_study": "run",
    "study_templates": "profile",
}

__all__ = [
    "Forecast",
    "Hands",
    "Results",
    "count_jobs",
    "foresee_samples",
    "foresee_study",
    "freeze_study",
    "open_cluster",
    "profile_cohort",
    "profile_samples",
    "run_by_hands",
    "run_study",
    "study_templates",
]


if not TYPE_CHECKING:  # a type checker reads the imports above, and so notices a name that does not exist

    def __getattr__(name: str) -> Any:
        """A name whose module takes long to load, imported when it is first asked for (PEP 562)."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
