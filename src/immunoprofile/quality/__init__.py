"""What a laboratory checks on every sample: each rule with an id, a threshold, a source; each result a row."""

from immunoprofile.quality.rules import RULES, Rule, check_sample, failed_flags

__all__ = ["RULES", "Rule", "check_sample", "failed_flags"]
