"""Compiled loops over arrays and scalars. No names, paths, errors or tables come in here.

`accelerate` holds the compiler's settings, `scales` the transformations of one value, `geometry` the tests of one
point, `compensation` spillover undone in one block, `arrays` a plan as flat arrays, `gates` the walk of one block of
events through a whole plan, `density` the smoothed histogram of one channel, `light` the light of simulated cells,
`decoding` stored events to channels, `intensities` moments and percentiles, `histogram` bins of plots, `quality` the
course of an acquisition.
Each has a plain NumPy twin in the tests.
"""
