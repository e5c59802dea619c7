"""Proof afterwards: are these the results that were written, would they come out again, and whom do they give away?

`seal` recomputes every digest that a results folder holds of itself and of what it was made from, and looks through the
journal and the kept results of samples. `rerun` does the whole work once more beside it and compares byte for byte.
`exposure` lists what FCS files, sheets and results say of a person, a place or a machine (`keywords`, `exposed`,
`traces`: by keyword, by column, in any text). Nothing here changes a file.
"""

from immunoprofile.verification.exposed import Exposed
from immunoprofile.verification.exposure import scan_files
from immunoprofile.verification.rerun import Rerun, reproduce_profile, reproduce_study
from immunoprofile.verification.seal import Difference, Sources, Verdict, verify_folder

__all__ = [
    "Difference",
    "Exposed",
    "Rerun",
    "Sources",
    "Verdict",
    "reproduce_profile",
    "reproduce_study",
    "scan_files",
    "verify_folder",
]
