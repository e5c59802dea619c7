"""Pictures of made-up samples, small enough to check by eye."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

LOGICLE = {"kind": "logicle", "t": 262144.0, "w": 0.5, "m": 4.5, "a": 0.0}


def packed(counts: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(counts.astype("<u2").tobytes())).decode()


def picture_text(sample_id: str, *, word: str = "CD4", share: float = 0.25, origin: str = "template") -> dict:
    """One sample: a rectangle, a polygon, an ellipse and a range, of 1,000 events each; `word` is every name."""
    square, line = np.zeros((8, 8), dtype=int), np.zeros(8, dtype=int)
    square[2, 5], square[6, 1], line[3] = 900, 100, 1_000
    axis = {"channel": word, "scale": LOGICLE, "low": 0.0, "high": 1.0}
    inside = round(1_000 * share)
    gate = {"name": word, "path": word, "kind": "x", "origin": origin, "n": inside}
    shapes = (
        ("box", {"bounds": [[0.4, None], [None, 0.5]]}, 2),
        ("poly", {"vertices": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}, 2),
        ("ell", {"center": [0.5, 0.5], "covariance": [[0.01, 0.0], [0.0, 0.01]], "distance_square": 4.0}, 2),
        ("range", {"bounds": [[0.4, None]]}, 1),
    )
    plots = [
        {
            "parent": word, "parent_id": "all_events", "n_parent": 1_000, "n_drawn": 1_000, "axes": [axis] * n_axes,
            "bins": 8, "counts": packed(square if n_axes == 2 else line), "gates": [gate | {"pop_id": pop} | shape],
            "back": [{"pop_id": "deep", "name": word, "bins": 8, "counts": packed(square if n_axes == 2 else line)}],
        }
        for pop, shape, n_axes in shapes
    ]  # fmt: skip
    matrix = [[word, "FL2"], [[1.0, 0.12], [0.03, 1.0]]]
    return {
        "format": "immunoprofile picture 1", "sample_id": sample_id, "template": word, "spillover": matrix,
        "plots": plots,
    }  # fmt: skip


def write_pictures(folder: Path, samples: Sequence[str], *, word: str = "CD4") -> Path:
    """A folder ``pictures/`` with a file a sample; the last sample is unlike the others."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(samples):
        share = 0.9 if number == len(samples) - 1 else 0.25 + 0.001 * number
        text = json.dumps(picture_text(sample, word=word, share=share))
        (folder / "pictures" / f"{number}.json").write_text(text, encoding="utf-8")
    return folder
