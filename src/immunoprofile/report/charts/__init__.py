"""Charts of a study, drawn by hand as SVG: flow of subjects, platelets, shifts, forest, quality, thresholds.

Drawn here and not by a library: a page then needs no script for its charts, each mark carries its words for screen
readers and pointers, colours follow the page's light or dark, and the charts of a study take some hundred kilobytes
where the smallest library takes a megabyte.
"""

from immunoprofile.report.charts.chart import Chart
from immunoprofile.report.charts.flow import Step, subject_flow
from immunoprofile.report.charts.forest import draw_forests
from immunoprofile.report.charts.shifts import draw_shifts
from immunoprofile.report.charts.strips import Strip, quality_strips
from immunoprofile.report.charts.thresholds import draw_thresholds
from immunoprofile.report.charts.trajectories import draw_trajectories

__all__ = [
    "Chart",
    "Step",
    "Strip",
    "draw_forests",
    "draw_shifts",
    "draw_thresholds",
    "draw_trajectories",
    "quality_strips",
    "subject_flow",
]
