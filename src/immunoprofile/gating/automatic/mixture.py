"""A Gaussian mixture over the samples of a pool, each with the same number of events."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

MOST_EVENTS = 40_000
"""Events that a pool's mixture or line is fitted to: standard errors of means are then below 1 % of a component's
spread for any component that holds a quarter of them."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """Components of a fitted mixture.

    Attributes
    ----------
    weights : (k,)
    means : (k, d)
    covariances : (k, d, d)
    """

    weights: Values
    means: Values
    covariances: Values
    n_events: int


def even_sample(samples: Sequence[Values], most: int = MOST_EVENTS) -> Values:
    """(d, n) as many events of each sample, taken at even steps through its file; NaN and infinities left out.

    Parameters
    ----------
    samples
        (d, n_events) each.
    """
    finite = [s[:, np.isfinite(s).all(axis=0)] for s in samples]
    size = min([*(s.shape[1] for s in finite), most // max(len(finite), 1)])
    return np.concatenate([s[:, (np.arange(size) * s.shape[1]) // max(size, 1)] for s in finite], axis=1)


def fit_mixture(samples: Sequence[Values], components: int) -> Mixture | str:
    """Fit a mixture; a sentence that says why where that is not possible.

    Notes
    -----
    scikit-learn's EM from k-means with a fixed seed, on events in a fixed order, on one thread: the same answer for
    the same samples, whatever their order in the sheet.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    events = even_sample(samples).T
    if len(events) < 10 * components:
        return f"{len(events)} events for {components} components"
    model = GaussianMixture(components, random_state=0, max_iter=300, tol=1e-4, reg_covar=1e-8)
    middle, spread = events.mean(axis=0), events.std(axis=0)
    if not (spread > 0).all():
        return "no two different values"
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit((events - middle) / spread)
        except (ConvergenceWarning, ValueError):
            return "the mixture did not converge"
    covariances = model.covariances_ * np.outer(spread, spread)
    return Mixture(model.weights_, model.means_ * spread + middle, covariances, len(events))
