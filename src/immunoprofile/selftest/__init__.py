"""Proof that a lab can run on its own machine: files and damage whose outcome is known beforehand.

A `blueprint` describes an FCS file and makes its bytes without the reader's own code. From blueprints comes the zoo
(`zoo`): valid files that must be read exactly (`zoo_valid`), broken ones that must be read exactly with a finding
(`zoo_broken`), malformed ones that must be refused (`zoo_malformed`). `mutants` damages good files by the thousand and
asks that nothing changes without a word.

Everything is seeded: the same bytes on every machine.
"""

from immunoprofile.selftest.mutants import UNDETECTABLE, Campaign, run_campaign
from immunoprofile.selftest.zoo import Outcome, ZooFile, build_zoo, walk_zoo, write_zoo

__all__ = ["UNDETECTABLE", "Campaign", "Outcome", "ZooFile", "build_zoo", "run_campaign", "walk_zoo", "write_zoo"]
