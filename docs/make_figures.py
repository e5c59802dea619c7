"""The figures shown in docs/how-to/figures.md, from a trial that is simulated for them: python docs/make_figures.py"""

from __future__ import annotations

import tempfile
from pathlib import Path

from immunoprofile.cohort import run_study
from immunoprofile.figures import draw_figures
from immunoprofile.figures.style import drawn_alike
from immunoprofile.simulation import simulate_cohort
from immunoprofile.study import load_study

IMAGES = Path(__file__).resolve().parent / "images"
SHOWN = {"platelets": "figure_platelets.png", "strategy": "figure_strategy.png"}
"""Figures by name, and the files that show them."""


def main() -> None:
    """Simulate and run a trial of 12 people, and keep two of its figures at the resolution of a screen."""
    with tempfile.TemporaryDirectory() as folder:
        study = simulate_cohort(Path(folder) / "trial", seed=1, n_subjects=12, panels=("treg",), visits=("BL", "W4"))
        results = run_study(load_study(study), out=Path(folder) / "results")
        with drawn_alike():
            for drawn in draw_figures(results, Path(folder) / "results")[0]:
                if drawn.name in SHOWN:
                    drawn.figure.savefig(IMAGES / SHOWN[drawn.name], dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
