"""Figures for papers: the tables of a results folder, drawn once more in one style.

The room computes no result: estimates, intervals and p-values are the tables' own. `shifts` draws each subject before
and after, `forest` the estimates with their intervals, `platelets` the counts over time with rescue and bleeding,
`strategy` the gates of one sample on the histograms that the run kept. Each figure comes with a caption that
says what is drawn, of whom, and how it was tested. `style` holds the one look and makes bytes repeatable; `write` puts
figures and captions into a folder. Drawing needs matplotlib, the extra ``figures``.
"""

from immunoprofile.figures.drawn import Drawn
from immunoprofile.figures.write import Written, draw_figures, write_figures

__all__ = ["Drawn", "Written", "draw_figures", "write_figures"]
