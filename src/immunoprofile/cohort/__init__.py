"""Many samples, one result: files through the pipeline, failures listed, tables assembled in the order of the study.

Composes the other rooms and computes nothing of its own.
"""

from immunoprofile.cohort.cuts import freeze_study
from immunoprofile.cohort.profile import profile_cohort, profile_samples, study_templates
from immunoprofile.cohort.results import Results
from immunoprofile.cohort.run import run_study

__all__ = ["Results", "freeze_study", "profile_cohort", "profile_samples", "run_study", "study_templates"]
