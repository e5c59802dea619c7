"""From the whole tree of populations down to one: Meinshausen's hierarchical testing, on request.

A node's test is the smallest p of the leaves below it, not that of its own frequency: regulatory T cells can
shift while all CD4 T cells do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from immunoprofile.comparison.relabeling import Floats
from immunoprofile.comparison.stepdown import own_p


def parents_of(populations: pd.DataFrame) -> dict[str, str]:
    """Population to its parent: of its denominators the one with the fewest events, which lies nearest above it."""
    rows = populations[["pop_id", "denom_id", "denom_count"]].dropna()
    totals = rows.groupby(["pop_id", "denom_id"], sort=True)["denom_count"].mean()
    found: dict[str, tuple[float, str]] = {}
    for (pop, denominator), events in totals.items():
        if pop != denominator:
            found[str(pop)] = min(found.get(str(pop), (math.inf, "")), (float(events), str(denominator)))
    return {pop: denominator for pop, (_, denominator) in found.items()}


def hierarchical_min_p(
    statistics: Floats, observed: Floats, leaves: Sequence[str], parents: Mapping[str, str]
) -> dict[str, tuple[float, float]]:
    """p and hierarchically adjusted p of every node of a tree.

    Parameters
    ----------
    statistics : (n_patterns, n_leaves)
        Absolute statistics under every pattern, the observed one among them; -inf where a pattern says nothing.
    observed : (n_leaves,)
    leaves : (n_leaves,)
        Their names.
    parents
        Every name to its parent; what has none hangs below no other.

    Returns
    -------
    dict
        Node to (p, adjusted p), nodes before what lies below them. A node is rejected at a level where its
        adjusted p is at or below it; then all nodes above it are, too.

    Notes
    -----
    The p of a node comes from the distribution of the smallest p of its leaves; it is multiplied by the number
    of all leaves over those below the node, and never falls below that of the node above.

    References
    ----------
    Meinshausen N. Hierarchical testing of variable importance. Biometrika 2008;95:265-278.
    doi 10.1093/biomet/asn007
    """
    each = [own_p(statistics[:, j], float(observed[j])) for j in range(len(leaves))]
    below: dict[str, list[int]] = {}
    above: dict[str, list[str]] = {}
    for j, leaf in enumerate(leaves):
        path = [leaf]
        while parents.get(path[-1]) is not None and parents[path[-1]] not in path:
            path.append(parents[path[-1]])
        for i, node in enumerate(path):
            below.setdefault(node, []).append(j)
            above[node] = path[i + 1 :]
    found: dict[str, tuple[float, float]] = {}
    for node in sorted(below, key=lambda n: (len(above[n]), n)):
        null = np.min(np.column_stack([each[j][0] for j in below[node]]), axis=1)
        p = float(np.mean(null <= min(each[j][1] for j in below[node])))
        adjusted = min(1.0, p * len(leaves) / len(below[node]))
        found[node] = (p, max([adjusted, *(found[a][1] for a in above[node] if a in found)]))
    return found
