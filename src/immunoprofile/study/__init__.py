"""A study on paper: who was treated, what was measured when, and which file holds which sample.

`plan` is study.toml as it must be written; `sheet` turns a CSV file into a frame that knows its lines;
`samples` reads the sample sheet and `overrides` that of gates which stand elsewhere in single samples; `load` puts
them together with the clinical sheets, which the platelets room checks, and reports all problems of all files at
once. Nothing is computed here and no FCS file is opened: a sample whose file is missing fails later, alone.
"""

from immunoprofile.study.load import PanelChoice, Study, load_study
from immunoprofile.study.overrides import Overrides, load_overrides
from immunoprofile.study.plan import Analysis, PrimaryEndpoint
from immunoprofile.study.samples import Sample, load_samples

__all__ = [
    "Analysis",
    "Overrides",
    "PanelChoice",
    "PrimaryEndpoint",
    "Sample",
    "Study",
    "load_overrides",
    "load_samples",
    "load_study",
]
