"""Many samples, one result: files through the pipeline, failures listed, tables assembled in the order of the study.

Composes the other rooms and computes nothing of its own.
"""

from immunoprofile.cohort.profile import profile_cohort, profile_samples
from immunoprofile.cohort.results import Results
from immunoprofile.cohort.run import run_study

__all__ = ["Results", "profile_cohort", "profile_samples", "run_study"]
