"""Results in the forms of other programs: spreadsheets, SAS, Stata, CDISC, ImmPort, scverse, and loaders for the CSV.

An export renames, reshapes and describes; it computes no number that the tables do not hold. What a format cannot carry
(long text, letters beyond ASCII) is said in the notes that each export returns.
"""

from immunoprofile.report.exports.events import export_events
from immunoprofile.report.exports.formats import FORMATS, Exported, export_results

__all__ = ["FORMATS", "Exported", "export_events", "export_results"]
