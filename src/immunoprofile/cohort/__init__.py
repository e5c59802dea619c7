"""Many samples, one result: files through the pipeline, failures listed, tables assembled in the order of the study.

Composes the other rooms and computes nothing of its own. `profile` and `run` say what is done with a study, `sample`
what with one file. A run works in a folder that it holds alone (`lock`, `workplace`), hands its samples to workers that
may die (`samples`, `schedule`; `cluster` for those of Dask), keeps each result by all that it rests on (`keys`,
`store`; `settled` for automatic gates) and writes down what it did (`journal`), so that the same command goes on where
the last one stopped, and does nothing where all was done (`finished`). `forecast` says beforehand what would be done.
"""

from immunoprofile.cohort.cluster import open_cluster
from immunoprofile.cohort.cuts import freeze_study
from immunoprofile.cohort.forecast import Forecast, foresee_samples, foresee_study
from immunoprofile.cohort.profile import count_jobs, profile_cohort, profile_samples, study_templates
from immunoprofile.cohort.results import Results
from immunoprofile.cohort.run import run_by_hands, run_study
from immunoprofile.cohort.samples import Hands

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
